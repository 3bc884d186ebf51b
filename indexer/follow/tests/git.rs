//! A git index followed through every kind of commit, and through histories that were replaced.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use follow::{Batch, Cursor, FollowError, GitIndex, GitOptions, Start, Step};
use schema::{ChangeKind, GitOid, Timestamp};

#[path = "support/repository.rs"]
mod repository;
#[path = "support/store.rs"]
mod store;

use repository::{Commit, Repository};
use store::Store;

fn line(name: &str, num: &str, archive: u8) -> String {
    let cksum = format!("{archive:02x}").repeat(32);
    format!(r#"{{"name":"{name}","vers":"{num}","deps":[],"cksum":"{cksum}","features":{{}},"yanked":false}}"#)
}

fn yanked(line: &str) -> String {
    line.replace("\"yanked\":false", "\"yanked\":true")
}

/// Everything from the beginning, one commit after the other.
fn everything() -> GitOptions {
    GitOptions { start: Start::Beginning, ..GitOptions::default() }
}

/// A follower: an index, the store it feeds, and its cursor, which goes through JSON as in a database.
struct Follower {
    index: GitIndex,
    options: GitOptions,
    store: Store,
    cursor: Option<String>,
}

impl Follower {
    fn new(repository: &Repository, options: GitOptions) -> Self {
        let index = GitIndex::open(&repository.path()).unwrap();
        Self { index, options, store: Store::default(), cursor: None }
    }

    fn cursor(&self) -> Option<Cursor> {
        self.cursor.as_ref().map(|text| serde_json::from_str(text).unwrap())
    }

    fn next(&mut self) -> Result<Option<Batch>, FollowError> {
        let cursor = self.cursor();
        self.index.next_batch(cursor.as_ref(), &self.options)
    }

    fn keep(&mut self, batch: &Batch) {
        self.store.apply(batch);
        self.cursor = Some(serde_json::to_string(&batch.cursor).unwrap());
    }

    /// Follows to the head and shows the batches' steps and the changes made, `kind name@num`.
    fn follow(&mut self) -> (Vec<Step>, Vec<String>) {
        let (mut steps, n_before) = (Vec::new(), self.store.changes.len());
        while let Some(batch) = self.next().unwrap() {
            steps.push(batch.step);
            self.keep(&batch);
        }
        let shown = self.store.changes[n_before..].iter().map(|change| match (&change.name, &change.num) {
            (Some(name), Some(num)) => format!("{} {name}@{num}", change.kind),
            _ => change.kind.to_string(),
        });
        (steps, shown.collect())
    }
}

#[track_caller]
fn check(follower: &mut Follower, steps: &[Step], changes: &[&str]) {
    let (took, made) = follower.follow();
    assert_eq!(took, steps);
    assert_eq!(made, changes);
}

#[test]
fn every_commit_is_read_in_order() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let (a, b) = (line("abcd", "1.0.0", 1), line("e", "0.1.0", 2));
    repository.commit(100, &[("config.json", Some("{\"dl\":\"x\"}")), ("README.md", Some("no crate"))]);
    repository.commit(200, &[("ab/cd/abcd", Some(&a)), (".github/ab/abcd", Some("no crate"))]);
    repository.commit(300, &[("1/e", Some(&b)), ("ab/cd/abcd", Some(&yanked(&a)))]);
    repository.commit(400, &[("config.json", Some("{ \"dl\": \"x\" }"))]);
    repository.commit(500, &[("config.json", Some("{\"dl\":\"y\"}"))]);
    let last = repository.commit(600, &[("1/e", None), ("ab/cd/abcd", Some("\n"))]);
    let mut follower = Follower::new(&repository, everything());
    check(
        &mut follower,
        &[Step::Commit; 6],
        &[
            "config_changed",
            "added abcd@1.0.0",
            "added e@0.1.0",
            "yanked abcd@1.0.0",
            "config_changed",
            "crate_deleted e@0.1.0",
            "version_deleted abcd@1.0.0",
        ],
    );
    assert_eq!(follower.store.quarantine, []);
    let change = follower.store.changes.last().unwrap();
    assert_eq!((change.commit.as_ref(), change.at), (Some(&last), Timestamp::from_seconds(600)));
    check(&mut follower, &[], &[]);
    repository.commit(700, &[("1/e", Some(&b))]);
    check(&mut follower, &[Step::Commit], &["re_added e@0.1.0"]);
}

