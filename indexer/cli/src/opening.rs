//! Wiring: the store with its lock, the index, the agent, the advisory database, the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use advisories::{AdvisorySource, Database};
use anyhow::{Context as _, bail};
use download::{Address, Blobs, DownloadLimits};
use follow::{CargoSettings, DirIndex, FileIndex, IndexAddress, SparseIndex, SparseOptions};
use net::{Agent, AgentOptions, BlockingAgent};
use queue::{Engine, EngineOptions, IndexReader, Progress, Retries, Sources};
use schema::{Clock, Timestamp};
use store::Store;
use store_sqlite::{Lock, SqliteStore};
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::complain;

/// The largest index file taken. The largest of 2026 has 1.4 MB.
const MAX_INDEX_FILE: u64 = 64 << 20;

/// An open database; with its lock when it is to be written.
pub(crate) struct Opened {
    pub(crate) store: Arc<SqliteStore>,
    _lock: Option<Lock>,
}

/// Opens the database to write it, alone.
pub(crate) async fn to_write(settings: &Settings) -> anyhow::Result<Opened> {
    let path = &settings.database.value;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    let owned = path.clone();
    let lock = tokio::task::block_in_place(|| {
        store_sqlite::lock(&owned, || {
            complain("    Blocking waiting for another provenance to finish with the database");
        })
    })?;
    let store = Arc::new(SqliteStore::open(path).await?);
    Ok(Opened { store, _lock: Some(lock) })
}

/// Opens an existing database to read it.
pub(crate) async fn to_read(settings: &Settings) -> anyhow::Result<Opened> {
    let path = &settings.database.value;
    if !path.exists() {
        bail!(
            "there is no database at {}; `provenance index --lockfile Cargo.lock` makes one, --database names another",
            path.display()
        );
    }
    Ok(Opened { store: Arc::new(SqliteStore::open_existing(path).await?), _lock: None })
}

/// The index named by `--index`, and its address as the store knows it.
pub(crate) fn index(settings: &Settings, agent: &Agent) -> anyhow::Result<(FileIndex, String)> {
    let address = IndexAddress::parse(&settings.index.value, &CargoSettings::default())?;
    let index = match &address {
        IndexAddress::Sparse(url) => {
            let options = SparseOptions { max_bytes: MAX_INDEX_FILE };
            FileIndex::Sparse(SparseIndex::new(url.clone(), agent.clone(), options))
        }
        IndexAddress::Directory(path) => FileIndex::Dir(DirIndex::new(path.clone(), MAX_INDEX_FILE)),
        IndexAddress::Git(_) | IndexAddress::Repository(_) => {
            bail!("{address} is a git index; `index` reads sparse indexes and plain folders")
        }
    };
    Ok((index, address.to_string()))
}

pub(crate) fn agent(settings: &Settings) -> anyhow::Result<Agent> {
    Ok(Agent::new(agent_options(settings))?)
}

pub(crate) fn agent_options(settings: &Settings) -> AgentOptions {
    let defaults = AgentOptions::default();
    AgentOptions {
        user_agent: settings.user_agent.value.clone().unwrap_or(defaults.user_agent),
        offline: settings.offline.value,
        ..defaults
    }
}

/// The engine over everything that is open.
pub(crate) async fn engine(
    settings: &Settings,
    store: Arc<SqliteStore>,
    agent: Agent,
    reader: Option<Arc<IndexReader>>,
    progress: Arc<dyn Progress>,
    sources: Option<Sources>,
) -> anyhow::Result<Arc<Engine>> {
    let data_dir = &settings.data_dir.value;
    std::fs::create_dir_all(data_dir).with_context(|| format!("make the folder {}", data_dir.display()))?;
    let blobs = Blobs::open_dir(&data_dir.join("blobs"))?;
    let address = reader.as_ref().and_then(|reader| reader.download_template()).map(Address::new);
    let mut jobs = settings.database.value.as_os_str().to_owned();
    jobs.push(".jobs");
    let options = EngineOptions {
        address,
        archives: settings.archives.value.clone(),
        download_limits: DownloadLimits { compressed_size: settings.max_archive_size.value },
        inspect_limits: inspect::Limits {
            compressed_size: settings.max_archive_size.value,
            ..inspect::Limits::default()
        },
        retries: Retries::default(),
        sources,
        jobs: PathBuf::from(jobs),
    };
    let store: Arc<dyn Store> = store;
    Ok(Engine::new(store, Arc::new(SystemClock), agent, blobs, reader, progress, options).await?)
}

