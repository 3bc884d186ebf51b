//! A round over a git index: batch by batch, each stored with its cursor in one transaction, until the head is reached.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use follow::{
    Batch, ChangedFile, Context, Cursor, FollowError, GitIndex, GitOptions, Reading, Start, Step, Validators, reconcile,
};
use schema::{CanonicalName, ChangeKind, Clock, Timestamp};
use store::{FollowWrite, KrateWrite, LineWrite, QuarantineWrite, SourceState, Store, StoredKrate};
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;
use crate::reading::{krate_write, stored_lines};
use crate::{Progress, QueueError};

/// Crates read from the store at once.
const AT_ONCE: usize = 500;
/// How long the lead lasts without a renewal; every batch renews it.
const LEAD_SECONDS: i64 = 120;
/// The brake: this many crates may always go at once (design 02, requirement 9), …
const BELIEVED_CRATES: usize = 50;
/// … and one in this many of those held.
const BELIEVED_SHARE: usize = 200;

/// How a source is followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FollowOptions {
    /// Where the history begins, and how large a batch is.
    pub git: GitOptions,
    /// Whether the brake is off.
    pub allow_mass_deletion: bool,
    /// Whether the repository is ours, so that the cursor's commit is to be kept from being collected.
    pub pin: bool,
}

/// What a round brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowReport {
    /// Transactions.
    pub batches: usize,
    /// Files of crates looked at.
    pub krates: usize,
    /// Changes recorded, by kind.
    pub changes: BTreeMap<ChangeKind, usize>,
    /// Lines and files that could not be read.
    pub quarantined: usize,
    /// Whether the cursor was lost and the whole index compared.
    pub reconciled: bool,
}

/// Follows one git index; the only one that writes what it says.
pub struct Follower {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    index: Arc<Mutex<GitIndex>>,
    options: FollowOptions,
    source: SourceState,
    token: i64,
}

impl Follower {
    /// Takes the lead on the source at `address`; a source never seen becomes known.
    ///
    /// # Errors
    /// [`QueueError::NotLeading`] while somebody else leads; else when the store fails.
    pub async fn lead(
        index: GitIndex,
        address: &str,
        holder: &str,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: FollowOptions,
    ) -> Result<Self, QueueError> {
        let mut source = match store.source(address).await? {
            Some(held) => held,
            None => SourceState { address: address.to_owned(), ..SourceState::default() },
        };
        if source.id == 0 {
            source.id = store.note_source(&source).await?;
        }
        let now = clock.now();
        let token = store.lead(source.id, holder, now, now.plus_seconds(LEAD_SECONDS)).await?;
        let token = token.ok_or_else(|| QueueError::NotLeading { source_name: address.to_owned() })?;
        Ok(Self { store, clock, index: Arc::new(Mutex::new(index)), options, source, token })
    }

