//! What a second process brings, and what a job costs beside its work.
//!
//! Scaling: the same archives, fetched before, inspected by one process on one core and by two on a core each, on one PostgreSQL
//! server that shares these cores. Overhead: jobs that do nothing, on both databases.
//!
//! `cargo bench -p provenance-cli --bench workers`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use fixtures::{CrateFile, GitIndex, World};
use queue::JobsAt;
use schema::{Priority, ReleaseId, Step, Timestamp};
use store::{Store, Work as _};
use store_postgres::PostgresStore;
use store_postgres::scratch::{Database, Server};
use store_sqlite::SqliteStore;

/// How many archives, and how much text is in each, in files of 16 KiB. The larger they are, the less is what each of them asks of
/// the server, which shares the cores.
const WORLDS: [(usize, usize); 2] = [(320, 8 << 20), (200, 32 << 20)];
const JOBS: usize = 2_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    let server = runtime.block_on(Server::find(None, &folders)).unwrap();
    overhead(&runtime, server.as_ref());
    match server {
        Some(server) => WORLDS.iter().for_each(|(krates, bytes)| scaling(&runtime, &server, *krates, *bytes)),
        None => println!("scaling skipped: no PostgreSQL"),
    }
}

fn overhead(runtime: &tokio::runtime::Runtime, server: Option<&Arc<Server>>) {
    let folder = tempfile::tempdir().unwrap();
    let file = JobsAt::File(folder.path().join("jobs.sqlite"));
    runtime.block_on(async {
        let store = SqliteStore::open(&folder.path().join("bench.sqlite")).await.unwrap();
        told("SQLite", &file, &store).await;
        let Some(server) = server else { return println!("overhead on PostgreSQL skipped: there is none") };
        let database = server.database().await.unwrap();
        let store = PostgresStore::open(&database.url()).await.unwrap();
        told("PostgreSQL", &JobsAt::Server { url: database.url(), process: "bench".to_owned() }, &store).await;
        store.close().await;
    });
}

async fn told(name: &str, place: &JobsAt, store: &dyn Store) {
    let taken = queue::measure::time_deliveries(place, store, JOBS).await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
    let each = taken.as_secs_f64() * 1e6 / JOBS as f64;
    println!("{name}: {JOBS} jobs that do nothing in {:.2} s, {each:.0} µs each", taken.as_secs_f64());
}

fn scaling(runtime: &tokio::runtime::Runtime, server: &Arc<Server>, krates: usize, bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let world = world(krates, bytes);
    let archives = folder.path().join("archives");
    std::fs::create_dir(&archives).unwrap();
    world.write_archives(&archives).unwrap();
    let index = folder.path().join("index.git");
    GitIndex::create(&index).unwrap().commit(&world, None, "all").unwrap();
    drop(world);
    let home = tempfile::tempdir().unwrap();
    let database = runtime.block_on(server.database()).unwrap();
    let follow = ["--index", index.to_str().unwrap(), "follow", "--once", "--from", "start"];
    assert!(provenance(home.path(), &database, None, &follow).status().unwrap().success());
    mark(runtime, &database, krates, Step::Download);
    work(home.path(), &database, &archives, &["0", "1"]);
    let (mut alone, mut together) = (f64::MAX, f64::MAX);
    for _ in 0..2 {
        mark(runtime, &database, krates, Step::Inspect);
        alone = alone.min(work(home.path(), &database, &archives, &["0"]));
        mark(runtime, &database, krates, Step::Inspect);
        together = together.min(work(home.path(), &database, &archives, &["0", "1"]));
    }
    println!(
        "{krates} archives of {} MiB inspected: one process {alone:.2} s, two {together:.2} s, ratio {:.2}",
        bytes >> 20,
        alone / together
    );
}

/// Crates of much text: unpacking and hashing it is nearly all there is to do.
fn world(krates: usize, bytes: usize) -> World {
    (0..krates).fold(World::new(), |world, n| {
        let name = format!("krate{n:03}");
        let mut krate = CrateFile::honest(&name, "1.0.0");
        for (part, words) in (0..bytes >> 14).zip(0_u64..) {
            krate = krate.file(&format!("src/part{part}.rs"), text(n as u64 * 1_000_003 + words).as_bytes());
        }
        world.publish(&name, "1.0.0", "2026-08-01T00:00:00Z", krate.build().unwrap())
    })
}

/// 16 KiB of lines that differ from file to file and pack about as source does.
fn text(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(1 << 14);
    while text.len() < 1 << 14 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        writeln!(text, "    let value_{} = compute({state}, offset);", state % 97).unwrap();
    }
    text
}

/// Marks a step of every release due; everything that was due before must be done.
fn mark(runtime: &tokio::runtime::Runtime, database: &Database, krates: usize, step: Step) {
    runtime.block_on(async {
        let store = PostgresStore::open(&database.url()).await.unwrap();
        assert!(store.counts().await.unwrap().is_empty());
        let releases: Vec<_> = (0..krates).zip(1..).map(|(_, id)| ReleaseId(id)).collect();
        store.mark(&releases, step, Priority::FRESH, Timestamp::from_seconds(0)).await.unwrap();
        store.close().await;
    });
}

/// How long one process on each of these cores takes for everything that is due.
fn work(home: &Path, database: &Database, archives: &Path, cores: &[&str]) -> f64 {
    let work = ["--offline", "--archives", archives.to_str().unwrap(), "work", "--until-idle", "--no-source"];
    let begin = Instant::now();
    let workers: Vec<_> =
        cores.iter().map(|core| provenance(home, database, Some(core), &work).spawn().unwrap()).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    begin.elapsed().as_secs_f64()
}

fn provenance(home: &Path, database: &Database, core: Option<&str>, args: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_provenance");
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", core, program]);
            command
        }
        None => Command::new(program),
    };
    command.arg("-q").args(args).env("HOME", home).env("XDG_DATA_HOME", home.join("data"));
    command.env("PROVENANCE_DATABASE", database.url()).stdout(Stdio::null());
    command
}
