//! Watching a lock file: its crates are read, the releases it locks are fetched, and an edited file is read anew.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use queue::{FollowReport, Names, Progress, QueueError, Quiet, Rereads, WatchList, Watched};
use schema::{Clock as _, KrateName, Priority, Step, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::commands::index;
use crate::text::chain;

/// The crates of a lock file, read anew each time they are asked for.
pub(super) fn names(path: &Path) -> Names {
    let path = path.to_owned();
    Box::new(move || {
        let selection = index::locked(&path, &Quiet).map_err(|error| chain(&error))?;
        Ok(selection.into_keys().collect())
    })
}

/// A watch list whose locked releases are fetched.
pub(super) struct Locked {
    list: WatchList,
    path: PathBuf,
    store: Arc<dyn Store>,
}

impl Locked {
    pub(super) fn new(list: WatchList, path: PathBuf, store: Arc<dyn Store>) -> Self {
        Self { list, path, store }
    }

    /// Marks the locked releases that nobody fetched and nobody marked.
    async fn mark_locked(&self) -> anyhow::Result<()> {
        let selection = index::locked(&self.path, &Quiet)?;
        let selected = index::select(self.store.as_ref(), &selection, &mut Vec::new()).await?;
        let ids: Vec<_> = selected.iter().map(|release| release.id).collect();
        let fetched = self.store.archive_states(&ids).await?.into_iter().map(|(id, _)| id);
        let marked = self.store.open_marks(&ids, Step::Download).await?.into_iter().map(|mark| mark.release);
        let known: HashSet<_> = fetched.chain(marked).collect();
        let new: Vec<_> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        let now = SystemClock.now();
        self.store.mark(&new, Step::Download, Priority::FRESH, now).await?;
        self.store.mark(&new, Step::Publish, Priority::FRESH, now).await?;
        Ok(())
    }
}

#[async_trait]
impl Watched for Locked {
    fn address(&self) -> &str {
        self.list.address()
    }

    async fn look(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        let looked = self.list.look(progress, stop).await;
        if let Err(error) = self.mark_locked().await {
            return Err(QueueError::Missing(format!("the locked releases: {}", chain(&error))));
        }
        looked
    }

    async fn compare(
        &self,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<FollowReport>, QueueError> {
        self.list.compare(progress, stop).await
    }

    async fn leave(&self) -> Result<(), QueueError> {
        self.list.leave().await
    }
}

#[async_trait]
impl Rereads for Locked {
    async fn read_again(&self, name: &KrateName, now: Timestamp) -> Result<(), QueueError> {
        self.list.read_again(name, now).await
    }
}
