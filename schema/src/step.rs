//! The steps a release goes through, and the mark that says one of them is due.

use serde::{Deserialize, Serialize};

use crate::coded::coded;
use crate::{ReleaseId, Timestamp};

coded! {
    /// One step of the pipeline, in order; each reads what the steps before it wrote and writes its own table.
    pub enum Step {
        /// Fetch the archive and check it against the promised checksum.
        Download = "download",
        /// Look inside the archive.
        Inspect = "inspect",
        /// Compare it with the source repository it names.
        Verify = "verify",
        /// Match it against the advisories known.
        Match = "match",
        /// Write its provenance row.
        Publish = "publish",
    }
}

/// How urgent a mark is; lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub i16);

impl Priority {
    /// Just published, or asked for by a person.
    pub const FRESH: Self = Self(0);
    /// Published before this system followed the index.
    pub const BACKFILL: Self = Self(10);
    /// Done once already, looked at again on a schedule.
    pub const RESCAN: Self = Self(20);
}

/// "This step of this release is due": the truth from which deliveries are made and made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMark {
    /// Which release.
    pub release: ReleaseId,
    /// Which step.
    pub step: Step,
    /// Grows with every marking; a handler clears only the mark it read, which fences late and double runs.
    pub token: i64,
    /// Not before this instant.
    pub at: Timestamp,
    /// Lower goes first.
    pub priority: Priority,
    /// How often it was tried and failed.
    pub tries: u32,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// Given up; waits for `provenance retry`.
    pub dead: bool,
}
