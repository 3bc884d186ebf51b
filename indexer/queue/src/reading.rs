//! Reading crates from an index that is read one crate at a time, and storing what they say.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use follow::{
    Context, Effect, Fetched, FileIndex, FollowError, Found, Reading, Reconciled, StoredLine, Validators, looks_stale,
    reconcile,
};
use futures::StreamExt as _;
use schema::{CanonicalName, ChangeKind, KrateName, Timestamp};
use store::{KrateWrite, LineWrite, QuarantineWrite, SourceState, Store, StoreError, StoredKrate};
use tokio_util::sync::CancellationToken;

use crate::{Progress, QueueError, signals};

/// Crates asked for at once; the agent bounds what one host gets of them.
const AT_ONCE: usize = 32;
/// Crates stored in one transaction.
const BATCH: usize = 64;
/// A cache may deny a file for an hour after its publication (design 02): a deletion is believed after that.
const DOUBT_SECONDS: i64 = 3600;

/// An index at hand, and the store its lines go to.
pub struct IndexReader {
    index: FileIndex,
    store: Arc<dyn Store>,
    source: SourceState,
    /// The `dl` template, as last read.
    template: Mutex<Option<String>>,
    download: bool,
}

/// What came of reading some crates.
#[derive(Debug, Default)]
pub struct ReadReport {
    /// Every crate asked for, as asked.
    pub krates: Vec<(KrateName, KrateOutcome)>,
    /// The crates among them, each once.
    seen: HashSet<CanonicalName>,
}

/// What came of reading one crate.
#[derive(Debug)]
pub enum KrateOutcome {
    /// Its lines are stored; so many changes were recorded, and so many lines could not be read.
    Read {
        /// Changes recorded (none for a crate met for the first time: that is a baseline).
        changes: usize,
        /// Lines in quarantine.
        quarantined: usize,
    },
    /// The index says that nothing changed.
    NotModified,
    /// The answer lacks something that is held. It may be an old copy: nothing is changed until it says so again later.
    Doubtful {
        /// Since when.
        since: Timestamp,
    },
    /// There is no such crate under any spelling.
    Unknown {
        /// The spellings tried.
        tried: Vec<String>,
    },
    /// It could not be read; what is held of it stays as it is.
    Failed {
        /// Why.
        error: FollowError,
        /// Whether anything is held of it.
        is_held: bool,
    },
}

impl IndexReader {
    /// Takes an index, and notes it as a source. Reads its `config.json`, from which archives get their address.
    ///
    /// # Errors
    /// When the store fails. An index that does not answer is noted in its state and read from memory.
    pub async fn open(
        index: FileIndex,
        address: &str,
        store: Arc<dyn Store>,
    ) -> Result<(Self, Result<(), FollowError>), QueueError> {
        let held = store.source(address).await?;
        let mut source = held.unwrap_or_else(|| SourceState { address: address.to_owned(), ..SourceState::default() });
        let answered = match index.config().await {
            Ok(config) => {
                source.download = config.map(|config| config.dl);
                Ok(())
            }
            Err(error) => {
                source.last_error = Some(error.to_string());
                Err(error)
            }
        };
        source.id = store.note_source(&source).await?;
        let template = Mutex::new(source.download.clone());
        Ok((Self { index, store, source, template, download: false }, answered))
    }

    /// The same reader, which from now on has releases fetched that are published while it watches.
    #[must_use]
    pub fn fetching_new(self) -> Self {
        Self { download: true, ..self }
    }

