//! Has the index moved? Reads an index, compares it with what is held, and says what changed. No store, no clock, no queue.
#![doc = include_str!("../README.md")]

mod address;
mod config;
mod error;
mod file;
mod git;
mod many;
mod reconcile;
mod registry;
mod signals;
mod source;
mod spelling;

pub use address::{CargoSettings, IndexAddress};
pub use config::IndexConfig;
pub use error::FollowError;
pub use file::{Quarantined, ReadLine};
pub use git::{Batch, ChangedFile, Cursor, GitIndex, GitOptions, GitSource, History, Piece, Start, Step, Within};
pub use reconcile::{
    Context, Decision, Effect, Question, Reading, Reconciled, StoredLine, changes_of_file, reconcile, reconcile_all,
};
pub use registry::is_public_registry;
pub use signals::{A_DAY, HeldLine, Recent, Signal, SignalKind, Surroundings, named_dependencies, signals};
pub use source::{DirIndex, Fetched, FileIndex, Found, SparseIndex, SparseOptions, Validators, looks_stale};
pub use spelling::spellings;
