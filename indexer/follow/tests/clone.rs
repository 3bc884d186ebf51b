//! A clone of our own: fetched, fetched again across a squash, wiped, found with a stale lock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::path::Path;

use follow::{Cursor, FollowError, GitIndex, GitOptions, History, Start, Step};
use git_transport::GitOptions as TransportOptions;
use net::Addresses;

#[path = "support/repository.rs"]
mod repository;

use repository::{Commit, Repository};

fn local() -> TransportOptions {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    TransportOptions { allow_file: true, addresses: Addresses::Any, ..TransportOptions::default() }
}

/// Fetches and follows to the head; returns the cursor and the steps on the way.
fn follow(clone: &Path, origin: &Repository, cursor: Option<Cursor>, history: History) -> (Option<Cursor>, Vec<Step>) {
    let mut index = GitIndex::open_clone(clone).unwrap();
    index.fetch(origin.path().to_str().unwrap(), history, &local()).unwrap();
    let (mut cursor, mut steps) = (cursor, Vec::new());
    let options = GitOptions { start: Start::Beginning, ..GitOptions::default() };
    while let Some(batch) = index.next_batch(cursor.as_ref(), &options).unwrap() {
        steps.push(batch.step);
        index.pin("test", &batch.cursor).unwrap();
        cursor = Some(batch.cursor);
    }
    assert_eq!(index.head().unwrap().unwrap().to_string(), origin.git(&["rev-parse", "HEAD"]));
    (cursor, steps)
}

#[test]
fn a_clone_follows_its_origin_across_squashes() {
    if !repository::has_git() {
        return;
    }
    let (origin, folder) = (Repository::new(), tempfile::tempdir().unwrap());
    let clone = folder.path().join("index.git");
    origin.commit(100, &[("1/a", Some("1"))]);
    let (cursor, steps) = follow(&clone, &origin, None, History::Snapshots);
    assert_eq!(steps, [Step::Commit]);

    origin.commit(200, &[("1/a", Some("2"))]);
    origin.git(&["branch", "snapshot-2026-01-01", "master"]);
    origin.squash(300, &[]);
    // A process killed while it wrote the reference left this.
    let lock = clone.join("refs/provenance/head.lock");
    std::fs::write(&lock, "").unwrap();
    let (cursor, steps) = follow(&clone, &origin, cursor, History::Snapshots);
    assert_eq!(steps, [Step::Commit, Step::Squash]);
    assert!(!lock.exists());

    // Only the head is fetched: the squash is known by its tree.
    origin.squash(400, &[]);
    let (cursor, steps) = follow(&clone, &origin, cursor, History::HeadOnly);
    assert_eq!(steps, [Step::Squash]);

    // The folder is gone, the history is not.
    std::fs::remove_dir_all(&clone).unwrap();
    origin.commit(500, &[("1/b", Some("1"))]);
    let (cursor, steps) = follow(&clone, &origin, cursor, History::HeadOnly);
    assert_eq!(steps, [Step::Commit]);

    // Both are.
    std::fs::remove_dir_all(&clone).unwrap();
    let files = [("1/c", Some("1"))];
    origin.add(&Commit { branch: "fresh", root: true, at: 600, files: &files });
    origin.git(&["update-ref", "refs/heads/master", "refs/heads/fresh"]);
    let mut index = GitIndex::open_clone(&clone).unwrap();
    index.fetch(origin.path().to_str().unwrap(), History::HeadOnly, &local()).unwrap();
    let lost = index.next_batch(cursor.as_ref(), &GitOptions::default());
    assert!(matches!(lost, Err(FollowError::LostCursor { .. })));
}

#[test]
fn an_origin_that_is_no_repository_leaves_the_clone_as_it_was() {
    if !repository::has_git() {
        return;
    }
    let (origin, folder) = (Repository::new(), tempfile::tempdir().unwrap());
    let clone = folder.path().join("index.git");
    origin.commit(100, &[("1/a", Some("1"))]);
    follow(&clone, &origin, None, History::HeadOnly);
    let index = GitIndex::open_clone(&clone).unwrap();
    let nowhere = folder.path().join("nowhere");
    let error = index.fetch(nowhere.to_str().unwrap(), History::HeadOnly, &local()).unwrap_err();
    assert!(matches!(error, FollowError::Fetch(_)), "{error}");
    assert_eq!(index.head().unwrap().unwrap().to_string(), origin.git(&["rev-parse", "HEAD"]));
}

#[test]
fn a_shallow_clone_begins_at_its_edge() {
    if !repository::has_git() {
        return;
    }
    let (origin, folder) = (Repository::new(), tempfile::tempdir().unwrap());
    origin.commit(100, &[("1/a", Some("1"))]);
    origin.commit(200, &[("1/b", Some("1"))]);
    let url = format!("file://{}", origin.path().display());
    repository::git_in(folder.path(), &["clone", "--quiet", "--bare", "--depth=1", &url, "index.git"]);
    let clone = folder.path().join("index.git");
    let mut index = GitIndex::open(&clone).unwrap();
    let options = GitOptions { start: Start::Beginning, ..GitOptions::default() };
    let first = index.next_batch(None, &options).unwrap().unwrap();
    assert_eq!((first.step, first.changed.len()), (Step::Commit, 2));

    origin.commit(300, &[("1/c", Some("1"))]);
    origin.commit(400, &[("1/c", None)]);
    repository::git_in(&clone, &["fetch", "--quiet", "origin", "+master:master"]);
    let second = index.next_batch(Some(&first.cursor), &options).unwrap().unwrap();
    let third = index.next_batch(Some(&second.cursor), &options).unwrap().unwrap();
    assert_eq!((second.step, third.step), (Step::Commit, Step::Commit));
    assert_eq!((second.changed[0].path.as_str(), third.changed[0].after.as_ref()), ("1/c", None));
    assert_eq!(index.next_batch(Some(&third.cursor), &options).unwrap(), None);
}

/// The index is read on a blocking thread and kept between turns.
#[test]
fn an_index_may_move_to_another_thread() {
    fn check<T: Send>() {}
    check::<GitIndex>();
}
