//! A git index as something that is watched.

use async_trait::async_trait;
use schema::{KrateName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::following::{FollowReport, Follower};
use crate::running::{Rereads, Watched};
use crate::{Progress, QueueError, Quiet};

#[async_trait]
impl Watched for Follower {
    fn address(&self) -> &str {
        Self::address(self)
    }

    async fn look(&self, progress: &dyn Progress, stop: &CancellationToken) -> Result<FollowReport, QueueError> {
        self.round(progress, stop).await
    }

    async fn compare(
        &self,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<FollowReport>, QueueError> {
        Self::compare(self, progress, stop).await.map(Some)
    }

    async fn leave(&self) -> Result<(), QueueError> {
        self.resign().await
    }
}

#[async_trait]
impl Rereads for Follower {
    /// A line cannot be read alone here: whatever is new comes with it.
    async fn read_again(&self, _name: &KrateName, _now: Timestamp) -> Result<(), QueueError> {
        self.round(&Quiet, &CancellationToken::new()).await.map(drop)
    }
}
