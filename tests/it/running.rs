//! `provenance run`: what is published while it watches gets its row, the past is filled back, and SIGTERM ends it.

use std::process::Child;

use fixtures::{GitIndex, RegistryServer, World};
use serde_json::Value;

use crate::harness::{Home, archive, lockfile, small_world};

/// A process that runs, and the home it runs in. It is killed when the test fails.
pub(crate) struct Running<'h> {
    home: &'h Home,
    child: Child,
}

impl<'h> Running<'h> {
    fn start(home: &'h Home, args: &[&str]) -> Self {
        Self::of(home, home.start(&[args, &["--poll", "1", "--no-source"]].concat()))
    }

    pub(crate) fn of(home: &'h Home, child: Child) -> Self {
        Self { home, child }
    }

    /// Asks until the answer is as wanted. No clock: the program must still be running.
    pub(crate) fn until(&mut self, question: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let ended = self.child.try_wait().unwrap();
            let run = self.home.run(&[question, &["--json"]].concat());
            if run.code == Some(0) && wanted(&run.document()) {
                return run.document();
            }
            assert!(ended.is_none(), "it ended ({ended:?}) before {question:?} was as wanted: {run:?}");
        }
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let told = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn downloads(server: &RegistryServer) -> Vec<String> {
    let mut paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    paths.retain(|path| path.starts_with("/dl/"));
    paths.sort();
    paths
}

pub(crate) fn has_state(answer: &Value, num: &str, state: &str) -> bool {
    let releases = answer["releases"].as_array().unwrap();
    releases
        .iter()
        .any(|row| row["num"] == num && row["checksum_state"] == state && row["advisories"]["state"] != "pending")
}

/// Whether its one index was read to its end, whatever is to be said of the advisories.
pub(crate) fn is_at_head(status: &Value) -> bool {
    let source = &status["sources"][0];
    source["last_success_at"].is_string() && source["behind_since"].is_null()
}

pub(crate) fn is_idle(status: &Value) -> bool {
    status["work"].as_array().unwrap().is_empty()
}

fn with_new(world: World) -> World {
    world.publish("alpha", "1.2.0", "2026-08-20T07:15:00Z", archive("alpha", "1.2.0"))
}

#[test]
fn a_release_published_while_it_follows_a_git_index_gets_its_row() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), Some(&server.download_url()), "a").unwrap();
    let mut running = Running::start(&home, &["--index", path.to_str().unwrap(), "run", "--from", "start"]);
    let status = running.until(&["status"], |status| is_at_head(status) && is_idle(status));
    let source = &status["sources"][0];
    assert_eq!((&source["head"], source["behind_since"].is_null()), (&source["commit"], true), "{status}");

    let world = with_new(small_world());
    server.set_world(world.clone());
    index.commit(&world, Some(&server.download_url()), "b").unwrap();
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.2.0", "ok"));
    let status = running.until(&["status"], is_idle);
    assert_eq!(status["latency"]["releases"], 4, "{status}");
    assert_eq!(running.stop(), Some(0));
    // The history it read on its way is the past, which nobody asked to be fetched.
    assert_eq!(downloads(&server), ["/dl/alpha/1.2.0"]);
}

#[test]
fn the_past_is_filled_back_and_a_back_fill_that_was_killed_goes_on() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), Some(&server.download_url()), "a").unwrap();
    // Not the first one: until a host has answered once, one request at a time finds out whether it is up.
    server.fault("/dl/beta-b/0.1.0", &fixtures::Fault::Hang, 1);
    let args = ["--index", path.to_str().unwrap(), "run", "--backfill", "since", "2026-08-01"];
    let mut running = Running::start(&home, &args);
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.0.0", "ok") && has_state(answer, "1.1.0", "ok"));
    drop(running);

    let mut running = Running::start(&home, &args);
    running.until(&["show", "beta-b"], |answer| has_state(answer, "0.1.0", "ok"));
    running.until(&["status"], is_idle);
    assert_eq!(running.stop(), Some(0));
    assert_eq!(downloads(&server), ["/dl/alpha/1.0.0", "/dl/alpha/1.1.0", "/dl/beta-b/0.1.0", "/dl/beta-b/0.1.0"]);
}