/// How repositories are reached: copies named by `--mirrors` first, then the network, at public addresses only.
pub(crate) fn sources(settings: &Settings) -> anyhow::Result<Sources> {
    let mirrors = match &settings.mirrors.value {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("read the mirrors {}", path.display()))?;
            verify::Mirrors::parse(&text).with_context(|| format!("read the mirrors {}", path.display()))?
        }
        None => verify::Mirrors::default(),
    };
    let git = git_transport::GitOptions {
        addresses: net::Addresses::PublicOnly,
        agent: Some(BlockingAgent::new(agent_options(settings))?),
        ..git_transport::GitOptions::default()
    };
    let cache = verify::CacheOptions {
        git,
        allow_http: false,
        mirrors,
        limits: verify::Limits::default(),
        max_bytes: settings.max_repositories_size.value,
    };
    Ok(Sources { folder: settings.data_dir.value.join("repositories"), cache })
}

/// Brings the advisory database up to date as `--advisory-db` says. What cannot be reached leaves the last good copy in
/// place, and the note says which that is and how old.
pub(crate) async fn advisory_database(settings: &Settings, store: &dyn Store) -> anyhow::Result<Vec<String>> {
    let now = SystemClock.now();
    let held = store.advisory_db().await?;
    let source = match (&settings.advisory_db.value, &held) {
        (Some(named), _) => AdvisorySource::parse(named),
        // Nothing was asked for: what is loaded stays, a newer snapshot of this program excepted.
        (None, Some(held)) if held.source != "snapshot" => return Ok(aged(held, now).into_iter().collect()),
        (None, _) => AdvisorySource::Snapshot,
    };
    let read = read_database(settings, source);
    match (read, held) {
        (Ok(database), _) => {
            let commit = database.commit.clone();
            let loaded = queue::load_database(store, database, now).await?;
            let mut notes: Vec<_> = aged(&commit, now).into_iter().collect();
            if loaded.quarantined > 0 {
                notes.push(format!(
                    "{} of the advisory database cannot be read and keep their last good copy; see `provenance doctor`",
                    crate::text::count(loaded.quarantined, "file")
                ));
            }
            Ok(notes)
        }
        (Err(error), Some(held)) => Ok(vec![format!(
            "the advisory database could not be read ({}); the last good copy is used: {}",
            crate::text::chain(&error),
            described(&held, now)
        )]),
        (Err(error), None) => Err(error.context("read the advisory database")),
    }
}

fn read_database(settings: &Settings, source: AdvisorySource) -> anyhow::Result<Database> {
    let copies = settings.data_dir.value.join("advisory-db");
    let options = agent_options(settings);
    tokio::task::block_in_place(|| match source {
        AdvisorySource::Snapshot => Ok(advisories::bundled_snapshot()?),
        AdvisorySource::Dir(path) => Ok(advisories::read_directory(&path)?),
        AdvisorySource::Git(url) => fetched_database(&copies, &url, options),
    })
}

/// Fetches the head of a git database into a bare copy of ours and reads it there.
fn fetched_database(copies: &Path, url: &str, options: AgentOptions) -> anyhow::Result<Database> {
    let folder: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    std::fs::create_dir_all(copies).with_context(|| format!("make the folder {}", copies.display()))?;
    let repository = advisories::open_bare(&copies.join(folder))?;
    let git = git_transport::GitOptions {
        addresses: net::Addresses::Any,
        allow_file: true,
        agent: Some(BlockingAgent::new(options)?),
        ..git_transport::GitOptions::default()
    };
    git_transport::fetch(&repository, url, &[advisories::FETCH_REFSPEC], None, &git)?;
    Ok(advisories::read_repository(&repository, advisories::FETCHED_REF, url)?)
}

/// A database is expected to change every few days; a month is long enough to say so.
const OLD_AFTER_DAYS: i64 = 30;

fn aged(commit: &schema::DbCommit, now: Timestamp) -> Option<String> {
    (days_old(commit, now) > OLD_AFTER_DAYS).then(|| {
        format!("advisories are as of {}; --advisory-db URL follows the database itself", described(commit, now))
    })
}

/// `1a2b3c4 of 2026-08-21 (95 days old), from snapshot`
pub(crate) fn described(commit: &schema::DbCommit, now: Timestamp) -> String {
    let short: String = commit.commit.chars().take(if commit.commit.starts_with("files-") { 13 } else { 9 }).collect();
    let source = crate::text::shown(&commit.source);
    format!("{short} of {} ({} days old), from {source}", commit.at.date(), days_old(commit, now))
}

fn days_old(commit: &schema::DbCommit, now: Timestamp) -> i64 {
    (now.as_micros() - commit.at.as_micros()).max(0) / 86_400_000_000
}

/// Cancelled by the first Ctrl-C or SIGTERM; the second one ends the program at once.
pub(crate) fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            return;
        };
        for _ in 0..2 {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(130);
            }
            token.cancel();
        }
    });
    stop
}
