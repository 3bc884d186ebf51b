//! Wiring: the store with its lock, the index, the agent, the advisory database, the engine.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use download::{Blobs, DownloadLimits, Place};
use follow::{CargoSettings, DirIndex, FileIndex, IndexAddress, SparseIndex, SparseOptions};
use net::{Agent, AgentOptions, BlockingAgent};
use queue::{Engine, EngineOptions, IndexReader, JobsAt, Progress, Rereads, Retries, Sources};
use store::Store;
use tokio_util::sync::CancellationToken;

use schema::Clock as _;

use crate::clock::SystemClock;
use crate::database::DatabaseAddress;
use crate::settings::Settings;

mod advisory_database;
mod database;

pub(crate) use advisory_database::{advisory_database, described, follow_advisories};
pub(crate) use database::{Opened, missing_migrations, prepare_jobs, to_act, to_read, to_write};

/// The largest index file taken. The largest of 2026 has 1.4 MB.
const MAX_INDEX_FILE: u64 = 64 << 20;

/// Tells subscribers of events, for whoever works on the database.
pub(crate) fn deliveries(settings: &Settings, store: Arc<dyn Store>) -> anyhow::Result<queue::Deliveries> {
    Ok(queue::Deliveries::new(store, Arc::new(SystemClock), agent_options(settings))?)
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

/// The engine with a reader of the index, which says where archives are and reads lines anew.
pub(crate) async fn engine_reading(
    settings: &Settings,
    store: Arc<dyn Store>,
    agent: Agent,
    reader: Arc<IndexReader>,
    progress: Arc<dyn Progress>,
    sources: Option<Sources>,
) -> anyhow::Result<Arc<Engine>> {
    let template = reader.download_template();
    let engine = engine(settings, store, agent, Some(reader), progress, sources).await?;
    engine.fetch_from(template.as_deref());
    Ok(engine)
}

/// The engine over everything that is open. It fetches nothing until it is told from where.
pub(crate) async fn engine(
    settings: &Settings,
    store: Arc<dyn Store>,
    agent: Agent,
    rereads: Option<Arc<dyn Rereads>>,
    progress: Arc<dyn Progress>,
    sources: Option<Sources>,
) -> anyhow::Result<Arc<Engine>> {
    let data_dir = &settings.data_dir.value;
    std::fs::create_dir_all(data_dir).with_context(|| format!("make the folder {}", data_dir.display()))?;
    let blobs = blobs(settings)?;
    let jobs = match &settings.database.value {
        DatabaseAddress::Sqlite(path) => {
            let mut jobs = path.as_os_str().to_owned();
            jobs.push(".jobs");
            JobsAt::File(PathBuf::from(jobs))
        }
        DatabaseAddress::Postgres(url) => JobsAt::Server { url: url.clone(), process: process_name() },
    };
    let options = EngineOptions {
        archives: settings.archives.value.clone(),
        download_limits: DownloadLimits { compressed_size: settings.max_archive_size.value },
        inspect_limits: inspect::Limits {
            compressed_size: settings.max_archive_size.value,
            ..inspect::Limits::default()
        },
        retries: Retries::default(),
        sources,
        jobs,
    };
    Ok(Engine::new(store, Arc::new(SystemClock), agent, blobs, rereads, progress, options).await?)
}

/// A name that no other process has or had.
pub(crate) fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} on {}, since {}", std::process::id(), host.trim(), SystemClock.now())
}

/// Where archives are kept: as `--blobs` says, else in the data directory.
pub(crate) fn blobs(settings: &Settings) -> anyhow::Result<Blobs> {
    let place = match &settings.blobs.value {
        Some(named) => Place::parse(named)?,
        None => Place::Folder(settings.data_dir.value.join("blobs")),
    };
    Ok(Blobs::open(&place, &settings.s3)?)
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
