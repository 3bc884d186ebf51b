//! Running for years in one process: look at the source, work on what is due, mend and fill back when there is time, and stop
//! within a bound when told to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schema::{Clock, KrateName, Timestamp};
use store::{SourceState, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::following::FollowReport;
use crate::running::backfill::Filling;
use crate::{Engine, Progress, QueueError};

mod backfill;
mod follower;
mod list;

pub use backfill::Backfill;
pub use list::{Names, WatchList};

/// After the word to stop, what is at work has so long to come to an end; its results so far are stored either way.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long giving back the lead may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Waits differ by a tenth to either side, so that many followers do not come at one moment.
const JITTER: f64 = 0.1;

/// An index that is looked at again and again.
#[async_trait]
pub trait Watched: Rereads {
    /// Its address, as the store knows it.
    fn address(&self) -> &str;

    /// Looks at it and stores what differs.
    ///
    /// # Errors
    /// When it cannot be read, or the store fails; what was stored before stands.
    async fn look(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError>;

    /// Goes on with a full comparison; `None` where every look is one.
    ///
    /// # Errors
    /// As [`Watched::look`].
    async fn compare(
        &self,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<FollowReport>, QueueError>;

    /// Lets go of the lead.
    ///
    /// # Errors
    /// When the store fails.
    async fn leave(&self) -> Result<(), QueueError>;
}

/// Something that can read one crate's lines anew, because its archive is not the one they promise.
#[async_trait]
pub trait Rereads: Send + Sync {
    /// Reads them and stores what differs.
    ///
    /// # Errors
    /// When they cannot be read, or the store fails.
    async fn read_again(&self, name: &KrateName, now: Timestamp) -> Result<(), QueueError>;
}

/// Something to be done now and then: the advisory database, say.
#[async_trait]
pub trait Chore: Send + Sync {
    /// Does it. What goes wrong is said by whoever does it, and the next time it is tried again.
    async fn run(&self, progress: &dyn Progress);
}

/// How a process runs.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Between two looks at the index; a tenth more or less.
    pub poll: Duration,
    /// Between two runs of the chore.
    pub chore: Duration,
    /// Between two full comparisons.
    pub compare: Duration,
    /// Which releases of the past are fetched as well.
    pub backfill: Backfill,
}

/// A process that follows an index and works on what is due.
pub struct Running {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The pipeline.
    pub engine: Arc<Engine>,
    /// What is followed.
    pub watched: Arc<dyn Watched>,
    /// What else is done now and then.
    pub chore: Arc<dyn Chore>,
    /// Who hears of it.
    pub progress: Arc<dyn Progress>,
    /// Notified, the next look is taken at once. Whoever does so is believed nothing, so it may be anybody who is let.
    pub nudge: Arc<Notify>,
    /// How often.
    pub options: RunOptions,
}

impl Running {
    /// Runs until `stop`, and then for some seconds more at most.
    ///
    /// # Errors
    /// When the store or the job queue fails. An index that cannot be read is said, noted with its source, and asked again.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let ended = stop.child_token();
        let work = async {
            let outcome = self.engine.run_until_stopped(&ended).await;
            ended.cancel();
            outcome
        };
        let follow = async {
            let outcome = self.follow(&ended).await;
            ended.cancel();
            outcome
        };
        // What ends one of them ends the other, which finishes what is under way.
        let both = async {
            let (worked, followed) = tokio::join!(work, follow);
            worked.and(followed)
        };
        let bound = async {
            stop.cancelled().await;
            tokio::time::sleep(PATIENCE).await;
        };
        let outcome = tokio::select! {
            outcome = both => outcome,
            () = bound => {
                self.progress.note("note: stopped in the middle of something; it is done again next time");
                Ok(())
            }
        };
        // A lead that is not given back is over soon enough.
        match tokio::time::timeout(GOODBYE, self.watched.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the lead could not be given back: {}", error.in_one_line()),
            Err(_) => tracing::warn!("the lead could not be given back: the database does not answer"),
        }
        outcome
    }

    async fn follow(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let mut filling = Filling::new(self.options.backfill);
        let mut chore_at = self.clock.now();
        loop {
            let now = self.clock.now();
            if now >= chore_at {
                self.do_chore(stop).await;
                if stop.is_cancelled() {
                    return Ok(());
                }
                chore_at = now.plus_seconds(seconds(self.options.chore));
            }
            match self.round(&mut filling, stop).await {
                Err(error) if error.is_transient() => {
                    self.note(Err(error))?;
                }
                other => other?,
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    async fn round(&self, filling: &mut Filling, stop: &CancellationToken) -> Result<(), QueueError> {
        let looked = self.watched.look(self.progress.as_ref(), stop).await;
        let is_current = self.note(looked)?;
        let state = self.store.source(self.watched.address()).await?.unwrap_or_default();
        self.engine.fetch_from(state.download.as_deref());
        self.engine.nudge();
        // What is new goes first: the past waits until the present is stored.
        if is_current {
            filling.step(self.store.as_ref(), self.clock.now()).await?;
            if self.is_comparison_due(&state) {
                let compared = self.watched.compare(self.progress.as_ref(), stop).await;
                self.note(compared.map(Option::unwrap_or_default))?;
            }
        }
        Ok(())
    }

    /// A task of its own: a chore may block, and the word to stop must be heard all the same.
    async fn do_chore(&self, stop: &CancellationToken) {
        let (chore, progress) = (Arc::clone(&self.chore), Arc::clone(&self.progress));
        let task = tokio::spawn(async move { chore.run(progress.as_ref()).await });
        tokio::select! {
            done = task => if let Err(failure) = done {
                tracing::warn!("a chore came to no end: {failure}");
            },
            () = stop.cancelled() => {}
        }
    }

    /// Says what a look brought. `false`: the index could not be read, and is asked again.
    fn note(&self, outcome: Result<FollowReport, QueueError>) -> Result<bool, QueueError> {
        match outcome {
            Ok(report) => {
                tracing::info!(
                    batches = report.batches,
                    krates = report.krates,
                    quarantined = report.quarantined,
                    drift = report.drift,
                    "looked at the index"
                );
                Ok(true)
            }
            Err(QueueError::Interrupted) => Ok(false),
            Err(QueueError::NotLeading { source_name }) => {
                tracing::debug!(source = source_name, "another process leads");
                Ok(false)
            }
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.progress.note(&format!(
                    "warning: {}; asked again in {:?}",
                    error.in_one_line(),
                    self.options.poll
                ));
                Ok(false)
            }
        }
    }

    /// The first comparison waits for its day: a source just read whole was compared by being read.
    fn is_comparison_due(&self, state: &SourceState) -> bool {
        let interval = seconds(self.options.compare);
        let last = state.compared_at.or(state.complete_since).or(state.last_success_at);
        last.is_some_and(|last| self.clock.now() >= last.plus_seconds(interval))
    }

    fn pause(&self) -> Duration {
        self.options.poll.mul_f64(1.0 - JITTER + 2.0 * JITTER * net::jitter())
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
