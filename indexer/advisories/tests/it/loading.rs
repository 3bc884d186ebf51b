//! One bad file never takes the database down: each way of being bad, one line.

use std::fmt::Write;

use advisories::{AdvisoriesError, Database, read_directory};
use schema::{DbCommit, Timestamp};

use crate::support::{database, file, text, write};

const GOOD: &str = "crates/a/RUSTSEC-2026-0001.md";

fn good() -> String {
    text("RUSTSEC-2026-0001", "a", "", "patched = [\">= 1.0.0\"]")
}

#[test]
fn a_bad_file_is_quarantined_with_its_reason_and_text_and_the_rest_is_read() {
    let other = |advisory: &str, versions: &str| text("RUSTSEC-2026-0002", "a", advisory, versions);
    let at = "crates/a/RUSTSEC-2026-0002.md";
    let cases = [
        (at, other("", "patched = [\"= 1.0.0\", \"> 1.0.0\"]"), "panicked"),
        (at, other("", "patched = [\">= 1.0.0\", \"^1.2.0\"]"), "verlapping"),
        (at, other("", "patched = [\"1.0.x.y\"]"), ""),
        (at, other("cvss = \"CVSS:9.9/AV:N\"", "patched = []"), "9.9"),
        (at, other("cvss = \"odd\"", "patched = []"), ""),
        (at, other("date = \"twice\"", "patched = []"), ""),
        (at, "not an advisory".to_owned(), ""),
        (at, String::new(), ""),
        (at, "```toml\n[advisory]".to_owned(), ""),
        (at, format!("xxxxxxxxxxxxxxxxxxx{}", "é".repeat(9)), "panicked"),
        (at, text("RUSTSEC-2026-0003", "a", "", "patched = []"), "its file's name says"),
        (at, text("RUSTSEC-2026-0002", "b", "", "patched = []"), "its folder's name says"),
        ("crates/RUSTSEC-2026-0002.md", other("", "patched = []"), "not at"),
        ("crates/a/b/RUSTSEC-2026-0002.md", other("", "patched = []"), "not at"),
        ("crates/a/notes.txt", "stray".to_owned(), "not at"),
        ("crates/a b/RUSTSEC-2026-0002.md", text("RUSTSEC-2026-0002", "a b", "", "patched = []"), ""),
        ("crates/b/RUSTSEC-2026-0001.md", text("RUSTSEC-2026-0001", "b", "", "patched = []"), GOOD),
        (at, other(&format!("# {}", "x".repeat(1 << 20)), "patched = []"), "bytes long"),
    ];
    for (path, bad, reason) in cases {
        let database = database(vec![file(path, &bad), file(GOOD, &good())]);
        let label: String = format!("{path}: {}", bad.chars().take(200).collect::<String>());
        assert_eq!(database.advisories.len(), 1, "{label}");
        assert_eq!(database.advisories[0].path, GOOD, "{label}");
        let [quarantined] = database.quarantined.as_slice() else { panic!("{label}") };
        assert!(
            quarantined.reason.contains(reason) && !quarantined.reason.is_empty(),
            "{label}: {}",
            quarantined.reason
        );
        assert!(bad.starts_with(&quarantined.text), "{label}");
        assert_eq!(quarantined.path, path);
    }
}

#[test]
fn text_that_is_not_utf_8_is_quarantined() {
    let mut bad = file("crates/a/RUSTSEC-2026-0002.md", "");
    bad.bytes = vec![b'`', 0xff, 0xfe];
    assert_eq!(database(vec![bad, file(GOOD, &good())]).quarantined.len(), 1);
}

#[test]
fn drafts_dot_files_and_what_is_elsewhere_are_no_part_of_the_database() {
    let database = database(vec![
        file(GOOD, &good()),
        file("crates/a/RUSTSEC-0000-0000.draft.md", "anything"),
        file("crates/a/.DS_Store", "anything"),
        file("README.md", "anything"),
        file("support.toml", "anything"),
    ]);
    assert_eq!((database.advisories.len(), database.quarantined.len()), (1, 0));
}

#[test]
fn the_layout_without_its_leading_table_is_read_alike() {
    let newest = good().replace("[advisory]\n", "");
    let (old, new) = (database(vec![file(GOOD, &good())]), database(vec![file(GOOD, &newest)]));
    assert_eq!(old.advisories[0].facts, new.advisories[0].facts);
}

#[test]
fn an_empty_database_is_an_error_and_not_a_world_without_advisories() {
    let commit = DbCommit { commit: "c".to_owned(), at: Timestamp::from_seconds(0), source: "here".to_owned() };
    let read = Database::from_files(vec![file("README.md", "x")], commit);
    assert!(matches!(read, Err(AdvisoriesError::Empty { origin }) if origin == "here"));
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read_directory(folder.path()), Err(AdvisoriesError::Empty { .. })));
}

#[test]
fn a_plain_folder_is_named_by_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), GOOD, &good());
    write(folder.path(), "crates/a/stray/deep/file.md", "x");
    let first = read_directory(folder.path()).unwrap();
    let again = read_directory(folder.path()).unwrap();
    assert_eq!(first.commit, again.commit);
    assert!(first.commit.commit.starts_with("files-"));
    assert!(first.commit.at > Timestamp::parse("2020-01-01").unwrap());
    write(folder.path(), GOOD, &good().replace("1.0.0", "1.0.1"));
    assert_ne!(first.commit.commit, read_directory(folder.path()).unwrap().commit.commit);
}

#[test]
fn an_emptied_database_trips_the_brake() {
    for (known, remaining, stops) in
        [(0, 0, false), (1, 0, true), (1, 1, false), (1225, 612, true), (1225, 613, false), (10, 12, false)]
    {
        let mut label = String::new();
        write!(label, "{known} known, {remaining} remaining").unwrap();
        assert_eq!(advisories::brake(known, remaining).is_err(), stops, "{label}");
    }
}