    /// Lets go of the lead.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resign(&self) -> Result<(), QueueError> {
        Ok(self.store.resign(self.source.id, self.token).await?)
    }

    /// Reads from the cursor to the head. Stopped, or failing, it has stored whole batches, and the next round goes on.
    ///
    /// # Errors
    /// When the index or the store cannot be read, when the lead was lost, at the brake, or when stopped.
    pub async fn round(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        progress.begin("Following the index", None);
        let outcome = self.batches(progress, stop).await;
        progress.end();
        let failure = outcome.as_ref().err().map(QueueError::in_one_line);
        let noted = self.store.note_round(self.source.id, self.token, failure.as_deref(), self.clock.now()).await;
        let report = outcome?;
        noted?;
        Ok(report)
    }

    async fn batches(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        let mut report = FollowReport::default();
        let mut cursor = self.cursor().await?;
        loop {
            if stop.is_cancelled() {
                return Err(QueueError::Interrupted);
            }
            if let Some(Cursor { within: Some(within), .. }) = cursor
                && within.step == Step::Reconcile
                && within.done == 0
            {
                self.delete_missing(within.tree, &within, cursor.as_ref(), &mut report).await?;
            }
            let options = self.options.git;
            let batch = self.with_index(move |index| index.next_batch(cursor.as_ref(), &options)).await?;
            match batch {
                Ok(Some(batch)) => {
                    progress.advance(1, &batch.commit.to_string());
                    self.store_batch(&batch, &mut report).await?;
                    cursor = Some(batch.cursor);
                }
                Ok(None) => break,
                Err(FollowError::LostCursor { commit }) => {
                    progress.note(&format!("note: commit {commit} of the index is gone; the whole index is compared"));
                    report.reconciled = true;
                    cursor = Some(self.with_index(|index| index.reconcile_cursor()).await??);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let (Some(cursor), true) = (cursor, self.options.pin && report.batches > 0) {
            let name = format!("source-{}", self.source.id);
            self.with_index(move |index| index.pin(&name, &cursor)).await??;
        }
        Ok(report)
    }

    async fn cursor(&self) -> Result<Option<Cursor>, QueueError> {
        let Some(text) = self.store.cursor(self.source.id).await? else { return Ok(None) };
        let cursor = serde_json::from_str(&text);
        cursor.map(Some).map_err(|error| QueueError::Missing(format!("the stored cursor is unreadable: {error}")))
    }

    /// Crates that are held and have no file in the tree are gone; one transaction of some hundred at a time.
    async fn delete_missing(
        &self,
        tree: schema::GitOid,
        within: &follow::Within,
        cursor: Option<&Cursor>,
        report: &mut FollowReport,
    ) -> Result<(), QueueError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let present = self.with_index(move |index| index.krates(tree)).await??;
        let present: std::collections::HashSet<_> = present.iter().map(schema::KrateName::canonical).collect();
        let held = self.store.live_krates().await?;
        let gone: Vec<_> = held.iter().filter(|name| !present.contains(&name.canonical())).collect();
        self.brake(gone.len(), held.len())?;
        for some in gone.chunks(AT_ONCE) {
            let batch = Batch {
                step: within.step,
                commit: within.commit,
                at: self.clock.now(),
                reading: Reading::Recorded,
                changes: Vec::new(),
                changed: some
                    .iter()
                    .map(|name| ChangedFile {
                        path: name.index_path(),
                        name: (*name).clone(),
                        before: None,
                        after: None,
                    })
                    .collect(),
                quarantine: Vec::new(),
                cursor: *cursor,
            };
            self.write(&batch, self.decide(&batch).await?, report).await?;
        }
        Ok(())
    }

    async fn store_batch(&self, batch: &Batch, report: &mut FollowReport) -> Result<(), QueueError> {
        let writes = self.decide(batch).await?;
        let gone = batch.changed.iter().filter(|file| is_gone(file)).count();
        if gone > BELIEVED_CRATES && batch.reading == Reading::Recorded {
            self.brake(gone, self.store.live_krates().await?.len())?;
        }
        self.write(batch, writes, report).await
    }

    fn brake(&self, gone: usize, held: usize) -> Result<(), QueueError> {
        let limit = BELIEVED_CRATES.max(held / BELIEVED_SHARE);
        if gone > limit && !self.options.allow_mass_deletion {
            return Err(QueueError::MassDeletion { gone, held, limit });
        }
        Ok(())
    }

    /// What each crate's file means for its rows.
    async fn decide(&self, batch: &Batch) -> Result<Vec<KrateWrite>, QueueError> {
        let files = by_krate(&batch.changed);
        let names: Vec<CanonicalName> = files.iter().map(|file| file.name.canonical()).collect();
        let mut held: HashMap<CanonicalName, StoredKrate> = HashMap::new();
        for some in names.chunks(AT_ONCE) {
            let krates = self.store.krates(self.source.id, some).await?;
            held.extend(krates.into_iter().map(|krate| (krate.canonical.clone(), krate)));
        }
        let (commit, at, reading, now) = (batch.commit.to_string(), batch.at, batch.reading, self.clock.now());
        blocking("comparing crates with the index", move || {
            let decided = files.iter().zip(&names).filter_map(|(file, canonical)| {
                let held = held.get(canonical);
                // Nothing is held and nothing is there: a crate that came and went between two trees.
                if held.is_none() && file.after.is_none() {
                    return None;
                }
                let known_duplicates = held.map_or(&[][..], |held| &held.duplicates);
                let context = Context { krate: &file.name, commit: Some(&commit), at, reading, known_duplicates };
                let stored = held.map(stored_lines).unwrap_or_default();
                let reconciled = reconcile(&stored, file.after.as_deref(), &context);
                Some(krate_write(held, &file.name, reconciled, Validators::default(), now))
            });
            decided.collect()
        })
        .await
    }

    async fn write(&self, batch: &Batch, krates: Vec<KrateWrite>, report: &mut FollowReport) -> Result<(), QueueError> {
        let now = self.clock.now();
        let write = FollowWrite {
            source: self.source.id,
            token: self.token,
            lead_until: now.plus_seconds(LEAD_SECONDS),
            changes: batch.changes.clone(),
            krates,
            quarantine: batch.quarantine.iter().map(quarantine).collect(),
            commit: commit_of(&batch.cursor),
            cursor: serde_json::to_string(&batch.cursor)
                .map_err(|error| QueueError::Missing(format!("the cursor cannot be written: {error}")))?,
            complete_since: self.complete_since(batch),
        };
        self.store.apply_batch(&write, now).await?;
        report.add(batch, &write);
        Ok(())
    }

    /// A baseline, or a comparison after a lost cursor, is where the record begins anew; `start` has it from the first commit.
    fn complete_since(&self, batch: &Batch) -> Option<Timestamp> {
        match batch.step {
            Step::Baseline | Step::Reconcile => Some(batch.at),
            _ if self.source.complete_since.is_none() && self.options.git.start == Start::Beginning => {
                Some(Timestamp::from_micros(0))
            }
            _ => None,
        }
    }

    async fn with_index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut GitIndex) -> T + Send + 'static,
    ) -> Result<T, QueueError> {
        let index = Arc::clone(&self.index);
        blocking("reading the index", move || work(&mut index.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl FollowReport {
    fn add(&mut self, batch: &Batch, write: &FollowWrite) {
        self.batches += 1;
        self.krates += write.krates.len();
        self.quarantined +=
            batch.quarantine.len() + write.krates.iter().map(|krate| krate.quarantine.len()).sum::<usize>();
        let mut count = |kind| *self.changes.entry(kind).or_default() += 1;
        write.changes.iter().for_each(|change| count(change.kind));
        for line in write.krates.iter().flat_map(|krate| &krate.lines) {
            match line {
                LineWrite::Insert { changes, .. }
                | LineWrite::Update { changes, .. }
                | LineWrite::Delete { changes, .. } => changes.iter().for_each(|change| count(change.kind)),
                LineWrite::Record { change } => count(change.kind),
            }
        }
    }
}

/// The files, each crate once: two files whose names differ only in spelling are two parts of one crate.
fn by_krate(changed: &[ChangedFile]) -> Vec<ChangedFile> {
    let mut files: Vec<ChangedFile> = Vec::with_capacity(changed.len());
    let mut at: HashMap<CanonicalName, usize> = HashMap::with_capacity(changed.len());
    for file in changed {
        let position = *at.entry(file.name.canonical()).or_insert(files.len());
        match files.get_mut(position) {
            None => files.push(ChangedFile { before: None, ..file.clone() }),
            Some(first) => match (&mut first.after, &file.after) {
                (Some(lines), Some(more)) => {
                    lines.push(b'\n');
                    lines.extend_from_slice(more);
                }
                (None, Some(_)) => *first = file.clone(),
                (_, None) => {}
            },
        }
    }
    files
}

/// Gone, or emptied, which is the same to whoever depends on it.
fn is_gone(file: &ChangedFile) -> bool {
    file.after.as_ref().is_none_or(|after| after.trim_ascii().is_empty())
}

fn commit_of(cursor: &Cursor) -> Option<String> {
    let commit = cursor.commit.to_string();
    (!commit.bytes().all(|byte| byte == b'0')).then_some(commit)
}

fn quarantine(bad: &follow::Quarantined) -> QuarantineWrite {
    QuarantineWrite {
        path: bad.path.clone(),
        line: u32::try_from(bad.line).unwrap_or(u32::MAX),
        raw: bad.raw.clone(),
        reason: bad.reason.clone(),
    }
}
