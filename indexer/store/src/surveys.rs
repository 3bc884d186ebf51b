//! Reading for people who look around: searches, counts by day, and lists that are read page after page.

use async_trait::async_trait;
use schema::{
    AdvisoryId, AdvisoryKind, AdvisoryState, CanonicalName, ChangeKind, ChecksumState, KrateName, ReleaseId,
    ReleaseKey, Step, Timestamp, Verdict,
};

use crate::{FeedRow, StoreError};

/// Reading for a console. A page begins after the last entry of the page before, so that what is stored meanwhile moves nothing.
#[async_trait]
pub trait Surveys {
    /// Crates whose canonical name holds `part`, by name, after this one, at most `limit`.
    async fn krates_named(
        &self,
        part: &str,
        after: Option<&CanonicalName>,
        limit: u32,
    ) -> Result<Vec<KrateCount>, StoreError>;

    /// Releases for which everything asked holds, the one stored last first, below `below`, at most `limit`.
    async fn find(&self, wanted: &Wanted, below: Option<ReleaseId>, limit: u32) -> Result<Vec<ReleaseId>, StoreError>;

    /// How many rows say each combination of states.
    async fn tallies(&self) -> Result<Vec<Tally>, StoreError>;

    /// How many releases were published on each UTC day of `[from, until)`, by what their row says now. A day without any
    /// is left out.
    async fn published_by_day(&self, from: Timestamp, until: Timestamp) -> Result<Vec<DayCount>, StoreError>;

    /// How many changes and signals happened on each UTC day of `[from, until)`, by kind; `what` is a [`ChangeKind`]'s code
    /// or `signal`. A day without any is left out.
    async fn happened_by_day(&self, from: Timestamp, until: Timestamp) -> Result<Vec<DayCount>, StoreError>;

    /// What happened in a span of time, by time and number, at most `limit`.
    async fn happened(&self, span: &Span, limit: u32) -> Result<Vec<FeedRow>, StoreError>;

    /// Open marks by release and step, after this one, at most `limit`.
    async fn marks(
        &self,
        wanted: MarksWanted,
        after: Option<(ReleaseId, Step)>,
        limit: u32,
    ) -> Result<Vec<OpenMark>, StoreError>;

    /// How many releases each advisory covers; those it covers only nearly are not counted. Advisories that cover none are
    /// left out.
    async fn covered(&self) -> Result<Vec<(AdvisoryId, u64)>, StoreError>;
}

/// A crate in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrateCount {
    /// Its identity.
    pub canonical: CanonicalName,
    /// Its published spelling.
    pub name: KrateName,
    /// Releases that were ever seen.
    pub n_releases: u64,
    /// Releases that are in the index now.
    pub n_live: u64,
}

/// What a release must be; `None` asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its crate's canonical name holds this.
    pub part: Option<String>,
    /// What its source check concluded.
    pub verdict: Option<Verdict>,
    /// What the advisory database says.
    pub advisories: Option<AdvisoryState>,
    /// The worst kind that covers it.
    pub worst_kind: Option<AdvisoryKind>,
    /// Whether its archive is the promised one.
    pub checksum: Option<ChecksumState>,
    /// Withdrawn from resolution.
    pub yanked: Option<bool>,
    /// Gone from the index.
    pub deleted: Option<bool>,
}

/// How many rows say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Outcome of the source check.
    pub verdict: Verdict,
    /// What the advisory database says.
    pub advisories: AdvisoryState,
    /// The worst kind that covers them.
    pub worst_kind: Option<AdvisoryKind>,
    /// Whether the archive is the promised one.
    pub checksum: ChecksumState,
    /// How many.
    pub rows: u64,
}

/// How much of one thing was on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// Midnight in UTC.
    pub day: Timestamp,
    /// Of what.
    pub what: String,
    /// How many.
    pub n: u64,
}

/// A span of time, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    /// Only this.
    pub kind: HappenedKind,
    /// The time and number of the last entry seen; `None` begins with the first.
    pub after: Option<(Timestamp, i64)>,
}

/// Which happenings are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HappenedKind {
    /// All of them.
    All,
    /// Changes of the index, of one kind when it is named.
    Changes(Option<ChangeKind>),
    /// What deserves a look.
    Signals,
    /// Rows that say something else.
    Rows,
}

/// Which marks are wanted; `None` asks nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarksWanted {
    /// Of this release.
    pub release: Option<ReleaseId>,
    /// Of this step.
    pub step: Option<Step>,
    /// In this state.
    pub state: Option<MarkState>,
}

/// How far a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// Not tried yet.
    Waiting,
    /// Failed, and to be tried again.
    Retrying,
    /// Given up.
    Dead,
}

/// An open mark with when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMark {
    /// The database's number.
    pub release: ReleaseId,
    /// Which release.
    pub key: ReleaseKey,
    /// Which step.
    pub step: Step,
    /// When it is or was due.
    pub at: Timestamp,
    /// Failed tries.
    pub tries: u32,
    /// The last failure; `None` when it was not tried yet.
    pub error: Option<String>,
    /// How far it is.
    pub state: MarkState,
}

impl MarkState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Retrying, Self::Dead];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Dead => "given-up",
        }
    }
}
