//! From the lines of a whole index to its rows on a server, against a raw COPY of exactly these rows in the same run.
//!
//! `PROVENANCE_TEST_DATA=../shared/data cargo bench -p provenance-store-postgres --features scratch --bench bulk`

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use follow::{Context, Effect, Reading, reconcile};
use futures::TryStreamExt as _;
use schema::{KrateName, Timestamp};
use sqlx::postgres::{PgPool, PgPoolCopyExt as _};
use store::{Index as _, KrateWrite, LineWrite, SourceState};
use store_postgres::PostgresStore;
use store_postgres::scratch::Server;

/// Crates in one transaction: what the queue's reader stores at once, and what a follower stores of a first reading.
const BATCHES: [usize; 2] = [64, 500];

/// The tables a first reading writes, in the order in which they refer to each other.
const TABLES: [&str; 5] = ["krate", "release", "dependency", "reading", "due"];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    #[expect(clippy::disallowed_methods, reason = "benches find the test data through the environment")]
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = variable("PROVENANCE_TEST_DATA").map(|data| Path::new(&data).join("index-2020.jsonl.zst"));
    let Some(file) = data.filter(|file| file.is_file()) else {
        say("skipped: PROVENANCE_TEST_DATA names no folder with index-2020.jsonl.zst");
        return Ok(());
    };
    let named = variable("PROVENANCE_TEST_POSTGRES_URL").and_then(|url| url.into_string().ok());
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let Some(server) = Server::shared(named.as_deref(), &folders).await? else {
            say("skipped: no PostgreSQL");
            return Ok(());
        };
        measure(&file, &server).await
    })
}

async fn measure(file: &Path, server: &std::sync::Arc<Server>) -> Outcome<()> {
    let files = krate_files(file)?;
    for batch in BATCHES {
        let (ours, raw) = (server.database().await?, server.database().await?);
        let begin = Instant::now();
        store_all(&ours.url(), &files, batch).await?;
        let product = begin.elapsed().as_secs_f64();
        let rows = rows(&ours.url()).await?;
        let bytes: usize = rows.iter().map(|(_, bytes)| bytes.len()).sum();
        let floor = copy_all(&raw.url(), &rows).await?;
        let [krates, releases, _, dependencies] = PostgresStore::open(&ours.url()).await?.totals().await?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = releases as f64 / product;
        say(&format!(
            "{krates} crates, {releases} versions, {dependencies} dependencies, {} MB; {batch} crates a transaction",
            bytes >> 20
        ));
        say(&format!("parse, reconcile and store: {product:.2} s, {rate:.0} versions/s"));
        say(&format!("raw COPY of the same rows into the same tables: {floor:.2} s, ratio {:.2}", floor / product));
    }
    Ok(())
}

/// The lines of each crate, as its file in the index holds them.
fn krate_files(file: &Path) -> Outcome<Vec<(KrateName, String)>> {
    let output = Command::new("zstd").arg("-dc").arg(file).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut files: Vec<(KrateName, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let name = line.split('"').nth(3).ok_or("a line without a name")?;
        let name = KrateName::parse(name)?;
        match files.last_mut() {
            Some((last, lines)) if last.canonical() == name.canonical() => {
                lines.push_str(line);
                lines.push('\n');
            }
            _ => files.push((name, format!("{line}\n"))),
        }
    }
    Ok(files)
}

async fn store_all(url: &str, files: &[(KrateName, String)], batch: usize) -> Outcome<()> {
    let store = PostgresStore::open(url).await?;
    let source = store.note_source(&SourceState { address: "bench".to_owned(), ..SourceState::default() }).await?;
    let now = Timestamp::from_seconds(1_800_000_000);
    for batch in files.chunks(batch) {
        let names: Vec<_> = batch.iter().map(|(name, _)| name.canonical()).collect();
        // As the reader does: what is held is asked for first, and is nothing here.
        store.krates(source, &names).await?;
        let writes: Vec<_> = batch.iter().map(|(name, text)| write(name, text, now)).collect();
        store.apply(source, &writes, now).await?;
    }
    store.close().await;
    Ok(())
}

fn write(name: &KrateName, text: &str, now: Timestamp) -> KrateWrite {
    let context =
        Context { krate: name, commit: None, at: now, reading: Reading::Baseline, known_duplicates: &[], also: &[] };
    let decisions = reconcile(&[], Some(text.as_bytes()), &context).decisions;
    let lines = decisions.into_iter().filter_map(|decision| match decision.effect {
        Effect::Insert { generation, line, .. } => {
            let follow::ReadLine { text, parsed } = *line;
            Some(LineWrite::Insert { generation, line: Box::new(parsed), raw: text, changes: Vec::new() })
        }
        _ => None,
    });
    KrateWrite::new(name.clone(), 0, lines.collect())
}

/// The rows of each table, as COPY gives and takes them.
async fn rows(url: &str) -> Outcome<Vec<(&'static str, Vec<u8>)>> {
    let pool = PgPool::connect(url).await?;
    let mut all = Vec::new();
    for table in TABLES {
        let statement = format!("COPY {table} TO STDOUT (FORMAT binary)");
        let chunks = pool.copy_out_raw(&statement).await?;
        let bytes = chunks.try_fold(Vec::new(), |mut bytes, chunk| async move {
            bytes.extend_from_slice(&chunk);
            Ok(bytes)
        });
        all.push((table, bytes.await?));
    }
    pool.close().await;
    Ok(all)
}

/// Seconds that the rows take into empty tables with the same indexes and references.
async fn copy_all(url: &str, rows: &[(&'static str, Vec<u8>)]) -> Outcome<f64> {
    let store = PostgresStore::open(url).await?;
    store.note_source(&SourceState { address: "bench".to_owned(), ..SourceState::default() }).await?;
    store.close().await;
    let pool = PgPool::connect(url).await?;
    let begin = Instant::now();
    for (table, bytes) in rows {
        let statement = format!("COPY {table} FROM STDIN (FORMAT binary)");
        let mut copy = pool.copy_in_raw(&statement).await?;
        for chunk in bytes.chunks(1 << 20) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
    }
    let took = begin.elapsed().as_secs_f64();
    pool.close().await;
    Ok(took)
}

fn say(line: &str) {
    use std::io::Write as _;
    // A bench whose reader went away has nobody left to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
