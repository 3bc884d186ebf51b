//! Signals are judged by `follow`; here their facts are fetched and they are put with the changes they are about.

use std::collections::HashMap;

use follow::{A_DAY, HeldLine, Recent, Surroundings, named_dependencies};
use schema::{CanonicalName, Change, Timestamp};
use store::{KrateWrite, LineWrite, Signal, SignalFacts, Store, StoredKrate, StoredRelease};

use crate::QueueError;

/// Looks at what is about to be written and adds the signals that come to be with it. A baseline gives none.
pub(crate) async fn add(
    store: &dyn Store,
    writes: &mut [KrateWrite],
    held: &HashMap<&CanonicalName, &StoredKrate>,
) -> Result<(), QueueError> {
    let (mut krates, mut dependencies, mut first) = (Vec::new(), Vec::new(), None);
    for write in writes.iter() {
        let canonical = write.name.canonical();
        let changes: Vec<_> = changes(write).collect();
        // A crate nobody knew has no habits to depart from.
        let Some(at) = changes.iter().map(|change| change.at).min() else { continue };
        if held.get(&canonical).is_none_or(|held| held.releases.is_empty()) {
            continue;
        }
        krates.push(canonical);
        dependencies.extend(named_dependencies(&changes));
        first = Some(first.map_or(at, |first: Timestamp| first.min(at)));
    }
    let Some(first) = first else { return Ok(()) };
    dependencies.sort();
    dependencies.dedup();
    let facts = store.signal_facts(&krates, &dependencies, first.plus_seconds(-A_DAY)).await?;
    let mut facts = Facts::of(&facts);
    // Crates that begin with this very transaction are not stored yet.
    let new =
        writes.iter().filter(|write| held.get(&write.name.canonical()).is_none_or(|held| held.releases.is_empty()));
    facts.began.extend(new.filter_map(|write| Some((write.name.canonical(), begins(write)?))));
    for write in writes {
        let canonical = write.name.canonical();
        let Some(held) = held.get(&canonical).filter(|_| krates.contains(&canonical)) else { continue };
        write.signals = signals_of(write, held, &facts)?;
    }
    Ok(())
}

/// When a new crate's first release was published, by its line or else by its change.
fn begins(write: &KrateWrite) -> Option<Timestamp> {
    let published = write.lines.iter().filter_map(|line| match line {
        LineWrite::Insert { line, changes, .. } => line.published_at.or(changes.first().map(|change| change.at)),
        _ => None,
    });
    published.min()
}

/// The facts by crate.
struct Facts<'f> {
    recent: HashMap<&'f CanonicalName, Vec<Recent>>,
    last_published: HashMap<&'f CanonicalName, Timestamp>,
    began: HashMap<CanonicalName, Timestamp>,
}

impl<'f> Facts<'f> {
    fn of(facts: &'f SignalFacts) -> Self {
        let mut recent: HashMap<_, Vec<Recent>> = HashMap::new();
        for change in &facts.recent {
            let of_krate = recent.entry(&change.canonical).or_default();
            of_krate.push(Recent { kind: change.kind, num: change.num.clone(), at: change.at });
        }
        Self {
            recent,
            last_published: facts.last_published.iter().map(|(krate, at)| (krate, *at)).collect(),
            began: facts.began.iter().cloned().collect(),
        }
    }
}

fn signals_of(write: &KrateWrite, held: &StoredKrate, facts: &Facts<'_>) -> Result<Vec<Signal>, QueueError> {
    let changes: Vec<_> = changes(write).collect();
    let lines: Vec<_> = held.releases.iter().map(held_line).collect();
    let surroundings = Surroundings {
        krate: &write.name,
        held: &lines,
        recent: facts.recent.get(&held.canonical).map_or(&[][..], Vec::as_slice),
        last_published: facts.last_published.get(&held.canonical).copied(),
        began: &facts.began,
    };
    let found = follow::signals(&changes, &surroundings).into_iter().map(|signal| {
        let payload = serde_json::to_string(&signal);
        let payload = payload.map_err(|error| QueueError::Missing(format!("a signal cannot be written: {error}")))?;
        Ok(Signal { at: signal.at, payload })
    });
    found.collect()
}

fn held_line(release: &StoredRelease) -> HeldLine<'_> {
    HeldLine { num: &release.num, line: &release.line, deleted: release.deleted }
}

fn changes(write: &KrateWrite) -> impl Iterator<Item = &Change> {
    write.lines.iter().flat_map(LineWrite::changes)
}
