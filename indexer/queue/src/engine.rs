//! The engine: sweeps due marks into jobs, answers jobs with handlers, and knows when there is nothing left to do.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use download::{Address, Blobs, DownloadLimits};
use futures::FutureExt as _;
use net::Agent;
use schema::{Clock, Step};
use store::{Mark, Postponed, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::blocking::panic_words;
use crate::database::Known;
use crate::delivery::{Answers, Delivery, JobsAt, LANES, Lane};
use crate::job::Job;
use crate::running::Rereads;
use crate::steps::Turns;
use crate::under_way::UnderWay;
use crate::{Progress, QueueError, Retries, steps};

/// How long a delivery may stay unanswered before it is made again.
const DELIVERY_LEASE_SECONDS: i64 = 15 * 60;

/// How often marks are swept when nobody says that there are new ones.
const SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// The same for a process that goes on for years: every result and every nudge makes it look at once.
const PATROL_INTERVAL: Duration = Duration::from_secs(1);

/// How often deliveries of processes that died are looked for.
const LOST_SECONDS: i64 = 5;

/// How often jobs that came to their end are forgotten.
const PRUNE_SECONDS: i64 = 600;

/// Sweeps are not closer together than this, so that under load one finds the marks of many answers.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// How long what is under way may go on after the word to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// When nothing is due now.
    Idle,
    /// When it is told to.
    Stopped,
}

/// What the steps need besides the store.
pub struct EngineOptions {
    /// Folders looked at first for `{name}-{version}.crate`.
    pub archives: Vec<PathBuf>,
    /// What is refused by download.
    pub download_limits: DownloadLimits,
    /// Where an inspection ends.
    pub inspect_limits: inspect::Limits,
    /// When a failed step is tried again.
    pub retries: Retries,
    /// How sources are checked; `None`: they are not.
    pub sources: Option<Sources>,
    /// Where the job queue keeps its deliveries.
    pub jobs: JobsAt,
}

/// How sources are checked.
#[derive(Clone)]
pub struct Sources {
    /// Where copies of repositories are kept.
    pub folder: PathBuf,
    /// How they may be fetched.
    pub cache: verify::CacheOptions,
}

/// Whose address in the store is meant.
#[derive(Clone, Debug)]
enum Stored {
    Of(String),
    Newest,
}

/// The pipeline at work.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) agent: Agent,
    pub(crate) blobs: Blobs,
    pub(crate) options: EngineOptions,
    address: Mutex<Option<Address>>,
    stored: Mutex<Option<Stored>>,
    pub(crate) progress: Arc<dyn Progress>,
    /// Reads a crate's lines anew when an archive is not the promised one.
    pub(crate) reader: Option<Arc<dyn Rereads>>,
    pub(crate) known: tokio::sync::RwLock<Option<Arc<Known>>>,
    delivery: Delivery,
    under_way: UnderWay,
    answered: Notify,
    fatal: Mutex<Option<QueueError>>,
    /// Failures that could not be noted, because the database was away; they are noted when it is back.
    unwritten: Mutex<Vec<(Step, Mark, Postponed)>>,
    pub(crate) turns: Turns,
}

