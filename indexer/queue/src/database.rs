//! The advisory database: storing a new state of it, and keeping its advisories at hand, parsed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use advisories::{Advisory, Database};
use schema::{AdvisoryId, Timestamp};
use store::{AdvisoryWrite, DbWrite, QuarantineWrite, Store, StoredAdvisory};

use crate::blocking::blocking;
use crate::{Engine, QueueError};

/// What a new state of the database brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseLoaded {
    /// Advisories that stand.
    pub advisories: usize,
    /// Of these, new or with another text.
    pub changed: usize,
    /// Gone since the state before.
    pub removed: usize,
    /// Files that could not be read.
    pub quarantined: usize,
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
    let held = store.advisories().await?;
    let write = difference(&held, database)?;
    let loaded = DatabaseLoaded {
        advisories: held.len() + write.changed.len() - replaced(&held, &write) - write.removed.len(),
        changed: write.changed.len(),
        removed: write.removed.len(),
        quarantined: write.quarantine.len(),
    };
    store.apply_db(&write, now).await?;
    Ok(loaded)
}

fn difference(held: &[StoredAdvisory], database: Database) -> Result<DbWrite, QueueError> {
    let by_id: HashMap<&AdvisoryId, &StoredAdvisory> = held.iter().map(|held| (&held.facts.id, held)).collect();
    let unreadable: HashSet<&str> = database.quarantined.iter().map(|bad| bad.path.as_str()).collect();
    let present: HashSet<&AdvisoryId> = database.advisories.iter().map(|advisory| &advisory.facts.id).collect();
    let removed: Vec<AdvisoryId> = held
        .iter()
        .filter(|held| !present.contains(&held.facts.id) && !unreadable.contains(held.path.as_str()))
        .map(|held| held.facts.id.clone())
        .collect();
    advisories::brake(held.len(), held.len() - removed.len())?;
    let changed = database
        .advisories
        .iter()
        .filter(|advisory| {
            by_id.get(&advisory.facts.id).is_none_or(|held| held.text != advisory.text || held.path != advisory.path)
        })
        .map(|advisory| AdvisoryWrite {
            path: advisory.path.clone(),
            text: advisory.text.clone(),
            facts: advisory.facts.clone(),
        })
        .collect();
    let quarantine = database.quarantined.into_iter().map(|bad| QuarantineWrite {
        path: bad.path,
        line: 0,
        raw: bad.text,
        reason: bad.reason,
    });
    Ok(DbWrite { commit: database.commit, changed, removed, quarantine: quarantine.collect() })
}

fn replaced(held: &[StoredAdvisory], write: &DbWrite) -> usize {
    let held: HashSet<_> = held.iter().map(|held| &held.facts.id).collect();
    write.changed.iter().filter(|changed| held.contains(&changed.facts.id)).count()
}

/// The advisories of one state of the database, parsed.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) commit: String,
    source: String,
    pub(crate) advisories: Vec<Advisory>,
    pub(crate) by_id: HashMap<AdvisoryId, usize>,
}

impl Engine {
    /// The advisories known now; `None` when no database was ever loaded. Parsed once per state.
    pub(crate) async fn known(&self) -> Result<Option<Arc<Known>>, QueueError> {
        let Some(commit) = self.store.advisory_db().await? else { return Ok(None) };
        let is_present = |known: &Arc<Known>| known.commit == commit.commit && known.source == commit.source;
        if let Some(known) = self.known.read().await.as_ref().filter(|known| is_present(known)) {
            return Ok(Some(Arc::clone(known)));
        }
        let mut slot = self.known.write().await;
        if let Some(known) = slot.as_ref().filter(|known| is_present(known)) {
            return Ok(Some(Arc::clone(known)));
        }
        let stored = self.store.advisories().await?;
        let known = blocking("reading stored advisories", move || parse_all(&stored, commit)).await??;
        let known = Arc::new(known);
        *slot = Some(Arc::clone(&known));
        Ok(Some(known))
    }
}

fn parse_all(stored: &[StoredAdvisory], commit: schema::DbCommit) -> Result<Known, QueueError> {
    let mut advisories = Vec::with_capacity(stored.len());
    for held in stored {
        // It was good when it was stored, so this is a fault of ours, and a silent gap must not come of it.
        let advisory = Advisory::parse(&held.path, &held.text, &held.db_commit).map_err(|reason| {
            QueueError::Missing(format!("the stored advisory {} is unreadable: {reason}", held.path))
        })?;
        advisories.push(advisory);
    }
    let by_id = advisories.iter().enumerate().map(|(at, advisory)| (advisory.facts.id.clone(), at)).collect();
    Ok(Known { commit: commit.commit, source: commit.source, advisories, by_id })
}
