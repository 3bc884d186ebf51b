//! Bringing the advisory database up to date as `--advisory-db` says: by commit where there are commits.

use std::path::Path;

use advisories::{AdvisorySource, DatabaseRepository};
use anyhow::{Context as _, bail};
use net::BlockingAgent;
use queue::{DatabaseLoaded, FirstState, QueueError, Restart};
use schema::{Clock as _, DbCommit, Timestamp};
use store::{Store, StoreError};

use super::agent_options;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{chain, count, shown};

/// Brings the advisory database up to date. What cannot be reached leaves the last good copy in place, and the notes say
/// which that is and how old.
pub(crate) async fn advisory_database(settings: &Settings, store: &dyn Store) -> anyhow::Result<Vec<String>> {
    let now = SystemClock.now();
    let held = store.advisory_db().await?;
    let source = match (&settings.advisory_db.value, &held) {
        (Some(named), _) => AdvisorySource::parse(named),
        // Nothing was asked for: what is loaded stays, a newer snapshot of this program excepted.
        (None, Some(held)) if held.source != "snapshot" => return Ok(aged(held, now).into_iter().collect()),
        (None, _) => AdvisorySource::Snapshot,
    };
    if let Some(older) = older_snapshot(&source, held.as_ref(), now)? {
        return Ok(vec![older]);
    }
    match (bring_up(settings, store, source, FirstState::Now).await, held) {
        (Ok(loaded), _) => {
            let mut notes = notes(&loaded);
            notes.extend(store.advisory_db().await?.and_then(|commit| aged(&commit, now)));
            Ok(notes)
        }
        (Err(Failed::Unreachable(error)), Some(held)) => Ok(vec![format!(
            "the advisory database could not be read ({}); the last good copy is used: {}",
            chain(&error),
            described(&held, now)
        )]),
        (Err(Failed::Unreachable(error)), None) => Err(error.context("read the advisory database")),
        (Err(Failed::Refused(error)), Some(_)) => {
            Err(error.context("the last good copy of the advisory database stays, and nothing was changed"))
        }
        (Err(Failed::Refused(error)), None) => Err(error),
    }
}

/// The same for a command that is about nothing else: what cannot be read is its failure.
pub(crate) async fn follow_advisories(
    settings: &Settings,
    store: &dyn Store,
    first: FirstState,
) -> anyhow::Result<(DatabaseLoaded, Vec<String>)> {
    let source = settings.advisory_db.value.as_deref().map_or(AdvisorySource::Snapshot, AdvisorySource::parse);
    if let Some(older) = older_snapshot(&source, store.advisory_db().await?.as_ref(), SystemClock.now())? {
        bail!("{older}");
    }
    match bring_up(settings, store, source, first).await {
        Ok(loaded) => Ok((loaded, notes(&loaded))),
        Err(Failed::Unreachable(error)) => Err(error.context("read the advisory database")),
        Err(Failed::Refused(error)) => Err(error),
    }
}

/// Why the snapshot that ships inside is not taken: what is loaded is of a later day, and going back would forget advisories.
fn older_snapshot(source: &AdvisorySource, held: Option<&DbCommit>, now: Timestamp) -> anyhow::Result<Option<String>> {
    let (AdvisorySource::Snapshot, Some(held)) = (source, held) else { return Ok(None) };
    let inside = advisories::bundled_commit()?;
    if held.at <= inside.at {
        return Ok(None);
    }
    Ok(Some(format!(
        "the snapshot of {} that ships inside is older than the advisory database that is loaded, which stays: {}; \
         --advisory-db URL|DIR brings a newer one",
        inside.at.date(),
        described(held, now)
    )))
}

/// What may be back tomorrow, and what a person must look at.
enum Failed {
    Unreachable(anyhow::Error),
    Refused(anyhow::Error),
}

impl From<advisories::AdvisoriesError> for Failed {
    fn from(error: advisories::AdvisoriesError) -> Self {
        match error {
            // An emptied database is the brake, whether a little of it is left or nothing.
            advisories::AdvisoriesError::Empty { .. } | advisories::AdvisoriesError::Emptied { .. } => {
                Self::Refused(error.into())
            }
            error => Self::Unreachable(error.into()),
        }
    }
}

