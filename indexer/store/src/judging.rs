//! Judging stored facts again: what is held, how far a newer rule has come, and its results.

use async_trait::async_trait;
use schema::{ReleaseId, Timestamp};

use crate::{CheckRow, StoreError};

/// Facts that a newer rule judges again. What was judged before stays as it is.
#[async_trait]
pub trait Judging {
    /// How far the rule of source checks has come; `None` when it never went through what is held.
    async fn judging(&self) -> Result<Option<JudgingCursor>, StoreError>;

    /// The last check of each release after this one, by release.
    async fn last_checks(&self, after: ReleaseId, limit: u32) -> Result<Vec<HeldCheck>, StoreError>;

    /// Stores new judgements with the cursor and marks their releases for publishing, in one transaction. A judgement of
    /// a check that is no longer the last one is dropped.
    async fn finish_judging(&self, write: &JudgingWrite, now: Timestamp) -> Result<(), StoreError>;
}

/// How far a rule has come through what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgingCursor {
    /// The rule's version.
    pub version: String,
    /// The last release it has judged, or found judged by it.
    pub after: ReleaseId,
    /// Whether there are none left.
    pub is_finished: bool,
}

/// A check as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCheck {
    /// The database's number.
    pub id: i64,
    /// Whose check it is.
    pub release: ReleaseId,
    /// The check.
    pub row: CheckRow,
}

/// A batch of results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgingWrite {
    /// How far the rule has come with it.
    pub cursor: JudgingCursor,
    /// The new judgements, each beside the number of the check it judges.
    pub judged: Vec<HeldCheck>,
    /// Releases whose facts cannot be read any more: their sources are looked at anew.
    pub unreadable: Vec<ReleaseId>,
}
