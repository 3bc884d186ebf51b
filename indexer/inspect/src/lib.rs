//! Looks inside an archive and trusts nothing of it. No network, no clock, no database; isolation is the caller's.
#![doc = include_str!("../README.md")]

mod archive;
mod blocks;
mod content;
mod document;
mod expected;
mod extension;
mod facts;
mod index_line;
mod limits;
mod manifest;
mod member;
mod names;
mod numbers;
mod packager;
mod path;
mod source;
mod survey;
mod targets;

pub use archive::CrateArchive;
pub use document::{DocumentError, pack_entries, unpack_entries};
pub use expected::{Expected, FileNameError};
pub use index_line::compare_with_line;
pub use limits::Limits;
pub use survey::{InspectError, inspect};
