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
    /// it; its first recorded change tells what was before.
    #[must_use]
    pub fn of(release: &Release, changes: &[Change], at: Timestamp) -> Option<Self> {
        if at < began(release, changes) {
            return None;
        }
        let (until, after): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.at <= at);
        let told = until.iter().rev().find_map(|change| change.line_after.as_ref());
        // The next change tells what it replaced, or what it brought when it is the one that brought it.
        let next = || after.iter().find_map(|change| change.line_before.as_ref().or(change.line_after.as_ref()));
        let line = told.or_else(next).unwrap_or(&release.line);
        Some(Self { line: line.clone(), deleted_at: deleted_at(release, &until, at) })
    }
}

/// Since when a release was there. A commit says when it brought it; what was observed happened when the line says, at the
/// latest when it was observed. Of what was met in a baseline the line tells; where that says nothing, or was edited since, it
/// was there for as long as anybody can ask.
fn began(release: &Release, changes: &[Change]) -> Timestamp {
    let published_at = release.published_at;
    match changes.first().filter(|change| brings(change.kind)) {
        Some(brought) if brought.commit.is_some() || brought.kind == ChangeKind::ChecksumChanged => brought.at,
        Some(brought) => published_at.map_or(brought.at, |published_at| published_at.min(brought.at)),
        None if changes.iter().any(|change| change.fields.iter().any(|field| field == "pubtime")) => BEGINNING,
        None => published_at.unwrap_or(BEGINNING),
    }
}

/// Before anything.
const BEGINNING: Timestamp = Timestamp::from_micros(i64::MIN);

const fn brings(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Added | ChangeKind::AddedYanked | ChangeKind::ChecksumChanged)
}

fn deleted_at(release: &Release, until: &[&Change], at: Timestamp) -> Option<Timestamp> {
    let last = until.iter().rev().find(|change| is_end_or_return(change.kind));
    match last {
        Some(end) if end.kind != ChangeKind::ReAdded => Some(end.at),
        // One that another archive took the place of has no change of its own that says so.
        last => {
            let since = last.map_or(BEGINNING, |change| change.at);
            release.deleted_at.filter(|deleted_at| *deleted_at <= at && *deleted_at >= since)
        }
    }
}

const fn is_end_or_return(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::VersionDeleted | ChangeKind::CrateDeleted | ChangeKind::ReAdded)
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
        assert_eq!(shown(&release(None), &changes, 5), Some(("v1".to_owned(), None)), "nobody knows since when");
        let published = Release { published_at: Some(at(5)), ..release(None) };
        assert_eq!(shown(&published, &changes, 999), Some(("v1".to_owned(), None)));
        assert_eq!(shown(&published, &changes, 4), None);
    }

    #[test]
    fn a_commit_knows_better_than_the_line_when_it_brought_it() {
        // An archive replaced in place keeps its time of publication, and a time may be edited afterwards.
        let brought =
            Change { commit: Some("c".to_owned()), ..change(ChangeKind::ChecksumChanged, 30, None, Some("v2")) };
        let release = Release { published_at: Some(at(5)), ..release(None) };
        assert_eq!(shown(&release, &[brought], 29), None);
        // Without commits the line's time is nearer to the truth than the moment of a look.
        let seen = [change(ChangeKind::Added, 30, None, Some("v1"))];
        assert_eq!(shown(&release, &seen, 29), Some(("v1".to_owned(), None)));
    }

    #[test]
    fn what_came_back_and_was_then_replaced_is_gone() {
        let changes = [
            change(ChangeKind::Added, 10, None, Some("v1")),
            change(ChangeKind::VersionDeleted, 20, Some("v1"), None),
            change(ChangeKind::ReAdded, 30, None, Some("v1")),
        ];
        let release = release(Some(at(40)));
        assert_eq!(shown(&release, &changes, 35), Some(("v1".to_owned(), None)));
        assert_eq!(shown(&release, &changes, 40), Some(("v1".to_owned(), Some(40))));
    }

    #[test]
    fn an_archive_that_was_replaced_was_there_until_then() {
        let changes = [change(ChangeKind::Added, 10, None, Some("v1"))];
        let release = release(Some(at(30)));
        assert_eq!(shown(&release, &changes, 29), Some(("v1".to_owned(), None)));
        assert_eq!(shown(&release, &changes, 30), Some(("v1".to_owned(), Some(30))));
    }
}
