//! Facts in, one row out: the pure rule of the published row. It reads nothing, asks no clock and keeps nothing.
#![doc = include_str!("../README.md")]

mod advisories;
mod badge;
mod facts;
mod row;
#[cfg(test)]
mod tests;

pub use facts::{DownloadState, Facts, InspectionFacts, KnownAdvisory, MatchState, SourceState};
pub use row::{Published, awaiting_match, publish};

/// Version of the rule; it grows whenever the same facts would give another row.
pub const RULES: &str = "publish/1";
