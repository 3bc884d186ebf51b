//! From the lines of a whole index to its rows, against a raw bulk insert of exactly these rows in the same run.
//!
//! `PROVENANCE_TEST_DATA=../shared/data cargo bench -p provenance-store-sqlite --bench bulk`

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use follow::{Context, Effect, Reading, reconcile};
use schema::{KrateName, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _};
use store::{Index as _, KrateWrite, LineWrite, SourceState};
use store_sqlite::SqliteStore;

/// Crates in one transaction: what the queue's reader stores at once.
const BATCH: usize = 64;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    #[expect(clippy::disallowed_methods, reason = "benches find the test data through the environment")]
    let data = std::env::var_os("PROVENANCE_TEST_DATA");
    let Some(file) = data.map(|data| Path::new(&data).join("index-2020.jsonl.zst")).filter(|file| file.is_file())
    else {
        say("skipped: PROVENANCE_TEST_DATA names no folder with index-2020.jsonl.zst");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&file))
}

async fn measure(file: &Path) -> Outcome<()> {
    let files = krate_files(file)?;
    let folder = tempfile::tempdir()?;
    let ours = folder.path().join("ours.sqlite");

    let begin = Instant::now();
    store_all(&ours, &files).await?;
    let product = begin.elapsed().as_secs_f64();

    let documents = documents(&ours).await?;
    let begin = Instant::now();
    insert_all(&folder.path().join("raw.sqlite"), &documents).await?;
    let raw = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    copy_all(&folder.path().join("copy.sqlite"), &ours).await?;
    let copy = begin.elapsed().as_secs_f64();

    let [krates, releases, _, dependencies] = SqliteStore::open(&ours).await?.totals().await?;
    say(&format!("{krates} crates, {releases} versions, {dependencies} dependencies"));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = releases as f64 / product;
    say(&format!("parse, reconcile and store: {product:.2} s, {rate:.0} versions/s"));
    say(&format!(
        "raw bulk insert of the same rows (json_each, prepared documents): {raw:.2} s, ratio {:.2}",
        raw / product
    ));
    say(&format!("copy from one file to another (INSERT … SELECT): {copy:.2} s, ratio {:.2}", copy / product));
    say(&format!("peak memory: {}", peak_memory()));
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

async fn store_all(path: &Path, files: &[(KrateName, String)]) -> Outcome<()> {
    let store = SqliteStore::open(path).await?;
    let source = store.note_source(&SourceState { address: "bench".to_owned(), ..SourceState::default() }).await?;
    let now = Timestamp::from_seconds(1_800_000_000);
    for batch in files.chunks(BATCH) {
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

/// The tables of a reading, with their columns; BLOBs travel as hex.
const TABLES: [(&str, &[&str], &[&str]); 5] = [
    ("krate", &["id", "canonical", "name", "revision"], &[]),
    (
        "release",
        &[
            "id",
            "krate_id",
            "num",
            "num_no_build",
            "semver_ord",
            "generation",
            "checksum",
            "published_at",
            "first_seen_at",
            "yanked",
            "deleted_at",
            "line",
            "index_commit",
        ],
        &["semver_ord", "checksum"],
    ),
    (
        "dependency",
        &[
            "release_id",
            "from_seq",
            "ordinal",
            "canonical",
            "name",
            "package",
            "req",
            "kind",
            "optional",
            "default_features",
            "features",
            "target",
            "registry",
            "to_seq",
        ],
        &[],
    ),
    ("reading", &["source_id", "krate_id", "etag", "last_modified", "doubtful_since", "read_at"], &[]),
    ("due", &["release_id", "step", "token", "at", "priority"], &[]),
];

/// The rows as JSON documents of 5,000, ready to be inserted.
async fn documents(path: &Path) -> Outcome<Vec<(String, String)>> {
    let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await?;
    let mut all = Vec::new();
    for (table, columns, blobs) in TABLES {
        let taken = columns
            .iter()
            .map(|column| if blobs.contains(column) { format!("hex({column})") } else { (*column).to_owned() });
        let taken = taken.collect::<Vec<_>>().join(", ");
        let given = columns.iter().enumerate().map(|(at, column)| {
            let value = format!("value ->> {at}");
            if blobs.contains(column) { format!("unhex({value})") } else { value }
        });
        let given = given.collect::<Vec<_>>().join(", ");
        let statement = format!("INSERT INTO {table} ({}) SELECT {given} FROM json_each(?)", columns.join(", "));
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT json_group_array(json(row)) AS document FROM (SELECT json_array({taken}) AS row,
                 (row_number() OVER () - 1) / 5000 AS page FROM {table}) GROUP BY page ORDER BY page"
        )))
        .fetch_all(&pool)
        .await?;
        for row in rows {
            all.push((statement.clone(), row.try_get("document")?));
        }
    }
    pool.close().await;
    Ok(all)
}

async fn insert_all(path: &Path, documents: &[(String, String)]) -> Outcome<()> {
    let pool = empty(path).await?;
    for (statement, document) in documents {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(AssertSqlSafe(statement.clone())).bind(document).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    pool.close().await;
    Ok(())
}

async fn copy_all(path: &Path, from: &Path) -> Outcome<()> {
    let pool = empty(path).await?;
    let mut connection = pool.acquire().await?;
    sqlx::query("ATTACH ? AS ours").bind(from.display().to_string()).execute(&mut *connection).await?;
    for (table, ..) in TABLES {
        let statement = format!("INSERT INTO main.{table} SELECT * FROM ours.{table}");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    drop(connection);
    pool.close().await;
    Ok(())
}

/// A fresh database with the same tables and indexes, opened as the product opens its own.
async fn empty(path: &Path) -> Outcome<SqlitePool> {
    let store = SqliteStore::open(path).await?;
    store.note_source(&SourceState { address: "bench".to_owned(), ..SourceState::default() }).await?;
    store.close().await;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("synchronous", "NORMAL")
        .pragma("cache_size", "-131072")
        .foreign_keys(true);
    Ok(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?)
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "not known on this system".to_owned(), |peak| peak.trim().to_owned())
}

fn say(line: &str) {
    use std::io::Write as _;
    // A bench whose reader went away has nobody left to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
