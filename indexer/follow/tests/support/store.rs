//! The tables of a store in memory, as far as following goes; shared by the tests.

use std::collections::BTreeMap;

use follow::{Batch, Context, Effect, Quarantined, Reading, StoredLine, reconcile};
use schema::{CanonicalName, Change, ChangeKind, ReleaseId};

/// Rows by crate, and every change in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Store {
    pub(crate) rows: BTreeMap<CanonicalName, Vec<StoredLine>>,
    pub(crate) changes: Vec<Change>,
    pub(crate) quarantine: Vec<Quarantined>,
}

impl Store {
    /// Writes one batch of a git index, as the handler does in one transaction.
    pub(crate) fn apply(&mut self, batch: &Batch) {
        self.changes.extend(batch.changes.iter().cloned());
        self.quarantine.extend(batch.quarantine.iter().cloned());
        let commit = batch.commit.to_string();
        for file in &batch.changed {
            let canonical = file.name.canonical();
            let known_duplicates: Vec<String> = self
                .changes
                .iter()
                .filter(|change| change.kind == ChangeKind::DuplicateLine)
                .filter(|change| change.name.as_ref().is_some_and(|name| name.canonical() == canonical))
                .filter_map(|change| change.line_after.clone())
                .collect();
            let context = Context {
                krate: &file.name,
                commit: Some(&commit),
                at: batch.at,
                reading: batch.reading,
                known_duplicates: &known_duplicates,
                also: &[],
            };
            let rows = self.rows.entry(canonical).or_default();
            let reconciled = reconcile(rows, file.after.as_deref(), &context);
            for decision in reconciled.decisions {
                assert_eq!(decision.change.is_none(), batch.reading == Reading::Baseline);
                write(rows, decision.effect);
                self.changes.extend(decision.change);
            }
            self.quarantine.extend(reconciled.quarantine);
        }
    }

    /// How many changes of each kind there were.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.kind.to_string()).or_default() += 1;
        }
        counts
    }

    /// The lines that are live, by crate and version.
    pub(crate) fn live(&self) -> BTreeMap<(String, String), String> {
        let rows = self.rows.iter().flat_map(|(krate, rows)| rows.iter().map(move |row| (krate, row)));
        rows.filter(|(_, row)| !row.deleted)
            .map(|(krate, row)| ((krate.to_string(), row.num.to_string()), row.line.clone()))
            .collect()
    }
}

fn write(rows: &mut Vec<StoredLine>, effect: Effect) {
    fn row(rows: &mut [StoredLine], release: ReleaseId) -> &mut StoredLine {
        &mut rows[usize::try_from(release.0).unwrap()]
    }
    match effect {
        Effect::None => {}
        Effect::Insert { generation, replaces, line } => {
            if let Some(release) = replaces {
                row(rows, release).deleted = true;
            }
            rows.push(StoredLine {
                release: ReleaseId(i64::try_from(rows.len()).unwrap()),
                num: line.parsed.num,
                generation,
                checksum: line.parsed.checksum,
                deleted: false,
                line: line.text,
            });
        }
        Effect::Update { release, line, .. } => row(rows, release).line = line.text,
        Effect::Delete { release } => row(rows, release).deleted = true,
        Effect::Revive { release, line } => {
            row(rows, release).deleted = false;
            row(rows, release).line = line.text;
        }
    }
}
