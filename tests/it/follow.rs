//! A git index followed by the real binary: what is recorded, what is refused, and who may write.

use fixtures::{GitIndex, IndexLineBuilder, World};
use schema::Timestamp;
use serde_json::Value;
use store::{FollowWrite, SourceState, StoreError};

use crate::databases::Memory;
use crate::harness::Home;

fn line(name: &str, num: &str) -> IndexLineBuilder {
    IndexLineBuilder::new(name, num).cksum(&fixtures::sha256_hex(format!("{name}{num}").as_bytes()))
}

fn world(n: usize) -> World {
    (0..n).fold(World::new(), |world, n| {
        let name = format!("made-up-{n}");
        world.version(&name, "1.0.0", &line(&name, "1.0.0"), None)
    })
}

fn feed(home: &Home, command: &str) -> Vec<Value> {
    let run = home.run(&[command, "--ndjson"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(home: &Home) -> Vec<String> {
    feed(home, "changes").iter().map(|change| change["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn changes_come_once_in_commit_order_and_a_squash_is_one() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once", "--from", "start"];

    let one = world(1);
    index.commit(&one, None, "a").unwrap();
    let two = one.version("other", "0.1.0", &line("other", "0.1.0"), None);
    index.commit(&two, None, "b").unwrap();
    assert_eq!(home.json(&follow)["changes"]["added"], 2);
    assert_eq!(home.json(&follow)["batches"], 0);

    let yanked = line("other", "0.1.0").yanked(true);
    let three = two.version("other", "0.1.0", &yanked, None).delete_crate("made-up-0");
    index.commit(&three, None, "c").unwrap();
    index.squash("snapshot-2026-11-25").unwrap();
    home.json(&follow);
    assert_eq!(kinds(&home), ["added", "added", "crate_deleted", "yanked", "squash"]);

    let shown = home.json(&["show", "made-up-0"]);
    assert!(shown["releases"][0]["deleted_at"].is_string(), "{shown}");
    let numbers: Vec<i64> = feed(&home, "events").iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(numbers.len() > kinds(&home).len());
}

#[test]
fn a_baseline_has_no_changes_and_a_dry_run_changes_nothing() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once"];
    index.commit(&world(2), None, "a").unwrap();
    assert_eq!(home.json(&follow)["crates"], 2);
    assert!(kinds(&home).is_empty());

    index.commit(&world(3), None, "b").unwrap();
    let dry = [&follow[..], &["--dry-run"]].concat();
    assert_eq!(home.json(&dry)["changes"]["added"], 1);
    assert!(kinds(&home).is_empty());
    assert_eq!(home.json(&follow)["changes"]["added"], 1);
}

#[test]
fn an_emptied_index_is_not_believed_without_a_word() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once"];
    index.commit(&world(60), None, "a").unwrap();
    home.json(&follow);
    index.commit(&world(1), None, "b").unwrap();

    let refused = home.run(&follow);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--allow-mass-deletion"), "{}", refused.stderr);
    assert!(kinds(&home).is_empty());

    let allowed = [&follow[..], &["--allow-mass-deletion"]].concat();
    assert_eq!(home.json(&allowed)["changes"]["crate_deleted"], 59);
}

#[test]
fn an_index_without_its_past_is_compared_as_a_whole() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once"];
    GitIndex::create(&path).unwrap().commit(&world(3), None, "a").unwrap();
    home.json(&follow);

    std::fs::remove_dir_all(&path).unwrap();
    let other = world(2).version("other", "0.1.0", &line("other", "0.1.0"), None);
    GitIndex::create(&path).unwrap().commit(&other, None, "elsewhere").unwrap();
    let read = home.json(&follow);
    assert_eq!(read["reconciled"], true);
    assert_eq!(kinds(&home), ["crate_deleted", "added"]);
    assert_eq!(home.json(&follow)["batches"], 0);
}

#[tokio::test]
async fn a_leader_that_was_frozen_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Memory::fresh(folder.path()).await;
    let id = store.note_source(&SourceState { address: "x".to_owned(), ..SourceState::default() }).await.unwrap();
    let at = Timestamp::from_seconds;
    let frozen = store.lead(id, "a", at(0), at(60)).await.unwrap().unwrap();
    assert_eq!(store.lead(id, "b", at(59), at(100)).await.unwrap(), None);
    let second = store.lead(id, "b", at(60), at(120)).await.unwrap().unwrap();
    assert!(second > frozen);

    let write = |token| FollowWrite {
        source: id,
        token,
        lead_until: at(200),
        changes: Vec::new(),
        krates: Vec::new(),
        quarantine: Vec::new(),
        commit: None,
        commit_at: None,
        comparison: None,
        cursor: format!("by {token}"),
        complete_since: None,
    };
    let refused = store.apply_batch(&write(frozen), at(70)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.cursor(id).await.unwrap(), None);
    assert!(store.note_round(id, frozen, None, Some(at(70))).await.is_err());
    store.apply_batch(&write(second), at(70)).await.unwrap();
    assert_eq!(store.cursor(id).await.unwrap().unwrap(), format!("by {second}"));
}
