//! `provenance follow --once`: bring the tables up to the head of the index; no archive is fetched.

use std::sync::Arc;

use anyhow::bail;
use follow::{CargoSettings, IndexAddress};
use queue::{FollowReport, IndexReader, KrateOutcome, Progress};
use schema::Clock as _;
use serde_json::json;
use store::Store;
use tokio_util::sync::CancellationToken;

use super::followed::{self, Place};
use crate::args::FollowArgs;
use crate::clock::SystemClock;
use crate::opening::Opened;
use crate::settings::Settings;
use crate::text::{complain, count, say};
use crate::{Exit, document, opening, progress};

pub(crate) async fn run(args: &FollowArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let progress = progress::for_stderr(settings.quiet());
    let opened = opening::to_write(settings).await?;
    let stop = opening::stop_signal();
    if args.dry_run {
        return dry_run(&opened, args, settings, progress.as_ref(), &stop).await;
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
    opened.close().await;
    Ok(if read.failed == 0 { Exit::Done } else { Exit::Failed })
}

/// What was read, and how many crates could not be.
struct Read {
    report: FollowReport,
    failed: usize,
}

/// The same on a copy that goes away: what is said is what would be.
async fn dry_run(
    opened: &Opened,
    args: &FollowArgs,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    let copy = opened.copy().await?;
    let read = index_round(&copy.store, args, settings, progress, stop).await;
    copy.end().await?;
    let read = read?;
    print(&read, settings);
    Ok(if read.failed == 0 { Exit::Done } else { Exit::Failed })
}

async fn index_round(
    store: &Arc<dyn Store>,
    args: &FollowArgs,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Read> {
    let address = IndexAddress::parse(&settings.index.value, &CargoSettings::default())?;
    let place = match &address {
        IndexAddress::Repository(path) => Place::Repository(path.clone()),
        IndexAddress::Git(url) => Place::Url(url.to_string()),
        IndexAddress::Sparse(_) | IndexAddress::Directory(_) => {
            return watch_list(store, settings, progress, stop).await;
        }
    };
    let memory = Arc::clone(store);
    let follower = followed::follower(&place, &address.to_string(), &args.index, false, settings, memory).await?;
    let mut outcome = follower.round(progress, stop).await;
    if let (Ok(report), true) = (&mut outcome, args.compare) {
        match follower.compare(progress, stop).await {
            Ok(compared) => report.extend(compared),
            Err(error) => outcome = Err(error),
        }
    }
    follower.resign().await?;
    Ok(Read { report: outcome?, failed: 0 })
}

/// An index that is read crate by crate: those held are read again.
async fn watch_list(
    store: &Arc<dyn Store>,
    settings: &Settings,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Read> {
    let agent = opening::agent(settings)?;
    let (index, address) = opening::index(settings, &agent)?;
    let memory = Arc::clone(store);
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

fn print(read: &Read, settings: &Settings) {
    let report = &read.report;
    if settings.json {
        document::print(json!({
            "batches": report.batches, "crates": report.krates, "changes": report.changes,
            "quarantined": report.quarantined, "reconciled": report.reconciled, "drift": report.drift,
            "failed": read.failed,
        }));
        return;
    }
    say(&format!("{} read in {}", count(report.krates, "crate file"), count(report.batches, "commit")));
    for (kind, n) in &report.changes {
        say(&format!("{n:>8} {kind}"));
    }
    if let Some(drift) = report.drift {
        say(&format!(
            "the whole index was compared: {} that no commit had told",
            count(usize::try_from(drift).unwrap_or(usize::MAX), "change")
        ));
    }
}
