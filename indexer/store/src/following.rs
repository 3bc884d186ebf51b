//! Following one source for years: who leads, how far it was read, and batches stored together with their cursor.

use async_trait::async_trait;
use schema::{CanonicalName, Change, ChangeKind, KrateName, Timestamp, VersionNum};

use crate::{KrateWrite, QuarantineWrite, StoreError};

/// What a follower of a whole index needs beyond [`crate::Index`].
#[async_trait]
pub trait Following {
    /// Takes the lead of a source for `holder` until `until`, and gives the fencing token that every write must show.
    ///
    /// `None`: somebody else leads and has not let go. The same holder takes it anew, with a new token.
    async fn lead(
        &self,
        source: i64,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<i64>, StoreError>;

    /// Lets go of the lead; nothing happens when it was lost already.
    async fn resign(&self, source: i64, token: i64) -> Result<(), StoreError>;

    /// How far the source was read, as the last [`FollowWrite`] said; `None` before the first.
    async fn cursor(&self, source: i64) -> Result<Option<String>, StoreError>;

    /// Notes a look at the source: when, and where its head was.
    ///
    /// # Errors
    /// As [`Following::apply_batch`].
    async fn note_look(&self, source: i64, token: i64, look: &Look, now: Timestamp) -> Result<(), StoreError>;

    /// The full comparison under way, in the follower's words; `None` when there is none.
    async fn comparison(&self, source: i64) -> Result<Option<String>, StoreError>;

    /// What signals are judged by: of some crates the changes after `since` and the last publication, of some others when
    /// they began.
    async fn signal_facts(
        &self,
        krates: &[CanonicalName],
        dependencies: &[CanonicalName],
        since: Timestamp,
    ) -> Result<SignalFacts, StoreError>;

    /// Releases first seen after `since` that came with a change: how long each took to be seen and to get its row. The
    /// newest first, at most `limit`.
    async fn latencies(&self, since: Timestamp, limit: u32) -> Result<Vec<Latency>, StoreError>;

    /// Every crate that has a live release, by name.
    async fn live_krates(&self) -> Result<Vec<KrateName>, StoreError>;

    /// Stores one batch in one transaction: crates, changes of the whole index, quarantine, due marks, cursor; renews the lead.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the token is not the last one given, or a crate was moved by another writer; nothing
    /// is stored then.
    async fn apply_batch(&self, write: &FollowWrite, now: Timestamp) -> Result<(), StoreError>;

    /// Notes how a round went. `read`: the source was read to the head that it had then, which says nothing of what came later.
    ///
    /// # Errors
    /// As [`Following::apply_batch`].
    async fn note_round(
        &self,
        source: i64,
        token: i64,
        failure: Option<&str>,
        read: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// Events with a number above `after`, oldest first, at most `limit`. Numbers are shared with changes.
    async fn events(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError>;
}

/// Something that happened to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number; grows, with gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What, e.g. `provenance_changed`.
    pub kind: String,
    /// A JSON document.
    pub payload: String,
}

/// One batch of a followed index, decided and ready to be stored.
#[derive(Clone, Debug)]
pub struct FollowWrite {
    /// Which source.
    pub source: i64,
    /// The token [`Following::lead`] gave.
    pub token: i64,
    /// Until when the lead is renewed.
    pub lead_until: Timestamp,
    /// Changes that belong to no crate; they come before the crates' own.
    pub changes: Vec<Change>,
    /// The crates, each once.
    pub krates: Vec<KrateWrite>,
    /// Files that are none of a crate.
    pub quarantine: Vec<QuarantineWrite>,
    /// The last commit read to its end; `None` before the first.
    pub commit: Option<String>,
    /// That commit's time.
    pub commit_at: Option<Timestamp>,
    /// What to go on from, in the follower's words.
    pub cursor: String,
    /// Since when every change is recorded; `None` leaves what is stored.
    pub complete_since: Option<Timestamp>,
    /// How far a full comparison has come with this batch; `None` when the batch belongs to none.
    pub comparison: Option<ComparisonWrite>,
}

/// What becomes of a full comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComparisonWrite {
    /// It goes on, from what the follower wrote down here.
    UnderWay(String),
    /// It is done, and found so many changes that no commit had told.
    Done {
        /// How many.
        drift: u64,
    },
}

/// What a look at a source showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The head; `None` on an index without history, or when it could not be asked.
    pub head: Option<String>,
    /// The `dl` template of its `config.json`; `None` leaves what is stored.
    pub download: Option<String>,
}

/// What signals are judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalFacts {
    /// Publications, yanks and unyanks, oldest first.
    pub recent: Vec<RecentChange>,
    /// When each crate was last published; crates of which it is not known are left out.
    pub last_published: Vec<(CanonicalName, Timestamp)>,
    /// Crates with no release older than asked, and the time of their first.
    pub began: Vec<(CanonicalName, Timestamp)>,
}

/// A change of the last hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentChange {
    /// Whose.
    pub canonical: CanonicalName,
    /// What.
    pub kind: ChangeKind,
    /// Of which version.
    pub num: VersionNum,
    /// When.
    pub at: Timestamp,
}

/// From publication to sight to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// `pubtime`; without one there is nothing to measure from.
    pub published_at: Timestamp,
    /// When this system first saw the line.
    pub first_seen_at: Timestamp,
    /// When its first row was written; `None` while it waits.
    pub row_at: Option<Timestamp>,
}
