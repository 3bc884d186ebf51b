//! Chance, handed in where a secret is made.

/// Where random bytes come from: the system's generator in `cli`, fixed ones in tests.
pub trait Random: Send + Sync {
    /// Fills the buffer with bytes that nobody can guess; `false` when there are none to be had.
    fn fill(&self, bytes: &mut [u8]) -> bool;
}
