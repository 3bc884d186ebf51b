//! The whole index as releases and dependencies, page by page: what a graph of it is built from, now or as it was at a time.

use async_trait::async_trait;
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};

use crate::StoreError;

/// Bulk reading of who depends on whom.
#[async_trait]
pub trait Exposure {
    /// The next releases after `after`, by number, at most `limit`, tombstones included, each with the dependencies that
    /// stand; as of `at` with those that stood then, without what came later.
    ///
    /// The last page has no `last`.
    async fn exposure_page(
        &self,
        after: ReleaseId,
        limit: u32,
        at: Option<Timestamp>,
    ) -> Result<ExposurePage, StoreError>;

    /// Every dependency on a crate that any release ever had, edited away and of tombstones included, by dependent.
    async fn dependencies_ever(&self, on: &CanonicalName) -> Result<Vec<PastDependency>, StoreError>;

    /// The revision of every crate; one that grew means that something of the crate is different.
    ///
    /// It tells more than the changes do: what a baseline brings is recorded by no change.
    async fn krate_revisions(&self) -> Result<Vec<KrateRevision>, StoreError>;

    /// These crates as [`Exposure::exposure_page`] gives them now; `last` is not set.
    async fn exposure_of(&self, krates: &[i64]) -> Result<ExposurePage, StoreError>;
}

/// A dependency with the time it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastDependency {
    /// The dependent, as it stands now.
    pub release: ReleaseRow,
    /// What it was.
    pub dependency: DependencyRow,
    /// Since when; `None`: since before it was watched.
    pub from: Option<Timestamp>,
    /// When an edit of the line took it away; `None`: it stands, or stood when its release was deleted.
    pub until: Option<Timestamp>,
}

/// How often what is remembered of a crate has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrateRevision {
    /// The database's number of the crate.
    pub krate: i64,
    /// Its identity.
    pub canonical: CanonicalName,
    /// Grows with every stored reading that changed something.
    pub revision: i64,
}

/// A page of the index.
#[derive(Clone, Debug, Default)]
pub struct ExposurePage {
    /// The last number looked at, from which to read on; `None` when nothing is left.
    pub last: Option<ReleaseId>,
    /// Releases, by number.
    pub releases: Vec<ReleaseRow>,
    /// Dependencies of these releases on crates of this registry.
    pub dependencies: Vec<DependencyRow>,
}

/// A release as a graph needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// The release.
    pub id: ReleaseId,
    /// Its crate, in its published spelling.
    pub name: KrateName,
    /// Its number.
    pub num: VersionNum,
    /// Withdrawn from resolution, at the time asked about.
    pub yanked: bool,
    /// When it was seen to be gone, if that was before the time asked about.
    pub deleted_at: Option<Timestamp>,
}

/// A dependency as a graph needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyRow {
    /// Whose dependency.
    pub release: ReleaseId,
    /// The crate depended on, by its real name.
    pub canonical: CanonicalName,
    /// The requirement, as published.
    pub req: String,
    /// Normal, build or dev.
    pub kind: DependencyKind,
    /// Only with a feature that asks for it.
    pub optional: bool,
}
