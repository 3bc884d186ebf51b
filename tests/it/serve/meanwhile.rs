//! The tables change while an answer is made of them: whatever happens between two of its readings, a release that an advisory
//! covers is listed, or counted as not matched yet. It is never one of which nothing is known.

use std::sync::Arc;
use std::time::Duration;

use schema::{KrateName, Priority, Step, Timestamp};
use serde_json::Value;
use serve::ServeOptions;
use store::{MatchWrite, Store};

use super::indexed;
use super::lab::Lab;
use crate::http::Answer;

/// A path, and whether an answer to it is honest.
type Question<'a> = (&'a str, &'a dyn Fn(&Answer) -> bool);

const NOW: Timestamp = Timestamp::from_seconds(1);

#[test]
fn no_answer_misses_what_is_matched_while_it_is_made() {
    let home = indexed();
    let options = ServeOptions { look: Duration::ZERO, cache_bytes: 0, ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    let memory = lab.block_on(home.memory());
    let is_waiting = |answer: &Value| answer["pending"].as_u64().unwrap() > 0;
    let lists = |answer: &Value, list: &str| !answer[list].as_array().unwrap().is_empty();
    let questions: [Question<'_>; 6] = [
        ("/api/v1/crates/alpha/advisories", &|answer| {
            let answer = answer.json();
            is_waiting(&answer) || lists(&answer["advisories"][0], "versions")
        }),
        ("/api/v1/advisories/RUSTSEC-2026-9001/versions", &|answer| {
            let answer = answer.json();
            is_waiting(&answer) || lists(&answer, "versions")
        }),
        ("/api/v1/crates/alpha/dependents?advisory=RUSTSEC-2026-9001", &|answer| {
            let answer = answer.json();
            is_waiting(&answer) || answer["affected"] == 1
        }),
        ("/packages/alpha.json", &|answer| {
            let answer = answer.json();
            let versions = answer[0]["affected"][0]["database_specific"]["versions"].as_array().unwrap().clone();
            versions.iter().any(|version| version["num"] == "1.0.0" && version["state"] != "none-known")
        }),
        ("/advisories/RUSTSEC-2026-9001", &|answer| {
            let page = answer.text();
            page.contains("not matched yet") || page.contains(r#"href="/crates/alpha/1.0.0"#)
        }),
        ("/crates/alpha/dependents?advisory=RUSTSEC-2026-9001", &|answer| {
            let page = answer.text();
            page.contains("not matched yet") || page.contains("Affected are the 1 release")
        }),
    ];
    for (path, is_honest) in questions {
        let mut n = 0;
        loop {
            lab.block_on(unmatched(memory.as_ref()));
            let others = Arc::clone(&memory);
            lab.store.meanwhile(n, async move { matched(others.as_ref()).await });
            let answer = lab.get(path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            if !lab.store.happened() {
                break;
            }
            assert!(is_honest(&answer), "matched before reading {n} of {path}: {}", answer.text());
            n += 1;
        }
        // The moment, the advisories, the releases, what waits, and what covers them.
        assert!(n >= 5, "{path} was made of {n} readings");
    }
}

/// The releases of the crate are due to be matched, and nothing is known to cover them.
async fn unmatched(store: &dyn Store) {
    mark(store).await;
    finish(store, false).await;
    mark(store).await;
}

/// They are matched by those who do the work.
async fn matched(store: &dyn Store) {
    finish(store, true).await;
}

async fn mark(store: &dyn Store) {
    let alpha = KrateName::parse("alpha").unwrap().canonical();
    let ids: Vec<_> = store.releases(&alpha).await.unwrap().unwrap().iter().map(|release| release.id).collect();
    store.mark(&ids, Step::Match, Priority::FRESH, NOW).await.unwrap();
}

async fn finish(store: &dyn Store, by_advisories: bool) {
    let marks = store.deliver(Step::Match, NOW, NOW, 100).await.unwrap();
    assert_eq!(marks.len(), 2);
    let releases = store.releases_of(&marks.iter().map(|mark| mark.release).collect::<Vec<_>>()).await.unwrap();
    let stored = if by_advisories { store.advisories().await.unwrap() } else { Vec::new() };
    let advisories: Vec<_> = stored.iter().map(|stored| queue::parsed(stored).unwrap()).collect();
    let found = queue::match_releases(&advisories, &releases);
    let write = |mark: &store::Mark| MatchWrite {
        mark: *mark,
        matches: found.iter().filter(|found| found.release == mark.release).cloned().collect(),
    };
    let (writes, state) =
        (marks.iter().map(write).collect::<Vec<_>>(), store.advisory_state().await.unwrap().map(|state| state.seq));
    store.finish_matches(&writes, state, NOW).await.unwrap();
}
