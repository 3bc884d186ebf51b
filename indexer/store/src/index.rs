//! What the index says: sources, crates, releases, dependencies, changes, quarantine.

use async_trait::async_trait;
use schema::{CanonicalName, Change, Generation, IndexLine, KrateName, Release, ReleaseId, Timestamp};

use crate::StoreError;

/// The index as remembered.
#[async_trait]
pub trait Index {
    /// The state of one source, by its address; `None` when it was never read.
    async fn source(&self, address: &str) -> Result<Option<SourceState>, StoreError>;

    /// All sources, by address.
    async fn sources(&self) -> Result<Vec<SourceState>, StoreError>;

    /// Notes how a reading of a source went; makes the source known when it was not. Returns its number.
    async fn note_source(&self, state: &SourceState) -> Result<i64, StoreError>;

    /// What is remembered of these crates as one source sees them; crates never seen are left out.
    async fn krates(&self, source: i64, names: &[CanonicalName]) -> Result<Vec<StoredKrate>, StoreError>;

    /// Stores readings of crates in one transaction: releases, dependencies, changes, quarantine, validators, due marks.
    ///
    /// Every inserted, revived or edited release is marked due for matching, every other changed one for publishing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a crate's revision is no longer the one the decisions were made on; nothing is stored then.
    async fn apply(&self, source: i64, writes: &[KrateWrite], now: Timestamp) -> Result<Vec<AppliedKrate>, StoreError>;

    /// Releases of a crate, tombstones included, in version order; `None` when the crate was never seen.
    async fn releases(&self, canonical: &CanonicalName) -> Result<Option<Vec<Release>>, StoreError>;

    /// Releases of these crates, tombstones included, a crate's in version order; crates never seen are left out.
    async fn releases_of_krates(&self, names: &[CanonicalName]) -> Result<Vec<Release>, StoreError>;

    /// These releases, by number; a vanished one is left out.
    async fn releases_of(&self, ids: &[ReleaseId]) -> Result<Vec<Release>, StoreError>;

    /// Changes with a sequence number above `after`, oldest first, at most `limit`; of one crate, when named.
    async fn changes(
        &self,
        after: i64,
        krate: Option<&CanonicalName>,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, StoreError>;

    /// What could not be read, oldest first.
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError>;

    /// How many crates, releases, live releases and open dependencies are remembered.
    async fn totals(&self) -> Result<[u64; 4], StoreError>;
}

/// A source and how far it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The database's number; 0 for a source not stored yet.
    pub id: i64,
    /// As the operator named it.
    pub address: String,
    /// The `dl` template of its `config.json`.
    pub download: Option<String>,
    /// The last index commit stored.
    pub cursor_commit: Option<String>,
    /// That commit's time.
    pub cursor_at: Option<Timestamp>,
    /// The head of the index at the last look; `None` on an index without history.
    pub head_commit: Option<String>,
    /// When it was last asked, whatever came of it.
    pub looked_at: Option<Timestamp>,
    /// Since when the cursor is not at the head; `None` while it is.
    pub behind_since: Option<Timestamp>,
    /// When the last full comparison with the tables ended.
    pub compared_at: Option<Timestamp>,
    /// How many changes it found that no commit had told: zero when nothing was missed.
    pub drift: Option<u64>,
    /// Since when every change was seen.
    pub complete_since: Option<Timestamp>,
    /// When it was last read to its end.
    pub last_success_at: Option<Timestamp>,
    /// Why the last reading failed.
    pub last_error: Option<String>,
}

/// Why answers that rest on a source may be older than they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceTrouble {
    /// It was never read to its end.
    NeverRead,
    /// Its head moved on and the tables did not follow.
    Behind {
        /// Since when.
        since: Timestamp,
    },
    /// It was not read to its end for a while.
    Unread {
        /// When it last was.
        since: Timestamp,
    },
}

impl SourceState {
    /// What a release may take from its publication to its row (design 02, requirement 14: p99 below five minutes).
    pub const BEHIND_SECONDS: i64 = 300;
    /// Some looks in a row may fail before it matters.
    pub const UNREAD_SECONDS: i64 = 900;

    /// Why answers that rest on this source may be too old; `None` when nothing says so.
    #[must_use]
    pub fn trouble(&self, now: Timestamp) -> Option<SourceTrouble> {
        let Some(read) = self.last_success_at else { return Some(SourceTrouble::NeverRead) };
        match self.behind_since {
            Some(since) if now > since.plus_seconds(Self::BEHIND_SECONDS) => Some(SourceTrouble::Behind { since }),
            _ if now > read.plus_seconds(Self::UNREAD_SECONDS) => Some(SourceTrouble::Unread { since: read }),
            _ => None,
        }
    }
}

impl std::fmt::Display for SourceTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverRead => f.write_str("never read to its end"),
            Self::Behind { since } => write!(f, "behind its head since {since}"),
            Self::Unread { since } => write!(f, "not read to its end since {since}"),
        }
    }
}

/// A crate as remembered.
#[derive(Clone, Debug)]
pub struct StoredKrate {
    /// Its identity.
    pub canonical: CanonicalName,
    /// Its published spelling.
    pub name: KrateName,
    /// Grows with every change; decisions are made on one and stored only on the same.
    pub revision: i64,
    /// What the source said of it last.
    pub reading: Option<Reading>,
    /// All its releases, tombstones included.
    pub releases: Vec<StoredRelease>,
    /// Lines recorded as overruled by a later one of the same number; they are recorded once.
    pub duplicates: Vec<String>,
}

