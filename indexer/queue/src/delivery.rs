//! Delivery by apalis: marks are swept into jobs, one lane of workers per step carries them to the handlers. Where the jobs
//! are kept, on a server or in a file, is all that differs; they are nothing but deliveries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt as _;
use apalis::prelude::{
    BackendExt as _, BoxDynError, Data, Monitor, ParallelizeExt as _, TaskBuilder, TaskSink as _, WorkerBuilder,
};
use apalis_core::backend::Vacuum as _;
use apalis_sqlite::SqlitePool;
use schema::{Step, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::QueueError;
use crate::delivery::bell::Bell;
use crate::delivery::server::ServerQueues;
use crate::job::Job;

mod bell;
mod file;
mod server;

/// How one step is delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) step: Step,
    /// Releases in one job.
    pub(crate) batch: u32,
    /// Jobs under way at once. Downloads wait for the network; inspecting keeps a core busy; the others are one writer's work.
    pub(crate) at_once: usize,
    /// How close together its marks are delivered. What makes a row of many steps should not make one for each of them.
    pub(crate) every: Duration,
    /// Jobs taken from the queue with one request. They are this process's alone, so nobody waits for one taken early. At least
    /// two for each at once: apalis has room for so many answers before it writes them.
    pub(crate) fetched: usize,
}

const AT_ONCE: Duration = Duration::ZERO;
const GATHERED: Duration = Duration::from_millis(100);

/// Every lane. Quick steps go in batches: a job costs a millisecond, a match or a row some microseconds.
pub(crate) const LANES: [Lane; 5] = [
    Lane { step: Step::Download, batch: 1, at_once: 8, every: AT_ONCE, fetched: 16 },
    Lane { step: Step::Inspect, batch: 1, at_once: 2, every: AT_ONCE, fetched: 8 },
    // One job per repository, however many of the releases are its: opened once, indexed once. No more are taken than can be
    // looked at before their delivery ends.
    Lane { step: Step::Verify, batch: 25, at_once: 2, every: AT_ONCE, fetched: 4 },
    Lane { step: Step::Match, batch: 500, at_once: 1, every: GATHERED, fetched: 2 },
    Lane { step: Step::Publish, batch: 500, at_once: 1, every: GATHERED, fetched: 2 },
];

/// apalis looks for jobs at its heartbeat, too; at its default of 30 s a look that went astray would be felt.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A job that takes long (a large repository) is not another worker's: with the heartbeat, the lease of a delivery.
const MISSED_HEARTBEATS: usize = 450;

/// Between the end of a lane's worker, which the queue's database brought about, and the next one.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Jobs are due at once. The server compares with its own clock, which may be behind ours, and keeps jobs for longer than this.
const EARLIER_SECONDS: i64 = 30 * 60;

/// Where the queue keeps its jobs.
#[derive(Clone)]
pub enum JobsAt {
    /// In a file beside the database; it is made anew.
    File(PathBuf),
    /// On the PostgreSQL server that the database is on.
    Server {
        /// Its address; it may hold a password.
        url: String,
        /// A name that no other process has or had.
        process: String,
    },
}

/// Makes the queue's tables on a server, or brings them up to date; needs the right to create them.
///
/// # Errors
/// When the server refuses.
pub async fn prepare_jobs(url: &str, store: &dyn Store) -> Result<(), QueueError> {
    server::prepare(url, store).await?.close().await;
    Ok(())
}

/// Who answers the jobs that are delivered.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Does what the job asks for; what goes wrong is its own affair.
    fn answer(self: Arc<Self>, job: Job) -> impl Future<Output = ()> + Send;
}

/// The jobs, and a way to put some there.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    queues: Queues,
    /// Where a lane is told of jobs; no other process puts any into it.
    bells: Arc<BTreeMap<Step, Bell>>,
}

#[derive(Clone, Debug)]
enum Queues {
    File(SqlitePool),
    Server(ServerQueues),
}

impl Delivery {
    pub(crate) async fn open(place: &JobsAt, store: &dyn Store) -> Result<Self, QueueError> {
        let queues = match place {
            JobsAt::File(path) => Queues::File(file::open(path).await?),
            JobsAt::Server { url, process } => Queues::Server(ServerQueues::open(url, store, process).await?),
        };
        let bells = LANES.iter().map(|lane| (lane.step, Bell::default())).collect();
        Ok(Self { queues, bells: Arc::new(bells) })
    }

