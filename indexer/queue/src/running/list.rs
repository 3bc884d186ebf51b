//! A list of crates on an index that is read file by file, watched: conditional requests, one lead, deletions believed late.

use std::sync::Arc;

use async_trait::async_trait;
use schema::{Clock, KrateName, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::following::{FollowReport, LEAD_SECONDS};
use crate::running::{Rereads, Watched};
use crate::{IndexReader, KrateOutcome, Progress, QueueError};

/// Says which crates are watched; asked anew at every look, for the list may be a file that somebody edits.
pub type Names = Box<dyn Fn() -> Result<Vec<KrateName>, String> + Send + Sync>;

/// Some crates of an index.
pub struct WatchList {
    reader: Arc<IndexReader>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    holder: String,
    names: Names,
}

impl WatchList {
    /// Watches what `names` says; `holder` is who leads.
    #[must_use]
    pub fn new(
        reader: Arc<IndexReader>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        holder: &str,
        names: Names,
    ) -> Self {
        Self { reader, store, clock, holder: holder.to_owned(), names }
    }
}

#[async_trait]
impl Watched for WatchList {
    fn address(&self) -> &str {
        self.reader.address()
    }

    async fn look(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        let now = self.clock.now();
        let (id, until) = (self.reader.source_id(), now.plus_seconds(LEAD_SECONDS));
        if self.store.lead(id, &self.holder, now, until).await?.is_none() {
            return Err(QueueError::NotLeading { source_name: self.address().to_owned() });
        }
        let names = (self.names)().map_err(|reason| QueueError::Missing(format!("the watch list: {reason}")))?;
        let template_answered = self.reader.refresh_config().await;
        let read = self.reader.read(names, now, progress, stop).await?;
        let mut report = FollowReport { krates: read.krates.len(), batches: 1, ..FollowReport::default() };
        let mut failure = template_answered.err().map(QueueError::from);
        for (name, outcome) in read.krates {
            match outcome {
                KrateOutcome::Read { quarantined, .. } => report.quarantined += quarantined,
                KrateOutcome::Unknown { .. } => tracing::debug!(%name, "not in the index"),
                KrateOutcome::Failed { error, .. } => failure = failure.or(Some(error.into())),
                KrateOutcome::NotModified | KrateOutcome::Doubtful { .. } => {}
            }
        }
        // The others are stored; one that could not be read is a look that failed.
        failure.map_or(Ok(report), Err)
    }

    async fn compare(&self, _: &dyn Progress, _: &CancellationToken) -> Result<Option<FollowReport>, QueueError> {
        Ok(None)
    }

    async fn leave(&self) -> Result<(), QueueError> {
        let now = self.clock.now();
        if let Some(token) = self.store.lead(self.reader.source_id(), &self.holder, now, now).await? {
            self.store.resign(self.reader.source_id(), token).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Rereads for WatchList {
    async fn read_again(&self, name: &KrateName, now: Timestamp) -> Result<(), QueueError> {
        self.reader.read_again(name, now).await
    }
}

#[async_trait]
impl Rereads for IndexReader {
    async fn read_again(&self, name: &KrateName, now: Timestamp) -> Result<(), QueueError> {
        Self::read_again(self, name, now).await
    }
}
