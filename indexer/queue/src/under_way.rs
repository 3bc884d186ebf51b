//! What this process has under way, and how much more each lane has a use for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schema::Step;

use crate::delivery::Lane;

/// So long each worker of a lane can go on with jobs that are ready. It is more than a sweep, and less than another process
/// should stand idle while this one still has work to give.
const READY: Duration = Duration::from_millis(100);

/// The fewest and the most jobs that are ready for each worker.
const READY_JOBS: (usize, usize) = (1, 31);

/// What a job is thought to take before one was seen.
const SUPPOSED: Duration = Duration::from_millis(15);

/// What this process has of each step: jobs taken and not answered, how long one takes of late, and when some were taken last.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<BTreeMap<Step, Load>>);

#[derive(Clone, Copy)]
struct Load {
    jobs: usize,
    pace: Duration,
    taken_at: Option<Instant>,
}

impl Default for Load {
    fn default() -> Self {
        Self { jobs: 0, pace: SUPPOSED, taken_at: None }
    }
}

impl UnderWay {
    /// How many more jobs a lane has a use for.
    pub(crate) fn room(&self, lane: Lane) -> usize {
        let load = self.held().get(&lane.step).copied().unwrap_or_default();
        (lane.at_once * (1 + ready_jobs(load.pace))).saturating_sub(load.jobs)
    }

    /// How long a lane still gathers marks before more are taken; zero: no longer.
    pub(crate) fn gathers(&self, lane: Lane) -> Duration {
        let taken_at = self.held().get(&lane.step).and_then(|load| load.taken_at);
        taken_at.map_or(Duration::ZERO, |taken_at| lane.every.saturating_sub(taken_at.elapsed()))
    }

    pub(crate) fn is_any(&self) -> bool {
        self.held().values().any(|load| load.jobs > 0)
    }

    pub(crate) fn add(&self, step: Step, jobs: usize) {
        let mut held = self.held();
        let load = held.entry(step).or_default();
        (load.jobs, load.taken_at) = (load.jobs + jobs, Some(Instant::now()));
    }

    pub(crate) fn remove(&self, step: Step, jobs: usize) {
        let mut held = self.held();
        let load = held.entry(step).or_default();
        load.jobs = load.jobs.saturating_sub(jobs);
    }

    pub(crate) fn answered(&self, step: Step, taken: Duration) {
        let mut held = self.held();
        let load = held.entry(step).or_default();
        (load.jobs, load.pace) = (load.jobs.saturating_sub(1), (load.pace * 3 + taken) / 4);
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Step, Load>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many jobs of this pace are ready for each worker.
fn ready_jobs(pace: Duration) -> usize {
    let (fewest, most) = READY_JOBS;
    let jobs = READY.as_micros() / pace.as_micros().max(1);
    usize::try_from(jobs).unwrap_or(usize::MAX).clamp(fewest, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(at_once: usize) -> Lane {
        Lane { step: Step::Inspect, batch: 1, at_once, every: Duration::ZERO, fetched: 8 }
    }

    /// Each of the workers has one in hand, and what it takes up to `READY` for.
    #[test]
    fn a_lane_takes_little_of_what_takes_long_and_much_of_what_is_quick() {
        let under_way = UnderWay::default();
        let settle = |millis: u64| {
            for _ in 0..50 {
                under_way.add(Step::Inspect, 1);
                under_way.answered(Step::Inspect, Duration::from_millis(millis));
            }
        };
        settle(60_000);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 1));
        settle(24);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 4));
        settle(0);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 31));
        under_way.add(Step::Inspect, 60);
        assert_eq!(under_way.room(lane(2)), 4);
        under_way.add(Step::Inspect, 60);
        assert_eq!((under_way.room(lane(2)), under_way.is_any()), (0, true));
        under_way.remove(Step::Inspect, 120);
        assert!(!under_way.is_any());
    }
}