    /// Puts jobs into a lane, with one request.
    pub(crate) async fn push(&self, lane: Lane, jobs: Vec<Job>, now: Timestamp) -> Result<(), QueueError> {
        let due = now.plus_seconds(-EARLIER_SECONDS).as_micros() / 1_000_000;
        let due = u64::try_from(due).unwrap_or_default();
        let pushed = match &self.queues {
            Queues::File(pool) => file::storage(pool, lane).push_bulk(jobs).await.map_err(|error| error.to_string()),
            Queues::Server(queues) => {
                let tasks = jobs.into_iter().map(|job| TaskBuilder::new(job).run_at_timestamp(due).build());
                let pushed = queues.storage(lane).push_all(futures::stream::iter(tasks)).await;
                pushed.map_err(|error| error.to_string())
            }
        };
        // Perhaps they are there although it failed.
        self.bell(lane).ring();
        pushed.map_err(|error| failed("take jobs", &error))
    }

    fn bell(&self, lane: Lane) -> Bell {
        self.bells.get(&lane.step).cloned().unwrap_or_default()
    }

    /// Forgets jobs that came to their end, where the store does not do it.
    pub(crate) async fn prune(&self) -> Result<(), QueueError> {
        if let Queues::File(pool) = &self.queues {
            file::storage(pool, LANES[0]).vacuum().await.map_err(|error| failed("prune its file", &error))?;
        }
        Ok(())
    }

    /// Runs the workers of every lane until `stop`.
    pub(crate) async fn work<A: Answers>(&self, answers: Arc<A>, stop: CancellationToken) {
        futures::future::join_all(LANES.map(|lane| self.work_lane(lane, Arc::clone(&answers), &stop))).await;
    }

    /// One worker after another: what ends one is the queue's database, which may be back soon, and is not asked without a
    /// pause until then.
    async fn work_lane<A: Answers>(&self, lane: Lane, answers: Arc<A>, stop: &CancellationToken) {
        loop {
            let ended = tokio::select! {
                ended = self.worker(lane, &answers).run() => ended,
                () = stop.cancelled() => return,
            };
            // Who puts jobs there meets the same fault, and tells it.
            tracing::debug!(step = %lane.step, "the queue's worker ended and begins anew: {ended:?}");
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A lane's worker, which ends when the queue's database fails it.
    fn worker<A: Answers>(&self, lane: Lane, answers: &Arc<A>) -> Monitor {
        let (answers, bell) = (Arc::clone(answers), self.bell(lane));
        match self.queues.clone() {
            Queues::File(pool) => Monitor::new().register(move |_| {
                WorkerBuilder::new(format!("{}-{}", lane.step, std::process::id()))
                    .backend(file::storage(&pool, lane).poll_with_strategy(bell.listen()))
                    .data(Arc::clone(&answers))
                    .concurrency(lane.at_once)
                    .parallelize(tokio::spawn)
                    .build(handle::<A>)
            }),
            Queues::Server(queues) => Monitor::new().register(move |_| {
                WorkerBuilder::new(queues.worker(lane.step))
                    .backend(queues.storage(lane).poll_with_strategy(bell.listen()))
                    .data(Arc::clone(&answers))
                    .concurrency(lane.at_once)
                    .parallelize(tokio::spawn)
                    .build(handle::<A>)
            }),
        }
    }
}

/// Never an error: the engine writes failures into the marks, where the next sweep finds them.
async fn handle<A: Answers>(job: Job, answers: Data<Arc<A>>) -> Result<(), BoxDynError> {
    Arc::clone(&answers).answer(job).await;
    Ok(())
}

fn failed(action: &'static str, error: &dyn std::fmt::Display) -> QueueError {
    QueueError::Delivery { action, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::LANES;

    /// A lane's answers are written between two requests for jobs, and until then there is room for four times `fetched`: taken
    /// and answered are two each, of those fetched and of those that were under way before. Without room nothing would move again.
    #[test]
    fn there_is_room_for_the_answers_of_all_jobs_a_lane_can_hold() {
        for lane in LANES {
            assert!(4 * lane.fetched > 2 * (lane.fetched + lane.at_once), "{lane:?}");
        }
    }
}
