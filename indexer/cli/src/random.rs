//! The system's generator of random bytes; the only place that asks it.

use ring::rand::{SecureRandom as _, SystemRandom};
use schema::Random;

/// What the system gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        SystemRandom::new().fill(bytes).is_ok()
    }
}
