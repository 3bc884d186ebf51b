//! A replay in which every call of the store fails once, before it is made or after it was: in the end the tables are those
//! of an undisturbed replay, and every change is there exactly once. Killed at any moment, the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use download::{Blobs, DownloadLimits};
use fixtures::incident::{arrayref_day, commit};
use fixtures::{AdvisoryBuilder, GitIndex, IndexLineBuilder, World};
use follow::{GitOptions, GitSource, Start};
use queue::{Engine, EngineOptions, FollowOptions, Follower, Quiet, Retries};
use schema::{Clock, Timestamp};
use serde_json::{Value, json};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::databases::Memory;
use crate::harness::Home;

mod killed;
mod network;
mod store_that_fails;

pub(crate) use store_that_fails::Faulty;
use store_that_fails::When;

/// A clock that stands where the test put it.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-08-27T12:00:00Z").unwrap()
    }
}

/// The day of arrayref, and after it what that day lacked: another archive, a return, twins, damage, a squash, a new address.
fn history(path: &Path) {
    let mut index = GitIndex::create(path).unwrap();
    let day = arrayref_day();
    for moment in &day {
        commit(&mut index, moment).unwrap();
    }
    let world = day.last().unwrap().world.clone();
    let line = |archive: &str| IndexLineBuilder::new("odd", "1.0.0").cksum(&fixtures::sha256_hex(archive.as_bytes()));
    let odd = |world: &World, line: &IndexLineBuilder| world.clone().version("odd", "1.0.0", line, None);
    let damaged = world.clone().index_file("od/d_/odd_one", b"{\"name\":\"odd_one\",\"vers\":\"1.0.0\",\"de");
    let twins = format!("{}\n{}\n", line("one").build(), line("two").build());
    let twins = world.clone().index_file("od/d/odd", b"").index_file("3/o/odd", twins.as_bytes());
    let states: [(&World, Option<&str>); 7] = [
        (&odd(&world, &line("one")), None),
        (&odd(&world, &line("two")), None),
        (&world, None),
        (&odd(&world, &line("two").yanked(true)), None),
        (&damaged, None),
        (&twins, None),
        (&twins, Some("http://127.0.0.1/dl")),
    ];
    for (n, (world, download)) in states.into_iter().enumerate() {
        index.commit_at(world, download, "later", &format!("2026-08-21T0{n}:00:00Z")).unwrap();
    }
    index.squash("snapshot-2026-08-22").unwrap();
}

/// The index where it is.
fn here(lab: &Lab) -> GitSource {
    GitSource::here(&lab.index)
}

/// Follows to the head and matches and publishes what is due, as `provenance follow --once` does.
async fn replay(store: Arc<dyn Store>, index: GitSource, home: &Path) -> Result<(), queue::QueueError> {
    let stop = CancellationToken::new();
    let git = GitOptions { start: Start::Beginning, ..GitOptions::default() };
    let options = FollowOptions { git, ..FollowOptions::default() };
    let clock: Arc<dyn Clock> = Arc::new(Noon);
    let follower =
        Follower::new(index, "the index", "the test", Arc::clone(&store), Arc::clone(&clock), options).await?;
    follower.round(&Quiet, &stop).await?;
    follower.compare(&Quiet, &stop).await?;
    follower.resign().await?;
    let database = advisories::read_directory(&home.with_file_name("advisory-db")).unwrap();
    queue::load_database(store.as_ref(), database, clock.now()).await?;
    let engine_options = EngineOptions {
        archives: Vec::new(),
        download_limits: DownloadLimits { compressed_size: 1 << 20 },
        inspect_limits: inspect::Limits::default(),
        retries: Retries { first_pause: 0, tries: 100, ..Retries::default() },
        sources: None,
        jobs: queue::JobsAt::File(home.join("jobs.sqlite")),
    };
    let agent = net::Agent::new(net::AgentOptions { offline: true, ..net::AgentOptions::default() }).unwrap();
    let blobs = Blobs::open_dir(&home.join("blobs")).unwrap();
    let engine = Engine::new(store, clock, agent, blobs, None, Arc::new(Quiet), engine_options).await?;
    engine.run_rows_until_idle(&stop).await
}