#[test]
fn the_baseline_is_no_history() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let (a, b) = (line("a", "1.0.0", 1), line("b", "1.0.0", 2));
    repository.commit(100, &[("1/a", Some(&a)), ("config.json", Some("{\"dl\":\"x\"}"))]);
    repository.commit(200, &[("1/b", Some(&b))]);
    let mut now = Follower::new(&repository, GitOptions::default());
    check(&mut now, &[Step::Baseline], &[]);
    assert_eq!(now.store.live().len(), 2);
    repository.commit(300, &[("1/a", None)]);
    check(&mut now, &[Step::Commit], &["crate_deleted a@1.0.0"]);

    let at = |seconds| GitOptions { start: Start::At(Timestamp::from_seconds(seconds)), ..GitOptions::default() };
    let mut later = Follower::new(&repository, at(200));
    check(&mut later, &[Step::Baseline, Step::Commit, Step::Commit], &["added b@1.0.0", "crate_deleted a@1.0.0"]);
    let mut earlier = Follower::new(&repository, at(0));
    assert_eq!(earlier.follow().0, [Step::Commit; 3]);
    assert_eq!(now.store.live(), later.store.live());
}

#[test]
fn a_squash_with_the_same_tree_changes_nothing() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    repository.commit(100, &[("1/a", Some(&line("a", "1.0.0", 1)))]);
    let mut follower = Follower::new(&repository, everything());
    follower.follow();
    let seen = follower.cursor().unwrap();
    follower.index.pin("test", &seen).unwrap();
    repository.squash(200, &[]);
    repository.commit(300, &[("1/b", Some(&line("b", "1.0.0", 2)))]);
    repository.git(&["gc", "--quiet", "--prune=now"]);
    // The pin kept the commit from being collected.
    repository.git(&["cat-file", "-e", &seen.commit.to_string()]);
    check(&mut follower, &[Step::Squash, Step::Commit], &["squash", "added b@1.0.0"]);
}

#[test]
fn a_squash_is_recognised_by_its_tree_when_the_old_commits_are_gone() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    repository.commit(100, &[("1/a", Some(&line("a", "1.0.0", 1)))]);
    let mut follower = Follower::new(&repository, GitOptions::default());
    follower.follow();
    let seen = follower.cursor().unwrap();
    repository.squash(200, &[]);
    repository.git(&["gc", "--quiet", "--prune=now"]);
    let gone = std::process::Command::new("git")
        .args(["cat-file", "-e", &seen.commit.to_string()])
        .current_dir(repository.path())
        .output()
        .unwrap();
    assert!(!gone.status.success(), "the test's premise: the old commit is gone");
    follower.index = GitIndex::open(&repository.path()).unwrap();
    check(&mut follower, &[Step::Squash], &["squash"]);
}

#[test]
fn a_squash_with_another_tree_is_told_by_the_trees() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let a = line("a", "1.0.0", 1);
    repository.commit(100, &[("1/a", Some(&a)), ("1/c", Some(&line("c", "1.0.0", 3)))]);
    let mut follower = Follower::new(&repository, everything());
    follower.follow();
    repository.squash(200, &[("1/a", Some(&yanked(&a))), ("1/b", Some(&line("b", "1.0.0", 2))), ("1/c", None)]);
    check(&mut follower, &[Step::Squash], &["squash", "crate_deleted c@1.0.0", "yanked a@1.0.0", "added b@1.0.0"]);
}

#[test]
fn what_happened_before_a_squash_is_read_from_its_snapshot() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let a = line("a", "1.0.0", 1);
    repository.commit(100, &[("1/a", Some(&a))]);
    let mut follower = Follower::new(&repository, everything());
    follower.follow();
    // Yanked and unyanked before the next look: the trees alone would not tell.
    repository.commit(200, &[("1/a", Some(&yanked(&a)))]);
    repository.commit(300, &[("1/a", Some(&a))]);
    repository.git(&["branch", "snapshot-2026-01-01", "master"]);
    // A second snapshot of the same day's head, as the registry has: its commits are not read twice.
    repository.git(&["branch", "snapshot-2026-01-02", "master"]);
    repository.squash(400, &[]);
    check(
        &mut follower,
        &[Step::Commit, Step::Commit, Step::Squash],
        &["yanked a@1.0.0", "unyanked a@1.0.0", "squash"],
    );
    let mut later = Follower::new(&repository, everything());
    assert_eq!(later.follow().1, ["added a@1.0.0", "yanked a@1.0.0", "unyanked a@1.0.0", "squash"]);
    assert_eq!(later.store, follower.store);
}

