//! `provenance run`: follow and work in one process, for years, until SIGTERM.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use follow::{CargoSettings, IndexAddress};
use queue::{Backfill, Chore, IndexReader, Names, Progress, RunOptions, Running, WatchList, Watched};
use schema::{KrateName, Timestamp};
use store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::followed::{self, Place};
use super::serve::Served;
use crate::args::RunArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::chain;
use crate::{Exit, opening, progress};

mod locked;

pub(crate) async fn run(args: RunArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let options = RunOptions {
        poll: Duration::from_secs(args.poll.into()),
        chore: Duration::from_secs(args.advisory_poll.into()),
        compare: Duration::from_secs(u64::from(args.compare_every) * 86_400),
        backfill: backfill(&args.backfill)?,
    };
    let progress = progress::for_stderr(settings.quiet());
    let opened = opening::to_write(settings).await?;
    let store = Arc::clone(&opened.store);
    let stop = opening::stop_signal();
    let watched = watched(&args, settings, &store, progress.as_ref()).await?;
    let sources = if args.no_source { None } else { Some(opening::sources(settings)?) };
    let agent = opening::agent(settings)?;
    let rereads: Arc<dyn queue::Rereads> = watched.clone();
    let quiet: Arc<dyn Progress> = Arc::new(queue::Quiet);
    let engine = opening::engine(settings, Arc::clone(&store), agent, Some(rereads), quiet, sources).await?;
    // What the index said last time holds until it is asked.
    engine.fetch_as_stored(Some(watched.address()));
    let chore = Arc::new(Advisories { settings: settings.clone(), store: Arc::clone(&store) });
    progress.note(&format!("following {}; SIGTERM or Ctrl-C stops", crate::text::shown(watched.address())));
    let running = Running {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        engine,
        watched,
        chore,
        progress: Arc::new(Notes(progress)),
        nudge: Arc::default(),
        options,
    };
    let outcome = run_and_answer(&args, settings, running, &stop).await;
    opened.close().await;
    outcome?;
    Ok(Exit::Done)
}

/// Runs, tells subscribers, and with `--listen` answers meanwhile; when the first of them ends, so do the others.
async fn run_and_answer(
    args: &RunArgs,
    settings: &Settings,
    running: Running,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let ended = stop.child_token();
    let nudge: Arc<dyn serve::Nudge> = Arc::new(Nudged(Arc::clone(&running.nudge)));
    let served = match &args.listen.listen {
        Some(_) => Some(Served::open(&args.listen, settings, Arc::clone(&running.store), Some(nudge), &ended).await?),
        None => None,
    };
    let deliveries = opening::deliveries(settings, Arc::clone(&running.store))?;
    let work = async {
        let outcome = running.run(&ended).await;
        ended.cancel();
        outcome
    };
    let answer = async {
        if let Some(served) = served {
            served.until_stopped(&ended).await;
        }
    };
    let (outcome, (), ()) = tokio::join!(work, answer, deliveries.run_until_stopped(&ended));
    Ok(outcome?)
}

/// The follower in this process, as `serve` may tell it that something is new.
struct Nudged(Arc<Notify>);

impl serve::Nudge for Nudged {
    fn nudge(&self) {
        self.0.notify_one();
    }
}

/// What is followed: a git index as a whole, or a list of crates on one that is read crate by crate.
async fn watched(
    args: &RunArgs,
    settings: &Settings,
    store: &Arc<dyn Store>,
    progress: &dyn Progress,
) -> anyhow::Result<Arc<dyn Watched>> {
    let memory = Arc::clone(store);
    let address = IndexAddress::parse(&settings.index.value, &CargoSettings::default())?;
    let place = match &address {
        IndexAddress::Repository(path) => Place::Repository(path.clone()),
        IndexAddress::Git(url) => Place::Url(url.to_string()),
        IndexAddress::Sparse(_) | IndexAddress::Directory(_) => {
            return watch_list(args, settings, store, progress).await;
        }
    };
    if args.lockfile.is_some() || args.krates.is_some() {
        bail!("{address} is a git index and followed as a whole; --lockfile and --crates watch a sparse one");
    }
    Ok(Arc::new(followed::follower(&place, &address.to_string(), &args.index, true, settings, memory).await?))
}

