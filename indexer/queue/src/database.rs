//! The advisory database: storing new states of it, and keeping its advisories at hand, parsed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use advisories::{Advisory, Database, DatabaseChanges, DatabaseRepository, Since, id_of};
use schema::{AdvisoryId, DbCommit, Timestamp};
use store::{AdvisoryState, AdvisoryWrite, DbState, DbWrite, QuarantineWrite, Store, StoredAdvisory};

use crate::blocking::blocking;
use crate::matching::parsed;
use crate::{Engine, QueueError};

/// What new states of the database brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseLoaded {
    /// Advisories that stand.
    pub advisories: usize,
    /// Of these, new or with another text.
    pub changed: usize,
    /// Gone since the state before.
    pub removed: usize,
    /// Files that cannot be read.
    pub quarantined: usize,
    /// States stored, the one found again included.
    pub states: usize,
    /// Why everything was compared although a state was known, if that was so.
    pub restart: Option<Restart>,
}

/// Why a known state could not be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Its commit is not in the repository.
    Lost,
    /// The present state does not descend from it.
    Rewritten,
}

/// Where the history of a database begins that was not followed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstState {
    /// With its present state.
    Now,
    /// With the state at that time.
    At(Timestamp),
    /// With its first commit.
    Beginning,
}

/// Stores a state of the advisory database: only what differs is written, and only the crates concerned are matched again.
///
/// A file that cannot be read any more keeps its last good copy.
///
/// # Errors
/// When most advisories known would vanish (the brake), or the store fails.
pub async fn load_database(
    store: &dyn Store,
    database: Database,
    now: Timestamp,
) -> Result<DatabaseLoaded, QueueError> {
    let held = Held::read(store).await?;
    held.store(store, Read { whole: Some(database), ..Read::default() }, now).await
}

/// Brings the tables up to the present state of a database in a git repository. Every commit since the one known becomes
/// a state, and only what it changed is read; without a way from there everything is compared, and the answer says so.
///
/// # Errors
/// As [`load_database`], and when the repository cannot be read.
pub async fn follow_database(
    store: &dyn Store,
    repository: DatabaseRepository,
    first: FirstState,
    now: Timestamp,
) -> Result<DatabaseLoaded, QueueError> {
    let held = Held::read(store).await?;
    let (known, again) = (store.advisory_db().await?, held.bad_ids());
    let read = blocking("reading the advisory database", move || read(&repository, known, &again, first)).await??;
    held.store(store, read, now).await
}

/// What was read of a repository: perhaps a whole state, then what each commit changed.
#[derive(Default)]
struct Read {
    whole: Option<Database>,
    steps: Vec<DatabaseChanges>,
    /// The present state, where nothing is to be read.
    same: Option<DbCommit>,
    restart: Option<Restart>,
}

fn read(
    repository: &DatabaseRepository,
    known: Option<DbCommit>,
    again: &BTreeSet<AdvisoryId>,
    first: FirstState,
) -> Result<Read, QueueError> {
    // The snapshot's texts and those of plain files are not the repository's, even where a commit is named.
    let Some(known) = known.filter(|known| known.source != "snapshot" && !known.commit.starts_with("files-")) else {
        let from = match first {
            FirstState::Now => return Ok(Read { whole: Some(repository.read()?), ..Read::default() }),
            FirstState::At(time) => Some(time),
            FirstState::Beginning => None,
        };
        let (whole, steps) = repository.history(from)?;
        return Ok(Read { whole: Some(whole), steps, ..Read::default() });
    };
    let restart = match repository.since(&known.commit, again)? {
        Since::Steps(steps) => return Ok(Read { steps, same: Some(repository.head()?), ..Read::default() }),
        Since::Lost => Restart::Lost,
        Since::Rewritten => Restart::Rewritten,
    };
    Ok(Read { whole: Some(repository.read()?), restart: Some(restart), ..Read::default() })
}

/// What the store holds.
struct Held {
    /// The number of its present state; 0 for none.
    seq: i64,
    advisories: BTreeMap<AdvisoryId, HeldFile>,
    /// The bad files.
    quarantine: Vec<QuarantineWrite>,
}

/// A good file.
struct HeldFile {
    path: String,
    text: String,
    changed_in: String,
}

impl HeldFile {
    /// Whether a file that was read is this one; an origin that was not found tells nothing.
    fn is(&self, read: &Advisory) -> bool {
        let is_origin = read.changed_at.is_none() || self.changed_in == read.changed_in;
        self.path == read.path && self.text == read.text && is_origin
    }
}

impl Held {
    async fn read(store: &dyn Store) -> Result<Self, QueueError> {
        // Asked first: what another process stores after this is a conflict, not a part of what was read.
        let seq = store.advisory_state().await?.map_or(0, |state| state.seq);
        let file = |held: StoredAdvisory| {
            (held.facts.id, HeldFile { path: held.path, text: held.text, changed_in: held.changed_in })
        };
        let advisories = store.advisories().await?.into_iter().map(file);
        let bad = store.quarantined().await?.into_iter().filter(|bad| bad.origin == "advisories");
        Ok(Self { seq, advisories: advisories.collect(), quarantine: bad.map(|bad| bad.entry).collect() })
    }

