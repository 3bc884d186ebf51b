//! Commits that are stored together. One transaction per commit is what a replay of a long history spends its time on; a
//! transaction may hold several, as long as no crate comes twice, for its second change is decided on the first one stored.

use std::collections::HashSet;

use follow::{Batch, Step};
use schema::CanonicalName;

/// Commits in one transaction; it stays well below a second.
const COMMITS: usize = 200;
/// Files in one transaction.
const FILES: usize = 1000;

/// Commits that follow one another and touch different crates.
#[derive(Default)]
pub(super) struct Group {
    batches: Vec<Batch>,
    krates: HashSet<CanonicalName>,
    paths: HashSet<String>,
}

impl Group {
    /// Whether the batch may be stored with what is here.
    pub(super) fn takes(&self, batch: &Batch) -> bool {
        let Some(last) = self.batches.last() else { return true };
        let plain =
            |batch: &Batch| batch.step == Step::Commit && batch.changes.is_empty() && batch.cursor.within.is_none();
        let apart = batch.changed.iter().all(|file| !self.krates.contains(&file.name.canonical()))
            && batch.quarantine.iter().all(|bad| !self.paths.contains(&bad.path));
        plain(last) && plain(batch) && apart && self.batches.len() < COMMITS && self.krates.len() < FILES
    }

    pub(super) fn add(&mut self, batch: Batch) {
        self.krates.extend(batch.changed.iter().map(|file| file.name.canonical()));
        self.paths.extend(batch.quarantine.iter().map(|bad| bad.path.clone()));
        self.batches.push(batch);
    }

    pub(super) fn into_batches(self) -> Vec<Batch> {
        self.batches
    }
}
