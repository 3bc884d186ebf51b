//! What download and inspect found out.

use async_trait::async_trait;
use schema::{Claim, Findings, ManifestFacts, ReleaseId, Sha256, Step, Timestamp};

use crate::{Mark, StoreError};

/// Results of the steps that look at one archive.
#[async_trait]
pub trait Results {
    /// Stores the outcome of a download, clears its mark and marks the next steps. `false`: the mark was no longer ours, nothing is stored.
    async fn finish_download(
        &self,
        mark: Mark,
        row: &ArchiveRow,
        next: &[Step],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Stores an inspection with its entries, clears its mark and marks the next steps. `false`: the mark was no longer ours.
    async fn finish_inspection(
        &self,
        mark: Mark,
        row: &InspectionRow,
        entries: &[u8],
        next: &[Step],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The outcome of a release's download.
    async fn archive(&self, release: ReleaseId) -> Result<Option<ArchiveRow>, StoreError>;

    /// What was found inside a release's archive.
    async fn inspection(&self, release: ReleaseId) -> Result<Option<InspectionRow>, StoreError>;

    /// The packed entries of an archive.
    async fn entries(&self, checksum: Sha256) -> Result<Option<Vec<u8>>, StoreError>;

    /// How the downloads of these releases ended; those never fetched are left out.
    async fn archive_states(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, ArchiveState)>, StoreError>;
}

/// How a download ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveState {
    /// The promised bytes.
    Ok,
    /// Other bytes, even after a second look.
    Mismatch,
    /// The registry refuses it.
    Gone,
    /// The index names no address.
    NoAddress,
}

/// The outcome of one download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRow {
    /// How it ended.
    pub state: ArchiveState,
    /// sha256 of the bytes that came.
    pub found: Option<Sha256>,
    /// How many bytes came.
    pub size: Option<u64>,
    /// A folder or an address.
    pub origin: Option<String>,
    /// Status of the refusal.
    pub http_status: Option<u16>,
    /// When.
    pub at: Timestamp,
}

/// What was found inside one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionRow {
    /// sha256 of the archive.
    pub checksum: Sha256,
    /// Its bytes.
    pub compressed_size: u64,
    /// Bytes of its files.
    pub unpacked_size: u64,
    /// How many entries it has.
    pub n_files: u64,
    /// What its manifest says.
    pub manifest: Option<ManifestFacts>,
    /// What it says of its source.
    pub claim: Option<Claim>,
    /// What was odd.
    pub findings: Findings,
    /// When.
    pub at: Timestamp,
}

impl ArchiveState {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Mismatch => "mismatch",
            Self::Gone => "gone",
            Self::NoAddress => "no-address",
        }
    }

    /// The state behind a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Mismatch, Self::Gone, Self::NoAddress].into_iter().find(|state| state.as_str() == word)
    }
}