    fn bad_ids(&self) -> BTreeSet<AdvisoryId> {
        self.quarantine.iter().map(|bad| id_of(&bad.path)).collect()
    }

    async fn store(mut self, store: &dyn Store, read: Read, now: Timestamp) -> Result<DatabaseLoaded, QueueError> {
        let before: BTreeSet<AdvisoryId> = self.advisories.keys().cloned().collect();
        let mut states: Vec<DbState> = Vec::with_capacity(read.steps.len() + 1);
        states.extend(read.whole.map(|database| self.compare(database)));
        states.extend(read.steps.into_iter().map(|step| self.take(step)));
        if states.is_empty() {
            states.extend(read.same.map(|commit| DbState { commit, changed: Vec::new(), removed: Vec::new() }));
        }
        let removed = before.iter().filter(|id| !self.advisories.contains_key(*id)).count();
        advisories::brake(before.len(), before.len() - removed)?;
        let changed: BTreeSet<&AdvisoryId> =
            states.iter().flat_map(|state| &state.changed).map(|changed| &changed.facts.id).collect();
        let loaded = DatabaseLoaded {
            advisories: self.advisories.len(),
            changed: changed.into_iter().filter(|id| self.advisories.contains_key(*id)).count(),
            removed,
            quarantined: self.quarantine.len(),
            states: states.len(),
            restart: read.restart,
        };
        store.apply_db(&DbWrite { since: Some(self.seq), states, quarantine: self.quarantine }, now).await?;
        Ok(loaded)
    }

    /// Takes over a whole state and says what differs. An id stays while a file bears it, good or bad.
    fn compare(&mut self, database: Database) -> DbState {
        let present = database.advisories.iter().map(|advisory| advisory.facts.id.clone());
        let present: BTreeSet<AdvisoryId> =
            present.chain(database.quarantined.iter().map(|bad| id_of(&bad.path))).collect();
        let removed: Vec<_> = self.advisories.keys().filter(|id| !present.contains(*id)).cloned().collect();
        self.quarantine = database.quarantined.into_iter().map(quarantined).collect();
        self.state(database.commit, database.advisories, removed)
    }

    /// Takes over what one commit changed.
    fn take(&mut self, step: DatabaseChanges) -> DbState {
        self.quarantine.retain(|bad| !step.touched.contains(&id_of(&bad.path)));
        self.quarantine.extend(step.quarantined.into_iter().map(quarantined));
        self.state(step.commit, step.changed, step.removed)
    }

    fn state(&mut self, commit: DbCommit, read: Vec<Advisory>, removed: Vec<AdvisoryId>) -> DbState {
        let mut changed = Vec::new();
        for advisory in read {
            if self.advisories.get(&advisory.facts.id).is_some_and(|held| held.is(&advisory)) {
                continue;
            }
            let (path, text) = (advisory.path.clone(), advisory.text.clone());
            let held = HeldFile { path, text, changed_in: advisory.changed_in.clone() };
            self.advisories.insert(advisory.facts.id.clone(), held);
            changed.push(written(advisory));
        }
        let removed = removed.into_iter().filter(|id| self.advisories.remove(id).is_some()).collect();
        DbState { commit, changed, removed }
    }
}

fn written(advisory: Advisory) -> AdvisoryWrite {
    AdvisoryWrite {
        path: advisory.path,
        text: advisory.text,
        changed_in: advisory.changed_at.map(|_| advisory.changed_in),
        changed_at: advisory.changed_at,
        facts: advisory.facts,
    }
}

fn quarantined(bad: advisories::Quarantined) -> QuarantineWrite {
    QuarantineWrite { path: bad.path, line: 0, raw: bad.text, reason: bad.reason }
}

/// The advisories of one state of the database, parsed.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: AdvisoryState,
    pub(crate) advisories: Vec<Advisory>,
    pub(crate) by_id: HashMap<AdvisoryId, usize>,
}

impl Engine {
    /// The advisories known now; `None` when no database was ever loaded. Parsed once per state.
    pub(crate) async fn known(&self) -> Result<Option<Arc<Known>>, QueueError> {
        let Some(state) = self.store.advisory_state().await? else { return Ok(None) };
        let is_present = |known: &Arc<Known>| known.state.seq == state.seq;
        if let Some(known) = self.known.read().await.as_ref().filter(|known| is_present(known)) {
            return Ok(Some(Arc::clone(known)));
        }
        let mut slot = self.known.write().await;
        if let Some(known) = slot.as_ref().filter(|known| is_present(known)) {
            return Ok(Some(Arc::clone(known)));
        }
        let stored = self.store.advisories().await?;
        let known = blocking("reading stored advisories", move || parse_all(&stored, state)).await??;
        let known = Arc::new(known);
        *slot = Some(Arc::clone(&known));
        Ok(Some(known))
    }
}

fn parse_all(stored: &[StoredAdvisory], state: AdvisoryState) -> Result<Known, QueueError> {
    let advisories = stored.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let by_id = advisories.iter().enumerate().map(|(at, advisory)| (advisory.facts.id.clone(), at)).collect();
    Ok(Known { state, advisories, by_id })
}
