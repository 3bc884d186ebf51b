//! Real crates in the order in which they were published: a git index is generated from the sample, followed by the real
//! binary, and the tables must end as exactly the sample's state.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use schema::{IndexLine, KrateName, Timestamp};
use serde_json::Value;

use crate::harness::{Home, skip};

/// So many versions are published by one commit.
const AT_ONCE: usize = 64;

/// One version of the sample.
struct Published {
    path: String,
    at: String,
    name: String,
    line: String,
    is_yanked: bool,
}

#[expect(clippy::disallowed_methods, reason = "a test has no `cli` to be handed the environment by")]
fn sample(home: &Home) -> Option<PathBuf> {
    let data = std::env::var_os("PROVENANCE_TEST_DATA").map(PathBuf::from);
    let archive = data.map(|data| data.join("index-sample.tar.xz")).filter(|path| path.is_file());
    let Some(archive) = archive else {
        skip("PROVENANCE_TEST_DATA names no folder with index-sample.tar.xz");
        return None;
    };
    let unpacked = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(home.path()).status();
    if !unpacked.is_ok_and(|status| status.success()) || !fixtures::git_server::has_git() {
        skip("tar with xz, or git, is not on this machine");
        return None;
    }
    Some(home.path().join("index"))
}

fn read(folder: &Path, root: &Path, published: &mut Vec<Published>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, root, published);
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let Some(at) = value["pubtime"].as_str() else { continue };
            published.push(Published {
                path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
                at: at.to_owned(),
                name: value["name"].as_str().unwrap().to_owned(),
                line: line.to_owned(),
                is_yanked: value["yanked"] == true,
            });
        }
    }
}

/// The history as `git fast-import` takes it: versions are published as they come and yanked in the end.
fn history(published: &[Published]) -> String {
    let mut stream = String::new();
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut commit = |files: &BTreeMap<&str, Vec<String>>, touched: &[&str], at: &str| {
        let seconds = Timestamp::parse(at).unwrap().as_micros() / 1_000_000;
        writeln!(stream, "commit refs/heads/master\ncommitter index <index@localhost> {seconds} +0000\ndata 0")
            .unwrap();
        for path in touched {
            let text = files[path].join("\n") + "\n";
            writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len()).unwrap();
        }
    };
    let offered = |line: &str| line.replace("\"yanked\":true", "\"yanked\":false");
    for some in published.chunks(AT_ONCE) {
        let mut touched: Vec<&str> = some.iter().map(|one| one.path.as_str()).collect();
        for one in some {
            files.entry(&one.path).or_default().push(offered(&one.line));
        }
        touched.sort_unstable();
        touched.dedup();
        commit(&files, &touched, &some.last().unwrap().at);
    }
    let last = published.last().unwrap().at.clone();
    let yanked: Vec<_> = published.iter().filter(|one| one.is_yanked).collect();
    for some in yanked.chunks(AT_ONCE) {
        let mut touched: Vec<&str> = some.iter().map(|one| one.path.as_str()).collect();
        for one in some {
            let lines = files.get_mut(one.path.as_str()).unwrap();
            let at = lines.iter().position(|line| *line == offered(&one.line)).unwrap();
            lines[at].clone_from(&one.line);
        }
        touched.sort_unstable();
        touched.dedup();
        commit(&files, &touched, &last);
    }
    stream
}

fn import(repository: &Path, stream: &str) {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git
    };
    let made = git(&["init", "-q", "--bare", "-b", "master", repository.to_str().unwrap()]).status().unwrap();
    assert!(made.success());
    let arguments = ["-C", repository.to_str().unwrap(), "fast-import", "--quiet"];
    let mut import = git(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
}

#[tokio::test]
async fn real_crates_in_the_order_of_their_publication_end_in_the_samples_state() {
    let home = Home::new();
    let Some(index) = sample(&home) else { return };
    let mut published = Vec::new();
    read(&index, &index, &mut published);
    published.sort_by(|a, b| a.at.cmp(&b.at));
    let n_yanked = published.iter().filter(|one| one.is_yanked).count();
    assert!(published.len() > 30_000 && n_yanked > 100, "{} versions, {n_yanked} yanked", published.len());
    let repository = home.path().join("index.git");
    import(&repository, &history(&published));

    let followed = home.json(&["--index", repository.to_str().unwrap(), "follow", "--once", "--from", "start"]);
    let changes = &followed["changes"];
    assert_eq!((&changes["added"], &changes["yanked"]), (&published.len().into(), &n_yanked.into()), "{followed}");
    assert_eq!(changes.as_object().unwrap().len(), 2, "nothing else happened: {followed}");

    let store = home.memory().await;
    let mut by_krate: BTreeMap<&str, Vec<&Published>> = BTreeMap::new();
    for one in &published {
        by_krate.entry(&one.name).or_default().push(one);
    }
    for (name, expected) in &by_krate {
        let releases = store.releases(&KrateName::parse(name).unwrap().canonical()).await.unwrap().unwrap();
        let mut held: Vec<_> = releases.iter().map(|release| (release.line.as_str(), release.yanked)).collect();
        let mut wanted: Vec<_> = expected.iter().map(|one| (one.line.as_str(), one.is_yanked)).collect();
        held.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(held, wanted, "{name}");
        let parsed = releases.iter().map(|release| (release, IndexLine::parse(&release.line).unwrap()));
        for (release, line) in parsed {
            assert_eq!((release.deleted_at, release.checksum), (None, line.checksum), "{}", release.key);
        }
    }
    let status = home.json(&["status"]);
    let n_dependencies: usize = published
        .iter()
        .map(|one| serde_json::from_str::<Value>(&one.line).unwrap()["deps"].as_array().unwrap().len())
        .sum();
    assert_eq!(status["dependencies"], n_dependencies, "{status}");
    assert_eq!(status["crates"], by_krate.len());
}
