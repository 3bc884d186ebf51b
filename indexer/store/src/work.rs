//! What is due: marks, their delivery, their failures.

use async_trait::async_trait;
use schema::{Priority, ReleaseId, ReleaseKey, Step, Timestamp};

use crate::StoreError;

/// Due marks. They are the truth; the job queue only delivers them.
#[async_trait]
pub trait Work {
    /// Marks a step of these releases due now; one already marked gets a new token, and its tries begin anew.
    async fn mark(
        &self,
        releases: &[ReleaseId],
        step: Step,
        priority: Priority,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Marks live releases without an archive that nobody marked for download, the newest numbers first: those below
    /// `below`, published (or else seen) at or after `since`, at most `limit`. Gives the lowest number marked.
    ///
    /// What is marked or fetched is passed over, so a back-fill that was cut short goes on where it was.
    async fn mark_backfill(
        &self,
        below: ReleaseId,
        since: Option<Timestamp>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<ReleaseId>, StoreError>;

    /// Takes marks that are due and not delivered, most urgent first, and notes that they are delivered until `until`.
    async fn deliver(&self, step: Step, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Mark>, StoreError>;

    /// Forgets every delivery that no other living process has under way: what was not finished will be delivered again.
    /// For a start after a crash.
    async fn forget_deliveries(&self) -> Result<(), StoreError>;

    /// Forgets the deliveries of processes that live no more, and says how many they were. Where one process has the
    /// database to itself there are none.
    async fn forget_lost_deliveries(&self) -> Result<u64, StoreError>;

    /// Gives marks back undone, to be delivered again from `at` on; no try is spent.
    async fn give_back(&self, marks: &[Mark], step: Step, at: Timestamp) -> Result<(), StoreError>;

    /// Takes the lock on a repository among all processes on this database, wherever they run, and says whether it is ours.
    /// It ends with the process, however that dies. A process that has it may take it again, and frees it as often.
    async fn lock_repository(&self, repository: &str) -> Result<bool, StoreError>;

    /// Frees it.
    async fn unlock_repository(&self, repository: &str) -> Result<(), StoreError>;

    /// Notes that a handler starts on a mark. Returns how often it was started without an outcome, this time
    /// included, or `None` when the mark is gone or another one.
    async fn start(&self, mark: Mark, step: Step) -> Result<Option<u32>, StoreError>;

    /// Notes a failed try, due again later or dead, and marks the release for publishing now: readers must see it.
    async fn postpone(&self, mark: Mark, step: Step, outcome: &Postponed, now: Timestamp) -> Result<(), StoreError>;

    /// Revives dead marks (all, or those of some releases) for a new round of tries. Returns how many.
    async fn revive(&self, releases: Option<&[ReleaseId]>, now: Timestamp) -> Result<u64, StoreError>;

    /// Of these releases, which have an open mark for a step; with the error of a dead one or of its last try.
    async fn open_marks(&self, releases: &[ReleaseId], step: Step) -> Result<Vec<DeadMark>, StoreError>;

    /// How many marks are open, by step.
    async fn counts(&self) -> Result<Vec<WorkCount>, StoreError>;

    /// Marks given up, with their reason.
    async fn dead(&self) -> Result<Vec<DeadMark>, StoreError>;

    /// When the next mark of one of these steps becomes (or became) due; `None` when none is open and alive.
    async fn next_due(&self, steps: &[Step]) -> Result<Option<Timestamp>, StoreError>;
}

/// A mark as a handler holds it: what it must present to finish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Which release.
    pub release: ReleaseId,
    /// The token read; another one means that somebody marked it again, and this result is late.
    pub token: i64,
    /// Failed tries so far.
    pub tries: u32,
}

/// What a failed try leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// When to try again.
    pub at: Timestamp,
    /// Why it failed.
    pub error: String,
    /// Whether to give up instead.
    pub dead: bool,
}

/// An open mark with what is known of its last failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMark {
    /// The database's number.
    pub release: ReleaseId,
    /// Which release.
    pub key: ReleaseKey,
    /// Which step.
    pub step: Step,
    /// Failed tries.
    pub tries: u32,
    /// The last failure; `None` when it was not tried yet.
    pub error: Option<String>,
    /// Whether it was given up.
    pub dead: bool,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkCount {
    /// Which step.
    pub step: Step,
    /// Open and alive.
    pub waiting: u64,
    /// Of these, failed at least once and due later.
    pub retrying: u64,
    /// Given up.
    pub dead: u64,
}
