//! What other rooms know and this one may not name: handed in by whoever wires the program.

use std::collections::HashMap;
use std::ops::Deref;

use async_trait::async_trait;
use export::{Interval, WayOut};
use graph::Graph;
use schema::{Entry, KrateName, ProvenanceRow, Release, ReleaseId, Timestamp, VersionNum};
use store::StoredAdvisory;

/// The rules of `publish` and `advisories`: pure, so that an answer says what a row would.
pub trait Rules: Send + Sync {
    /// Version of the rule that writes rows.
    fn version(&self) -> &'static str;

    /// The row of a release whose first one is not written yet: it says that nothing was looked at.
    fn unwritten(&self, release: &Release, now: Timestamp) -> ProvenanceRow;

    /// The row as it is shown while its release waits to be matched or published anew.
    fn awaiting_match(&self, row: ProvenanceRow) -> ProvenanceRow;

    /// What an advisory's text says beyond its facts.
    ///
    /// # Errors
    /// When the stored text cannot be read.
    fn reading(&self, stored: &StoredAdvisory) -> Result<AdvisoryReading, RoomError>;

    /// Whether an advisory covers a version, published or not; `None` when the version is no SemVer, so that nothing can
    /// be said.
    ///
    /// # Errors
    /// When the stored text cannot be read.
    fn covers(&self, stored: &StoredAdvisory, num: &VersionNum) -> Result<Option<bool>, RoomError>;

    /// The way out of each of these releases of one crate: the next versions that no advisory of the crate covers.
    ///
    /// # Errors
    /// When a stored text cannot be read.
    fn ways_out(
        &self,
        of: &[ReleaseId],
        advisories: &[StoredAdvisory],
        releases: &[Release],
    ) -> Result<HashMap<ReleaseId, WayOut>, RoomError>;

    /// The files of an archive, as packed when it was inspected.
    ///
    /// # Errors
    /// When the packed list cannot be read.
    fn entries(&self, packed: &[u8]) -> Result<Vec<Entry>, RoomError>;
}

/// What an advisory's text says beyond its facts.
#[derive(Clone, Debug, Default)]
pub struct AdvisoryReading {
    /// The affected intervals of SemVer precedence.
    pub intervals: Vec<Interval>,
    /// Ids of other things that have to do with it.
    pub related: Vec<String>,
    /// Addresses to read on. Hostile text.
    pub references: Vec<String>,
    /// The database's own categories.
    pub categories: Vec<String>,
    /// The description as Markdown; empty in the facts-only snapshot. Hostile text.
    pub description: String,
}

/// A graph that stays as it is while it is looked at.
pub type HeldGraph = Box<dyn Deref<Target = Graph> + Send + Sync>;

/// The graph of the registry, which takes memory and time to build and is kept by somebody else.
#[async_trait]
pub trait Graphs: Send + Sync {
    /// The graph as it is now, or as it was at a time.
    ///
    /// # Errors
    /// When it cannot be read from the store.
    async fn graph(&self, at: Option<Timestamp>) -> Result<HeldGraph, RoomError>;
}

/// Somebody who follows the index in this process and can be told to look now.
pub trait Nudge: Send + Sync {
    /// Looks as soon as it can. Nothing is believed of who said so.
    fn nudge(&self);
}

/// The registry's own API, with the operator's token for it.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Yanks or unyanks a version.
    ///
    /// # Errors
    /// When the registry refuses, or does not answer; then nobody knows whether it was done.
    async fn set_yanked(&self, name: &KrateName, num: &VersionNum, yanked: bool) -> Result<(), RegistryError>;
}

/// Why the registry did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It said no.
    #[error("the registry refused with {status}: {detail}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words. Hostile text.
        detail: String,
    },
    /// It did not answer.
    #[error("the registry does not answer")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why another room has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The database does not answer.
    #[error("the database does not answer")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does as much as it can at once; ask again.
    #[error("too much is asked at once")]
    Busy,
    /// Something stored cannot be read.
    #[error("{what} cannot be read")]
    Unreadable {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
