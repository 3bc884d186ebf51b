//! A newer rule judges stored facts again: no repository is looked at, the history is kept, an interrupted round goes on.

use schema::{ReleaseId, Timestamp, Verdict};
use store::{HeldCheck, JudgingCursor, JudgingWrite, Store};

use crate::harness::Home;
use crate::sources::{LIB, checked};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Leaves the database as a program with rule `verify-0` would have: it called everything a mismatch.
async fn judged_by_an_older_program(store: &dyn Store, document: impl Fn(&str) -> String) -> ReleaseId {
    let held = store.last_checks(ReleaseId(0), 10).await.unwrap().pop().unwrap();
    let mut row = held.row.clone();
    "rules".clone_into(&mut row.cause);
    row.summary.verdict = Verdict::Mismatch;
    row.summary.rules = Some("verify-0".to_owned());
    row.document = document(&row.document);
    let judged = vec![HeldCheck { row, ..held }];
    let cursor = JudgingCursor { version: "verify-0".to_owned(), after: held.release, is_finished: true };
    store.finish_judging(&JudgingWrite { cursor, judged, unreadable: Vec::new() }, NOW).await.unwrap();
    held.release
}

fn on_store<T>(home: &Home, told: impl AsyncFnOnce(&dyn Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = home.memory().await;
        let answer = told(store.as_ref()).await;
        store.close().await;
        answer
    })
}

fn verdict(home: &Home) -> String {
    home.json(&["show", "src@1.0.0"])["releases"][0]["source"]["verdict"].as_str().unwrap().to_owned()
}

/// Runs the pipeline on what is known: the index is gone, and so is the repository.
fn start_again(home: &Home) {
    home.json(&["index", "--crate", "src", "--index", "index", "--offline", "--no-source"]);
}

fn home_without_sources() -> Home {
    let (home, row) = checked(LIB);
    assert_eq!(row["source"]["verdict"], "verified");
    std::fs::remove_dir_all(home.path().join("copies")).unwrap();
    let line = row["checksum"].as_str().unwrap();
    let line = format!(
        "{{\"name\":\"src\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"{line}\",\"features\":{{}},\"yanked\":false}}\n"
    );
    home.write("index/3/s/src", &line);
    home
}

#[test]
fn facts_judged_by_an_older_rule_are_judged_again_without_a_look_at_the_source() {
    let home = home_without_sources();
    let release = on_store(&home, async |store| {
        judged_by_an_older_program(store, |document| document.replace(verify::RULES, "verify-0")).await
    });
    start_again(&home);
    assert_eq!(verdict(&home), "verified");
    let rows = on_store(&home, async |store| store.checks(release).await.unwrap());
    let story: Vec<_> = rows.iter().map(|row| (row.cause.as_str(), row.summary.verdict)).collect();
    assert_eq!(story, [("first", Verdict::Verified), ("rules", Verdict::Mismatch), ("rules", Verdict::Verified)]);
    assert_eq!(rows[2].summary.rules.as_deref(), Some(verify::RULES));
    // Once is enough.
    start_again(&home);
    assert_eq!(on_store(&home, async |store| store.checks(release).await.unwrap().len()), 3);
}

#[test]
fn an_interrupted_round_goes_on_where_it_was() {
    let home = home_without_sources();
    let release = on_store(&home, async |store| {
        let release = judged_by_an_older_program(store, str::to_owned).await;
        let cursor = |after| JudgingCursor { version: verify::RULES.to_owned(), after, is_finished: false };
        let write = |after| JudgingWrite { cursor: cursor(after), judged: Vec::new(), unreadable: Vec::new() };
        store.finish_judging(&write(release), NOW).await.unwrap();
        release
    });
    // The cursor says that this release was done; it is not touched again.
    start_again(&home);
    assert_eq!(on_store(&home, async |store| store.checks(release).await.unwrap().len()), 2);
    let cursor = on_store(&home, async |store| store.judging().await.unwrap().unwrap());
    assert!(cursor.is_finished && cursor.version == verify::RULES, "{cursor:?}");
}

#[test]
fn facts_that_cannot_be_read_any_more_are_not_guessed_and_the_source_is_looked_at_anew() {
    let home = home_without_sources();
    let release =
        on_store(&home, async |store| judged_by_an_older_program(store, |_| "{\"facts\":\"of old\"}".to_owned()).await);
    start_again(&home);
    let (n_checks, marks) = on_store(&home, async |store| {
        let marks = store.open_marks(&[release], schema::Step::Verify).await.unwrap();
        (store.checks(release).await.unwrap().len(), marks)
    });
    assert_eq!((n_checks, marks.len()), (2, 1));
}

#[test]
fn a_judgement_of_a_check_that_is_not_the_last_one_is_dropped() {
    let home = home_without_sources();
    on_store(&home, async |store| {
        let held = store.last_checks(ReleaseId(0), 10).await.unwrap().pop().unwrap();
        let release = held.release;
        let cursor = JudgingCursor { version: verify::RULES.to_owned(), after: release, is_finished: true };
        let late = HeldCheck { id: held.id - 1, ..held };
        let write = JudgingWrite { cursor, judged: vec![late], unreadable: Vec::new() };
        store.finish_judging(&write, NOW).await.unwrap();
        assert_eq!(store.checks(release).await.unwrap().len(), 1);
        assert_eq!(store.last_checks(release, 10).await.unwrap(), []);
    });
}
