//! Wiring of a followed git index: a repository in place, or a clone of ours. Shared by `follow` and `run`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use follow::{GitOptions, GitSource, Start};
use net::BlockingAgent;
use queue::{FollowOptions, Follower};
use schema::Timestamp;
use store::Store;

use crate::args::FollowedArgs;
use crate::clock::SystemClock;
use crate::database::DatabaseAddress;
use crate::opening;
use crate::settings::Settings;

/// Who leads. Whoever has the lock file of an SQLite database is the only writer, so a lead that a killed process left is its to
/// take. On a server each process is somebody of its own.
pub(super) fn holder(settings: &Settings) -> String {
    match settings.database.value {
        DatabaseAddress::Sqlite(_) => "the holder of the lock file".to_owned(),
        DatabaseAddress::Postgres(_) => opening::process_name(),
    }
}

/// An index with its whole history is larger and slower to fetch than any other repository.
const MAX_BYTES: u64 = 64 << 30;
const MAX_OBJECTS: usize = 200_000_000;
const FETCH_TIMEOUT: Duration = Duration::from_hours(12);

/// A git index to follow, where it is.
pub(super) enum Place {
    Repository(std::path::PathBuf),
    Url(String),
}

/// The follower of that index.
pub(super) async fn follower(
    place: &Place,
    address: &str,
    args: &FollowedArgs,
    download: bool,
    settings: &Settings,
    store: Arc<dyn Store>,
) -> anyhow::Result<Follower> {
    let source = match place {
        Place::Repository(path) if args.history.is_some() => bail!(
            "--history fetches into a clone of ours, and {} is read where it is; fetch the old branches into it",
            path.display()
        ),
        Place::Repository(path) => GitSource::here(path),
        Place::Url(url) => clone_of(url, args, settings)?,
    };
    let git = GitOptions { start: start(&args.from)?, ..GitOptions::default() };
    let options = FollowOptions { git, allow_mass_deletion: args.allow_mass_deletion, download };
    Ok(Follower::new(source, address, &holder(settings), store, Arc::new(SystemClock), options).await?)
}

/// The operator names the index, so any address will do, a folder's too.
fn clone_of(url: &str, args: &FollowedArgs, settings: &Settings) -> anyhow::Result<GitSource> {
    let folder: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = settings.data_dir.value.join("index").join(folder);
    let git = git_transport::GitOptions {
        max_bytes: MAX_BYTES,
        max_objects: MAX_OBJECTS,
        total_timeout: FETCH_TIMEOUT,
        addresses: net::Addresses::Any,
        allow_file: true,
        agent: Some(BlockingAgent::new(opening::agent_options(settings))?),
        ..git_transport::GitOptions::default()
    };
    Ok(GitSource::clone_of(url, &path, git, args.history.clone()))
}

fn start(text: &str) -> anyhow::Result<Start> {
    match text {
        "now" => Ok(Start::Now),
        "start" => Ok(Start::Beginning),
        date => Ok(Start::At(Timestamp::parse(date).context("read --from, which is now, start or a date")?)),
    }
}
