//! The public staging index, replayed from its first commit, against a replay of its own written with plain git and JSON.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use follow::{GitIndex, GitOptions, Start};
use serde_json::Value;

#[path = "support/store.rs"]
mod store;

use store::Store;

#[expect(clippy::disallowed_methods, reason = "a test has no `cli` to be handed the environment by")]
fn test_data() -> Option<PathBuf> {
    std::env::var_os("PROVENANCE_TEST_DATA").map(PathBuf::from)
}

fn git(repository: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn counts_equal_an_independent_replay() {
    let Some(bundle) = test_data().map(|data| data.join("staging-index.bundle")).filter(|path| path.is_file()) else {
        eprintln!("skipped: PROVENANCE_TEST_DATA names no folder with staging-index.bundle");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("index.git");
    git(folder.path(), &["clone", "--quiet", "--mirror", bundle.to_str().unwrap(), "index.git"]);

    let mut expected = Replay::default();
    expected.whole_history(&repository);

    let mut index = GitIndex::open(&repository).unwrap();
    let options = GitOptions { start: Start::Beginning, max_files: 100, ..GitOptions::default() };
    let mut store = Store::default();
    let (mut cursor, mut commits) = (None, Vec::new());
    while let Some(batch) = index.next_batch(cursor.as_ref(), &options).unwrap() {
        assert!(batch.changed.len() <= 100);
        commits.push(batch.commit.to_string());
        store.apply(&batch);
        cursor = Some(batch.cursor);
    }
    commits.dedup();
    assert_eq!(commits, expected.commits);
    assert_eq!(store.counts(), expected.counts);
    assert_eq!(store.quarantine.len(), expected.unreadable);
    let live = store.live().into_iter().map(|(key, line)| (key, meaning(&line).unwrap())).collect();
    assert_eq!(expected.live, live);
}

/// What each version of a file says in its last line, and how many lines it has.
type Lines = BTreeMap<(String, String), (Value, usize)>;

/// What the history should give, by rules written anew: git lists the files, the JSON reader does the rest.
#[derive(Default)]
struct Replay {
    commits: Vec<String>,
    counts: BTreeMap<String, usize>,
    unreadable: usize,
    /// What every live version says.
    live: BTreeMap<(String, String), Value>,
    /// The last checksum of every version there ever was.
    checksums: HashMap<(String, String), Value>,
    tree: BTreeMap<String, String>,
    files: BTreeMap<String, Lines>,
}

impl Replay {
    fn whole_history(&mut self, repository: &Path) {
        let mut heads: Vec<String> =
            git(repository, &["for-each-ref", "--sort=refname", "--format=%(refname)", "refs/heads/snapshot-*"])
                .lines()
                .map(str::to_owned)
                .collect();
        heads.push("HEAD".to_owned());
        let mut seen = HashSet::new();
        for head in heads {
            for commit in git(repository, &["rev-list", "--first-parent", "--reverse", &head]).lines() {
                if seen.insert(commit.to_owned()) {
                    self.commit(repository, commit);
                }
            }
        }
    }

    fn commit(&mut self, repository: &Path, commit: &str) {
        let is_root = git(repository, &["rev-list", "--parents", "-1", commit]).split_whitespace().count() == 1;
        if is_root && !self.commits.is_empty() {
            self.count("squash");
        }
        self.commits.push(commit.to_owned());
        let after: BTreeMap<String, String> = git(repository, &["ls-tree", "-r", commit])
            .lines()
            .map(|line| {
                let (facts, path) = line.split_once('\t').unwrap();
                (path.to_owned(), facts.split(' ').nth(2).unwrap().to_owned())
            })
            .collect();
        let before = std::mem::replace(&mut self.tree, after.clone());
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths {
            let (old, new) = (before.get(path), after.get(path));
            if old == new {
                continue;
            }
            if path == "config.json" {
                self.count("config_changed");
            } else if !path.starts_with('.') && path.contains('/') {
                let text = new.map(|oid| git(repository, &["cat-file", "blob", oid]));
                self.file(path, text.as_deref());
            }
        }
    }

    fn file(&mut self, path: &str, new: Option<&str>) {
        let before = self.files.remove(path).unwrap_or_default();
        let mut after = Lines::new();
        for line in new.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
            let key = key(line);
            if let Some(value) = meaning(line) {
                let n = after.get(&key).map_or(1, |(_, n)| n + 1);
                after.insert(key, (value, n));
            } else {
                // It stays what it was while it was readable.
                self.unreadable += 1;
                before.get(&key).map(|was| after.insert(key, was.clone()));
            }
        }
        for (key, (is, n)) in &after {
            let overruled = before.get(key).map_or(1, |(_, n)| *n);
            (overruled..*n).for_each(|_| self.count("duplicate_line"));
            self.version(key, before.get(key).map(|(was, _)| was), is);
        }
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.count(if new.is_some() { "version_deleted" } else { "crate_deleted" });
            self.live.remove(key);
        }
        self.files.insert(path.to_owned(), after);
    }

    fn version(&mut self, key: &(String, String), was: Option<&Value>, is: &Value) {
        let checksum = is["cksum"].clone();
        let earlier = self.checksums.insert(key.clone(), checksum.clone());
        self.live.insert(key.clone(), is.clone());
        match (was, earlier) {
            (None, None) if is["yanked"] == true => self.count("added_yanked"),
            (None, None) => self.count("added"),
            (None, Some(earlier)) if earlier == checksum => self.count("re_added"),
            (_, Some(earlier)) if earlier != checksum => self.count("checksum_changed"),
            (Some(was), _) => {
                let without_yank = |value: &Value| {
                    let mut value = value.clone();
                    value.as_object_mut().unwrap().remove("yanked");
                    value
                };
                if without_yank(was) != without_yank(is) {
                    self.count("metadata_changed");
                }
                if was["yanked"] != is["yanked"] {
                    self.count(if is["yanked"] == true { "yanked" } else { "unyanked" });
                }
            }
            (None, Some(_)) => unreachable!(),
        }
    }

    fn count(&mut self, kind: &str) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
    }
}

/// Crate and version of a line, readable or not.
fn key(line: &str) -> (String, String) {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| value[field].as_str().unwrap().to_owned();
    (text("name").to_lowercase().replace('-', "_"), text("vers"))
}

/// A line without what carries no meaning: null fields, the kind `normal`, `v` 1, the place of a feature.
fn meaning(line: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(line).ok()?;
    // The staging index holds lines whose checksum was overwritten with spaces.
    let checksum = value["cksum"].as_str()?;
    if checksum.len() != 64 || !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let object = value.as_object_mut()?;
    object.retain(|_, value| !value.is_null());
    if let Some(Value::Object(more)) = object.remove("features2") {
        object["features"].as_object_mut().unwrap().extend(more);
    }
    object.entry("v").or_insert_with(|| 1.into());
    for dependency in object.get_mut("deps")?.as_array_mut()? {
        dependency.as_object_mut()?.retain(|_, value| !value.is_null() && *value != "normal");
    }
    Some(value)
}