#[test]
fn a_broken_chain_of_snapshots_is_a_diff_and_a_squash() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let a = line("a", "1.0.0", 1);
    let first = [("1/a", Some(a.as_str()))];
    repository.add(&Commit { branch: "snapshot-2026-01-01", root: true, at: 100, files: &first });
    let again = yanked(&a);
    let second = [("1/a", Some(again.as_str()))];
    repository.add(&Commit { branch: "master", root: true, at: 200, files: &second });
    let mut follower = Follower::new(&repository, everything());
    check(&mut follower, &[Step::Commit, Step::Squash], &["added a@1.0.0", "squash", "yanked a@1.0.0"]);
}

#[test]
fn a_lost_cursor_asks_for_a_comparison_of_everything() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let (a, b) = (line("a", "1.0.0", 1), line("b", "1.0.0", 2));
    repository.commit(100, &[("1/a", Some(&a)), ("1/b", Some(&b))]);
    let mut follower = Follower::new(&repository, everything());
    follower.follow();
    let elsewhere = GitOid::parse("00000000000000000000000000000000000000ff").unwrap();
    let lost = Cursor { commit: elsewhere, tree: elsewhere, within: None };
    repository.commit(200, &[("1/a", Some(&yanked(&a))), ("1/b", None)]);
    let error = follower.index.next_batch(Some(&lost), &follower.options).unwrap_err();
    assert!(matches!(error, FollowError::LostCursor { commit } if commit == elsewhere), "{error}");

    follower.cursor = Some(serde_json::to_string(&follower.index.reconcile_cursor().unwrap()).unwrap());
    check(&mut follower, &[Step::Reconcile], &["yanked a@1.0.0"]);
    // Whatever is held and not listed is gone.
    let tree = follower.cursor().unwrap().tree;
    let names: Vec<String> = follower.index.krates(tree).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a"]);
    repository.commit(300, &[("1/c", Some(&line("c", "1.0.0", 3)))]);
    check(&mut follower, &[Step::Commit], &["added c@1.0.0"]);
}

#[test]
fn a_commit_that_touches_everything_comes_in_pieces_and_survives_a_crash() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let names: Vec<String> = (0..25).map(|n| format!("krate{n:02}")).collect();
    let texts: Vec<String> = names.iter().map(|name| line(name, "1.0.0", 1)).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("kr/at/{name}")).collect();
    let all: Vec<(&str, Option<&str>)> =
        paths.iter().zip(&texts).map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    repository.commit(100, &all);
    repository.commit(200, &all.iter().map(|(path, _)| (*path, None)).collect::<Vec<_>>());

    let small = GitOptions { max_files: 10, ..everything() };
    let mut follower = Follower::new(&repository, small);
    let first = follower.next().unwrap().unwrap();
    assert_eq!(first.changed.len(), 10);
    // Not kept: the same cursor gives the same batch, also to another process.
    assert_eq!(follower.next().unwrap().unwrap(), first);
    follower.keep(&first);
    follower.index = GitIndex::open(&repository.path()).unwrap();
    let (steps, _) = follower.follow();
    assert_eq!(steps, [Step::Commit; 5]);
    assert_eq!(follower.store.changes.len(), 50);
    assert!(follower.store.live().is_empty());

    let by_bytes = GitOptions { max_bytes: 1, ..everything() };
    // A file for each batch, but for those that are gone: of them nothing is read.
    assert_eq!(Follower::new(&repository, by_bytes).follow().0.len(), 25 + 1);
}

#[test]
fn far_behind_means_one_step_unless_the_history_is_wanted() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let a = line("a", "1.0.0", 1);
    repository.commit(100, &[("1/a", Some(&a))]);
    let options = GitOptions { one_by_one: 3, ..GitOptions::default() };
    let mut follower = Follower::new(&repository, options);
    follower.follow();
    for n in 1..=4 {
        let text = format!("{a}\n{}", line("a", &format!("1.{n}.0"), 1));
        repository.commit(100 + n, &[("1/a", Some(&text))]);
    }
    check(&mut follower, &[Step::Coalesced { commits: 4, squashed: false }], &["added a@1.4.0"]);
    let mut every = Follower::new(&repository, GitOptions { one_by_one: 3, ..everything() });
    assert_eq!(every.follow().0, [Step::Commit; 5]);
}

