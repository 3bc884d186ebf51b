//! Jobs in a file beside the database. It is made anew at every start: what was not finished is still marked and is delivered
//! again. That also keeps apalis' write locks away from ours (design 09).

use std::path::Path;
use std::time::Duration;

use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteStorage};
use schema::Step;

use super::{HEARTBEAT, MISSED_HEARTBEATS, failed};
use crate::QueueError;
use crate::job::Job;

/// How often an idle lane looks for jobs.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Makes the job file anew.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, QueueError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("clear its file", &error));
            }
            _ => {}
        }
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
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

pub(super) fn storage(pool: &SqlitePool, step: Step) -> SqliteStorage<Job> {
    let config = Config::default()
        .queue(step.as_str())
        .batch_size(1)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(MISSED_HEARTBEATS);
    SqliteStorage::new(pool).with_config(config)
}
