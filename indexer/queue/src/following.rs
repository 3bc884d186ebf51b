//! A round over a git index: look at its head, then commit by commit to it, each group of commits stored with its cursor in
//! one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use follow::{Batch, ChangedFile, Cursor, FollowError, GitIndex, GitOptions, GitSource, Reading, Start, Step};
use schema::{ChangeKind, Clock, Timestamp};
use store::{ComparisonWrite, FollowWrite, KrateWrite, LineWrite, Look, QuarantineWrite, SourceState, Store};
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;
use crate::following::group::Group;
use crate::{Progress, QueueError};

mod compare;
mod decide;
mod group;

/// Crates read from the store at once.
const AT_ONCE: usize = 500;
/// How long the lead lasts without a renewal; every round takes it anew and every transaction renews it.
pub(crate) const LEAD_SECONDS: i64 = 120;
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
    /// Whether releases published from now on are fetched.
    pub download: bool,
}

/// What a round brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowReport {
    /// Commits, or parts of one, read.
    pub batches: usize,
    /// Files of crates looked at.
    pub krates: usize,
    /// Changes recorded, by kind.
    pub changes: BTreeMap<ChangeKind, usize>,
    /// Lines and files that could not be read.
    pub quarantined: usize,
    /// Whether the cursor was lost and the whole index compared.
    pub reconciled: bool,
    /// What a full comparison found that no commit had told; `None` when none came to its end.
    pub drift: Option<u64>,
}

/// Follows one git index; the only one that writes what it says.
pub struct Follower {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    source: Arc<Mutex<GitSource>>,
    is_ours: bool,
    options: FollowOptions,
    address: String,
    holder: String,
    id: i64,
    /// One round at a time, whoever asks.
    turn: tokio::sync::Mutex<()>,
}

/// The lead and what came of it so far.
struct Round<'f> {
    follower: &'f Follower,
    token: i64,
    /// As it was when the round began.
    state: SourceState,
    report: FollowReport,
    gone: Gone,
    /// When it looked at the head that it reads to; `None` while it did not.
    looked_at: Option<Timestamp>,
}

/// Crates that went within a day of the index's own time: what the brake counts, so that many small losses are one large one.
#[derive(Default)]
struct Gone {
    since: Option<Timestamp>,
    crates: usize,
}

impl Gone {
    fn add(&mut self, at: Timestamp, crates: usize) -> usize {
        if self.since.is_none_or(|since| at > since.plus_seconds(follow::A_DAY)) {
            *self = Self { since: Some(at), crates: 0 };
        }
        self.crates += crates;
        self.crates
    }
}