#[test]
fn a_list_of_crates_is_watched_with_conditional_requests() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let list = home.write("watched.txt", "# what we use\nalpha   # the vulnerable one\n");
    let url = server.index_url();
    let mut running = Running::start(&home, &["--index", &url, "run", "--crates", list.to_str().unwrap()]);
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.0.0", "unchecked"));
    server.set_world(with_new(small_world()));
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.2.0", "ok"));

    // A version that is gone from an answer may be an old answer: nothing is deleted yet.
    server.set_world(small_world());
    let asked = server.requests().len();
    while server.requests().len() < asked + 6 {
        std::thread::yield_now();
    }
    let shown = running.until(&["show", "alpha"], |_| true);
    assert!(shown["releases"].as_array().unwrap().iter().all(|row| row["deleted_at"].is_null()), "{shown}");
    assert_eq!(running.stop(), Some(0));
    assert_eq!(downloads(&server), ["/dl/alpha/1.2.0"]);
    let conditional = server.requests().iter().filter(|request| request.if_none_match.is_some()).count();
    assert!(conditional > 0);
}

#[test]
fn the_releases_of_a_watched_lock_file_are_fetched_and_an_edited_file_is_read_anew() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let lock = home.write("Cargo.lock", &lockfile(&[("alpha", "1.0.0", "")]));
    let url = server.index_url();
    let mut running = Running::start(&home, &["--index", &url, "run", "--lockfile", lock.to_str().unwrap()]);
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.0.0", "ok"));
    home.write("Cargo.lock", &lockfile(&[("alpha", "1.0.0", ""), ("beta-b", "0.1.0", "")]));
    running.until(&["show", "beta-b"], |answer| has_state(answer, "0.1.0", "ok"));
    assert_eq!(running.stop(), Some(0));
    assert_eq!(downloads(&server), ["/dl/alpha/1.0.0", "/dl/beta-b/0.1.0"]);
}

#[test]
fn an_index_that_fails_is_said_and_asked_again() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let list = home.write("watched.txt", "alpha\n");
    let url = server.index_url();
    server.fault("/index/al/ph/alpha", &fixtures::Fault::Status(404, None), 3);
    let mut running = Running::start(&home, &["--index", &url, "run", "--crates", list.to_str().unwrap()]);
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.1.0", "unchecked"));
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_brake_leaves_it_running_and_not_at_its_head() {
    let home = Home::new();
    let world = (0..60).fold(World::new(), |world, n| {
        let name = format!("made-up-{n}");
        world.version(&name, "1.0.0", &fixtures::IndexLineBuilder::new(&name, "1.0.0"), None)
    });
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&world, None, "a").unwrap();
    let mut running = Running::start(&home, &["--index", path.to_str().unwrap(), "run"]);
    running.until(&["status"], |status| is_at_head(status) && status["live_releases"] == 60);
    index.commit(&small_world(), None, "emptied").unwrap();
    let status = running.until(&["status"], |status| !status["sources"][0]["last_error"].is_null());
    let source = &status["sources"][0];
    assert!(source["last_error"].as_str().unwrap().contains("--allow-mass-deletion"), "{source}");
    assert!(source["behind_since"].is_string(), "the head moved and the cursor did not: {source}");
    assert_eq!(status["live_releases"], 60);
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn an_advisory_database_that_never_answers_does_not_keep_it_from_stopping() {
    let home = Home::new();
    let path = home.path().join("index.git");
    GitIndex::create(&path).unwrap().commit(&small_world(), None, "a").unwrap();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let url = fixtures::git_server::listen(move |_request| {
        let _ = asked.send(());
        std::thread::park();
    });
    let url = format!("{}/advisory-db", url.unwrap());
    let args = ["--index", path.to_str().unwrap(), "--advisory-db", &url, "run", "--no-source"];
    let child = home.command(&args).stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn();
    let child = child.unwrap();
    was_asked.recv().unwrap();
    let told = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("warning"), "it did not wait for the answer to fail: {stderr}");
}
