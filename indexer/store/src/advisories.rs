//! The advisory database as remembered: its states, its texts, and which release each one covers.

use async_trait::async_trait;
use schema::{AdvisoryFacts, AdvisoryId, AdvisoryMatch, CanonicalName, DbCommit, Release, ReleaseId, Timestamp};

use crate::{Mark, QuarantineWrite, StoreError};

/// Advisories and matches.
#[async_trait]
pub trait Advisories {
    /// The present state of the database; `None` when none was ever loaded.
    async fn advisory_db(&self) -> Result<Option<DbCommit>, StoreError>;

    /// When that state was last found to be the present one.
    async fn advisory_db_loaded_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The present advisories: ids, paths and texts, to be compared with a new state.
    async fn advisories(&self) -> Result<Vec<StoredAdvisory>, StoreError>;

    /// What the present advisories say without prose, by id: a list needs no texts, of which there may be many megabytes.
    async fn advisory_facts(&self) -> Result<Vec<AdvisoryFacts>, StoreError>;

    /// Every state that was ever loaded, oldest first.
    async fn advisory_states(&self) -> Result<Vec<AdvisoryState>, StoreError>;

    /// The present state, with its number; `None` when no database was ever loaded.
    async fn advisory_state(&self) -> Result<Option<AdvisoryState>, StoreError>;

    /// The advisories as they stood in that state.
    async fn advisories_at(&self, seq: i64) -> Result<Vec<StoredAdvisory>, StoreError>;

    /// Stores new states of the database in one transaction: closes and opens revisions, and marks every release of
    /// the crates concerned due for matching (all releases, when there was no state before).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the present state is no longer the one the differences were made on; nothing is stored
    /// then.
    async fn apply_db(&self, write: &DbWrite, now: Timestamp) -> Result<(), StoreError>;

    /// Advisories with this id or alias, in any letter case.
    async fn advisories_by_id(&self, id: &str) -> Result<Vec<StoredAdvisory>, StoreError>;

    /// Advisories of one crate.
    async fn advisories_of(&self, canonical: &CanonicalName) -> Result<Vec<StoredAdvisory>, StoreError>;

    /// Stores what covers these releases and nothing else does, clears their marks and marks them for publishing.
    /// Marks that are no longer the ones read are passed over. `state` is the number of the one they were matched with; `None`:
    /// there was none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another state is the present one by now: it marked the releases it knew of, and one that
    /// came meanwhile may be none of them. Nothing is stored then.
    async fn finish_matches(&self, writes: &[MatchWrite], state: Option<i64>, now: Timestamp)
    -> Result<(), StoreError>;

    /// Matches that stand, of these releases.
    async fn matches(&self, releases: &[ReleaseId]) -> Result<Vec<AdvisoryMatch>, StoreError>;

    /// Every match that stands, of every release.
    async fn all_matches(&self) -> Result<Vec<AdvisoryMatch>, StoreError>;

    /// Releases that one of these advisories covers, tombstones included, in version order.
    async fn matched_by(&self, advisories: &[AdvisoryId]) -> Result<Vec<MatchRow>, StoreError>;
}

/// A state of the database with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvisoryState {
    /// Its number; grows.
    pub seq: i64,
    /// Which state.
    pub commit: DbCommit,
}

/// An advisory as remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAdvisory {
    /// File in the database.
    pub path: String,
    /// The file, byte for byte.
    pub text: String,
    /// The commit of the state that brought this text.
    pub db_commit: String,
    /// The commit that last changed the file, where it is known; else the one of that state.
    pub changed_in: String,
    /// When that was.
    pub changed_at: Timestamp,
    /// The same without prose.
    pub facts: AdvisoryFacts,
}

/// New states of the database.
#[derive(Clone, Debug)]
pub struct DbWrite {
    /// The number of the state that the differences were made on, 0 when there was none yet; `None` when that is not asked.
    pub since: Option<i64>,
    /// The states, oldest first; the last one is the present one.
    pub states: Vec<DbState>,
    /// Files that cannot be read in the last one; those of earlier states are forgotten.
    pub quarantine: Vec<QuarantineWrite>,
}

/// One new state, as what differs from the one before.
#[derive(Clone, Debug)]
pub struct DbState {
    /// Which state.
    pub commit: DbCommit,
    /// Advisories that are new or have another text.
    pub changed: Vec<AdvisoryWrite>,
    /// Advisories that are gone.
    pub removed: Vec<AdvisoryId>,
}

/// One advisory to store.
#[derive(Clone, Debug)]
pub struct AdvisoryWrite {
    /// File in the database.
    pub path: String,
    /// The file, byte for byte.
    pub text: String,
    /// The commit that last changed the file, where it is known.
    pub changed_in: Option<String>,
    /// When that was.
    pub changed_at: Option<Timestamp>,
    /// The same without prose.
    pub facts: AdvisoryFacts,
}

/// What covers one release.
#[derive(Clone, Debug)]
pub struct MatchWrite {
    /// The mark the handler read.
    pub mark: Mark,
    /// Everything that covers it.
    pub matches: Vec<AdvisoryMatch>,
}

/// A covered release with the match.
#[derive(Clone, Debug)]
pub struct MatchRow {
    /// The release.
    pub release: Release,
    /// What covers it.
    pub found: AdvisoryMatch,
}
