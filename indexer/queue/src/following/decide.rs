//! What the files of a commit mean for the rows: asked of the store at once, compared crate by crate.

use std::collections::HashMap;

use follow::{Batch, ChangedFile, Context, Question, Reading, Validators, reconcile_all};
use schema::{CanonicalName, KrateName, Timestamp};
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
        let names: Vec<_> =
            files.iter().flat_map(|(_, files)| files).map(|krate| krate.file.name.canonical()).collect();
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
    files: &[(Origin, Vec<KrateFile>)],
    held: &HashMap<CanonicalName, StoredKrate>,
    now: Timestamp,
    download: bool,
) -> Vec<KrateWrite> {
    let asked = files.iter().flat_map(|(origin, krates)| krates.iter().map(move |krate| (origin, krate)));
    let asked: Vec<_> = asked
        .map(|(origin, krate)| (origin, krate, held.get(&krate.file.name.canonical())))
        // Nothing is held and nothing is there: a crate that came and went between two trees.
        .filter(|(_, krate, held)| held.is_some() || krate.file.after.is_some())
        .collect();
    let questions: Vec<_> = asked.iter().map(|(origin, krate, held)| question(origin, krate, *held)).collect();
    let writes = reconcile_all(&questions, |at, reconciled| {
        let (_, krate, held) = asked.get(at)?;
        let write = krate_write(*held, &krate.file.name, reconciled, Validators::default(), now);
        Some(KrateWrite { download, ..write })
    });
    writes.into_iter().flatten().collect()
}

fn question<'a>(origin: &'a Origin, krate: &'a KrateFile, held: Option<&'a StoredKrate>) -> Question<'a> {
    let context = Context {
        krate: &krate.file.name,
        also: &krate.also,
        commit: Some(&origin.commit),
        at: origin.at,
        // What another source told of the crate already is history; a baseline must not change it without a word.
        reading: if held.is_some_and(|held| !held.releases.is_empty()) { Reading::Recorded } else { origin.reading },
        known_duplicates: held.map_or(&[][..], |held| &held.duplicates),
    };
    Question { stored: held.map(stored_lines).unwrap_or_default(), file: krate.file.after.as_deref(), context }
}

/// One crate's file, or the files of its spellings read as one.
struct KrateFile {
    file: ChangedFile,
    also: Vec<KrateName>,
}

/// The files, each crate once: two files whose names differ only in spelling are two parts of one crate.
fn by_krate(changed: &[ChangedFile]) -> Vec<KrateFile> {
    let mut files: Vec<KrateFile> = Vec::with_capacity(changed.len());
    let mut at: HashMap<CanonicalName, usize> = HashMap::with_capacity(changed.len());
    for file in changed {
        let position = *at.entry(file.name.canonical()).or_insert(files.len());
        match files.get_mut(position) {
            None => files.push(KrateFile { file: file.clone(), also: Vec::new() }),
            Some(first) => first.join(file),
        }
    }
    files
}

impl KrateFile {
    fn join(&mut self, other: &ChangedFile) {
        match (&mut self.file.after, &other.after) {
            (Some(lines), Some(more)) => {
                lines.push(b'\n');
                lines.extend_from_slice(more);
                self.also.push(other.name.clone());
            }
            (None, Some(_)) => {
                let gone = std::mem::replace(&mut self.file, other.clone());
                self.also.push(gone.name);
            }
            (_, None) => self.also.push(other.name.clone()),
        }
    }
}
