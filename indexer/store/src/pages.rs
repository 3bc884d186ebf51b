//! What pages and answers are made of: one release at a time, one crate at a time, and everything that happened, in order.

use async_trait::async_trait;
use schema::{CanonicalName, Generation, KrateName, ProvenanceRow, Release, ReleaseId, Sha256, Timestamp, VersionNum};

use crate::{ChangeRow, EventRow, StoreError};

/// Reading for those who ask one thing and ask it often.
#[async_trait]
pub trait Pages {
    /// A mark of all that is stored: another one whenever anything was written since. It is compared, never read.
    async fn revision(&self) -> Result<String, StoreError>;

    /// The releases of one number, every generation, oldest first; empty when the crate has no such number.
    async fn pages(&self, canonical: &CanonicalName, num: &VersionNum) -> Result<Vec<PageRow>, StoreError>;

    /// These releases with their rows, in the order asked for; a vanished one is left out.
    async fn pages_of(&self, releases: &[ReleaseId]) -> Result<Vec<PageRow>, StoreError>;

    /// The releases of a crate without their lines, in version order, tombstones included; `None` when it was never seen.
    async fn versions(&self, canonical: &CanonicalName) -> Result<Option<Vec<VersionRow>>, StoreError>;

    /// The releases whose archive has this checksum, by number.
    async fn with_checksum(&self, checksum: &Sha256) -> Result<Vec<ReleaseId>, StoreError>;

    /// Changes and events with a number above `after`, in order of their numbers, at most `limit`, read at one moment.
    ///
    /// What a writer that is not done may still put in between is left for the next time: a reader that goes on from the
    /// last number misses nothing.
    async fn feed(&self, after: i64, limit: u32) -> Result<Vec<FeedRow>, StoreError>;

    /// The highest number [`Pages::feed`] gives at present; 0 when nothing happened yet.
    async fn last_number(&self) -> Result<i64, StoreError>;
}

/// A release with its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRow {
    /// The release.
    pub release: Release,
    /// Its row; `None` until the first one is written.
    pub row: Option<ProvenanceRow>,
    /// Whether it waits to be matched or published anew: what its row says of advisories may be of before.
    pub is_waiting: bool,
}

/// A release as a list of versions needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The release.
    pub id: ReleaseId,
    /// Its crate, in its published spelling.
    pub name: KrateName,
    /// Its number.
    pub num: VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
    /// When it was published, where the index says it.
    pub published_at: Option<Timestamp>,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// When it was seen to be gone.
    pub deleted_at: Option<Timestamp>,
}

/// One thing that happened: to the index, or to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRow {
    /// To the index.
    Change(ChangeRow),
    /// To a row, or worth a look.
    Event(EventRow),
}

impl FeedRow {
    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        match self {
            Self::Change(row) => row.seq,
            Self::Event(row) => row.seq,
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Change(row) => row.change.at,
            Self::Event(row) => row.at,
        }
    }
}