impl From<queue::QueueError> for Failed {
    fn from(error: queue::QueueError) -> Self {
        match error {
            queue::QueueError::Advisories(error) => error.into(),
            error => Self::Refused(error.into()),
        }
    }
}

/// How often another process may be quicker before that is said.
const TRIES: usize = 3;

async fn bring_up(
    settings: &Settings,
    store: &dyn Store,
    source: AdvisorySource,
    first: FirstState,
) -> Result<DatabaseLoaded, Failed> {
    for _ in 1..TRIES {
        match bring_up_once(settings, store, &source, first).await? {
            Err(QueueError::Store(StoreError::Conflict { .. })) => {}
            other => return Ok(other?),
        }
    }
    Ok(bring_up_once(settings, store, &source, first).await??)
}

async fn bring_up_once(
    settings: &Settings,
    store: &dyn Store,
    source: &AdvisorySource,
    first: FirstState,
) -> Result<Result<DatabaseLoaded, QueueError>, Failed> {
    let now = SystemClock.now();
    let repository = match source {
        AdvisorySource::Snapshot => None,
        AdvisorySource::Dir(path) => DatabaseRepository::in_folder(path)?,
        AdvisorySource::Git(url) => Some(fetched(settings, url).map_err(Failed::Unreachable)?),
    };
    Ok(match (repository, source) {
        (Some(repository), _) => queue::follow_database(store, repository, first, now).await,
        (None, AdvisorySource::Dir(path)) => {
            let database = tokio::task::block_in_place(|| advisories::read_directory(path))?;
            queue::load_database(store, database, now).await
        }
        (None, _) => queue::load_database(store, advisories::bundled_snapshot()?, now).await,
    })
}

/// Fetches the head of a git database, with its history, into a bare copy of ours.
fn fetched(settings: &Settings, url: &str) -> anyhow::Result<DatabaseRepository> {
    let copies = settings.data_dir.value.join("advisory-db");
    let folder: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    std::fs::create_dir_all(&copies).with_context(|| format!("make the folder {}", copies.display()))?;
    tokio::task::block_in_place(|| fetch_into(&copies.join(folder), url, settings))
}

fn fetch_into(copy: &Path, url: &str, settings: &Settings) -> anyhow::Result<DatabaseRepository> {
    let repository = advisories::open_bare(copy)?;
    let git = git_transport::GitOptions {
        addresses: net::Addresses::Any,
        allow_file: true,
        agent: Some(BlockingAgent::new(agent_options(settings))?),
        ..git_transport::GitOptions::default()
    };
    git_transport::fetch(&repository, url, &[advisories::FETCH_REFSPEC], None, &git)?;
    Ok(DatabaseRepository::fetched(repository, url))
}

fn notes(loaded: &DatabaseLoaded) -> Vec<String> {
    let restart = loaded.restart.map(|restart| {
        let why = match restart {
            Restart::Lost => "the commit known before is not in it",
            Restart::Rewritten => "it does not descend from the commit known before",
        };
        format!("the advisory database was compared as a whole, because {why}; states in between are not known")
    });
    let quarantined = (loaded.quarantined > 0).then(|| {
        format!(
            "{} of the advisory database cannot be read and keep their last good copy; see `provenance doctor`",
            count(loaded.quarantined, "file")
        )
    });
    restart.into_iter().chain(quarantined).collect()
}

/// A database is expected to change every few days; a month is long enough to say so.
const OLD_AFTER_DAYS: i64 = 30;

fn aged(commit: &DbCommit, now: Timestamp) -> Option<String> {
    (days_old(commit, now) > OLD_AFTER_DAYS).then(|| {
        format!("advisories are as of {}; --advisory-db URL follows the database itself", described(commit, now))
    })
}

/// `1a2b3c4 of 2026-08-21 (95 days old), from snapshot`
pub(crate) fn described(commit: &DbCommit, now: Timestamp) -> String {
    let short: String = commit.commit.chars().take(if commit.commit.starts_with("files-") { 13 } else { 9 }).collect();
    let source = shown(&commit.source);
    format!("{short} of {} ({} days old), from {source}", commit.at.date(), days_old(commit, now))
}

fn days_old(commit: &DbCommit, now: Timestamp) -> i64 {
    (now.as_micros() - commit.at.as_micros()).max(0) / 86_400_000_000
}
