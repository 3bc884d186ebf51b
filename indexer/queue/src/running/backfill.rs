//! Fetching the past, little by little: so many marks at a time that what is published now is never far behind them. What was
//! fetched or marked is passed over, so that it goes on where an earlier process stopped, without a note of its own.

use schema::{ReleaseId, Step, Timestamp};
use store::Store;

use crate::QueueError;

/// So many downloads may wait before more are marked.
const WAITING: u64 = 1000;
/// Marked at once.
const MARKED: u32 = 2000;

/// Which releases of the past are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backfill {
    /// None.
    None,
    /// Those published at this time or later.
    Since(Timestamp),
    /// All.
    All,
}

/// A back-fill under way in this process, from the newest release to the oldest.
pub(super) struct Filling {
    backfill: Backfill,
    below: Option<ReleaseId>,
}

impl Filling {
    pub(super) fn new(backfill: Backfill) -> Self {
        let below = (backfill != Backfill::None).then_some(ReleaseId(i64::MAX));
        Self { backfill, below }
    }

    /// Marks some more, when most of what was marked is fetched.
    pub(super) async fn step(&mut self, store: &dyn Store, now: Timestamp) -> Result<(), QueueError> {
        let Some(below) = self.below else { return Ok(()) };
        let counts = store.counts().await?;
        let waiting = counts.iter().find(|count| count.step == Step::Download).map_or(0, |count| count.waiting);
        if waiting >= WAITING {
            return Ok(());
        }
        let since = match self.backfill {
            Backfill::Since(since) => Some(since),
            Backfill::None | Backfill::All => None,
        };
        self.below = store.mark_backfill(below, since, MARKED, now).await?;
        Ok(())
    }
}