#[test]
fn damage_is_quarantined_and_deletes_nothing() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let text = line("abcd", "1.0.0", 1);
    repository.commit(100, &[("ab/cd/abcd", Some(&text)), ("ab/cd/elsewhere", Some(&text)), ("ab/cd/a b", Some("x"))]);
    let mut follower = Follower::new(&repository, everything());
    check(&mut follower, &[Step::Commit], &["added abcd@1.0.0"]);
    let odd: Vec<&str> = follower.store.quarantine.iter().map(|odd| odd.path.as_str()).collect();
    assert_eq!(odd, ["ab/cd/a b", "ab/cd/elsewhere"]);

    repository.commit(200, &[("ab/cd/abcd", Some("<html>"))]);
    check(&mut follower, &[Step::Commit], &[]);
    assert_eq!(follower.store.quarantine.len(), 3);
    let long = "x".repeat(2000);
    repository.commit(300, &[("ab/cd/abcd", Some(&long))]);
    follower.options.max_file_bytes = 1000;
    check(&mut follower, &[Step::Commit], &[]);
    assert!(follower.store.quarantine[3].reason.contains("2000 bytes"));
    assert_eq!(follower.store.live().len(), 1);
    repository.commit(400, &[("ab/cd/abcd", Some(&yanked(&text)))]);
    check(&mut follower, &[Step::Commit], &["yanked abcd@1.0.0"]);
}

#[test]
fn a_clone_is_read_in_the_same_batches_as_a_repository_in_place_whatever_the_limits() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let texts: Vec<_> = (1..=10).map(|n| "x".repeat(n * 100)).collect();
    let paths: Vec<_> = ('a'..='j').map(|name| format!("1/{name}")).collect();
    let files: Vec<_> = paths.iter().zip(&texts).map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    repository.commit(100, &files);
    let batches = |mut index: GitIndex, options: &GitOptions| {
        let (mut cursor, mut batches) = (None, Vec::new());
        while let Some(batch) = index.next_batch(cursor.as_ref(), options).unwrap() {
            cursor = Some(batch.cursor);
            batches.push(batch);
        }
        batches
    };
    // In all 5,500 bytes: they fit, they fill two batches and more, some are too large, every one is, three at a time.
    for (max_bytes, max_file_bytes, max_files, n_batches, n_odd) in [
        (5500, 1000, 10, 1, 0),
        (2000, 1000, 10, 3, 0),
        (5500, 800, 10, 1, 2),
        (5500, 10, 10, 1, 10),
        (5500, 800, 3, 4, 2),
    ] {
        let options = GitOptions { max_bytes, max_file_bytes, max_files, ..GitOptions::default() };
        let in_place = batches(GitIndex::open(&repository.path()).unwrap(), &options);
        let n_odd_found = in_place.iter().map(|batch| batch.quarantine.len()).sum::<usize>();
        assert_eq!((in_place.len(), n_odd_found), (n_batches, n_odd), "{options:?}");
        assert_eq!(batches(GitIndex::open_clone(&repository.path()).unwrap(), &options), in_place, "{options:?}");
    }
}

#[test]
fn a_file_that_moves_to_lower_case_is_no_deletion() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let text = line("Inflector", "1.0.0", 1);
    repository.commit(100, &[("In/fl/Inflector", Some(&text))]);
    repository.commit(200, &[("In/fl/Inflector", None), ("in/fl/inflector", Some(&text))]);
    let mut follower = Follower::new(&repository, everything());
    check(&mut follower, &[Step::Commit; 2], &["added Inflector@1.0.0"]);
    assert_eq!(follower.store.quarantine, []);
}

#[test]
fn of_a_merge_the_first_parent_counts() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    repository.commit(100, &[("1/a", Some(&line("a", "1.0.0", 1)))]);
    repository.git(&["branch", "side", "master"]);
    let b = line("b", "1.0.0", 2);
    let files = [("1/b", Some(b.as_str()))];
    repository.add(&Commit { branch: "side", root: false, at: 150, files: &files });
    repository.commit(200, &[("1/c", Some(&line("c", "1.0.0", 3)))]);
    let merged = repository.git(&["merge-tree", "--write-tree", "master", "side"]);
    let merge = ["-c", "user.name=t", "-c", "user.email=t", "commit-tree", "-m", "m", "-p", "master", "-p", "side"];
    let merge = repository.git(&[&merge[..], &[merged.as_str()]].concat());
    repository.git(&["update-ref", "refs/heads/master", &merge]);
    let mut follower = Follower::new(&repository, everything());
    check(&mut follower, &[Step::Commit; 3], &["added a@1.0.0", "added c@1.0.0", "added b@1.0.0"]);
}

#[test]
fn an_empty_repository_has_nothing_to_say_yet() {
    if !repository::has_git() {
        return;
    }
    let repository = Repository::new();
    let mut follower = Follower::new(&repository, everything());
    check(&mut follower, &[], &[]);
    assert!(matches!(follower.index.reconcile_cursor(), Err(FollowError::EmptyIndex { .. })));
    assert_eq!(follower.store.counts().get(ChangeKind::Added.as_str()), None);
}