impl Engine {
    /// Gets ready to work; what an earlier process left undelivered will be delivered again.
    ///
    /// # Errors
    /// When the job file or the store cannot be used.
    pub async fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        agent: Agent,
        blobs: Blobs,
        reader: Option<Arc<dyn Rereads>>,
        progress: Arc<dyn Progress>,
        options: EngineOptions,
    ) -> Result<Arc<Self>, QueueError> {
        let delivery = Delivery::open(&options.jobs, store.as_ref()).await?;
        store.forget_deliveries().await?;
        Ok(Arc::new(Self {
            store,
            clock,
            agent,
            blobs,
            address: Mutex::default(),
            stored: Mutex::default(),
            options,
            progress,
            reader,
            known: tokio::sync::RwLock::default(),
            delivery,
            under_way: UnderWay::new(Duration::from_secs(DELIVERY_LEASE_SECONDS.unsigned_abs())),
            answered: Notify::new(),
            fatal: Mutex::default(),
            unwritten: Mutex::default(),
            turns: Turns::default(),
        }))
    }

    /// Archives are fetched from here from now on, by the `dl` template of an index; `None`: it names no address.
    pub fn fetch_from(&self, template: Option<&str>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = template.map(Address::new);
    }

    /// Where archives are is what the store knows of this source, when nothing else was said; with `None` of the source read
    /// last. Another process may be the one that reads it.
    pub fn fetch_as_stored(&self, source: Option<&str>) {
        let known = source.map_or(Stored::Newest, |source| Stored::Of(source.to_owned()));
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Where archives are, now.
    pub(crate) async fn address(&self) -> Result<Option<Address>, QueueError> {
        let said = self.address.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let template = match (&said, stored) {
            (Some(_), _) | (None, None) => return Ok(said),
            (None, Some(Stored::Of(source))) => self.store.source(&source).await?.and_then(|source| source.download),
            (None, Some(Stored::Newest)) => {
                let sources = self.store.sources().await?;
                let named = sources.into_iter().filter(|source| source.download.is_some());
                named.max_by_key(|source| source.last_success_at).and_then(|source| source.download)
            }
        };
        Ok(template.as_deref().map(Address::new))
    }

    /// Says that there are new marks, so that nobody waits for the timer.
    pub fn nudge(&self) {
        self.answered.notify_waiters();
    }

    /// Works as marks become due, until `stop`; then what is under way is finished, for some seconds at most.
    ///
    /// # Errors
    /// When the store or the job queue fails.
    pub async fn run_until_stopped(self: &Arc<Self>, stop: &CancellationToken) -> Result<(), QueueError> {
        let lanes = self.wanted_lanes();
        match self.run_lanes(&lanes, Until::Stopped, stop).await {
            Err(QueueError::Interrupted) => Ok(()),
            other => other,
        }
    }

    /// Looks that are due at sources nobody wants looked at now stay due.
    fn wanted_lanes(&self) -> Vec<Lane> {
        let is_wanted = |lane: &Lane| lane.step != Step::Verify || self.options.sources.is_some();
        LANES.into_iter().filter(is_wanted).collect()
    }

    /// Works until no mark is due now, or until `stop`. Marks that wait for a later try stay.
    ///
    /// # Errors
    /// When the store or the job queue fails, or when it was stopped before it was done.
    pub async fn run_until_idle(self: &Arc<Self>, stop: &CancellationToken) -> Result<(), QueueError> {
        self.run_lanes(&self.wanted_lanes(), Until::Idle, stop).await
    }

    /// The same for matching and publishing only: no archive is fetched or opened.
    ///
    /// # Errors
    /// As [`Engine::run_until_idle`].
    pub async fn run_rows_until_idle(self: &Arc<Self>, stop: &CancellationToken) -> Result<(), QueueError> {
        let lanes: Vec<_> = LANES.into_iter().filter(|lane| matches!(lane.step, Step::Match | Step::Publish)).collect();
        self.run_lanes(&lanes, Until::Idle, stop).await
    }

    async fn run_lanes(
        self: &Arc<Self>,
        lanes: &[Lane],
        until: Until,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        self.judge_stored_facts(stop).await?;
        if until == Until::Idle {
            self.announce().await?;
        }
        let workers_stop = CancellationToken::new();
        let workers = tokio::spawn({
            let (engine, stop) = (Arc::clone(self), workers_stop.clone());
            async move { engine.delivery.work(Arc::clone(&engine), stop).await }
        });
        tokio::pin!(workers);
        let outcome = tokio::select! {
            outcome = self.sweep_on(lanes, until, stop) => outcome,
            ended = &mut workers => Err(ended_early(ended)),
        };
        workers_stop.cancel();
        // Nothing is under way any more; apalis' own leave-taking waits for its poll timers.
        workers.abort();
        self.progress.end();
        outcome
    }

    async fn announce(&self) -> Result<(), QueueError> {
        let waiting = self.store.counts().await?.iter().map(|count| count.waiting).sum();
        self.progress.begin("Working", Some(waiting));
        Ok(())
    }

    async fn sweep_on(&self, lanes: &[Lane], until: Until, stop: &CancellationToken) -> Result<(), QueueError> {
        let interval = if until == Until::Idle { SWEEP_INTERVAL } else { PATROL_INTERVAL };
        let (mut look_at, mut prune_at) = (self.clock.now(), self.clock.now().plus_seconds(PRUNE_SECONDS));
        loop {
            // Whatever is answered from here on is seen.
            let (answered, next) = (self.answered.notified(), tokio::time::Instant::now() + SWEEP_PAUSE);
            if let Some(error) = self.fatal.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(error);
            }
            if stop.is_cancelled() {
                self.drain().await;
                return Err(QueueError::Interrupted);
            }
            let now = self.clock.now();
            if now >= look_at {
                look_at = now.plus_seconds(LOST_SECONDS);
                when_back(until, self.take_over().await)?;
            }
            if now >= prune_at {
                prune_at = now.plus_seconds(PRUNE_SECONDS);
                when_back(until, self.store.prune_jobs().await.map_err(QueueError::from))?;
                // Jobs that are done stand in nobody's way.
                if let Err(error) = self.delivery.prune().await {
                    debug!("{}; tried again in a while", error.in_one_line());
                }
            }
            let delivered = tokio::select! {
                swept = self.sweep(lanes) => when_back(until, swept)?,
                // A database that is silent keeps nobody from stopping: what was taken is free when this process is gone.
                () = stopped_since(stop, PATIENCE) => continue,
            };
            if until == Until::Idle && delivered == 0 && self.is_idle(lanes).await? {
                return Ok(());
            }
            let gathering = lanes.iter().map(|lane| self.under_way.gathers(*lane)).filter(|left| !left.is_zero()).min();
            tokio::select! {
                () = answered => {}
                () = tokio::time::sleep(gathering.map_or(interval, |left| left.min(interval))) => {}
                () = stop.cancelled() => {}
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Turns marks that are due into jobs. A lane is never filled far beyond what it can carry, so that an interruption leaves
    /// little behind, urgent marks are not queued behind many others, and other processes find something to do.
    async fn sweep(&self, lanes: &[Lane]) -> Result<usize, QueueError> {
        let now = self.clock.now();
        let until = now.plus_seconds(DELIVERY_LEASE_SECONDS);
        let mut delivered = 0;
        for &lane in lanes {
            let room = self.under_way.room(lane);
            if room == 0 || !self.under_way.gathers(lane).is_zero() {
                continue;
            }
            let limit = lane.batch.saturating_mul(u32::try_from(room).unwrap_or(u32::MAX)).min(4000);
            let marks = self.store.deliver(lane.step, now, until, limit).await?;
            if !marks.is_empty() {
                delivered += marks.len();
                self.push(lane, &marks).await?;
            }
        }
        Ok(delivered)
    }

    /// Puts marks that were taken into the queue, or gives them back.
    async fn push(&self, lane: Lane, marks: &[Mark]) -> Result<(), QueueError> {
        let pushed = self.try_push(lane, marks).await;
        if pushed.is_err() {
            // Failing this, they are due again when their delivery ends.
            self.store.give_back(marks, lane.step, self.clock.now()).await?;
        }
        pushed
    }

    async fn try_push(&self, lane: Lane, marks: &[Mark]) -> Result<(), QueueError> {
        let jobs = self.jobs_of(lane, marks).await?;
        let job = |marks: &Vec<Mark>| Job::new(lane.step, self.under_way.take(lane.step), marks);
        let jobs: Vec<_> = jobs.iter().map(job).collect();
        let tickets: Vec<_> = jobs.iter().map(|job| job.ticket).collect();
        let pushed = self.delivery.push(lane, jobs, self.clock.now()).await;
        if pushed.is_err() {
            for ticket in tickets {
                self.under_way.forget(lane.step, ticket);
            }
        }
        pushed
    }

    /// Notes what could not be noted before, and frees what dead processes had.
    async fn take_over(&self) -> Result<(), QueueError> {
        let mut waiting = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some((step, mark, outcome)) = waiting.pop() {
            if let Err(error) = self.store.postpone(mark, step, &outcome, self.clock.now()).await {
                waiting.push((step, mark, outcome));
                self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).append(&mut waiting);
                return Err(error.into());
            }
        }
        let freed = self.store.forget_lost_deliveries().await?;
        if freed > 0 {
            warn!(marks = freed, "a process died with work under way; it is delivered again");
        }
        Ok(())
    }

    async fn jobs_of(&self, lane: Lane, marks: &[Mark]) -> Result<Vec<Vec<Mark>>, QueueError> {
        if lane.step == Step::Verify {
            return steps::by_repository(self, marks).await;
        }
        Ok(marks.chunks(lane.batch as usize).map(<[Mark]>::to_vec).collect())
    }

    async fn is_idle(&self, lanes: &[Lane]) -> Result<bool, QueueError> {
        if self.under_way.is_any() {
            return Ok(false);
        }
        let steps: Vec<_> = lanes.iter().map(|lane| lane.step).collect();
        let next = self.store.next_due(&steps).await?;
        Ok(next.is_none_or(|next| next > self.clock.now()))
    }

    /// Lets handlers that are at work finish; their results are worth keeping, but nobody should wait long for them.
    async fn drain(&self) {
        self.progress.note("interrupted: finishing what is under way");
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            if !self.under_way.is_any() {
                return;
            }
            tokio::select! {
                () = self.answered.notified() => {}
                () = &mut patience => return,
            }
        }
    }

    async fn do_step(self: &Arc<Self>, step: Step, marks: &[Mark]) -> Result<(), QueueError> {
        match (step, marks) {
            (Step::Download, [mark]) if self.may_start(*mark, step).await? => steps::download(self, *mark).await,
            (Step::Inspect, [mark]) if self.may_start(*mark, step).await? => steps::inspect(self, *mark).await,
            (Step::Verify, marks) => steps::verify(self, marks).await,
            (Step::Match, marks) => steps::match_advisories(self, marks).await,
            (Step::Publish, marks) => steps::publish(self, marks).await,
            // A mark that is gone is no error: somebody else was quicker, or it was marked anew.
            _ => Ok(()),
        }
    }

    /// Counts the start; a job that was started often and never ended takes its process with it, and is not started again.
    async fn may_start(&self, mark: Mark, step: Step) -> Result<bool, QueueError> {
        let Some(starts) = self.store.start(mark, step).await? else { return Ok(false) };
        if starts <= self.options.retries.starts {
            return Ok(true);
        }
        let error = format!("started {} times and never ended; it seems to kill the process", starts - 1);
        warn!(release = mark.release.0, step = %step, "{error}");
        let now = self.clock.now();
        let outcome = store::Postponed { at: now, error, dead: true };
        self.store.postpone(mark, step, &outcome, now).await?;
        Ok(false)
    }

    pub(crate) async fn note_failure(&self, step: Step, marks: &[Mark], failure: QueueError) {
        if failure.is_fatal() {
            error!(step = %step, "{}", failure.in_one_line());
            self.stop_with(failure);
            return;
        }
        let text = failure.in_one_line();
        debug!(step = %step, "{text}");
        let now = self.clock.now();
        for mark in marks {
            let outcome = self.options.retries.after_failure(*mark, text.clone(), now);
            match self.store.postpone(*mark, step, &outcome, now).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((step, *mark, outcome));
                }
                Err(error) => {
                    self.stop_with(error.into());
                    return;
                }
            }
        }
    }

    fn stop_with(&self, failure: QueueError) {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }
}

