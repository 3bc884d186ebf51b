//! What `reconcile` decides, case by case, and that it comes to rest; truth is a small model written here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::{BTreeMap, HashMap};

use follow::{Context, Effect, Reading, Reconciled, StoredLine, changes_of_file, reconcile};
use proptest::prelude::*;
use schema::{Change, ChangeKind, Generation, KrateName, ReleaseId, Sha256, Timestamp, VersionNum};

/// An index line of crate `demo`; `archive` stands for the archive's content, `rest` for further fields.
fn line_of(name: &str, num: &str, archive: u8, rest: &str) -> String {
    let cksum = format!("{archive:02x}").repeat(32);
    format!(r#"{{"name":"{name}","vers":"{num}","deps":[],"cksum":"{cksum}","features":{{}}{rest}}}"#)
}

fn line(num: &str, archive: u8) -> String {
    line_of("demo", num, archive, r#","yanked":false"#)
}

fn yanked(num: &str, archive: u8) -> String {
    line_of("demo", num, archive, r#","yanked":true"#)
}

fn file(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The tables of a store, as far as this crate goes.
#[derive(Default)]
struct Table {
    rows: Vec<StoredLine>,
    changes: Vec<Change>,
}

impl Table {
    fn read(&mut self, text: Option<&str>) -> Reconciled {
        self.read_as(text, Reading::Recorded)
    }

    /// Reads a state of the file and writes what was decided, as a store would.
    fn read_as(&mut self, text: Option<&str>, reading: Reading) -> Reconciled {
        let krate = KrateName::parse("demo").unwrap();
        let duplicates: Vec<String> = self
            .changes
            .iter()
            .filter(|change| change.kind == ChangeKind::DuplicateLine)
            .filter_map(|change| change.line_after.clone())
            .collect();
        let context = Context {
            krate: &krate,
            commit: Some("c0ffee"),
            at: Timestamp::from_seconds(7),
            reading,
            known_duplicates: &duplicates,
            also: &[],
        };
        let reconciled = reconcile(&self.rows, text.map(str::as_bytes), &context);
        for decision in &reconciled.decisions {
            self.write(&decision.effect);
            self.changes.extend(decision.change.clone());
        }
        reconciled
    }

    fn write(&mut self, effect: &Effect) {
        match effect {
            Effect::None => {}
            Effect::Insert { generation, replaces, line } => {
                if let Some(release) = replaces {
                    self.row(*release).deleted = true;
                }
                self.rows.push(StoredLine {
                    release: ReleaseId(i64::try_from(self.rows.len()).unwrap()),
                    num: line.parsed.num.clone(),
                    generation: *generation,
                    checksum: line.parsed.checksum,
                    deleted: false,
                    line: line.text.clone(),
                });
            }
            Effect::Update { release, line, .. } => self.row(*release).line.clone_from(&line.text),
            Effect::Delete { release } => self.row(*release).deleted = true,
            Effect::Revive { release, line } => {
                let row = self.row(*release);
                row.deleted = false;
                row.line.clone_from(&line.text);
            }
        }
    }

    fn row(&mut self, release: ReleaseId) -> &mut StoredLine {
        &mut self.rows[usize::try_from(release.0).unwrap()]
    }

    /// `num#generation`, with `!` for a tombstone, in order of insertion.
    fn shown(&self) -> Vec<String> {
        let mark = |row: &StoredLine| if row.deleted { "!" } else { "" };
        self.rows.iter().map(|row| format!("{}#{}{}", row.num, row.generation, mark(row))).collect()
    }
}

/// Reads the states of the file one after another and compares the kinds of change, a list per state, and the rows.
#[track_caller]
fn check(states: &[(Option<String>, &[&str])], rows: &[&str]) {
    let mut table = Table::default();
    for (n, (text, expected)) in states.iter().enumerate() {
        let reconciled = table.read(text.as_deref());
        let kinds: Vec<String> = reconciled
            .decisions
            .iter()
            .map(|decision| {
                let change = decision.change.as_ref().unwrap();
                let fields =
                    if change.fields.is_empty() { String::new() } else { format!(":{}", change.fields.join(",")) };
                format!("{}@{}{fields}", change.kind, change.num.as_ref().unwrap())
            })
            .collect();
        assert_eq!(kinds, *expected, "state {n}");
        assert_eq!(table.read(text.as_deref()), Reconciled { decisions: vec![], ..reconciled }, "state {n} twice");
    }
    assert_eq!(table.shown(), rows);
}

#[test]
fn versions_come_go_and_come_back() {
    check(
        &[
            (Some(file(&[line("1.0.0", 1)])), &["added@1.0.0"]),
            (Some(file(&[line("1.0.0", 1), yanked("1.1.0", 2)])), &["added_yanked@1.1.0"]),
            (Some(file(&[yanked("1.1.0", 2)])), &["version_deleted@1.0.0"]),
            (None, &["crate_deleted@1.1.0"]),
            (Some(file(&[line("1.0.0", 1), line("1.1.0", 2)])), &["re_added@1.0.0", "re_added@1.1.0:yanked"]),
        ],
        &["1.0.0#1", "1.1.0#1"],
    );
}

#[test]
fn another_archive_is_another_generation_and_the_first_again_is_the_third() {
    check(
        &[
            (Some(file(&[line("1.0.0", 1)])), &["added@1.0.0"]),
            (Some(file(&[line("1.0.0", 2)])), &["checksum_changed@1.0.0:cksum"]),
            (Some(file(&[line("1.0.0", 1)])), &["checksum_changed@1.0.0:cksum"]),
        ],
        &["1.0.0#1!", "1.0.0#2!", "1.0.0#3"],
    );
}

#[test]
fn a_number_deleted_and_published_anew_is_a_new_generation() {
    check(
        &[
            (Some(file(&[line("1.0.0", 1)])), &["added@1.0.0"]),
            (None, &["crate_deleted@1.0.0"]),
            (Some(file(&[line("1.0.0", 2)])), &["checksum_changed@1.0.0:cksum"]),
        ],
        &["1.0.0#1!", "1.0.0#2"],
    );
}

#[test]
fn numbers_that_differ_in_build_metadata_are_two() {
    check(
        &[
            (Some(file(&[line("0.1.2", 1), line("0.1.2+old", 2)])), &["added@0.1.2", "added@0.1.2+old"]),
            (Some(file(&[line("0.1.2", 1)])), &["version_deleted@0.1.2+old"]),
        ],
        &["0.1.2#1", "0.1.2+old#1!"],
    );
}

#[test]
fn a_yank_and_an_edit_in_one_line_are_two_changes() {
    let dependency = r#","yanked":true,"links":"z""#;
    check(
        &[
            (Some(file(&[line("1.0.0", 1)])), &["added@1.0.0"]),
            (Some(file(&[yanked("1.0.0", 1)])), &["yanked@1.0.0:yanked"]),
            (Some(file(&[line("1.0.0", 1)])), &["unyanked@1.0.0:yanked"]),
            (
                Some(file(&[line_of("demo", "1.0.0", 1, dependency)])),
                &["metadata_changed@1.0.0:links", "yanked@1.0.0:yanked"],
            ),
        ],
        &["1.0.0#1"],
    );
}

#[test]
fn only_an_edit_of_the_dependencies_touches_them() {
    let mut table = Table::default();
    table.read(Some(&file(&[line("1.0.0", 1)])));
    let with_dep = line("1.0.0", 1).replace(r#""deps":[]"#, r#""deps":[{"name":"x","req":"*"}]"#);
    for (text, expected) in [
        (yanked("1.0.0", 1), false),
        (with_dep.clone(), true),
        (with_dep.replace("false}", "false,\"pubtime\":\"2026-08-20T07:15:00Z\"}"), false),
    ] {
        let decisions = table.read(Some(&text)).decisions;
        let Effect::Update { dependencies, .. } = &decisions[0].effect else { panic!("{decisions:?}") };
        assert_eq!(*dependencies, expected, "{text}");
    }
}

#[test]
fn spacing_order_line_ends_and_marks_are_no_change() {
    let plain = file(&[line("1.0.0", 1), line("1.1.0", 2)]);
    let spaced = plain.replace(',', " , ").replace(':', ": ");
    let crlf = format!("\u{feff}{}\r\n\r\n", plain.replace('\n', "\r\n"));
    let reordered = file(&[line("1.1.0", 2), line("1.0.0", 1)]);
    check(
        &[
            (Some(plain), &["added@1.0.0", "added@1.1.0"]),
            (Some(spaced), &[]),
            (Some(crlf), &[]),
            (Some(reordered), &[]),
        ],
        &["1.0.0#1", "1.1.0#1"],
    );
}

#[test]
fn of_two_lines_of_one_number_the_last_counts_and_the_other_is_told_once() {
    check(
        &[
            (Some(file(&[line("1.0.0", 1), line("1.0.0", 2)])), &["duplicate_line@1.0.0", "added@1.0.0"]),
            (Some(file(&[line("1.0.0", 1), line("1.0.0", 2), line("2.0.0", 3)])), &["added@2.0.0"]),
            (Some(file(&[line("1.0.0", 2), line("2.0.0", 3)])), &[]),
            (
                Some(file(&[line("1.0.0", 2), line("2.0.0", 3), yanked("2.0.0", 3)])),
                &["duplicate_line@2.0.0", "yanked@2.0.0:yanked"],
            ),
        ],
        &["1.0.0#1", "2.0.0#1"],
    );
}

#[test]
fn an_unreadable_line_is_quarantined_and_its_version_stays() {
    let whole = file(&[line("1.0.0", 1), line("1.1.0", 2), line("1.2.0", 3)]);
    let cut = line("1.1.0", 2).split_at(60).0.to_owned();
    for (damaged, held) in [
        // Its number can be made out: the other missing version is deleted all the same.
        (cut.clone(), 1),
        // Only its checksum can be made out.
        (format!("\u{1}{}", "02".repeat(32)), 1),
        // Nothing can: nothing counts as deleted.
        ("<html>".to_owned(), 2),
        (line_of("other", "1.1.0", 2, ""), 1),
    ] {
        let mut table = Table::default();
        table.read(Some(&whole));
        let reconciled = table.read(Some(&file(&[line("1.0.0", 1), damaged.clone()])));
        assert_eq!(reconciled.held.len(), held, "{damaged}");
        assert_eq!(reconciled.n_deleted(), 2 - held, "{damaged}");
        assert!(!table.rows[1].deleted, "{damaged}");
        let [quarantined] = &reconciled.quarantine[..] else { panic!("{reconciled:?}") };
        assert_eq!((quarantined.path.as_str(), quarantined.line, &quarantined.raw), ("de/mo/demo", 2, &damaged));
    }
}

#[test]
fn bytes_that_are_no_text_are_one_bad_line() {
    let krate = KrateName::parse("demo").unwrap();
    let context = Context {
        krate: &krate,
        commit: None,
        at: Timestamp::from_seconds(0),
        reading: Reading::Recorded,
        known_duplicates: &[],
        also: &[],
    };
    let mut bytes = file(&[line("1.0.0", 1)]).into_bytes();
    bytes.extend(b"\xff\xfe\n");
    bytes.extend(file(&[line("1.1.0", 2)]).bytes());
    let reconciled = reconcile(&[], Some(&bytes), &context);
    assert_eq!(reconciled.decisions.len(), 2);
    assert_eq!(reconciled.quarantine[0].line, 2);
    assert!(reconciled.quarantine[0].reason.contains("not UTF-8"));
}

#[test]
fn a_baseline_writes_rows_and_no_changes() {
    let mut table = Table::default();
    table.read_as(Some(&file(&[line("1.0.0", 1), line("1.0.0", 2), line("1.1.0", 3)])), Reading::Baseline);
    assert_eq!(table.shown(), ["1.0.0#1", "1.1.0#1"]);
    assert_eq!(table.changes, []);
}

#[test]
fn the_absence_of_one_spelling_leaves_the_other_alone() {
    let krate = KrateName::parse("a-b").unwrap();
    let stored = StoredLine {
        release: ReleaseId(1),
        num: VersionNum::parse("1.0.0").unwrap(),
        generation: Generation::FIRST,
        checksum: Sha256::from_bytes([1; 32]),
        deleted: false,
        line: line_of("a_b", "1.0.0", 1, ""),
    };
    let context = Context {
        krate: &krate,
        commit: None,
        at: Timestamp::from_seconds(0),
        reading: Reading::Recorded,
        known_duplicates: &[],
        also: &[],
    };
    assert_eq!(reconcile(std::slice::from_ref(&stored), None, &context), Reconciled::default());
    let krate = KrateName::parse("a_b").unwrap();
    let gone = reconcile(&[stored], None, &Context { krate: &krate, ..context });
    assert_eq!(gone.n_deleted(), 1);
}

#[test]
fn a_change_carries_what_its_reader_needs() {
    let mut table = Table::default();
    table.read(Some(&file(&[line_of("Demo", "1.0.0", 1, "")])));
    table.read(Some(&file(&[line_of("Demo", "1.0.0", 1, r#","yanked":true"#)])));
    table.read(None);
    let told: Vec<_> = table
        .changes
        .iter()
        .map(|change| {
            (change.name.as_ref().unwrap().as_str(), change.line_before.is_some(), change.line_after.is_some())
        })
        .collect();
    assert_eq!(told, [("Demo", false, true), ("Demo", true, true), ("Demo", true, false)]);
    assert!(table.changes.iter().all(|change| change.checksum == Some(Sha256::from_bytes([1; 32]))));
    assert!(table.changes.iter().all(|change| change.commit.as_deref() == Some("c0ffee")));
}

#[test]
fn two_states_of_a_file_are_enough_to_count() {
    let krate = KrateName::parse("demo").unwrap();
    let context = Context {
        krate: &krate,
        commit: None,
        at: Timestamp::from_seconds(0),
        reading: Reading::Recorded,
        known_duplicates: &[],
        also: &[],
    };
    let before = file(&[line("1.0.0", 1), line("1.0.0", 2), line("1.1.0", 3)]);
    let after = file(&[line("1.0.0", 1), yanked("1.0.0", 2), line("1.2.0", 4)]);
    let found = changes_of_file(Some(before.as_bytes()), Some(after.as_bytes()), &context);
    let kinds: Vec<_> = found.decisions.iter().map(|decision| decision.change.as_ref().unwrap().kind).collect();
    assert_eq!(kinds, [ChangeKind::VersionDeleted, ChangeKind::Yanked, ChangeKind::Added]);
}

/// One line of a random file: which number, which archive, yanked or not.
type Spec = (u8, u8, bool);

fn spec_line((num, archive, yank): Spec) -> String {
    let num = format!("1.{num}.0");
    if yank { yanked(&num, archive) } else { line(&num, archive) }
}

proptest! {
    /// After any series of states the live rows are exactly the last lines of the file, generations count the archives a
    /// number bore, no row is lost, and the same state again changes nothing.
    #[test]
    fn any_history_ends_in_the_state_of_the_file(
        states in prop::collection::vec(prop::option::weighted(0.9, prop::collection::vec((0u8..4, 1u8..3, any::<bool>()), 0..6)), 1..12)
    ) {
        let mut table = Table::default();
        let mut archives: HashMap<String, Vec<u8>> = HashMap::new();
        for state in &states {
            let text = state.as_ref().map(|specs| file(&specs.iter().copied().map(spec_line).collect::<Vec<_>>()));
            table.read(text.as_deref());

            let specs: &[Spec] = state.as_deref().unwrap_or_default();
            let expected: BTreeMap<String, String> =
                specs.iter().map(|spec| (format!("1.{}.0", spec.0), spec_line(*spec))).collect();
            let live: BTreeMap<String, String> = table
                .rows
                .iter()
                .filter(|row| !row.deleted)
                .map(|row| (row.num.as_str().to_owned(), row.line.clone()))
                .collect();
            prop_assert_eq!(&live, &expected);
            prop_assert_eq!(table.rows.iter().filter(|row| !row.deleted).count(), expected.len());

            let last: BTreeMap<String, u8> = specs.iter().map(|spec| (format!("1.{}.0", spec.0), spec.1)).collect();
            for (num, archive) in last {
                let borne = archives.entry(num).or_default();
                if borne.last() != Some(&archive) {
                    borne.push(archive);
                }
            }
            for (num, borne) in &archives {
                let rows = table.rows.iter().filter(|row| row.num.as_str() == num).count();
                prop_assert_eq!(rows, borne.len());
            }
            prop_assert_eq!(table.read(text.as_deref()).decisions, vec![]);
        }
    }
}
