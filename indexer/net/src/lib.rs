//! The HTTP client of the house: limits, retries, breaker and address checks; it knows nothing of registries or git.
#![doc = include_str!("../README.md")]

mod address;
mod agent;
mod answer;
mod blocking;
mod error;
mod hosts;
mod options;
mod pause;
mod resolver;

pub use bytes::Bytes;
pub use url::Url;

pub use crate::address::{Addresses, is_public};
pub use crate::agent::{Agent, check_url};
pub use crate::answer::Answer;
pub use crate::blocking::{BlockingAgent, BlockingAnswer, Exchange, Verb};
pub use crate::error::NetError;
pub use crate::hosts::HostState;
pub use crate::options::{AgentOptions, Get};
pub use crate::pause::jitter;

/// Installs the crypto provider, once per process and before the first agent; a second call changes nothing.
pub fn install_crypto_provider() {
    // It fails only when one is installed already, and then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