async fn watch_list(
    args: &RunArgs,
    settings: &Settings,
    store: &Arc<dyn Store>,
    progress: &dyn Progress,
) -> anyhow::Result<Arc<dyn Watched>> {
    let agent = opening::agent(settings)?;
    let (index, address) = opening::index(settings, &agent)?;
    let memory = Arc::clone(store);
    let (reader, answered) = IndexReader::open(index, &address, memory.clone()).await?;
    if let Err(error) = answered {
        progress.note(&format!("warning: the index does not answer ({error}); it is asked again"));
    }
    let reader = Arc::new(reader.fetching_new());
    let clock = Arc::new(SystemClock);
    let holder = followed::holder(settings);
    if let Some(path) = &args.lockfile {
        let names = locked::names(path);
        // What is wrong with the file is said now, not in a minute.
        names().map_err(|reason| anyhow::anyhow!(reason))?;
        let list = WatchList::new(reader, memory, clock, &holder, names);
        return Ok(Arc::new(locked::Locked::new(list, path.clone(), Arc::clone(store))));
    }
    let names: Names = if let Some(path) = args.krates.clone() {
        listed(&path)?;
        Box::new(move || listed(&path).map_err(|error| chain(&error)))
    } else {
        let held = store.live_krates().await?;
        if held.is_empty() {
            bail!(
                "nothing is watched: name --lockfile FILE or --crates FILE, or follow a git index with --index git+URL"
            );
        }
        Box::new(move || Ok(held.clone()))
    };
    Ok(Arc::new(WatchList::new(reader, memory, clock, &holder, names)))
}

/// Names, one a line; `#` begins a comment.
fn listed(path: &Path) -> anyhow::Result<Vec<KrateName>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the list of crates {}", path.display()))?;
    let mut names = Vec::new();
    for (line, n) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let name = line.split('#').next().unwrap_or_default().trim();
        if !name.is_empty() {
            names.push(KrateName::parse(name).with_context(|| format!("read line {n} of {}", path.display()))?);
        }
    }
    if names.is_empty() {
        bail!("the list of crates {} names none", path.display());
    }
    Ok(names)
}

fn backfill(words: &[String]) -> anyhow::Result<Backfill> {
    let words: Vec<_> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    match words[..] {
        ["none"] => Ok(Backfill::None),
        ["all"] => Ok(Backfill::All),
        ["since", date] => Ok(Backfill::Since(Timestamp::parse(date).context("read --backfill since DATE")?)),
        _ => bail!("--backfill takes none, all, or since DATE, not {:?}", words.join(" ")),
    }
}

/// A process that runs for years shows no bars: looks come every minute, and only what is wrong is worth a line.
struct Notes(Arc<dyn Progress>);

impl Progress for Notes {
    fn begin(&self, _phase: &str, _total: Option<u64>) {}
    fn advance(&self, _n: u64, _what: &str) {}
    fn grow(&self, _total: u64) {}
    fn end(&self) {}
    fn note(&self, message: &str) {
        self.0.note(message);
    }
}

/// The advisory database, looked at now and then.
struct Advisories {
    settings: Settings,
    store: Arc<dyn Store>,
}

#[async_trait]
impl Chore for Advisories {
    async fn run(&self, progress: &dyn Progress) {
        match opening::advisory_database(&self.settings, self.store.as_ref()).await {
            Ok(notes) => notes.iter().for_each(|note| tracing::info!("{note}")),
            Err(error) => progress.note(&format!("warning: {}", chain(&error))),
        }
    }
}
