//! Many processes on one database: they share the work, one follows, and what a killed one had is done by another.

use std::process::Child;

use fixtures::{GitIndex, RegistryServer, World};
use schema::{ReleaseId, Timestamp};

use crate::harness::{Home, archive, small_world};
use crate::running::{Running, has_state, is_at_head, is_idle};

const KRATES: usize = 12;

fn world() -> World {
    (0..KRATES).fold(World::new(), |world, n| {
        let name = format!("krate{n:02}");
        world.publish(&name, "1.0.0", "2026-08-01T00:00:00Z", archive(&name, "1.0.0"))
    })
}

/// A database that knows every crate and has fetched none of its archives, with all of them due.
fn everything_due(server: &RegistryServer) -> Option<Home> {
    let home = Home::on_server()?;
    let path = home.path().join("index.git");
    GitIndex::create(&path).unwrap().commit(&world(), Some(&server.download_url()), "all").unwrap();
    home.json(&["--index", path.to_str().unwrap(), "follow", "--once", "--from", "start"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = home.memory().await;
        let now = Timestamp::from_seconds(1_700_000_000);
        let last = store.mark_backfill(ReleaseId(i64::MAX), None, 100, now).await.unwrap();
        assert!(last.is_some());
        store.close().await;
    });
    Some(home)
}

fn downloads(server: &RegistryServer) -> Vec<String> {
    let mut paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    paths.retain(|path| path.starts_with("/dl/"));
    paths.sort();
    paths
}

fn until_asked(server: &RegistryServer, path: &str, child: &mut Child) {
    while !downloads(server).iter().any(|asked| asked == path) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::yield_now();
    }
}

#[test]
fn workers_share_the_work_and_nothing_is_fetched_twice() {
    let server = world().serve().unwrap();
    let Some(home) = everything_due(&server) else { return };
    // They share the archives, too: where one has no archive that another fetched, it fetches its own.
    let workers: Vec<_> = (0..3).map(|_| home.start(&["work", "--until-idle", "--no-source"])).collect();
    for mut worker in workers {
        assert_eq!(worker.wait().unwrap().code(), Some(0));
    }
    let status = home.json(&["status"]);
    assert!(is_idle(&status), "{status}");
    let fetched = downloads(&server);
    let mut once = fetched.clone();
    once.dedup();
    assert_eq!((fetched.len(), once.len()), (KRATES, KRATES), "{fetched:?}");
}

#[test]
fn what_a_killed_worker_had_is_done_by_another_at_once() {
    let server = world().serve().unwrap();
    let Some(home) = everything_due(&server) else { return };
    server.fault("/dl/krate07/1.0.0", &fixtures::Fault::Hang, 1);
    let mut stuck = home.start(&["work", "--no-source"]);
    until_asked(&server, "/dl/krate07/1.0.0", &mut stuck);
    // The other one is there already, and does not wait for a lease of a quarter of an hour.
    let mut worker = Running::of(&home, home.start(&["work", "--no-source"]));
    stuck.kill().unwrap();
    stuck.wait().unwrap();
    worker.until(&["show", "krate07"], |answer| has_state(answer, "1.0.0", "ok"));
    worker.until(&["status"], is_idle);
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn of_two_followers_one_leads_and_the_other_takes_over_when_it_is_killed() {
    let server = small_world().serve().unwrap();
    let Some(home) = Home::on_server() else { return };
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), Some(&server.download_url()), "a").unwrap();
    let args = ["--index", path.to_str().unwrap(), "run", "--from", "start", "--poll", "1", "--no-source"];
    let other = home.beside();
    let mut first = Running::of(&home, home.start(&args));
    first.until(&["status"], |status| is_at_head(status) && is_idle(status));
    let mut second = Running::of(&other, other.start(&args));
    let next = |world: World, num: &str| world.publish("alpha", num, "2026-08-20T07:15:00Z", archive("alpha", num));

    let world = next(small_world(), "1.2.0");
    server.set_world(world.clone());
    index.commit(&world, Some(&server.download_url()), "b").unwrap();
    second.until(&["show", "alpha"], |answer| has_state(answer, "1.2.0", "ok"));
    // Killed, not stopped: it gives nothing back.
    drop(first);
    let world = next(world, "1.3.0");
    server.set_world(world.clone());
    index.commit(&world, Some(&server.download_url()), "c").unwrap();
    second.until(&["show", "alpha"], |answer| has_state(answer, "1.3.0", "ok"));
    second.until(&["status"], is_idle);
    assert_eq!(second.stop(), Some(0));
    let changes = home.json(&["changes"]);
    let told: Vec<_> = changes["changes"].as_array().unwrap().iter().map(|change| change["num"].clone()).collect();
    assert_eq!(told.len(), 6, "the address, and each release once: {told:?}");
}

#[test]
fn a_process_outlives_its_connections() {
    let server = small_world().serve().unwrap();
    let Some(home) = Home::on_server() else { return };
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), Some(&server.download_url()), "a").unwrap();
    let args = ["--index", path.to_str().unwrap(), "run", "--from", "start", "--poll", "1", "--no-source"];
    let mut running = Running::of(&home, home.start(&args));
    running.until(&["status"], |status| is_at_head(status) && is_idle(status));
    let mut world = small_world();
    for num in ["1.2.0", "1.3.0", "1.4.0"] {
        home.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND datname = current_database()",
        );
        world = world.publish("alpha", num, "2026-08-20T07:15:00Z", archive("alpha", num));
        server.set_world(world.clone());
        index.commit(&world, Some(&server.download_url()), num).unwrap();
        running.until(&["show", "alpha"], |answer| has_state(answer, num, "ok"));
    }
    assert_eq!(running.stop(), Some(0));
}
