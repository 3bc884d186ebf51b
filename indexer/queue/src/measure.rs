//! What a delivery costs, for benches. Behind the feature `measure`; the product has none of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use schema::{ReleaseId, Step, Timestamp};
use store::{Mark, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::QueueError;
use crate::delivery::{Answers, Delivery, JobsAt, LANES};
use crate::job::Job;

/// As many jobs at a time as a sweep may deliver.
const SWEPT: usize = 64;

/// Answers nothing, and counts.
struct Idle {
    left: AtomicUsize,
    done: Notify,
}

impl Answers for Idle {
    async fn answer(self: Arc<Self>, _job: Job) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.done.notify_one();
        }
    }
}

/// The time from the first of `n` jobs put into the queue to the answer of the last, when an answer takes no time.
///
/// # Errors
/// When the queue fails.
pub async fn time_deliveries(place: &JobsAt, store: &dyn Store, n: usize) -> Result<Duration, QueueError> {
    let delivery = Delivery::open(place, store).await?;
    let idle = Arc::new(Idle { left: AtomicUsize::new(n), done: Notify::new() });
    let stop = CancellationToken::new();
    let workers = tokio::spawn({
        let (delivery, idle, stop) = (delivery.clone(), Arc::clone(&idle), stop.clone());
        async move { delivery.work(idle, stop).await }
    });
    let begin = Instant::now();
    let lane = LANES.into_iter().find(|lane| lane.step == Step::Inspect).unwrap_or(LANES[0]);
    let releases: Vec<_> = (0..n).zip(1..).map(|(_, release)| ReleaseId(release)).collect();
    for some in releases.chunks(SWEPT) {
        let jobs = some.iter().map(|release| Job::new(lane.step, 0, &[Mark { release: *release, token: 1, tries: 0 }]));
        delivery.push(lane, jobs.collect(), Timestamp::from_seconds(0)).await?;
    }
    idle.done.notified().await;
    let taken = begin.elapsed();
    stop.cancel();
    workers.abort();
    Ok(taken)
}
