//! Many processes on one database: they share the work, one follows, and what a killed one had is done by another.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixtures::source_repo::text;
use fixtures::{CrateFile, GitIndex, RegistryServer, SourceRepo, World, git_server};
use schema::{ReleaseId, Timestamp};

use crate::harness::{Home, archive, skip, small_world};
use crate::running::{Running, has_state, is_idle};

const KRATES: usize = 12;

fn world() -> World {
    (0..KRATES).fold(World::new(), |world, n| {
        let name = format!("krate{n:02}");
        world.publish(&name, "1.0.0", "2026-08-01T00:00:00Z", archive(&name, "1.0.0"))
    })
}

/// A database that knows every crate and has fetched none of its archives, with all of them due.
fn everything_due(server: &RegistryServer) -> Option<Home> {
    all_due(&world(), server)
}

fn all_due(world: &World, server: &RegistryServer) -> Option<Home> {
    let home = Home::on_server()?;
    let path = home.path().join("index.git");
    GitIndex::create(&path).unwrap().commit(world, Some(&server.download_url()), "all").unwrap();
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
    first.until(&["status"], |status| status["ready"] == true && is_idle(status));
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

/// A process that follows the small world in a git repository, and is at its head.
fn following<'h>(home: &'h Home, server: &RegistryServer) -> (GitIndex, Running<'h>) {
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), Some(&server.download_url()), "a").unwrap();
    let args = ["--index", path.to_str().unwrap(), "run", "--from", "start", "--poll", "1", "--no-source"];
    let mut running = Running::of(home, home.start(&args));
    running.until(&["status"], |status| status["ready"] == true && is_idle(status));
    (index, running)
}

#[test]
fn a_process_outlives_its_connections() {
    let server = small_world().serve().unwrap();
    let Some(home) = Home::on_server() else { return };
    let (mut index, mut running) = following(&home, &server);
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

/// The queue's table refuses jobs for a while, as one on a full disk does; the marks that were taken for them are not lost.
#[test]
fn a_process_outlives_a_queue_that_takes_no_jobs() {
    let server = small_world().serve().unwrap();
    let Some(home) = Home::on_server() else { return };
    let (mut index, mut running) = following(&home, &server);
    // A sequence keeps what a refused transaction did.
    home.execute("CREATE SEQUENCE refused");
    home.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM nextval('public.refused'); RAISE EXCEPTION 'no room for jobs'; END $$",
    );
    home.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON apalis.jobs FOR EACH STATEMENT EXECUTE FUNCTION public.refuse()",
    );
    let world = small_world().publish("alpha", "1.2.0", "2026-08-20T07:15:00Z", archive("alpha", "1.2.0"));
    server.set_world(world.clone());
    index.commit(&world, Some(&server.download_url()), "1.2.0").unwrap();
    // An error until it was refused twice: once would end a process that does not go on.
    let twice = "SELECT 1 / (last_value >= 2)::int FROM refused";
    running.until(&["status"], |_| home.try_execute(twice).is_ok());
    home.execute("DROP TRIGGER refuse ON apalis.jobs");
    running.until(&["show", "alpha"], |answer| has_state(answer, "1.2.0", "ok"));
    running.until(&["status"], is_idle);
    assert_eq!(running.stop(), Some(0));
}

/// Two crates of one repository.
fn of_one_repository() -> World {
    ["one", "two"].into_iter().fold(World::new(), |world, name| {
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nrepository = \"https://forge.test/o/both\"\n");
        let archive = CrateFile::with_manifest(name, "1.0.0", &manifest).build().unwrap();
        world.publish(name, "1.0.0", "2026-08-01T00:00:00Z", archive)
    })
}

/// A server of the repositories below `root`, or one that never answers, with the count of what it was asked.
fn forge(root: Option<&Path>) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, root) = (Arc::clone(&asked), root.map(Path::to_owned));
    let url = git_server::listen(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        match &root {
            Some(root) => drop(git_server::backend(root, request)),
            None => std::mem::forget(request),
        }
    });
    (url.unwrap(), asked)
}

