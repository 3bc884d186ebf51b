//! Lists and fetches git repositories over `net`; it reads no object and judges nothing.
#![doc = include_str!("../README.md")]

mod error;
mod operations;
mod packs;
mod register;
mod repository;
mod session;
mod stream;

pub use net::Addresses;

pub use crate::error::GitError;
pub use crate::operations::{FetchStats, Listing, RemoteRef, fetch, list_refs};
pub use crate::packs::consolidate_packs;
pub use crate::register::init;
pub use crate::repository::open_or_init_bare;
pub use crate::session::GitOptions;

#[cfg(test)]
mod tests;
