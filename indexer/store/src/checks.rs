//! Source checks: every comparison of an archive with its repository, and the refs that were seen on the way.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schema::{ReleaseId, Sha256, SourceSummary, Timestamp};

use crate::{Mark, StoreError};

/// Source checks. History is kept, never overwritten.
#[async_trait]
pub trait Checks {
    /// Stores a check with the refs seen, clears its mark, marks the release for publishing and the next look at
    /// `recheck_at`. `false`: the mark was no longer ours, nothing is stored.
    async fn finish_check(
        &self,
        mark: Mark,
        row: &CheckRow,
        refs: &[(String, String)],
        recheck_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The checks of a release, oldest first.
    async fn checks(&self, release: ReleaseId) -> Result<Vec<CheckRow>, StoreError>;

    /// The last summary of each of these releases that was ever checked.
    async fn summaries(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, SourceSummary)>, StoreError>;

    /// What the manifests of these releases name as their repository; releases not inspected yet are left out.
    async fn repositories(&self, releases: &[ReleaseId]) -> Result<Vec<(ReleaseId, Option<String>)>, StoreError>;

    /// Of these releases, those that were inspected and never checked.
    async fn never_checked(&self, releases: &[ReleaseId]) -> Result<Vec<ReleaseId>, StoreError>;

    /// The refs of a repository as they were last seen: full name to commit.
    async fn refs_seen(&self, repository: &str) -> Result<BTreeMap<String, String>, StoreError>;

    /// The checksum the index promises for a live version and when it was published, by any spelling of the crate's name.
    async fn promised(&self, name: &str, num: &str) -> Result<Option<(Sha256, Option<Timestamp>)>, StoreError>;

    /// What the manifests of the other versions of this release's crate name as their repository, the commonest first.
    async fn neighbours(&self, release: ReleaseId) -> Result<Vec<String>, StoreError>;
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// When.
    pub at: Timestamp,
    /// `first`, `recheck`, `rules` or `asked`.
    pub cause: String,
    /// Key of the repository looked at.
    pub repository: Option<String>,
    /// What the published row says of it; verdict and rules among it.
    pub summary: SourceSummary,
    /// Facts, reasons and evidence as JSON.
    pub document: String,
}
