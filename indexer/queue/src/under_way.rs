//! What this process has under way, and how much more each lane has a use for.

use std::collections::{BTreeMap, HashMap};
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
///
/// A job may be lost in the queue: the server notes that it was fetched, and the answer that says so never comes. What is not
/// answered by the time its delivery ends is no longer counted, or a lane that lost a few would take no more for good.
pub(crate) struct UnderWay {
    held: Mutex<Held>,
    /// How long a delivery lasts.
    lease: Duration,
}

#[derive(Default)]
struct Held {
    tickets: u64,
    loads: BTreeMap<Step, Load>,
}

struct Load {
    /// By ticket, when it was taken.
    jobs: HashMap<u64, Instant>,
    pace: Duration,
    taken_at: Option<Instant>,
}

impl Default for Load {
    fn default() -> Self {
        Self { jobs: HashMap::new(), pace: SUPPOSED, taken_at: None }
    }
}

impl UnderWay {
    /// Nothing yet; deliveries end after `lease`.
    pub(crate) fn new(lease: Duration) -> Self {
        Self { held: Mutex::default(), lease }
    }

    /// How many more jobs a lane has a use for.
    pub(crate) fn room(&self, lane: Lane) -> usize {
        let mut held = self.held();
        let load = held.loads.entry(lane.step).or_default();
        load.jobs.retain(|_, taken_at| taken_at.elapsed() < self.lease);
        (lane.at_once * (1 + ready_jobs(load.pace))).saturating_sub(load.jobs.len())
    }

    /// How long a lane still gathers marks before more are taken; zero: no longer.
    pub(crate) fn gathers(&self, lane: Lane) -> Duration {
        let taken_at = self.held().loads.get(&lane.step).and_then(|load| load.taken_at);
        taken_at.map_or(Duration::ZERO, |taken_at| lane.every.saturating_sub(taken_at.elapsed()))
    }

    pub(crate) fn is_any(&self) -> bool {
        let held = self.held();
        let mut taken = held.loads.values().flat_map(|load| load.jobs.values());
        taken.any(|taken_at| taken_at.elapsed() < self.lease)
    }

    /// A job is taken; gives its ticket.
    pub(crate) fn take(&self, step: Step) -> u64 {
        let mut held = self.held();
        let (ticket, now) = (held.tickets, Instant::now());
        held.tickets += 1;
        let load = held.loads.entry(step).or_default();
        load.jobs.insert(ticket, now);
        load.taken_at = Some(now);
        ticket
    }

    /// It will not be done.
    pub(crate) fn forget(&self, step: Step, ticket: u64) {
        self.held().loads.entry(step).or_default().jobs.remove(&ticket);
    }

    /// It is done, and took so long.
    pub(crate) fn answered(&self, step: Step, ticket: u64, took: Duration) {
        let mut held = self.held();
        let load = held.loads.entry(step).or_default();
        load.jobs.remove(&ticket);
        load.pace = (load.pace * 3 + took) / 4;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
        let under_way = UnderWay::new(Duration::from_hours(1));
        let take = |n: usize| (0..n).map(|_| under_way.take(Step::Inspect)).collect::<Vec<_>>();
        let settle = |millis: u64| {
            for _ in 0..50 {
                let ticket = under_way.take(Step::Inspect);
                under_way.answered(Step::Inspect, ticket, Duration::from_millis(millis));
            }
        };
        settle(60_000);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 1));
        settle(24);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 4));
        settle(0);
        assert_eq!(under_way.room(lane(2)), 2 * (1 + 31));
        let some = take(60);
        assert_eq!(under_way.room(lane(2)), 4);
        let more = take(60);
        assert_eq!((under_way.room(lane(2)), under_way.is_any()), (0, true));
        some.into_iter().chain(more).for_each(|ticket| under_way.forget(Step::Inspect, ticket));
        assert!(!under_way.is_any());
    }

    /// A lane whose jobs were lost takes others when their delivery is over; an answer that comes after all does no harm.
    #[test]
    fn what_is_lost_in_the_queue_is_not_waited_for_longer_than_its_delivery_lasts() {
        let under_way = UnderWay::new(Duration::ZERO);
        let lost = under_way.take(Step::Inspect);
        assert!(!under_way.is_any());
        let room = under_way.room(lane(2));
        under_way.answered(Step::Inspect, lost, SUPPOSED);
        assert_eq!(under_way.room(lane(2)), room);

        let patient = UnderWay::new(Duration::from_hours(1));
        patient.take(Step::Inspect);
        assert_eq!((patient.is_any(), patient.room(lane(2))), (true, room - 1));
    }
}
