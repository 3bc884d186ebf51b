//! The published rows, and the facts they are made of.

use async_trait::async_trait;
use schema::{AdvisoryMatch, CanonicalName, ProvenanceRow, Release, ReleaseId, Timestamp};

use crate::{ArchiveRow, DeadMark, InspectionRow, Mark, StoreError};

/// Reading facts for, and writing, the published rows.
#[async_trait]
pub trait Rows {
    /// Everything `publish` needs to know of these releases; a vanished one is left out.
    async fn publish_facts(&self, releases: &[ReleaseId]) -> Result<Vec<PublishFacts>, StoreError>;

    /// Writes rows and their events, and clears their marks. Marks that are no longer the ones read are passed over.
    async fn finish_rows(&self, writes: &[RowWrite], now: Timestamp) -> Result<(), StoreError>;

    /// The rows of a crate, tombstones included, in version order.
    async fn rows(&self, canonical: &CanonicalName) -> Result<Vec<ProvenanceRow>, StoreError>;

    /// The rows of these releases, with their numbers.
    async fn rows_of(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ProvenanceRow)>, StoreError>;

    /// What the last event at or before `at` told of each of these releases' rows: a JSON document. Releases of which no
    /// row had been written by then are left out.
    async fn said(&self, releases: &[ReleaseId], at: Timestamp) -> Result<Vec<(ReleaseId, String)>, StoreError>;

    /// How many rows there are of each verdict and of each advisory state.
    async fn row_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError>;
}

/// The facts of one release.
#[derive(Clone, Debug)]
pub struct PublishFacts {
    /// The release.
    pub release: Release,
    /// The index commit that last changed its line.
    pub index_commit: Option<String>,
    /// How its download ended, when it did.
    pub archive: Option<ArchiveRow>,
    /// What was found inside, when somebody looked.
    pub inspection: Option<InspectionRow>,
    /// What the last source check said.
    pub source: Option<schema::SourceSummary>,
    /// Open marks of any step but publishing.
    pub open: Vec<DeadMark>,
    /// Matches that stand.
    pub matches: Vec<AdvisoryMatch>,
    /// The row as it stands.
    pub previous: Option<ProvenanceRow>,
}

/// A row to write.
#[derive(Clone, Debug)]
pub struct RowWrite {
    /// The mark the handler read.
    pub mark: Mark,
    /// The row.
    pub row: ProvenanceRow,
    /// Whether readers should hear of it.
    pub changed: bool,
}
