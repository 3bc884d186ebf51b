//! The static export at the size of a registry: 84,000 made-up crates in a SQLite file, three files each; as a whole, with
//! nothing new, and after one crate changed. Floor: the same bytes written to files of the same names, without a sync.
//!
//! `cargo bench -p provenance-cli --bench export` (`PROVENANCE_BENCH_CRATES` names another number)
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fixtures::IndexLineBuilder;
use schema::{IndexLine, KrateName, Timestamp};
use store::{Index as _, KrateWrite, LineWrite, SourceState};
use store_sqlite::SqliteStore;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const BATCH: usize = 500;

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment how much to measure")]
    let n_krates = std::env::var("PROVENANCE_BENCH_CRATES").ok().and_then(|n| n.parse().ok()).unwrap_or(84_000);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("bench.sqlite");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    runtime.block_on(fill(&database, n_krates));
    println!("{n_krates} crates stored: {:.1} s", begun.elapsed().as_secs_f64());
    let out = folder.path().join("out");
    run(&database, &out, "everything written");
    run(&database, &out, "nothing new");
    runtime.block_on(change(&database));
    run(&database, &out, "one crate changed");
    floor(&out, &folder.path().join("floor"));
}

fn run(database: &Path, out: &Path, what: &str) {
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_provenance"))
        .args(["-q", "--json", "--database", &format!("sqlite:{}", database.display()), "export"])
        .arg(out)
        .output()
        .unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{what}: {seconds:.2} s, {} files of {} crates", report["files_written"], report["crates_written"]);
}

async fn fill(database: &Path, n_krates: usize) {
    let store = SqliteStore::open(database).await.unwrap();
    let source = SourceState { address: "made up".to_owned(), last_success_at: Some(NOW), ..SourceState::default() };
    let source = store.note_source(&source).await.unwrap();
    let writes: Vec<_> = (0..n_krates).map(|n| write(&format!("made-{:02x}-up-{n}", n % 251), 0)).collect();
    for some in writes.chunks(BATCH) {
        store.apply(source, some, NOW).await.unwrap();
    }
    store.close().await;
}

/// One release; with a change when it is not the first.
fn write(name: &str, revision: i64) -> KrateWrite {
    let num = format!("1.{revision}.0");
    let raw = IndexLineBuilder::new(name, &num).cksum(&fixtures::sha256_hex(format!("{name}{num}").as_bytes())).build();
    let line = IndexLine::parse(&raw).unwrap();
    let name = KrateName::parse(name).unwrap();
    let changes = if revision == 0 { Vec::new() } else { vec![added(&name, &line)] };
    let insert = LineWrite::Insert { generation: schema::Generation::FIRST, line: Box::new(line), raw, changes };
    KrateWrite::new(name, revision, vec![insert])
}

fn added(name: &KrateName, line: &IndexLine) -> schema::Change {
    schema::Change {
        kind: schema::ChangeKind::Added,
        name: Some(name.clone()),
        num: Some(line.num.clone()),
        checksum: Some(line.checksum),
        fields: Vec::new(),
        commit: None,
        at: NOW,
        line_before: None,
        line_after: None,
    }
}

async fn change(database: &Path) {
    let store = SqliteStore::open(database).await.unwrap();
    let source = store.sources().await.unwrap()[0].id;
    let name = KrateName::parse("made-00-up-0").unwrap();
    let held = store.krates(source, &[name.canonical()]).await.unwrap();
    store.apply(source, &[write("made-00-up-0", held[0].revision)], NOW).await.unwrap();
    store.close().await;
}

/// The same bytes under the same names.
fn floor(from: &Path, to: &Path) {
    let mut files = Vec::new();
    walk(from, from, &mut files);
    let n_bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let begun = Instant::now();
    for (path, bytes) in &files {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("floor, {} files of {} MiB written without a sync: {seconds:.2} s", files.len(), n_bytes >> 20);
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(std::path::PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            files.push((path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap()));
        }
    }
}