#[test]
fn a_repository_is_looked_at_by_one_machine_at_a_time_and_by_the_next_when_that_dies() {
    if !git_server::has_git() {
        return skip("no git to serve a repository with");
    }
    let world = of_one_repository();
    let server = world.serve().unwrap();
    let Some(home) = all_due(&world, &server) else { return };
    let root = home.path().join("forge");
    std::fs::create_dir_all(root.join("o/both")).unwrap();
    let repo = SourceRepo::create(&root.join("o/both")).unwrap();
    repo.commit("main", &[("src/lib.rs", text("//! A library.\n"))], 1_780_000_000).unwrap();
    // Two machines: each has archives and copies of repositories of its own, and asks at another address.
    let other = home.beside();
    let ((silent, asked_first), (speaking, asked_second)) = (forge(None), forge(Some(&root)));
    for (home, url) in [(&home, silent), (&other, speaking)] {
        let mirror = format!("[[mirror]]\nfrom = \"https://forge.test/{{all}}\"\nto = \"{url}/{{all}}\"\n");
        home.write("mirrors.toml", &mirror);
    }
    let args = ["work", "--mirrors", "mirrors.toml", "-vv"];
    let mut stuck = Running::of(&home, home.start(&args));
    while asked_first.load(Ordering::SeqCst) == 0 {
        assert!(!stuck.has_ended(), "it ended too soon");
        std::thread::yield_now();
    }
    // It holds the repository, and moves no more: one of the crates is the other's from now on, whatever is due of it.
    stuck.signal("STOP");
    home.execute(
        "UPDATE due SET delivered_until = NULL, delivered_to = NULL WHERE release_id IN (
             SELECT r.id FROM release AS r JOIN krate AS k ON k.id = r.krate_id WHERE k.name = 'two')",
    );
    let log = other.path().join("log");
    let child = other.command(&args).stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let mut worker = Running::of(&other, child);
    worker.until(&["show", "two"], |_| {
        std::fs::read_to_string(&log).unwrap().contains("another process has it under way")
    });
    assert_eq!(asked_second.load(Ordering::SeqCst), 0);
    // Killed: it gives nothing back.
    drop(stuck);
    for name in ["one", "two"] {
        worker.until(&["show", name], |answer| {
            answer["releases"][0]["source"]["repository"] == "https://forge.test/o/both"
        });
    }
    assert_ne!(asked_second.load(Ordering::SeqCst), 0);
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_server_that_crashes_in_the_middle_loses_nothing_and_repeats_nothing() {
    let server = small_world().serve().unwrap();
    let Some((home, postgres)) = Home::on_own_server() else { return };
    let (mut index, mut running) = following(&home, &server);
    let mut world = small_world();
    let nums = ["1.2.0", "1.3.0", "1.4.0"];
    for num in nums {
        world = world.publish("alpha", num, "2026-08-20T07:15:00Z", archive("alpha", num));
        server.set_world(world.clone());
        index.commit(&world, Some(&server.download_url()), num).unwrap();
        postgres.restart().unwrap();
        running.until(&["show", "alpha"], |answer| has_state(answer, num, "ok"));
    }
    running.until(&["status"], is_idle);
    assert_eq!(running.stop(), Some(0));
    let changes = home.json(&["changes"]);
    let of_alpha = changes["changes"].as_array().unwrap().iter().filter(|change| change["name"] == "alpha");
    let told: Vec<_> = of_alpha.map(|change| change["num"].clone()).collect();
    assert_eq!(told, ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
}

#[test]
fn a_worker_does_all_its_work_in_a_role_that_can_make_no_tables() {
    let server = world().serve().unwrap();
    let Some((home, _postgres)) = Home::on_own_server() else { return };
    home.execute("CREATE ROLE worker LOGIN");
    home.json(&["migrate", "--grant-worker", "worker"]);
    // What a later migration makes is the worker's, too.
    home.execute("CREATE TABLE later (id BIGINT GENERATED ALWAYS AS IDENTITY, words TEXT)");
    let worker = home.in_role("worker");
    assert!(worker.try_execute("INSERT INTO later (words) VALUES ('of a later version')").is_ok());
    let denied = worker.try_execute("CREATE TABLE mine (id BIGINT)").unwrap_err();
    assert!(denied.contains("permission denied"), "{denied}");
    let path = home.path().join("index.git");
    GitIndex::create(&path).unwrap().commit(&world(), Some(&server.download_url()), "all").unwrap();
    let args = ["--index", path.to_str().unwrap(), "run", "--from", "start", "--backfill", "all", "--no-source"];
    let mut running = Running::of(&worker, worker.start(&args));
    running.until(&["show", "krate11"], |answer| has_state(answer, "1.0.0", "ok"));
    running.until(&["status"], |status| status["ready"] == true && is_idle(status));
    assert_eq!(running.stop(), Some(0));
    assert_eq!(downloads(&server).len(), KRATES);
}
