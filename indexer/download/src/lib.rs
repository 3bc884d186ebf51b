//! Gets the bytes of an archive into the blob store, checked; it does not look inside them.
#![doc = include_str!("../README.md")]

mod address;
mod blobs;
mod error;
mod fetch;

pub use crate::address::Address;
pub use crate::blobs::Blobs;
pub use crate::error::DownloadError;
pub use crate::fetch::{DownloadLimits, IgnoredLocal, Origin, Outcome, Wanted, download};

#[cfg(test)]
mod tests;
