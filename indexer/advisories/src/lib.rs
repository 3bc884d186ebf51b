//! What is known against a crate: reads the advisory database and matches it exactly. No store, no clock, no network.
#![doc = include_str!("../README.md")]

mod advisory;
mod database;
mod difference;
mod error;
mod follow;
mod front_matter;
mod matching;
mod next_safe;
mod origins;
mod repository;
mod snapshot;
mod source;
mod tree;

pub use advisory::{Advisory, AffectedRange};
pub use database::{Database, File, Quarantined, brake};
pub use difference::changed_fields;
pub use error::AdvisoriesError;
pub use follow::{DatabaseChanges, DatabaseRepository, Moved, Since};
pub use matching::{MatchCandidate, MatchOutcome, Matcher, matches};
pub use next_safe::{NextSafe, next_safe};
pub use repository::{FETCH_REFSPEC, FETCHED_REF, open_bare};
pub use snapshot::{
    Origin, WrittenSnapshot, bundled_commit, bundled_snapshot, read_snapshot, snapshot_file, write_snapshot,
};
pub use source::{AdvisorySource, read_directory};
pub use tree::id_of;
