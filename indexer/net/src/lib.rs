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
pub use crate::agent::Agent;
pub use crate::answer::Answer;
pub use crate::blocking::{BlockingAgent, BlockingAnswer, Exchange};
pub use crate::error::NetError;
pub use crate::hosts::HostState;
pub use crate::options::{AgentOptions, Get};