impl Answers for Engine {
    /// Failures go into the marks; only those that concern every job stop the run.
    async fn answer(self: Arc<Self>, job: Job) {
        let (marks, begun) = (job.marks(), Instant::now());
        let outcome = AssertUnwindSafe(self.do_step(job.step, &marks)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|panic| {
            Err(QueueError::Panicked { what: job.step.as_str(), reason: panic_words(panic.as_ref()) })
        });
        if let Err(failure) = outcome {
            self.note_failure(job.step, &marks, failure).await;
        }
        self.progress.advance(marks.len() as u64, job.step.as_str());
        self.under_way.answered(job.step, job.ticket, begun.elapsed());
        self.answered.notify_waiters();
    }
}

/// What the database does not do now, and the queue in it, they may do soon; a process that is to run for years waits for that.
fn when_back<T: Default>(until: Until, outcome: Result<T, QueueError>) -> Result<T, QueueError> {
    let may_pass = |error: &QueueError| error.is_transient() || matches!(error, QueueError::Delivery { .. });
    match outcome {
        Err(error) if until == Until::Stopped && may_pass(&error) => {
            warn!("{}; tried again", error.in_one_line());
            Ok(T::default())
        }
        other => other,
    }
}

/// Ends when a stop was asked for so long ago.
async fn stopped_since(stop: &CancellationToken, patience: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(patience).await;
}

/// Workers end only when they are told to; anything else is a failure.
fn ended_early(ended: Result<(), tokio::task::JoinError>) -> QueueError {
    let reason = ended.map_or_else(|failure| failure.to_string(), |()| "they stopped".to_owned());
    QueueError::Delivery { action: "run its workers", reason }
}
