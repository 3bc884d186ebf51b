//! Advisories at the size of a registry, through the store: the index of July 2020 in a SQLite file, the real advisories as
//! a git repository. Goals: one changed advisory visible in less than 1 s; the graph built in less than 5 s and 1 GiB; all
//! advisories' closures in less than 3 s. Peer: `cargo-audit`, where it is installed, on a lock file of the same versions.
//!
//! `PROVENANCE_TEST_DATA=…/data cargo bench -p provenance-cli --bench advisories`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use advisories::{DatabaseRepository, Matcher};
use fixtures::AdvisoryRepo;
use queue::{FirstState, LiveGraph, follow_database, match_releases, parsed, read_graph};
use schema::{AdvisoryId, Generation, IndexLine, KrateName, Release, ReleaseId, Step, Timestamp};
use store::{KrateWrite, LineWrite, MatchWrite, SourceState, Store};
use store_sqlite::SqliteStore;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Crates stored in one transaction, and releases matched in one.
const BATCH: usize = 64;
const MARKS: u32 = 4_000;

fn main() {
    let Some(index) = index() else {
        println!("skipped: PROVENANCE_TEST_DATA has no index-2020.jsonl.zst");
        return;
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(&index));
}

#[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment where its data is")]
fn index() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("PROVENANCE_TEST_DATA")?).join("index-2020.jsonl.zst");
    path.exists().then_some(path)
}

async fn measure(index: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let mut repo = AdvisoryRepo::create(&folder.path().join("db")).unwrap();
    let database = advisories::bundled_snapshot().unwrap();
    for advisory in &database.advisories {
        repo.put(&advisory.path, &advisory.text);
    }
    repo.commit().unwrap();
    let store = SqliteStore::open(&folder.path().join("bench.sqlite")).await.unwrap();
    let n_versions = timed("the index stored", fill(&store, index)).await;
    println!("{n_versions} versions, {} advisories", database.advisories.len());
    timed("the whole advisory database followed the first time", follow(&store, &repo)).await;
    let n_matched = timed("every version matched through the store", drain(&store)).await;
    println!("{n_matched} versions matched");

    one_change(&store, &mut repo, "crates/time/RUSTSEC-2020-0071.md").await;
    graph(&store).await;
    peer(&store, &database, folder.path()).await;
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    println!("{what}: {:.3} s", begun.elapsed().as_secs_f64());
    done
}

async fn follow(store: &dyn Store, repo: &AdvisoryRepo) -> usize {
    let repository = DatabaseRepository::in_folder(&repo.path()).unwrap().unwrap();
    follow_database(store, repository, FirstState::Now, NOW).await.unwrap().changed
}

/// What the step does, batch by batch.
async fn drain(store: &dyn Store) -> usize {
    let advisories: Vec<_> = store.advisories().await.unwrap().iter().map(|stored| parsed(stored).unwrap()).collect();
    let (mut n_matched, state) = (0, store.advisory_state().await.unwrap().map(|state| state.seq));
    loop {
        let marks = store.deliver(Step::Match, NOW, NOW.plus_seconds(600), MARKS).await.unwrap();
        if marks.is_empty() {
            return n_matched;
        }
        n_matched += marks.len();
        let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
        let mut found: HashMap<ReleaseId, Vec<_>> = HashMap::new();
        for matched in match_releases(&advisories, &store.releases_of(&ids).await.unwrap()) {
            found.entry(matched.release).or_default().push(matched);
        }
        let write =
            |mark: &store::Mark| MatchWrite { mark: *mark, matches: found.remove(&mark.release).unwrap_or_default() };
        let writes: Vec<_> = marks.iter().map(write).collect();
        store.finish_matches(&writes, state, NOW).await.unwrap();
    }
}

/// From the commit to the answer: an advisory of some crate covers everything from now on.
async fn one_change(store: &dyn Store, repo: &mut AdvisoryRepo, path: &str) {
    let id = AdvisoryId(path.rsplit('/').next().unwrap().trim_end_matches(".md").to_owned());
    let text = String::from_utf8(repo.files[path].clone()).unwrap();
    let edited: String = text
        .lines()
        .map(|line| if line.starts_with("patched") { "patched = []\n".to_owned() } else { format!("{line}\n") })
        .collect();
    repo.put(path, &edited);
    repo.commit().unwrap();
    let begun = Instant::now();
    let changed = timed("  one changed advisory followed", follow(store, repo)).await;
    let n_matched = timed("  its crate matched", drain(store)).await;
    let rows = timed("  the answer read", store.matched_by(&[id])).await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "one changed advisory visible: {seconds:.3} s (goal 1 s); {changed} changed, {n_matched} matched, {} covered",
        rows.len()
    );
}

