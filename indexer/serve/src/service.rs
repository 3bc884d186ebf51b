//! What handlers share: the memory, the clock, the rules, the limits, and what is known of the present moment.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use schema::{Clock, ProvenanceRow, Random, Timestamp};
use store::{PageRow, Store, StoreError};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cache::Answers;
use crate::hooks::HeldNudges;
use crate::metrics::Metrics;
use crate::standing::Known;
use crate::{ApiError, Graphs, Nudge, Registry, Rules, ServeError, ServeOptions, Standing};

/// Questions that walk the graph of the registry at once; the others wait, each may take a second of one processor.
const GRAPH_QUESTIONS: usize = 2;

/// So old may numbers of the whole registry be.
const TOTALS_KEPT: Duration = Duration::from_secs(30);
/// Between two times that counted samples are gathered.
const UPKEEP: Duration = Duration::from_secs(5);

/// What a service is made of.
pub struct Parts {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The rules of other rooms.
    pub rules: Arc<dyn Rules>,
    /// The graph of the registry.
    pub graphs: Arc<dyn Graphs>,
    /// Who follows the index in this process; `None`: nobody does.
    pub nudge: Option<Arc<dyn Nudge>>,
    /// The registry, where something may be yanked; `None`: nothing may.
    pub registry: Option<Arc<dyn Registry>>,
    /// Chance, for secrets.
    pub random: Arc<dyn Random>,
    /// The limits.
    pub options: ServeOptions,
    /// Cancelled when the program is to stop: streams end then.
    pub stop: CancellationToken,
}

/// The state of the router.
pub struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Arc<dyn Rules>,
    pub(crate) graphs: Arc<dyn Graphs>,
    pub(crate) nudge: Option<Arc<dyn Nudge>>,
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) options: ServeOptions,
    pub(crate) stop: CancellationToken,
    /// Answers that may still be begun.
    pub(crate) answers: Semaphore,
    /// Streams that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
    /// Questions to the graph that may still be begun.
    pub(crate) graph_questions: Semaphore,
    /// Rendered answers.
    pub(crate) kept: Answers,
    pub(crate) metrics: Metrics,
    pub(crate) nudges: HeldNudges,
    totals: Mutex<Option<(Instant, [u64; 4])>>,
    moment: RwLock<Option<Arc<Moment>>>,
    looking: Mutex<()>,
}

/// What was known at the last look at the memory.
#[derive(Debug)]
pub(crate) struct Moment {
    /// Another one whenever something that answers are made of may be different. Never 0.
    pub(crate) stamp: u64,
    /// What answers rest on.
    pub(crate) standing: Standing,
    pub(crate) known: Known,
    revision: String,
    looked_at: Instant,
}

impl Service {
    /// Puts the parts together. Nothing is read yet.
    ///
    /// # Errors
    /// When the figures cannot be set up, which the names in this program allow.
    pub fn new(parts: Parts) -> Result<Arc<Self>, ServeError> {
        let Parts { store, clock, rules, graphs, nudge, registry, random, options, stop } = parts;
        Ok(Arc::new(Self {
            graph_questions: Semaphore::new(GRAPH_QUESTIONS),
            kept: Answers::new(options.cache_bytes),
            metrics: Metrics::new().map_err(|source| ServeError::Figures { source: Box::new(source) })?,
            nudges: HeldNudges::default(),
            answers: Semaphore::new(options.max_answers),
            streams: Arc::new(Semaphore::new(options.max_streams)),
            store,
            clock,
            rules,
            graphs,
            nudge,
            registry,
            random,
            options,
            stop,
            totals: Mutex::new(None),
            moment: RwLock::new(None),
            looking: Mutex::new(()),
        }))
    }

    /// The memory.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The limits.
    #[must_use]
    pub const fn options(&self) -> &ServeOptions {
        &self.options
    }

    /// What answers rest on now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        Ok(self.moment().await?.standing.clone())
    }

    /// A release's row, or what stands for it until the first one is written. While it waits for another match, that nothing is
    /// known is not said.
    #[must_use]
    pub fn row_of(&self, page: PageRow) -> ProvenanceRow {
        let PageRow { release, row, is_waiting } = page;
        match row {
            Some(row) if is_waiting => self.rules.awaiting_match(row),
            Some(row) => row,
            None => self.rules.unwritten(&release, self.now()),
        }
    }

    /// An answer within the bounds that hold for every one: so many at once, and so much time.
    ///
    /// # Errors
    /// [`ApiError::Busy`] and [`ApiError::TooSlow`] beside those of the answer.
    pub(crate) async fn bounded<T>(&self, answer: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        let Ok(_answer) = self.answers.try_acquire() else { return Err(ApiError::Busy) };
        tokio::time::timeout(self.options.answer_time, answer).await.map_err(|_| ApiError::TooSlow)?
    }

    /// How many crates, releases, live releases and dependencies are known. Counting walks through all of them, so the numbers may
    /// be half a minute old.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn totals(&self) -> Result<[u64; 4], StoreError> {
        let mut held = self.totals.lock().await;
        if let Some((_, totals)) = held.filter(|(at, _)| at.elapsed() < TOTALS_KEPT) {
            return Ok(totals);
        }
        let totals = self.store.totals().await?;
        *held = Some((Instant::now(), totals));
        Ok(totals)
    }

    /// Takes over what was counted since the last time, until the program stops.
    pub async fn upkeep(&self) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(UPKEEP) => self.metrics.upkeep(),
            }
        }
    }

    /// The present moment. The memory is asked no more than once in [`ServeOptions::look`], whoever asks.
    pub(crate) async fn moment(&self) -> Result<Arc<Moment>, StoreError> {
        if let Some(moment) = self.fresh() {
            return Ok(moment);
        }
        let _looking = self.looking.lock().await;
        // Somebody else may have looked while this one waited.
        if let Some(moment) = self.fresh() {
            return Ok(moment);
        }
        let held = self.held();
        let looked_at = Instant::now();
        let revision = self.store.revision().await?;
        let known = match &held {
            Some(held) if held.revision == revision => held.known.clone(),
            _ => Known::read(self.store.as_ref()).await?,
        };
        let limit = self.options.advisories_stale;
        let standing = Standing::judge(&known, self.rules.version(), limit, self.now());
        let stamp = match &held {
            None => 1,
            Some(held) if held.revision == revision && held.standing == standing => held.stamp,
            Some(held) => held.stamp + 1,
        };
        let moment = Arc::new(Moment { stamp, standing, known, revision, looked_at });
        *self.moment.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&moment));
        Ok(moment)
    }

    fn held(&self) -> Option<Arc<Moment>> {
        self.moment.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Arc<Moment>> {
        self.held().filter(|moment| moment.looked_at.elapsed() < self.options.look)
    }
}