    /// The source's address, as the store knows it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.source.address
    }

    /// The `dl` template of the index, as last read.
    #[must_use]
    pub fn download_template(&self) -> Option<String> {
        self.template.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn source_id(&self) -> i64 {
        self.source.id
    }

    /// Reads `config.json` anew; a registry may move its archives.
    pub(crate) async fn refresh_config(&self) -> Result<(), FollowError> {
        let config = self.index.config().await?;
        *self.template.lock().unwrap_or_else(PoisonError::into_inner) = config.map(|config| config.dl);
        Ok(())
    }

    /// Reads these crates and stores what they say, some dozen at once. Each failure is one crate's.
    ///
    /// # Errors
    /// When the store fails, or when stopped.
    pub async fn read(
        &self,
        names: Vec<KrateName>,
        now: Timestamp,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<ReadReport, QueueError> {
        progress.begin("Reading the index", Some(names.len() as u64));
        let canonical: Vec<_> = names.iter().map(KrateName::canonical).collect();
        let held = self.held(&canonical).await?;
        let mut answers = futures::stream::iter(names.into_iter().map(|name| {
            let held = held.get(&name.canonical());
            async move {
                let answer = self.ask(&name, held).await;
                (name, held, answer)
            }
        }))
        .buffer_unordered(AT_ONCE)
        .ready_chunks(BATCH);

        let mut report = ReadReport::default();
        while let Some(batch) = tokio::select! {
            batch = answers.next() => batch,
            () = stop.cancelled() => return Err(QueueError::Interrupted),
        } {
            let last = batch.last().map(|(name, ..)| name.to_string()).unwrap_or_default();
            progress.advance(batch.len() as u64, &last);
            self.store_batch(batch, now, &mut report).await?;
        }
        progress.end();
        report.krates.sort_by(|a, b| a.0.cmp(&b.0));
        self.note_success(&report, now).await?;
        Ok(report)
    }

    /// Reads one crate anew, without the help of anything remembered of its file.
    pub(crate) async fn read_again(&self, name: &KrateName, now: Timestamp) -> Result<(), QueueError> {
        let mut held = self.held(&[name.canonical()]).await?;
        let held = held.remove(&name.canonical());
        let answer = self.index.fetch(name, None).await.map(|fetched| match fetched {
            Fetched::File { text, validators } => Answer::File(Found { name: name.clone(), text, validators }),
            Fetched::NotModified => Answer::NotModified,
            Fetched::Missing { status } => Answer::Missing { certain: status.is_none() },
        });
        let mut report = ReadReport::default();
        self.store_batch(vec![(name.clone(), held.as_ref(), answer)], now, &mut report).await?;
        match report.krates.pop() {
            Some((_, KrateOutcome::Failed { error, .. })) => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn held(&self, names: &[CanonicalName]) -> Result<HashMap<CanonicalName, StoredKrate>, QueueError> {
        let mut held = HashMap::with_capacity(names.len());
        for some in names.chunks(BATCH) {
            let krates = self.store.krates(self.source.id, some).await?;
            held.extend(krates.into_iter().map(|krate| (krate.canonical.clone(), krate)));
        }
        Ok(held)
    }

    /// Asks the index. What lacks something held is asked for once more, past what the index gave along.
    async fn ask(&self, name: &KrateName, held: Option<&StoredKrate>) -> Result<Answer, FollowError> {
        let Some(held) = held else { return self.index.find(name).await.map(Answer::File) };
        let validators = held
            .reading
            .as_ref()
            .filter(|reading| reading.doubtful_since.is_none())
            .map(|reading| Validators { etag: reading.etag.clone(), last_modified: reading.last_modified.clone() });
        let first = self.index.fetch(&held.name, validators.as_ref()).await?;
        let answer = match first {
            Fetched::NotModified => return Ok(Answer::NotModified),
            Fetched::Missing { status: None } => return Ok(Answer::Missing { certain: true }),
            Fetched::File { text, validators } if !looks_stale(&stored_lines(held), &text, &held.name) => {
                return Ok(Answer::File(Found { name: held.name.clone(), text, validators }));
            }
            Fetched::File { .. } | Fetched::Missing { .. } => self.index.fetch(&held.name, None).await?,
        };
        Ok(match answer {
            Fetched::File { text, validators } => Answer::File(Found { name: held.name.clone(), text, validators }),
            Fetched::NotModified => Answer::NotModified,
            Fetched::Missing { status } => Answer::Missing { certain: status.is_none() },
        })
    }

    async fn store_batch(
        &self,
        batch: Vec<(KrateName, Option<&StoredKrate>, Result<Answer, FollowError>)>,
        now: Timestamp,
        report: &mut ReadReport,
    ) -> Result<(), QueueError> {
        let mut writes = Vec::with_capacity(batch.len());
        let mut of_krates = HashMap::with_capacity(batch.len());
        for (name, held, answer) in batch {
            of_krates.extend(held.map(|held| (&held.canonical, held)));
            let (outcome, write) = match answer {
                Ok(answer) => self.decide(held, &name, answer, now),
                Err(FollowError::UnknownKrate { tried, .. }) => (KrateOutcome::Unknown { tried }, None),
                Err(error) => (KrateOutcome::Failed { error, is_held: held.is_some() }, None),
            };
            // Two spellings of one crate are one crate; the first one stores it.
            let is_first = report.seen.insert(name.canonical());
            writes.extend(write.filter(|_| is_first));
            report.krates.push((name, outcome));
        }
        if writes.is_empty() {
            return Ok(());
        }
        signals::add(self.store.as_ref(), &mut writes, &of_krates).await?;
        match self.store.apply(self.source.id, &writes, now).await {
            Ok(_) => Ok(()),
            Err(conflict @ StoreError::Conflict { .. }) if writes.len() == 1 => Err(conflict.into()),
            Err(StoreError::Conflict { .. }) => self.store_one_by_one(&writes, now).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Another writer moved one of the crates; the others are stored, and that one is read with the next signal.
    async fn store_one_by_one(&self, writes: &[KrateWrite], now: Timestamp) -> Result<(), QueueError> {
        for write in writes {
            match self.store.apply(self.source.id, std::slice::from_ref(write), now).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn decide(
        &self,
        held: Option<&StoredKrate>,
        asked: &KrateName,
        answer: Answer,
        now: Timestamp,
    ) -> (KrateOutcome, Option<KrateWrite>) {
        let name = held.map_or(asked, |held| &held.name);
        let stored = held.map(stored_lines).unwrap_or_default();
        let reading = if held.is_none() { Reading::Baseline } else { Reading::Recorded };
        let (krate, text, certain, validators) = match answer {
            Answer::NotModified => return (KrateOutcome::NotModified, None),
            Answer::File(Found { name, text, validators }) => (name, Some(text), false, validators),
            Answer::Missing { certain } => (name.clone(), None, certain, Validators::default()),
        };
        let is_folder = matches!(self.index, FileIndex::Dir(_));
        let known_duplicates = held.map_or(&[][..], |held| &held.duplicates);
        let context = Context { krate: &krate, commit: None, at: now, reading, known_duplicates, also: &[] };
        let reconciled = reconcile(&stored, text.as_deref().map(str::as_bytes), &context);
        let believed = certain || is_folder || !is_in_doubt(held, reconciled.n_deleted(), now);
        if believed {
            let download = self.download;
            let write = KrateWrite { download, ..krate_write(held, &krate, reconciled, validators, now) };
            let outcome = KrateOutcome::Read { changes: n_changes(&write), quarantined: write.quarantine.len() };
            return (outcome, Some(write));
        }
        let since = held.and_then(|held| held.reading.as_ref()?.doubtful_since).unwrap_or(now);
        let reading = store::Reading { doubtful_since: Some(since), ..store::Reading::default() };
        let write =
            held.map(|held| KrateWrite { reading, ..KrateWrite::new(held.name.clone(), held.revision, Vec::new()) });
        (KrateOutcome::Doubtful { since }, write)
    }

    async fn note_success(&self, report: &ReadReport, now: Timestamp) -> Result<(), QueueError> {
        let failure = report.krates.iter().find_map(|(name, outcome)| match outcome {
            KrateOutcome::Failed { error, .. } => Some(format!("{name}: {error}")),
            _ => None,
        });
        let held = self.store.source(&self.source.address).await?.unwrap_or_else(|| self.source.clone());
        let source = SourceState {
            last_success_at: if failure.is_none() { Some(now) } else { held.last_success_at },
            last_error: failure,
            looked_at: Some(now),
            download: self.download_template(),
            ..held
        };
        self.store.note_source(&source).await?;
        Ok(())
    }
}

/// What the index said of one crate.
enum Answer {
    File(Found),
    NotModified,
    Missing { certain: bool },
}

/// Whether deletions must wait: they are believed when an earlier answer, long enough ago, lacked something, too.
fn is_in_doubt(held: Option<&StoredKrate>, n_deleted: usize, now: Timestamp) -> bool {
    let since = held.and_then(|held| held.reading.as_ref()?.doubtful_since);
    n_deleted > 0 && since.is_none_or(|since| now < since.plus_seconds(DOUBT_SECONDS))
}

pub(crate) fn stored_lines(krate: &StoredKrate) -> Vec<StoredLine> {
    let line = |release: &store::StoredRelease| StoredLine {
        release: release.id,
        num: release.num.clone(),
        generation: release.generation,
        checksum: release.checksum,
        deleted: release.deleted,
        line: release.line.clone(),
    };
    krate.releases.iter().map(line).collect()
}

fn n_changes(write: &KrateWrite) -> usize {
    write.lines.iter().map(|line| line.changes().len()).sum()
}

pub(crate) fn krate_write(
    held: Option<&StoredKrate>,
    asked: &KrateName,
    reconciled: Reconciled,
    validators: Validators,
    now: Timestamp,
) -> KrateWrite {
    let published = reconciled.decisions.iter().rev().find_map(|decision| match &decision.effect {
        Effect::Insert { line, .. } | Effect::Update { line, .. } | Effect::Revive { line, .. } => {
            Some(line.parsed.name.clone())
        }
        Effect::None | Effect::Delete { .. } => None,
    });
    let name = published.or_else(|| held.map(|held| held.name.clone())).unwrap_or_else(|| asked.clone());
    let quarantine = reconciled.quarantine.into_iter().map(|bad| QuarantineWrite {
        path: bad.path,
        line: u32::try_from(bad.line).unwrap_or(u32::MAX),
        raw: bad.raw,
        reason: bad.reason,
    });
    KrateWrite {
        quarantine: quarantine.collect(),
        reading: store::Reading {
            etag: validators.etag,
            last_modified: validators.last_modified,
            doubtful_since: None,
        },
        ..KrateWrite::new(name, held.map_or(0, |held| held.revision), line_writes(reconciled.decisions, now))
    }
}

/// Decisions in the store's words; consecutive changes of one line are stored with the one write they belong to.
fn line_writes(decisions: Vec<follow::Decision>, now: Timestamp) -> Vec<LineWrite> {
    let mut writes: Vec<LineWrite> = Vec::with_capacity(decisions.len());
    for decision in decisions {
        let changes: Vec<_> = decision.change.into_iter().collect();
        match decision.effect {
            Effect::None => changes.into_iter().for_each(|change| record(&mut writes, change)),
            Effect::Insert { generation, replaces, line } => {
                if let Some(release) = replaces {
                    let at = changes.first().map_or(now, |change| change.at);
                    writes.push(LineWrite::Delete { release, at, changes: Vec::new() });
                }
                let follow::ReadLine { text, parsed } = *line;
                writes.push(LineWrite::Insert { generation, line: Box::new(parsed), raw: text, changes });
            }
            Effect::Update { release, dependencies, line } => {
                let follow::ReadLine { text, parsed } = *line;
                let line = Box::new(parsed);
                writes.push(LineWrite::Update { release, line, raw: text, dependencies_differ: dependencies, changes });
            }
            Effect::Revive { release, line } => {
                let follow::ReadLine { text, parsed } = *line;
                let line = Box::new(parsed);
                writes.push(LineWrite::Update { release, line, raw: text, dependencies_differ: true, changes });
            }
            Effect::Delete { release } => {
                let at = changes.first().map_or(now, |change| change.at);
                writes.push(LineWrite::Delete { release, at, changes });
            }
        }
    }
    writes
}

/// A change without an effect of its own: the second one of an edited line, or a line that another one overrules.
fn record(writes: &mut Vec<LineWrite>, change: schema::Change) {
    match writes.last_mut() {
        Some(LineWrite::Update { line, changes, .. })
            if change.kind != ChangeKind::DuplicateLine && Some(&line.num) == change.num.as_ref() =>
        {
            changes.push(change);
        }
        _ => writes.push(LineWrite::Record { change: Box::new(change) }),
    }
}
