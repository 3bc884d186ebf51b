//! What the files of a commit mean for the rows: asked of the store at once, compared crate by crate.

use std::collections::HashMap;

use follow::{Batch, ChangedFile, Context, Question, Reading, Validators, reconcile_all};
use schema::{CanonicalName, Timestamp};
use store::{KrateWrite, StoredKrate};

use crate::QueueError;
use crate::blocking::blocking;
use crate::following::{AT_ONCE, Round};
use crate::reading::{krate_write, stored_lines};
use crate::signals;

impl Round<'_> {
    /// What each crate's file means for its rows.
    pub(super) async fn decide(&self, batches: &[Batch]) -> Result<Vec<KrateWrite>, QueueError> {
        let follower = self.follower;
        // What is met on the way to the head for the first time is the past, and a back-fill's to fetch.
        let download = follower.options.download && self.state.last_success_at.is_some();
        let now = follower.clock.now();
        let files: Vec<_> = batches.iter().map(|batch| (Origin::of(batch), by_krate(&batch.changed))).collect();
        let names: Vec<_> = files.iter().flat_map(|(_, files)| files).map(|file| file.name.canonical()).collect();
        let mut held: HashMap<CanonicalName, StoredKrate> = HashMap::with_capacity(names.len());
        for some in names.chunks(AT_ONCE) {
            let krates = follower.store.krates(follower.id, some).await?;
            held.extend(krates.into_iter().map(|krate| (krate.canonical.clone(), krate)));
        }
        let (mut writes, held) = blocking("comparing crates with the index", move || {
            let writes = decide_all(&files, &held, now, download);
            (writes, held)
        })
        .await?;
        let held = held.iter().collect();
        signals::add(follower.store.as_ref(), &mut writes, &held).await?;
        Ok(writes)
    }
}

/// Where some files come from.
struct Origin {
    commit: String,
    at: Timestamp,
    reading: Reading,
}

impl Origin {
    fn of(batch: &Batch) -> Self {
        Self { commit: batch.commit.to_string(), at: batch.at, reading: batch.reading }
    }
}

fn decide_all(
    files: &[(Origin, Vec<ChangedFile>)],
    held: &HashMap<CanonicalName, StoredKrate>,
    now: Timestamp,
    download: bool,
) -> Vec<KrateWrite> {
    let asked = files.iter().flat_map(|(origin, files)| files.iter().map(move |file| (origin, file)));
    let asked: Vec<_> = asked
        .map(|(origin, file)| (origin, file, held.get(&file.name.canonical())))
        // Nothing is held and nothing is there: a crate that came and went between two trees.
        .filter(|(_, file, held)| held.is_some() || file.after.is_some())
        .collect();
    let questions: Vec<_> = asked.iter().map(|(origin, file, held)| question(origin, file, *held)).collect();
    let answers = asked.iter().zip(reconcile_all(&questions));
    let writes = answers.map(|((_, file, held), reconciled)| {
        let write = krate_write(*held, &file.name, reconciled, Validators::default(), now);
        KrateWrite { download, ..write }
    });
    writes.collect()
}

fn question<'a>(origin: &'a Origin, file: &'a ChangedFile, held: Option<&'a StoredKrate>) -> Question<'a> {
    let context = Context {
        krate: &file.name,
        commit: Some(&origin.commit),
        at: origin.at,
        reading: origin.reading,
        known_duplicates: held.map_or(&[][..], |held| &held.duplicates),
    };
    Question { stored: held.map(stored_lines).unwrap_or_default(), file: file.after.as_deref(), context }
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