impl Follower {
    /// Takes a source that is known by `address`; one never seen becomes known. `holder` is who leads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn new(
        source: GitSource,
        address: &str,
        holder: &str,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: FollowOptions,
    ) -> Result<Self, QueueError> {
        let id = if let Some(held) = store.source(address).await? {
            held.id
        } else {
            let state = SourceState { address: address.to_owned(), ..SourceState::default() };
            store.note_source(&state).await?
        };
        Ok(Self {
            store,
            clock,
            is_ours: source.is_ours(),
            source: Arc::new(Mutex::new(source)),
            options,
            address: address.to_owned(),
            holder: holder.to_owned(),
            id,
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The source's address, as the store knows it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets go of the lead, so that another may take it at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resign(&self) -> Result<(), QueueError> {
        let now = self.clock.now();
        if let Some(token) = self.store.lead(self.id, &self.holder, now, now).await? {
            self.store.resign(self.id, token).await?;
        }
        Ok(())
    }

    /// Takes the lead, looks at the index and reads from the cursor to its head. Stopped, or failing, it has stored whole
    /// transactions, and the next round goes on.
    ///
    /// # Errors
    /// [`QueueError::NotLeading`] while somebody else leads. When the index or the store cannot be read, when the lead was
    /// lost, at the brake, or when stopped.
    pub async fn round(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        let _turn = self.turn.lock().await;
        let mut round = self.begin().await?;
        progress.begin("Following the index", None);
        let outcome = round.run(progress, stop).await;
        progress.end();
        round.end(outcome).await
    }

    /// Compares the whole index with the tables, a piece a call, and goes on where the last call ended. What it finds is
    /// recorded like any change and counted as drift: no commit had told it. To be called after a round.
    ///
    /// # Errors
    /// As [`Follower::round`].
    pub async fn compare(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        let _turn = self.turn.lock().await;
        let mut round = self.begin().await?;
        progress.begin("Comparing the whole index", None);
        let outcome = round.compare_pieces(progress, stop).await;
        progress.end();
        round.end(outcome).await
    }

    async fn begin(&self) -> Result<Round<'_>, QueueError> {
        let now = self.clock.now();
        let token = self.store.lead(self.id, &self.holder, now, now.plus_seconds(LEAD_SECONDS)).await?;
        let token = token.ok_or_else(|| QueueError::NotLeading { source_name: self.address.clone() })?;
        let state = self.store.source(&self.address).await?.unwrap_or_default();
        Ok(Round {
            follower: self,
            token,
            state,
            report: FollowReport::default(),
            gone: Gone::default(),
            looked_at: None,
        })
    }

    async fn with_source<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut GitSource) -> T + Send + 'static,
    ) -> Result<T, QueueError> {
        let source = Arc::clone(&self.source);
        blocking("reading the index", move || work(&mut source.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    async fn with_index<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut GitIndex) -> Result<T, FollowError> + Send + 'static,
    ) -> Result<Result<T, FollowError>, QueueError> {
        self.with_source(move |source| source.index().and_then(work)).await
    }
}

