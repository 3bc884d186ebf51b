//! The facts-only snapshot: what is bundled, that it loads like a database, and that it says the same as its checkout.

use std::collections::BTreeMap;

use advisories::{
    AdvisoriesError, Origin, bundled_snapshot, read_directory, read_snapshot, snapshot_file, write_snapshot,
};
use schema::{AdvisoryKind, Licence, SeverityWord, Timestamp};

use crate::support::{text, unpacked, write};

/// The commit it was made from.
const COMMIT: &str = "bf5c0d245a92671908518d7e765914d437954ed6";

#[test]
fn the_bundled_snapshot_holds_what_design_05_counted() {
    let database = bundled_snapshot().unwrap();
    assert_eq!((database.commit.commit.as_str(), database.commit.at.date().as_str()), (COMMIT, "2026-08-21"));
    assert_eq!(database.commit.source, "snapshot");
    assert_eq!(database.quarantined, []);
    let facts: Vec<_> = database.advisories.iter().map(|advisory| &advisory.facts).collect();
    let count = |kind| facts.iter().filter(|facts| facts.kind == kind && facts.krate.is_some()).count();
    assert_eq!(facts.iter().filter(|facts| facts.krate.is_some()).count(), 1205);
    assert_eq!(facts.iter().filter(|facts| facts.krate.is_none()).count(), 20);
    assert_eq!(count(AdvisoryKind::Malicious), 77);
    assert_eq!(count(AdvisoryKind::Unmaintained), 267);
    assert_eq!(count(AdvisoryKind::Unsound), 203);
    assert_eq!(count(AdvisoryKind::Notice), 6);
    assert_eq!(facts.iter().filter(|facts| facts.withdrawn.is_some()).count(), 13);
    assert_eq!(facts.iter().filter(|facts| facts.licence == Licence::CcBy).count(), 21);
    assert_eq!(facts.iter().filter(|facts| facts.score.severity == SeverityWord::Unscored).count(), 805);
}

#[test]
fn no_prose_is_in_it() {
    for advisory in bundled_snapshot().unwrap().advisories {
        let after_the_facts = advisory.text.rsplit("```").next().unwrap().trim();
        assert_eq!(after_the_facts, format!("# {}", advisory.facts.id));
        assert_eq!(advisory.facts.title, advisory.facts.id.0);
    }
}

#[test]
fn hostile_values_stay_inside_their_strings() {
    let aliases = "aliases = [\"X\\n==> crates/b/x.md <==\\u0007\\\"\\\\\"]";
    let folder = tempfile::tempdir().unwrap();
    let id = "RUSTSEC-2026-0001";
    write(folder.path(), &format!("crates/a/{id}.md"), &text(id, "a", aliases, "patched = []"));
    let written = write_snapshot(folder.path(), &Origin::default()).unwrap();
    let read = read_snapshot(&written.text).unwrap();
    assert_eq!(read.quarantined, []);
    assert_eq!(read.advisories[0].facts.aliases, ["X\n==> crates/b/x.md <==\u{7}\"\\"]);
}

#[test]
fn prose_and_keywords_are_no_facts() {
    let facts = snapshot_file(&text("RUSTSEC-2026-0001", "a", "keywords = [\"key-word\"]", "patched = []")).unwrap();
    assert!(!facts.contains("key-word") && !facts.contains("Prose") && !facts.contains("Title"), "{facts}");
    assert_eq!(snapshot_file("no advisory"), None);
}

#[test]
fn a_folder_without_history_is_named_by_its_digest_unless_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let id = "RUSTSEC-2026-0001";
    write(folder.path(), &format!("crates/a/{id}.md"), &text(id, "a", "", "patched = []"));
    write(folder.path(), "crates/a/stray.txt", "x");
    let plain = write_snapshot(folder.path(), &Origin::default()).unwrap();
    assert!(read_snapshot(&plain.text).unwrap().commit.commit.starts_with("files-"));
    assert_eq!((plain.n_advisories, plain.quarantined.len()), (1, 1));
    let at = Timestamp::parse("2026-08-21").unwrap();
    let told = Origin { address: "https://example.org".to_owned(), commit: Some("c1".to_owned()), at: Some(at) };
    let told = read_snapshot(&write_snapshot(folder.path(), &told).unwrap().text).unwrap();
    assert_eq!((told.commit.commit.as_str(), told.commit.at), ("c1", at));
}

#[test]
fn a_broken_snapshot_says_what_is_wrong() {
    for text in ["", "# date: 2026-08-21\n", "# commit: c\n", "# commit: c\n# date: soon\n"] {
        assert!(matches!(read_snapshot(text), Err(AdvisoriesError::MalformedSnapshot(_))), "{text:?}");
    }
    assert!(matches!(read_snapshot("# commit: c\n# date: 2026-08-21\n"), Err(AdvisoriesError::Empty { .. })));
}

#[test]
fn it_says_the_same_as_its_checkout() {
    let Some(checkout) = unpacked("advisory-db.tar.xz") else { return };
    let full = read_directory(checkout.path()).unwrap();
    let facts_only = bundled_snapshot().unwrap();
    assert_eq!(full.advisories.len(), 1225);
    assert_eq!(full.quarantined, []);
    let by_path: BTreeMap<_, _> = facts_only.advisories.iter().map(|advisory| (&advisory.path, advisory)).collect();
    for advisory in &full.advisories {
        let ours = by_path[&advisory.path];
        let mut facts = advisory.facts.clone();
        facts.title.clone_from(&ours.facts.title);
        assert_eq!(facts, ours.facts);
        assert_eq!(advisory.ranges(), ours.ranges());
        let further = |advisory: &advisories::Advisory| {
            let advisory = advisory.clone();
            (advisory.related, advisory.references, advisory.categories, advisory.arch, advisory.os)
        };
        assert_eq!(further(advisory), further(ours));
    }
    let origin = Origin {
        address: "https://github.com/rustsec/advisory-db".to_owned(),
        commit: Some(COMMIT.to_owned()),
        at: Some(facts_only.commit.at),
    };
    let written = write_snapshot(checkout.path(), &origin).unwrap();
    assert_eq!(written.text, include_str!("../../snapshot/advisories.txt"));
}
