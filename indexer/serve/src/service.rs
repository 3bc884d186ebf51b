//! What handlers share: the memory, the clock, the rules, the limits, and what is known of the present moment.

use std::sync::{Arc, PoisonError, RwLock};

use schema::{Clock, ProvenanceRow, Timestamp};
use store::{PageRow, Store, StoreError};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::standing::Known;
use crate::{Graphs, Nudge, Rules, ServeOptions, Standing};

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
    pub(crate) options: ServeOptions,
    pub(crate) stop: CancellationToken,
    /// Answers that may still be begun.
    pub(crate) answers: Semaphore,
    /// Streams that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
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
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, clock, rules, graphs, nudge, options, stop } = parts;
        Arc::new(Self {
            answers: Semaphore::new(options.max_answers),
            streams: Arc::new(Semaphore::new(options.max_streams)),
            store,
            clock,
            rules,
            graphs,
            nudge,
            options,
            stop,
            moment: RwLock::new(None),
            looking: Mutex::new(()),
        })
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

    /// A release's row, or what stands for it until the first one is written.
    #[must_use]
    pub fn row_of(&self, page: PageRow) -> ProvenanceRow {
        let PageRow { release, row } = page;
        row.unwrap_or_else(|| self.rules.unwritten(&release, self.now()))
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
            _ => self.read_known().await?,
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

    async fn read_known(&self) -> Result<Known, StoreError> {
        Ok(Known {
            sources: self.store.sources().await?,
            advisory_db: self.store.advisory_db().await?,
            advisory_db_checked_at: self.store.advisory_db_loaded_at().await?,
        })
    }
}
