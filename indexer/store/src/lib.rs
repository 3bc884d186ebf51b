//! The memory of the indexer as small traits, one per noun. No SQL here, no rules: what may be stored and read, and in which unit.
#![doc = include_str!("../README.md")]

mod advisories;
mod checks;
mod error;
mod exposure;
mod following;
mod index;
mod jobs;
mod judging;
mod pages;
mod results;
mod rows;
mod staff;
mod webhooks;
mod work;

pub use advisories::{
    Advisories, AdvisoryState, AdvisoryWrite, DbState, DbWrite, MatchRow, MatchWrite, StoredAdvisory,
};
pub use checks::{CheckRow, Checks};
pub use error::StoreError;
pub use exposure::{DependencyRow, Exposure, ExposurePage, KrateRevision, PastDependency, ReleaseRow};
pub use following::{ComparisonWrite, EventRow, FollowWrite, Following, Latency, Look, RecentChange, SignalFacts};
pub use index::{
    AppliedKrate, ChangeRow, Index, KrateWrite, LineWrite, QuarantineWrite, Quarantined, Reading, Signal, SourceState,
    SourceTrouble, StoredKrate, StoredRelease,
};
pub use jobs::Jobs;
pub use judging::{HeldCheck, Judging, JudgingCursor, JudgingWrite};
pub use pages::{FeedRow, PageRow, Pages, VersionRow};
pub use results::{ArchiveRow, ArchiveState, InspectionRow, Results};
pub use rows::{PublishFacts, RowWrite, Rows};
pub use staff::{Audit, DeedRow, DeedWrite, Outcome, ReviewRow, ReviewWrite, Reviews, TokenRow, TokenWrite, Tokens};
pub use webhooks::{WebhookProgress, WebhookRow, WebhookWrite, Webhooks};
pub use work::{DeadMark, Mark, Postponed, Work, WorkCount};

/// Everything a backend remembers.
pub trait Store:
    Index
    + Following
    + Work
    + Jobs
    + Results
    + Checks
    + Judging
    + Advisories
    + Rows
    + Exposure
    + Pages
    + Tokens
    + Reviews
    + Audit
    + Webhooks
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Index
        + Following
        + Work
        + Jobs
        + Results
        + Checks
        + Judging
        + Advisories
        + Rows
        + Exposure
        + Pages
        + Tokens
        + Reviews
        + Audit
        + Webhooks
        + Send
        + Sync
{
}