/// Everything the tables say, in an order of its own; numbers that grow with every try are left out.
async fn told(store: &dyn Store) -> Value {
    let changes: Vec<_> = store.changes(0, None, 100_000).await.unwrap().into_iter().map(|row| row.change).collect();
    let events = store.events(0, 100_000).await.unwrap();
    let signals: Vec<_> = events.iter().filter(|event| event.kind == "signal").map(|event| &event.payload).collect();
    let mut releases = Vec::new();
    let mut names: Vec<_> =
        changes.iter().filter_map(|change| change.name.as_ref().map(schema::KrateName::canonical)).collect();
    names.sort();
    names.dedup();
    for name in &names {
        for release in store.releases(name).await.unwrap().unwrap_or_default() {
            let row = store.rows_of(&[release.id]).await.unwrap().pop().map(|(_, row)| row);
            let (key, line) = (release.key.to_string(), &release.line);
            releases.push(json!([
                key,
                release.checksum,
                release.yanked,
                release.deleted_at,
                line,
                row.map(|row| row.badge)
            ]));
        }
    }
    let mut dependencies = Vec::new();
    for name in ["proc-macro1", "proc-macro2", "arrayref", "blake-hash"] {
        for past in store.dependencies_ever(&schema::KrateName::parse(name).unwrap().canonical()).await.unwrap() {
            dependencies.push(format!("{:?} {:?} {:?}", past.release.name, past.from, past.until));
        }
    }
    let quarantined: Vec<_> = store.quarantined().await.unwrap().into_iter().map(|bad| bad.entry.path).collect();
    let source = store.source("the index").await.unwrap().unwrap();
    json!({
        "changes": changes, "signals": signals, "releases": releases, "dependencies": dependencies,
        "quarantined": quarantined, "cursor": source.cursor_commit, "head": source.head_commit, "drift": source.drift,
        "open": store.counts().await.unwrap().len(),
    })
}

struct Lab {
    home: Home,
    index: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let home = Home::new();
        let index = home.path().join("index.git");
        history(&index);
        let advisory = AdvisoryBuilder::new("RUSTSEC-2026-9102", "arrayref", "2026-08-20").unaffected(&["< 0.3.10"]);
        World::new().advisory(&advisory).write_advisories(&home.path().join("advisory-db")).unwrap();
        Self { home, index }
    }

    async fn fresh(&self, name: &str) -> (PathBuf, Memory) {
        let folder = self.home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Memory::fresh(&folder).await;
        (folder, store)
    }
}

async fn every_call_fails_once(when: When) {
    net::install_crypto_provider();
    let lab = Lab::new();
    let (folder, store) = lab.fresh("undisturbed").await;
    replay(store.clone(), here(&lab), &folder).await.unwrap();
    let undisturbed = told(store.as_ref()).await;
    assert_eq!(undisturbed["drift"], 0, "a comparison right after a round finds nothing");
    assert_eq!(undisturbed["open"], 0);

    let mut n_failed = 0;
    for n in 0.. {
        let (folder, store) = lab.fresh(&format!("{n}")).await;
        let faulty = Arc::new(Faulty::new(store.clone(), n, when));
        let disturbed = replay(faulty.clone(), here(&lab), &folder).await;
        if !faulty.has_failed() {
            disturbed.unwrap();
            break;
        }
        n_failed += 1;
        // A failure may have been overcome on the spot; where it was not, the next run goes on.
        replay(store.clone(), here(&lab), &folder).await.unwrap();
        let end = told(store.as_ref()).await;
        assert_eq!(end, undisturbed, "call {n} failed {when:?}: {}", faulty.failed_in());
        store.close().await;
        std::fs::remove_dir_all(&folder).unwrap();
    }
    assert!(n_failed > 50, "only {n_failed} calls were met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_call_of_a_replay_may_fail_before_it_is_made() {
    every_call_fails_once(When::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_the_store_may_be_lost_after_it_was_given() {
    every_call_fails_once(When::After).await;
}
