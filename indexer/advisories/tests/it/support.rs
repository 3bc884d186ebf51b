//! What several of the tests need: an advisory in one line, a candidate in one line, the wider data.

use std::path::{Path, PathBuf};
use std::process::Command;

use advisories::{Advisory, Database, File, MatchCandidate};
use schema::{AdvisoryMatch, DbCommit, Generation, MatchFlag, ReleaseId, Timestamp, VersionNum};

/// A good file: `advisory` are further lines of `[advisory]`, `versions` those of `[versions]`.
pub(crate) fn text(id: &str, package: &str, advisory: &str, versions: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"{id}\"\npackage = \"{package}\"\ndate = \"2026-08-20\"\n{advisory}\n\n[versions]\n{versions}\n```\n\n# Title\n\nProse.\n"
    )
}

/// An advisory of crate `a` with the given lines.
pub(crate) fn advisory(advisory: &str, versions: &str) -> Advisory {
    let text = text("RUSTSEC-2026-0001", "a", advisory, versions);
    Advisory::parse("crates/a/RUSTSEC-2026-0001.md", &text, "c0").unwrap()
}

pub(crate) fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

pub(crate) fn database(files: Vec<File>) -> Database {
    let commit = DbCommit { commit: "c0".to_owned(), at: Timestamp::from_seconds(0), source: "test".to_owned() };
    Database::from_files(files, commit).unwrap()
}

pub(crate) fn version(num: &str) -> semver::Version {
    semver::Version::parse(num).unwrap()
}

/// A live first-generation release, published long ago.
pub(crate) fn candidate(id: i64, num: &str) -> MatchCandidate {
    MatchCandidate {
        release: ReleaseId(id),
        num: VersionNum::parse(num).unwrap(),
        generation: Generation::FIRST,
        published_at: Some(Timestamp::parse("2020-01-01").unwrap()),
        first_seen_at: Timestamp::parse("2026-11-24").unwrap(),
        deleted: false,
    }
}

/// The flags of the only match, or `None` when there is no match.
pub(crate) fn flags(advisory: &Advisory, candidate: MatchCandidate) -> Option<Vec<MatchFlag>> {
    let found: Vec<AdvisoryMatch> = advisories::matches(advisory, &[candidate]).matches;
    assert!(found.len() <= 1);
    found.into_iter().next().map(|found| found.flags)
}

/// The folder of wider data, when there is one.
#[expect(clippy::disallowed_methods, reason = "wider data is found through the environment, as the house rules say")]
pub(crate) fn test_data() -> Option<PathBuf> {
    std::env::var_os("PROVENANCE_TEST_DATA").map(PathBuf::from)
}

/// Says in one line that a test skips, and why.
#[expect(clippy::print_stdout, reason = "a skipped test says so in one line")]
pub(crate) fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Unpacks one of its archives, or says that the test skips.
pub(crate) fn unpacked(archive: &str) -> Option<tempfile::TempDir> {
    let Some(archive) = test_data().map(|data| data.join(archive)).filter(|archive| archive.exists()) else {
        skip(&format!("PROVENANCE_TEST_DATA has no {archive}"));
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    Some(folder)
}

/// Writes a file below a folder, with the folders on the way.
pub(crate) fn write(root: &Path, path: &str, text: &str) {
    let at = root.join(path);
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::fs::write(at, text).unwrap();
}
