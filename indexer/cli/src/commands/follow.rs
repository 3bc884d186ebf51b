//! `provenance follow --once`: bring the tables up to the head of the index; no archive is fetched.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use follow::{CargoSettings, GitIndex, GitOptions, History, IndexAddress, Start};
use net::BlockingAgent;
use queue::{FollowOptions, FollowReport, Follower, IndexReader, KrateOutcome, Progress};
use schema::{Clock as _, Timestamp};
use serde_json::json;
use store::{Following as _, Store};
use store_sqlite::SqliteStore;
use tokio_util::sync::CancellationToken;

use crate::args::FollowArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{complain, count, say};
use crate::{Exit, document, opening, progress};

/// Whoever has the lock file of an SQLite database is the only writer, so a lead that a killed process left is its to take.
const HOLDER: &str = "the holder of the lock file";

pub(crate) async fn run(args: &FollowArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let progress = progress::for_stderr(settings.quiet());
    let opened = opening::to_write(settings).await?;
    let stop = opening::stop_signal();
    if args.dry_run {
        return dry_run(&opened.store, args, settings, progress.as_ref(), &stop).await;
    }
    let store = Arc::clone(&opened.store);
    for note in opening::advisory_database(settings, store.as_ref()).await? {
        progress.note(&format!("note: {note}"));
    }
    let read = index_round(&store, args, settings, progress.as_ref(), &stop).await?;
    let agent = opening::agent(settings)?;
    let engine = opening::engine(settings, Arc::clone(&store), agent, None, progress, None).await?;
    engine.run_rows_until_idle(&stop).await?;
    print(&read, settings);
    store.close().await;
    Ok(if read.failed == 0 { Exit::Done } else { Exit::Failed })
}

/// What was read, and how many crates could not be.
struct Read {
    report: FollowReport,
    failed: usize,
}

/// The same on a copy that goes away: what is said is what would be.
async fn dry_run(
    store: &SqliteStore,
    args: &FollowArgs,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    store.close().await;
    let folder = tempfile::tempdir().context("make a folder for a copy of the database")?;
    let copy = folder.path().join("copy.sqlite");
    std::fs::copy(&settings.database.value, &copy).context("copy the database")?;
    let store = Arc::new(SqliteStore::open(&copy).await?);
    let read = index_round(&store, args, settings, progress, stop).await?;
    print(&read, settings);
    store.close().await;
    Ok(if read.failed == 0 { Exit::Done } else { Exit::Failed })
}

async fn index_round(
    store: &Arc<SqliteStore>,
    args: &FollowArgs,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Read> {
    let address = IndexAddress::parse(&settings.index.value, &CargoSettings::default())?;
    let start = start(&args.from)?;
    let (index, pin) = match &address {
        IndexAddress::Repository(path) => (GitIndex::open(path)?, false),
        IndexAddress::Git(url) => (fetched(settings, url.as_str(), start)?, true),
        IndexAddress::Sparse(_) | IndexAddress::Directory(_) => {
            return watch_list(store, settings, progress, stop).await;
        }
    };
    let git = GitOptions { start, ..GitOptions::default() };
    let options = FollowOptions { git, allow_mass_deletion: args.allow_mass_deletion, pin };
    let memory: Arc<dyn Store> = store.clone();
    let follower = Follower::lead(index, &address.to_string(), HOLDER, memory, Arc::new(SystemClock), options).await?;
    let outcome = follower.round(progress, stop).await;
    follower.resign().await?;
    Ok(Read { report: outcome?, failed: 0 })
}

/// Our clone of the index, brought up to it.
fn fetched(settings: &Settings, url: &str, start: Start) -> anyhow::Result<GitIndex> {
    let folder: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = settings.data_dir.value.join("index").join(folder);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).context("make a folder for the index")?;
    tokio::task::block_in_place(|| {
        let index = GitIndex::open_clone(&path)?;
        let git = git_transport::GitOptions {
            addresses: net::Addresses::Any,
            agent: Some(BlockingAgent::new(opening::agent_options(settings))?),
            ..git_transport::GitOptions::default()
        };
        let history = if start == Start::Now { History::HeadOnly } else { History::Snapshots };
        index.fetch(url, history, &git)?;
        Ok(index)
    })
}

/// An index that is read crate by crate: those held are read again.
async fn watch_list(
    store: &Arc<SqliteStore>,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Read> {
    let agent = opening::agent(settings)?;
    let (index, address) = opening::index(settings, &agent)?;
    let memory: Arc<dyn Store> = store.clone();
    let (reader, answered) = IndexReader::open(index, &address, memory).await?;
    answered?;
    let names = store.live_krates().await?;
    if names.is_empty() {
        bail!("no crate is watched yet; `provenance index --lockfile FILE` or --crate NAME makes some known");
    }
    let read = reader.read(names, SystemClock.now(), progress, stop).await?;
    let mut report = FollowReport { krates: read.krates.len(), ..FollowReport::default() };
    let mut failed = 0;
    for (name, outcome) in &read.krates {
        match outcome {
            KrateOutcome::Read { quarantined, .. } => report.quarantined += quarantined,
            KrateOutcome::Failed { error, .. } => {
                failed += 1;
                complain(&format!("error: {name}: {error}; what is known of it stays"));
            }
            KrateOutcome::NotModified | KrateOutcome::Doubtful { .. } | KrateOutcome::Unknown { .. } => {}
        }
    }
    Ok(Read { report, failed })
}

fn start(text: &str) -> anyhow::Result<Start> {
    match text {
        "now" => Ok(Start::Now),
        "start" => Ok(Start::Beginning),
        date => Ok(Start::At(Timestamp::parse(date).context("read --from, which is now, start or a date")?)),
    }
}

fn print(read: &Read, settings: &Settings) {
    let report = &read.report;
    if settings.json {
        document::print(json!({
            "batches": report.batches, "crates": report.krates, "changes": report.changes,
            "quarantined": report.quarantined, "reconciled": report.reconciled, "failed": read.failed,
        }));
        return;
    }
    say(&format!("{} read in {}", count(report.krates, "crate file"), count(report.batches, "batch")));
    for (kind, n) in &report.changes {
        say(&format!("{n:>8} {kind}"));
    }
}
