//! Delivery by apalis: marks are swept into jobs, one lane of workers per step carries them to the handlers.
//!
//! The job file lies beside the database and holds nothing but deliveries. It is made anew at every start: what was not
//! finished is still marked and is delivered again. That also keeps apalis' write locks away from ours (design 09).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt as _;
use apalis::prelude::{BackendExt as _, BoxDynError, Data, Monitor, ParallelizeExt as _, TaskSink as _, WorkerBuilder};
use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteStorage};
use schema::Step;
use tokio_util::sync::CancellationToken;

use crate::QueueError;
use crate::engine::Engine;
use crate::job::Job;

/// How one step is delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) step: Step,
    /// Releases in one job.
    pub(crate) batch: u32,
    /// Jobs under way at once. Downloads wait for the network; inspecting keeps a core busy; the others are one writer's work.
    pub(crate) at_once: usize,
}

/// Every lane. Quick steps go in batches: a job costs a millisecond, a match or a row some microseconds.
pub(crate) const LANES: [Lane; 5] = [
    Lane { step: Step::Download, batch: 1, at_once: 8 },
    Lane { step: Step::Inspect, batch: 1, at_once: 2 },
    // One job per repository, however many releases it has: opened once, indexed once.
    Lane { step: Step::Verify, batch: 200, at_once: 2 },
    Lane { step: Step::Match, batch: 500, at_once: 1 },
    Lane { step: Step::Publish, batch: 500, at_once: 1 },
];

/// How often an idle lane looks for jobs.
const POLL: Duration = Duration::from_millis(100);

/// apalis looks for jobs at its heartbeat, too; at its default of 30 s a poll that went astray would be felt.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A job that takes long (a large repository) is not another worker's: with the heartbeat, the lease of a delivery.
const MISSED_HEARTBEATS: usize = 450;

/// The job file, and a way to put jobs into it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pool: SqlitePool,
}

impl Delivery {
    /// Makes the job file anew.
    pub(crate) async fn open(path: &Path) -> Result<Self, QueueError> {
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
        Ok(Self { pool })
    }

    pub(crate) async fn push(&self, job: Job) -> Result<(), QueueError> {
        let mut storage = self.storage(job.step);
        storage.push(job).await.map_err(|error| failed("take a job", &error))
    }

    /// Runs the workers of every lane until `stop`.
    pub(crate) async fn work(&self, engine: Arc<Engine>, stop: CancellationToken) -> Result<(), QueueError> {
        let mut monitor = Monitor::new().should_restart(|_, _| true);
        for lane in LANES {
            let delivery = self.clone();
            let engine = Arc::clone(&engine);
            monitor = monitor.register(move |_| {
                WorkerBuilder::new(format!("{}-{}", lane.step, std::process::id()))
                    .backend(delivery.storage(lane.step).poll_with_interval(POLL))
                    .data(Arc::clone(&engine))
                    .concurrency(lane.at_once)
                    .parallelize(tokio::spawn)
                    .build(handle)
            });
        }
        let signal = async move {
            stop.cancelled().await;
            Ok(())
        };
        monitor.run_with_signal(signal).await.map_err(|error| failed("run its workers", &error))
    }

    fn storage(&self, step: Step) -> SqliteStorage<Job> {
        let config = Config::default()
            .queue(step.as_str())
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED_HEARTBEATS);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}

/// Never an error: the engine writes failures into the marks, where the next sweep finds them.
async fn handle(job: Job, engine: Data<Arc<Engine>>) -> Result<(), BoxDynError> {
    engine.handle(job).await;
    Ok(())
}

fn failed(action: &'static str, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Delivery { action, reason: error.to_string() }
}