/// What a sparse index gave along with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its ETag.
    pub etag: Option<String>,
    /// Its Last-Modified.
    pub last_modified: Option<String>,
    /// Since when it lacks something that is held: a cache that is behind looks so, and so does a deletion.
    pub doubtful_since: Option<Timestamp>,
}

/// What decisions about a line need to know of a release.
#[derive(Clone, Debug)]
pub struct StoredRelease {
    /// The database's number.
    pub id: ReleaseId,
    /// The version.
    pub num: schema::VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
    /// The promised sha256.
    pub checksum: schema::Sha256,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The index line, as last seen.
    pub line: String,
}

/// One reading of one crate, decided and ready to be stored.
#[derive(Clone, Debug)]
pub struct KrateWrite {
    /// Published spelling.
    pub name: KrateName,
    /// The revision the decisions were made on; 0 for a crate never seen.
    pub revision: i64,
    /// What to do, in order.
    pub lines: Vec<LineWrite>,
    /// Lines that could not be read; those of earlier readings are forgotten.
    pub quarantine: Vec<QuarantineWrite>,
    /// What the source gave along.
    pub reading: Reading,
    /// Whether releases inserted with a change are to be fetched at once; those of a baseline never are.
    pub download: bool,
    /// What deserves a look, as events of kind `signal`: JSON documents, stored with the changes they are about.
    pub signals: Vec<Signal>,
}

/// A signal to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// When what it is about happened.
    pub at: Timestamp,
    /// A JSON document.
    pub payload: String,
}

/// One thing to do to one release, with the changes that record it (none on a baseline).
#[derive(Clone, Debug)]
pub enum LineWrite {
    /// A new release.
    Insert {
        /// Which archive of that number.
        generation: Generation,
        /// What the line says.
        line: Box<IndexLine>,
        /// The line, byte for byte.
        raw: String,
        /// Its record.
        changes: Vec<Change>,
    },
    /// The same release with another line; a tombstone comes back to life.
    Update {
        /// Which release.
        release: ReleaseId,
        /// What the line says.
        line: Box<IndexLine>,
        /// The line, byte for byte.
        raw: String,
        /// Whether the dependencies are others than before.
        dependencies_differ: bool,
        /// Its record.
        changes: Vec<Change>,
    },
    /// The line is gone.
    Delete {
        /// Which release.
        release: ReleaseId,
        /// When.
        at: Timestamp,
        /// Its record.
        changes: Vec<Change>,
    },
    /// Nothing but a record.
    Record {
        /// What is recorded.
        change: Box<Change>,
    },
}

impl KrateWrite {
    /// What these lines do to a crate at a revision, and nothing else.
    #[must_use]
    pub fn new(name: KrateName, revision: i64, lines: Vec<LineWrite>) -> Self {
        let (quarantine, reading, signals) = (Vec::new(), Reading::default(), Vec::new());
        Self { name, revision, lines, quarantine, reading, download: false, signals }
    }
}

impl LineWrite {
    /// The changes it records.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Insert { changes, .. } | Self::Update { changes, .. } | Self::Delete { changes, .. } => changes,
            Self::Record { change } => std::slice::from_ref(change.as_ref()),
        }
    }
}

/// A line (or file) that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineWrite {
    /// File in the index or in the database.
    pub path: String,
    /// From 1; 0 for a whole file.
    pub line: u32,
    /// The text, as read.
    pub raw: String,
    /// Why it cannot be read.
    pub reason: String,
}

/// The same, as remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// `index` or `advisories`.
    pub origin: String,
    /// What and why.
    pub entry: QuarantineWrite,
    /// Since when.
    pub first_seen_at: Timestamp,
}

/// What came of storing one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedKrate {
    /// Which crate.
    pub canonical: CanonicalName,
    /// How many changes were recorded.
    pub changes: usize,
}

/// A change with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number; grows, with gaps.
    pub seq: i64,
    /// The release it is about; `None` for a change of the whole index, and for a line that another one overrules.
    pub release: Option<ReleaseId>,
    /// What happened.
    pub change: Change,
}

#[cfg(test)]
mod tests {
    use super::{SourceState, SourceTrouble};
    use schema::Timestamp;

    #[test]
    fn a_head_that_moved_on_five_minutes_ago_is_trouble_and_so_is_silence() {
        let at = Timestamp::from_seconds;
        let source = |read: Option<i64>, behind: Option<i64>| SourceState {
            last_success_at: read.map(at),
            behind_since: behind.map(at),
            ..SourceState::default()
        };
        let cases = [
            (source(None, Some(0)), 0, Some(SourceTrouble::NeverRead)),
            (source(Some(0), None), 900, None),
            (source(Some(0), None), 901, Some(SourceTrouble::Unread { since: at(0) })),
            (source(Some(0), Some(10)), 310, None),
            (source(Some(0), Some(10)), 311, Some(SourceTrouble::Behind { since: at(10) })),
        ];
        for (state, now, trouble) in cases {
            assert_eq!(state.trouble(at(now)), trouble, "{state:?} at {now}");
        }
    }
}
