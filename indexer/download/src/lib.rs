//! Gets the bytes of an archive into the blob store, checked; it does not look inside them. Opens folders and buckets.
#![doc = include_str!("../README.md")]

mod address;
mod blobs;
mod error;
mod fetch;
mod files;
mod place;

pub use crate::address::Address;
pub use crate::blobs::Blobs;
pub use crate::error::DownloadError;
pub use crate::fetch::{DownloadLimits, IgnoredLocal, Origin, Outcome, Wanted, download};
pub use crate::files::Files;
pub use crate::place::{Place, S3Options};

#[cfg(test)]
mod tests;
