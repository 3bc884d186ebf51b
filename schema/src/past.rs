//! A release as it stood at an instant, rebuilt from the record of its changes.

use crate::{Change, ChangeKind, Release, Timestamp};

/// The state of one release at some instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The index line that stood then (of a tombstone, the last one).
    pub line: String,
    /// When it had been deleted by then; `None`: it was there.
    pub deleted_at: Option<Timestamp>,
}

impl Past {
    /// How a release stood at `at`; `None` when it was not there yet.
    ///
    /// `changes` are those of this release, oldest first. A release that was met in a baseline has no change that brought
    /// it: it was there since its publication, or since it was first seen, and its first recorded change tells what was before.
    #[must_use]
    pub fn of(release: &Release, changes: &[Change], at: Timestamp) -> Option<Self> {
        if at < began(release, changes) {
            return None;
        }
        let (until, after): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.at <= at);
        let told = until.iter().rev().find_map(|change| change.line_after.as_ref());
        let line =
            told.or_else(|| after.iter().find_map(|change| change.line_before.as_ref())).unwrap_or(&release.line);
        Some(Self { line: line.clone(), deleted_at: deleted_at(release, &until, at) })
    }
}

/// The registry's own time where it says one: what is observed is observed later.
fn began(release: &Release, changes: &[Change]) -> Timestamp {
    let brought = changes.first().filter(|change| brings(change.kind)).map(|change| change.at);
    let told = [brought, release.published_at];
    told.into_iter().flatten().min().unwrap_or(release.first_seen_at)
}

const fn brings(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Added | ChangeKind::AddedYanked | ChangeKind::ChecksumChanged)
}

fn deleted_at(release: &Release, until: &[&Change], at: Timestamp) -> Option<Timestamp> {
    let last = until.iter().rev().find_map(|change| match change.kind {
        ChangeKind::VersionDeleted | ChangeKind::CrateDeleted => Some(Some(change.at)),
        ChangeKind::ReAdded => Some(None),
        _ => None,
    });
    // One that another archive took the place of has no change of its own that says so.
    last.unwrap_or_else(|| release.deleted_at.filter(|deleted_at| *deleted_at <= at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Generation, KrateName, ReleaseId, ReleaseKey, Sha256, VersionNum};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn release(deleted_at: Option<Timestamp>) -> Release {
        let key = ReleaseKey {
            name: KrateName::parse("a").unwrap(),
            num: VersionNum::parse("1.0.0").unwrap(),
            generation: Generation::FIRST,
        };
        Release {
            id: ReleaseId(1),
            key,
            checksum: Sha256::from_bytes([0; 32]),
            published_at: None,
            first_seen_at: at(1000),
            yanked: false,
            deleted_at,
            line: "now".to_owned(),
        }
    }

    fn change(kind: ChangeKind, seconds: i64, before: Option<&str>, after: Option<&str>) -> Change {
        Change {
            kind,
            name: None,
            num: None,
            checksum: None,
            fields: Vec::new(),
            commit: None,
            at: at(seconds),
            line_before: before.map(str::to_owned),
            line_after: after.map(str::to_owned),
        }
    }

    fn shown(release: &Release, changes: &[Change], seconds: i64) -> Option<(String, Option<i64>)> {
        let past = Past::of(release, changes, at(seconds))?;
        Some((past.line, past.deleted_at.map(|at| at.as_micros() / 1_000_000)))
    }

    #[test]
    fn a_life_is_told_step_by_step() {
        let changes = [
            change(ChangeKind::Added, 10, None, Some("v1")),
            change(ChangeKind::Yanked, 20, Some("v1"), Some("v2")),
            change(ChangeKind::VersionDeleted, 30, Some("v2"), None),
            change(ChangeKind::ReAdded, 40, None, Some("v3")),
            change(ChangeKind::CrateDeleted, 50, Some("v3"), None),
        ];
        let release = release(Some(at(50)));
        let told: Vec<_> = [9, 10, 25, 30, 45, 50, 99].map(|second| shown(&release, &changes, second)).into();
        let line = |line: &str, deleted| Some((line.to_owned(), deleted));
        let expected = [
            None,
            line("v1", None),
            line("v2", None),
            line("v2", Some(30)),
            line("v3", None),
            line("v3", Some(50)),
            line("v3", Some(50)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn before_the_first_change_of_a_baseline_stands_what_that_change_replaced() {
        let changes = [change(ChangeKind::Yanked, 2000, Some("v1"), Some("v2"))];
        assert_eq!(shown(&release(None), &changes, 1500), Some(("v1".to_owned(), None)));
        assert_eq!(shown(&release(None), &changes, 999), None);
        let published = Release { published_at: Some(at(5)), ..release(None) };
        assert_eq!(shown(&published, &changes, 999), Some(("v1".to_owned(), None)));
    }

    #[test]
    fn an_archive_that_was_replaced_was_there_until_then() {
        let changes = [change(ChangeKind::Added, 10, None, Some("v1"))];
        let release = release(Some(at(30)));
        assert_eq!(shown(&release, &changes, 29), Some(("v1".to_owned(), None)));
        assert_eq!(shown(&release, &changes, 30), Some(("v1".to_owned(), Some(30))));
    }
}
