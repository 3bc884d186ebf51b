//! When a lane looks for jobs: whenever some were put there, soon after once more, and then ever less often.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep, sleep};

/// How soon a lane looks again after it was rung for: a look that was under way when the jobs came may have missed them.
const FIRST: Duration = Duration::from_millis(10);

/// How rarely it looks when nothing was put there for long. Only this process puts jobs into its lanes, so that nothing comes
/// unheard; an answer of the queue that was lost is all that is made good for.
const LAST: Duration = Duration::from_secs(2);

/// Rung by who puts jobs into a lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    /// What apalis asks when it may look for jobs.
    pub(super) fn listen(&self) -> Listening {
        Listening {
            bell: Arc::clone(&self.0),
            rung: Box::pin(Arc::clone(&self.0).notified_owned()),
            next: Box::pin(sleep(FIRST)),
            pause: FIRST,
        }
    }
}

/// A lane's ear on its bell.
#[derive(Debug)]
pub(super) struct Listening {
    bell: Arc<Notify>,
    rung: Pin<Box<OwnedNotified>>,
    next: Pin<Box<Sleep>>,
    pause: Duration,
}

impl Listening {
    fn look_again_after(&mut self, pause: Duration) {
        self.pause = pause;
        self.next.as_mut().reset(Instant::now() + pause);
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LAST)
}

impl PollStrategy for Listening {
    /// Both are asked until they are pending, so that the next ring and the next look wake the lane.
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        while self.rung.as_mut().poll(cx).is_ready() {
            self.rung.set(Arc::clone(&self.bell).notified_owned());
            self.look_again_after(FIRST);
        }
        while self.next.as_mut().poll(cx).is_ready() {
            self.look_again_after(longer(self.pause));
        }
        Poll::Ready(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::task::{ArcWake, waker};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl ArcWake for Wakes {
        fn wake_by_ref(wakes: &Arc<Self>) {
            wakes.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A lane that was polled, and how often it was woken since.
    struct Lane(Listening, Arc<Wakes>);

    impl Lane {
        fn look(&mut self) {
            self.1.0.store(0, Ordering::SeqCst);
            let waker = waker(Arc::clone(&self.1));
            let _ = self.0.poll_drive(&mut Context::from_waker(&waker), &PollSnapshot::new());
        }

        fn was_woken(&self) -> bool {
            self.1.0.load(Ordering::SeqCst) > 0
        }
    }

    /// On one thread, and without waiting: no timer wakes here.
    #[tokio::test]
    async fn every_ring_wakes_and_none_is_lost_between_two_looks() {
        let bell = Bell::default();
        let mut lane = Lane(bell.listen(), Arc::default());
        for _ in 0..3 {
            lane.look();
            assert!(!lane.was_woken());
            bell.ring();
            assert!(lane.was_woken());
            // Rung again before it looks: one look answers both, and hears the next.
            bell.ring();
            lane.look();
            bell.ring();
            assert!(lane.was_woken());
            lane.look();
        }
    }

    #[test]
    fn it_looks_soon_after_a_ring_and_ever_less_often() {
        let pauses: Vec<_> = std::iter::successors(Some(FIRST), |pause| Some(longer(*pause))).take(12).collect();
        assert!(pauses.windows(2).all(|two| two[0] < two[1] || two[1] == LAST), "{pauses:?}");
        // All looks between the first and the rarest come within the rarest pause twice over.
        assert!(pauses.iter().take_while(|pause| **pause < LAST).sum::<Duration>() < 2 * LAST, "{pauses:?}");
        assert_eq!(pauses[11], LAST);
    }
}