async fn graph(store: &dyn Store) {
    // 5 sets the peak back to what is held now: the index itself was read into this process before.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, cpu) = (memory("VmRSS"), cpu_seconds());
    let graph = timed("the graph built from the store (goal 5 s)", read_graph(store, None)).await.unwrap();
    println!("  {:.3} s of CPU", cpu_seconds() - cpu);
    println!(
        "  {} releases, {} edges: {} MiB counted, {} MiB more resident, peak {} MiB more (goal 1 GiB)",
        graph.n_releases(),
        graph.n_edges(),
        graph.size_bytes() >> 20,
        memory("VmRSS").saturating_sub(before) >> 10,
        memory("VmHWM").saturating_sub(before) >> 10
    );
    let mut affected: BTreeMap<AdvisoryId, HashSet<ReleaseId>> = BTreeMap::new();
    for found in store.all_matches().await.unwrap().into_iter().filter(schema::AdvisoryMatch::is_affected) {
        affected.entry(found.advisory).or_default().insert(found.release);
    }
    let begun = Instant::now();
    let resolved = graph.resolved();
    println!("every edge resolved: {:.3} s", begun.elapsed().as_secs_f64());
    let mut n_hits = 0;
    for releases in affected.values() {
        n_hits += resolved.closure(&releases.iter().copied().collect::<Vec<_>>()).hits().len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("closures of {} advisories, resolving included: {seconds:.3} s (goal 3 s); {n_hits} hits", affected.len());
    drop((graph, resolved));
    let mut live = LiveGraph::read(store).await.unwrap();
    timed("a refresh of the live graph with nothing new", live.refresh(store)).await.unwrap();
}

/// The same advisories over the same versions, by the official tool: its own reading of the database included in both.
async fn peer(store: &dyn Store, database: &advisories::Database, folder: &Path) {
    let page = store.exposure_page(ReleaseId(i64::MIN), 1_000_000, None).await.unwrap();
    let mut lock = "version = 3\n".to_owned();
    let source = ["registry+https://github.com/rust-lang/", "crates.io-index"].concat();
    // Where the peer meets a number that is no SemVer, it refuses the whole file.
    for release in page.releases.iter().filter(|release| release.num.semver().is_some()) {
        let (name, num) = (&release.name, &release.num);
        write!(lock, "\n[[package]]\nname = \"{name}\"\nversion = \"{num}\"\nsource = \"{source}\"\n").unwrap();
    }
    let (lock_path, db) = (folder.join("Cargo.lock"), folder.join("plain"));
    std::fs::write(&lock_path, lock).unwrap();
    for advisory in &database.advisories {
        let path = db.join(&advisory.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &advisory.text).unwrap();
    }
    let ids: Vec<_> = page.releases.iter().map(|release| release.id).collect();
    let releases: Vec<Release> = store.releases_of(&ids).await.unwrap();

    let begun = Instant::now();
    let read = advisories::read_directory(&db).unwrap();
    let read_after = begun.elapsed().as_secs_f64();
    let n_found = match_releases(&read.advisories, &releases).iter().filter(|found| found.is_affected()).count();
    let ours = begun.elapsed().as_secs_f64();
    let n_advised = Matcher::new(&read.advisories).krates().count();
    println!(
        "ours: database read in {read_after:.3} s, all matched after {ours:.3} s; {n_found} pairs, {n_advised} crates"
    );

    let begun = Instant::now();
    let mut audit = Command::new("cargo-audit");
    audit.args(["audit", "--no-fetch", "--stale", "--json", "--db"]).arg(&db).arg("--file").arg(&lock_path);
    match audit.output() {
        Ok(output) => {
            let theirs = begun.elapsed().as_secs_f64();
            let said = String::from_utf8_lossy(&output.stderr);
            let found = serde_json::from_slice::<serde_json::Value>(&output.stdout);
            let count = found.map(|found| found["vulnerabilities"]["count"].to_string());
            println!("cargo-audit: {theirs:.3} s, vulnerabilities {count:?}; ratio {:.2}", theirs / ours);
            println!("{}", said.lines().last().unwrap_or_default());
        }
        Err(error) => println!("no peer: cargo-audit cannot be started ({error})"),
    }
}

async fn fill(store: &SqliteStore, index: &Path) -> usize {
    let output = Command::new("zstd").arg("-dc").arg(index).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut krates: Vec<(KrateName, BTreeMap<String, LineWrite>)> = Vec::new();
    for raw in text.lines().filter(|line| !line.is_empty()) {
        let line = Box::new(IndexLine::parse(raw).unwrap());
        let (name, num) = (line.name.clone(), line.num.to_string());
        if krates.last().is_none_or(|(last, _)| last.canonical() != name.canonical()) {
            krates.push((name, BTreeMap::new()));
        }
        // Of two lines of one number the last one counts.
        let write = LineWrite::Insert { generation: Generation::FIRST, line, raw: raw.to_owned(), changes: Vec::new() };
        krates.last_mut().unwrap().1.insert(num, write);
    }
    let n_versions = krates.iter().map(|(_, lines)| lines.len()).sum();
    let state = SourceState { address: "bench".to_owned(), ..SourceState::default() };
    let source = store::Index::note_source(store, &state).await.unwrap();
    let mut krates = krates.into_iter().peekable();
    while krates.peek().is_some() {
        let writes: Vec<_> = krates.by_ref().take(BATCH).map(|(name, lines)| write_of(name, lines)).collect();
        store::Index::apply(store, source, &writes, NOW).await.unwrap();
    }
    n_versions
}

fn write_of(name: KrateName, lines: BTreeMap<String, LineWrite>) -> KrateWrite {
    let lines = lines.into_values().collect();
    KrateWrite::new(name, 0, lines)
}

/// Time that all threads of this process ran, as Linux counts it, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// A line of Linux's account of this process, in KiB.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next());
    found.and_then(|kibibytes| kibibytes.parse().ok()).unwrap_or(0)
}
