//! Real archives, from cargo's own download cache: digests against `sha256sum`, `git` and `tar`; no false alarms.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests; a skipped test says so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inspect::{CrateArchive, Expected, Limits, compare_with_line, inspect};
use schema::{ArchiveFiles, EntryKind, FindingCode, IndexLine, Inspection};

#[expect(clippy::disallowed_methods, reason = "tests find cargo's home by themselves")]
fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// Every `.crate` of the cache with the line cargo keeps for it.
fn cached() -> Vec<(PathBuf, Expected, Option<IndexLine>)> {
    let registry = cargo_home().map(|home| home.join("registry")).unwrap_or_default();
    let mut archives = Vec::new();
    for folder in children(&registry.join("cache")) {
        let index = registry.join("index").join(folder.file_name().unwrap()).join(".cache");
        for path in children(&folder) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let Ok(expected) = Expected::from_file_name(&name) else { continue };
            let line = cached_line(&index.join(expected.name.index_path()), &expected);
            archives.push((path, expected, line));
        }
    }
    if archives.is_empty() {
        eprintln!("skipped: no download cache of cargo here");
    }
    archives
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Cargo's cache: a few bytes of head, then texts closed by NUL: version, line, version, line.
fn cached_line(path: &Path, expected: &Expected) -> Option<IndexLine> {
    let bytes = std::fs::read(path).ok()?;
    let lines = bytes.split(|byte| *byte == 0).filter(|text| text.starts_with(b"{"));
    let mut lines = lines.filter_map(|text| IndexLine::parse(std::str::from_utf8(text).ok()?).ok());
    lines.find(|line| line.num == expected.num)
}

fn inspected(path: &Path, expected: &Expected) -> Inspection {
    inspect(std::fs::File::open(path).unwrap(), expected, None, &Limits::default()).unwrap()
}

#[test]
fn ordinary_crates_raise_no_alarm() {
    let harmless = [FindingCode::VcsMissing, FindingCode::ContentBinary, FindingCode::ContentHiddenUnicode];
    let mut odd = Vec::new();
    for (path, expected, _) in cached() {
        let inspection = inspected(&path, &expected);
        assert!(inspection.manifest.is_some(), "{}", path.display());
        let alarms = inspection.findings.kept().iter().filter(|finding| !harmless.contains(&finding.code));
        odd.extend(alarms.map(|finding| format!("{}: {finding:?}", path.display())));
        let hidden = inspection.findings.kept().iter().filter(|finding| harmless[1..].contains(&finding.code));
        hidden.for_each(|finding| eprintln!("{}: {finding:?}", path.display()));
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn index_and_manifest_agree_on_every_crate() {
    let mut n_compared = 0;
    let mut odd = Vec::new();
    for (path, expected, line) in cached() {
        let Some(line) = line else { continue };
        let inspection = inspected(&path, &expected);
        assert_eq!(inspection.archive.sha256, line.checksum, "{}", path.display());
        n_compared += 1;
        let findings = compare_with_line(&line, &inspection.manifest.unwrap());
        odd.extend(findings.iter().map(|finding| format!("{}: {finding:?}", path.display())));
    }
    eprintln!("compared {n_compared} lines with their manifests");
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn digests_are_those_of_sha256sum_git_and_tar() {
    if !has_git() {
        return;
    }
    // Every file of every archive is unpacked by tar; git hashes them all in one process.
    for (path, expected, _) in cached().into_iter().step_by(8) {
        let inspection = inspected(&path, &expected);
        let folder = tempfile::tempdir().unwrap();
        assert!(Command::new("tar").arg("xzf").arg(&path).arg("-C").arg(folder.path()).status().unwrap().success());
        let root = folder.path().join(expected.prefix());
        let paths: Vec<_> = inspection.files.iter().filter(|entry| entry.kind == EntryKind::File).collect();
        let names: Vec<_> = paths.iter().map(|entry| entry.path.as_str()).collect();
        let list = names.join("\n");
        let blobs = run_with_input("git", &["hash-object", "--no-filters", "--stdin-paths"], &root, &list);
        let blobs: Vec<_> = blobs.lines().collect();
        let sums = Command::new("sha256sum").current_dir(&root).arg("--").args(&names).output().unwrap();
        let sums = String::from_utf8(sums.stdout).unwrap();
        for ((entry, blob), sum) in paths.iter().zip(&blobs).zip(sums.lines()) {
            assert_eq!(entry.git_blob.to_string(), *blob, "{} {}", path.display(), entry.path);
            assert!(sum.starts_with(&entry.sha256.to_string()), "{} {}", path.display(), entry.path);
        }
        assert_eq!((blobs.len(), sums.lines().count()), (paths.len(), paths.len()), "{}", path.display());
        assert_eq!(listing_of_tar(&path), sizes(&inspection, &expected), "{}", path.display());
    }
}

#[test]
fn single_files_are_read_as_tar_reads_them() {
    for (path, expected, _) in cached().into_iter().step_by(40) {
        let inspection = inspected(&path, &expected);
        let archive = CrateArchive::new(std::fs::read(&path).unwrap(), &expected, Limits::default());
        let entry = inspection.files.iter().rfind(|entry| entry.kind == EntryKind::File).unwrap();
        let ours = archive.read(&entry.path, entry.size).unwrap().unwrap();
        let name = format!("{}{}", expected.prefix(), entry.path);
        let theirs = Command::new("tar").arg("xzOf").arg(&path).arg(&name).output().unwrap().stdout;
        assert_eq!(ours, theirs, "{name}");
        assert!(entry.size == 0 || archive.read(&entry.path, entry.size - 1).is_err());
        assert!(archive.read("no/such/file", 1).unwrap().is_none());
    }
}

fn run_with_input(program: &str, arguments: &[&str], folder: &Path, input: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::from(file.reopen().unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Path → size, by `tar tvzf`: mode, owner, size, date, time, path.
fn listing_of_tar(path: &Path) -> BTreeMap<String, u64> {
    let output = Command::new("tar").args(["--quoting-style=literal", "-tvzf"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = |line: &str| -> (String, u64) {
        let mut words = line.split_ascii_whitespace();
        let size = words.nth(2).unwrap().parse().unwrap();
        (words.skip(2).collect::<Vec<_>>().join(" "), size)
    };
    text.lines().map(fields).collect()
}

fn sizes(inspection: &Inspection, expected: &Expected) -> BTreeMap<String, u64> {
    inspection.files.iter().map(|entry| (format!("{}{}", expected.prefix(), entry.path), entry.size)).collect()
}

/// Whether git is on this machine; a test that needs it says so in one line and is skipped (in CI it is a failure).
fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output().is_ok();
    if !found {
        #[expect(clippy::disallowed_methods, reason = "CI must not skip in silence")]
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "git is not on this machine");
        eprintln!("skipped: no git on this machine");
    }
    found
}