impl Round<'_> {
    async fn end(self, outcome: Result<(), QueueError>) -> Result<FollowReport, QueueError> {
        let Follower { store, id, .. } = self.follower;
        let failure = outcome.as_ref().err().map(QueueError::in_one_line);
        let read = self.looked_at.filter(|_| failure.is_none());
        let noted = store.note_round(*id, self.token, failure.as_deref(), read).await;
        outcome?;
        noted?;
        Ok(self.report)
    }

    /// A clone of ours that turns out to be damaged is made anew, once; a second damage is a trouble of the disk.
    async fn run(&mut self, progress: &dyn Progress, stop: &CancellationToken) -> Result<(), QueueError> {
        let outcome = self.look_and_read(progress, stop).await;
        let Err(QueueError::Follow(damage)) = &outcome else { return outcome };
        if !self.follower.is_ours || !damage.is_damage() {
            return outcome;
        }
        progress.note(&format!("note: the clone of the index is damaged ({damage}); it is made anew"));
        self.follower.with_source(GitSource::discard).await??;
        self.look_and_read(progress, stop).await
    }

    async fn look_and_read(&mut self, progress: &dyn Progress, stop: &CancellationToken) -> Result<(), QueueError> {
        let cursor = self.cursor().await?;
        let start = self.follower.options.git.start;
        // Before it is asked: what is pushed while it answers may be in the answer or not.
        let looked_at = self.follower.clock.now();
        let head = self.follower.with_source(move |source| source.look(start, cursor.as_ref())).await??;
        let config = self.follower.with_index(|index| index.config()).await?;
        let download = match config {
            Ok(config) => config.map(|config| config.dl),
            // A file that is no config says nothing about where archives are; what was known stays.
            Err(FollowError::BadConfig { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        // An index that had commits and has none any more is no index that stands still.
        if head.is_none() && cursor.is_some() {
            return Err(FollowError::EmptyIndex { path: self.follower.address.clone().into() }.into());
        }
        let look = Look { head: head.map(|head| head.to_string()), download };
        self.follower.store.note_look(self.follower.id, self.token, &look, looked_at).await?;
        self.looked_at = Some(looked_at);
        self.read(cursor, progress, stop).await
    }

    async fn read(
        &mut self,
        mut cursor: Option<Cursor>,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        let mut group = Group::default();
        loop {
            if stop.is_cancelled() {
                self.store_group(std::mem::take(&mut group)).await?;
                return Err(QueueError::Interrupted);
            }
            if let Some(Cursor { within: Some(within), .. }) = cursor
                && within.step == Step::Reconcile
                && within.done == 0
            {
                self.delete_missing(within.tree, within.step, cursor).await?;
            }
            let options = self.follower.options.git;
            let batch = self.follower.with_index(move |index| index.next_batch(cursor.as_ref(), &options)).await?;
            match batch {
                Ok(Some(batch)) => {
                    progress.advance(1, &batch.commit.to_string());
                    cursor = Some(batch.cursor);
                    if !group.takes(&batch) {
                        self.store_group(std::mem::take(&mut group)).await?;
                    }
                    group.add(batch);
                }
                Ok(None) => break,
                Err(FollowError::LostCursor { commit }) => {
                    self.store_group(std::mem::take(&mut group)).await?;
                    progress.note(&format!("note: commit {commit} of the index is gone; the whole index is compared"));
                    self.report.reconciled = true;
                    cursor = Some(self.follower.with_index(|index| index.reconcile_cursor()).await??);
                }
                Err(error) => {
                    self.store_group(std::mem::take(&mut group)).await?;
                    return Err(error.into());
                }
            }
        }
        self.store_group(group).await?;
        self.pin(cursor).await
    }

    /// Keeps the cursor's commit from being collected in a clone of ours.
    async fn pin(&self, cursor: Option<Cursor>) -> Result<(), QueueError> {
        let Some(cursor) = cursor.filter(|_| self.follower.is_ours && self.report.batches > 0) else { return Ok(()) };
        let name = format!("source-{}", self.follower.id);
        Ok(self.follower.with_index(move |index| index.pin(&name, &cursor)).await??)
    }

    async fn cursor(&self) -> Result<Option<Cursor>, QueueError> {
        let Some(text) = self.follower.store.cursor(self.follower.id).await? else { return Ok(None) };
        let cursor = serde_json::from_str(&text);
        cursor.map(Some).map_err(|error| QueueError::Missing(format!("the stored cursor is unreadable: {error}")))
    }

    /// Crates that are held and have no file in the tree are gone; one transaction of some hundred at a time.
    async fn delete_missing(
        &mut self,
        tree: schema::GitOid,
        step: Step,
        cursor: Option<Cursor>,
    ) -> Result<(), QueueError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let commit = cursor.within.map_or(cursor.commit, |within| within.commit);
        for some in self.missing(tree).await?.chunks(AT_ONCE) {
            let batch = Batch { step, commit, changed: some.to_vec(), ..self.batch_of_ours(cursor) };
            self.store_batches(&[batch], None).await?;
        }
        Ok(())
    }

    /// The files of held crates that a tree lacks.
    async fn missing(&self, tree: schema::GitOid) -> Result<Vec<ChangedFile>, QueueError> {
        let present = self.follower.with_index(move |index| index.krates(tree)).await??;
        let present: HashSet<_> = present.iter().map(schema::KrateName::canonical).collect();
        let held = self.follower.store.live_krates().await?;
        let gone: Vec<_> = held.iter().filter(|name| !present.contains(&name.canonical())).collect();
        self.brake(gone.len(), held.len())?;
        let file = |name: &schema::KrateName| ChangedFile { path: name.index_path(), name: name.clone(), after: None };
        Ok(gone.into_iter().map(file).collect())
    }

    /// A batch that no commit brought: what we found ourselves, now.
    fn batch_of_ours(&self, cursor: Cursor) -> Batch {
        Batch {
            step: Step::Reconcile,
            commit: cursor.commit,
            at: self.follower.clock.now(),
            reading: Reading::Recorded,
            changes: Vec::new(),
            changed: Vec::new(),
            quarantine: Vec::new(),
            cursor,
        }
    }

    async fn store_group(&mut self, group: Group) -> Result<(), QueueError> {
        let batches = group.into_batches();
        for batch in batches.iter().filter(|batch| batch.reading == Reading::Recorded) {
            let gone = self.gone.add(batch.at, batch.changed.iter().filter(|file| is_gone(file)).count());
            if gone > BELIEVED_CRATES {
                self.brake(gone, self.follower.store.live_krates().await?.len())?;
            }
        }
        self.store_batches(&batches, None).await
    }

    fn brake(&self, gone: usize, held: usize) -> Result<(), QueueError> {
        let limit = BELIEVED_CRATES.max(held / BELIEVED_SHARE);
        if gone > limit && !self.follower.options.allow_mass_deletion {
            return Err(QueueError::MassDeletion { gone, held, limit });
        }
        Ok(())
    }

    /// Stores batches that follow one another, with the cursor of the last, in one transaction. No crate is in two of them.
    async fn store_batches(
        &mut self,
        batches: &[Batch],
        comparison: Option<ComparisonWrite>,
    ) -> Result<(), QueueError> {
        let krates = self.decide(batches).await?;
        self.write(batches, krates, comparison).await
    }

    async fn write(
        &mut self,
        batches: &[Batch],
        krates: Vec<KrateWrite>,
        comparison: Option<ComparisonWrite>,
    ) -> Result<(), QueueError> {
        let Some(last) = batches.last() else { return Ok(()) };
        let now = self.follower.clock.now();
        let commit = commit_of(&last.cursor);
        let is_at_commit = commit.is_some() && last.cursor.commit == last.commit && comparison.is_none();
        let write = FollowWrite {
            source: self.follower.id,
            token: self.token,
            lead_until: now.plus_seconds(LEAD_SECONDS),
            changes: batches.iter().flat_map(|batch| batch.changes.iter().cloned()).collect(),
            krates,
            quarantine: batches.iter().flat_map(|batch| &batch.quarantine).map(quarantine).collect(),
            commit,
            commit_at: if is_at_commit { Some(last.at) } else { self.state.cursor_at },
            cursor: serde_json::to_string(&last.cursor)
                .map_err(|error| QueueError::Missing(format!("the cursor cannot be written: {error}")))?,
            complete_since: self.complete_since(last, comparison.is_some()),
            comparison,
        };
        self.follower.store.apply_batch(&write, now).await?;
        self.state.cursor_at = write.commit_at;
        self.report.add(batches.len(), &write);
        Ok(())
    }

    /// A baseline, or a comparison after a lost cursor, is where the record begins anew; `start` has it from the first commit.
    fn complete_since(&self, batch: &Batch, is_comparison: bool) -> Option<Timestamp> {
        match batch.step {
            _ if is_comparison => None,
            Step::Baseline => Some(batch.at),
            // When things happened that were found all at once is not known.
            Step::Reconcile => Some(self.follower.clock.now()),
            _ if self.state.complete_since.is_some() => None,
            _ => match self.follower.options.git.start {
                Start::Beginning => Some(Timestamp::from_micros(0)),
                Start::At(at) => Some(at),
                Start::Now => None,
            },
        }
    }
}

impl FollowReport {
    fn add(&mut self, batches: usize, write: &FollowWrite) {
        self.batches += batches;
        self.krates += write.krates.len();
        let of_krates = write.krates.iter().map(|krate| krate.quarantine.len()).sum::<usize>();
        self.quarantined += write.quarantine.len() + of_krates;
        for kind in kinds(write) {
            *self.changes.entry(kind).or_default() += 1;
        }
    }

    /// Adds what another look brought.
    pub fn extend(&mut self, other: Self) {
        self.batches += other.batches;
        self.krates += other.krates;
        self.quarantined += other.quarantined;
        self.reconciled |= other.reconciled;
        self.drift = other.drift.or(self.drift);
        for (kind, n) in other.changes {
            *self.changes.entry(kind).or_default() += n;
        }
    }
}

/// The kind of every change in a write.
fn kinds(write: &FollowWrite) -> impl Iterator<Item = ChangeKind> + '_ {
    let of_index = write.changes.iter().map(|change| change.kind);
    let of_krates =
        write.krates.iter().flat_map(|krate| &krate.lines).flat_map(LineWrite::changes).map(|change| change.kind);
    of_index.chain(of_krates)
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
