//! Jobs in a file beside the database. It is made anew at every start: what was not finished is still marked and is delivered
//! again. That also keeps apalis' write locks away from ours (design 09).

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteStorage};

use super::{HEARTBEAT, Lane, MISSED_HEARTBEATS, failed};
use crate::QueueError;
use crate::job::Job;

/// Makes the job file anew, under a name that none had before it: a connection that is still to be closed, of an engine that
/// ended a moment ago, must not take this file's log for its own.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, QueueError> {
    static OPENED: AtomicU32 = AtomicU32::new(0);
    remove_left_behind(path).map_err(|error| failed("clear its file", &error))?;
    let n = OPENED.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{n}", std::process::id()));
    let options = SqliteConnectOptions::new()
        .filename(&name)
        .create_if_missing(true)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "OFF")
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await
        .map_err(|error| failed("open its file", &error))?;
    SqliteStorage::migrations().run(&pool).await.map_err(|error| failed("make its tables", &error))?;
    Ok(pool)
}

/// What earlier processes and engines had: this file and whatever goes on from its name.
fn remove_left_behind(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    for entry in std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        let entry = entry?;
        let rest = entry.file_name();
        let is_ours = rest.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if is_ours.is_some_and(|rest| rest.is_empty() || matches!(rest[0], b'.' | b'-')) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

pub(super) fn storage(pool: &SqlitePool, lane: Lane) -> SqliteStorage<Job> {
    let config = Config::default()
        .queue(lane.step.as_str())
        .batch_size(lane.fetched)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(MISSED_HEARTBEATS);
    SqliteStorage::new(pool).with_config(config)
}
