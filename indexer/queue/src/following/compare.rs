//! The full comparison: every file of the index against the tables, a piece a transaction, stoppable anywhere. At the
//! cursor's own tree the two must agree; what differs is drift, is recorded and mended, and should be nothing.

use follow::{Batch, Cursor, Step};
use schema::Timestamp;
use serde::{Deserialize, Serialize};
use store::{ComparisonWrite, KrateWrite};
use tokio_util::sync::CancellationToken;

use crate::following::{AT_ONCE, Round};
use crate::{Progress, QueueError};

/// How far a comparison has come; kept with the cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Comparison {
    began_at: Timestamp,
    /// The last path compared. The tree may move on between two pieces: paths keep their order.
    after: Option<String>,
    /// Changes found so far.
    drift: u64,
}

impl Round<'_> {
    /// Goes on with the comparison under way, or begins one, until it is done or it is time to stop.
    pub(super) async fn compare_pieces(
        &mut self,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<(), QueueError> {
        // Before the first commit there is nothing to compare, and within a commit the tables are between two trees.
        let Some(cursor @ Cursor { within: None, .. }) = self.cursor().await? else { return Ok(()) };
        let mut comparison = self.comparison().await?;
        loop {
            if stop.is_cancelled() {
                return Err(QueueError::Interrupted);
            }
            let (options, after) = (self.follower.options.git, comparison.after.clone());
            let piece = self
                .follower
                .with_index(move |index| index.files_after(cursor.tree, after.as_deref(), &options))
                .await??;
            let batch = Batch { changed: piece.files, quarantine: piece.quarantine, ..self.batch_of_ours(cursor) };
            let writes = self.decide(std::slice::from_ref(&batch)).await?;
            comparison.drift += n_changes(&writes);
            progress.advance(writes.len() as u64, piece.last.as_deref().unwrap_or_default());
            let is_last = piece.last.is_none();
            comparison.after = piece.last.or(comparison.after);
            self.write(&[batch], writes, Some(under_way(&comparison)?)).await?;
            if is_last {
                break;
            }
        }
        self.finish_comparison(cursor, comparison).await
    }

    /// The other way round, last: crates that are held and have no file.
    async fn finish_comparison(&mut self, cursor: Cursor, mut comparison: Comparison) -> Result<(), QueueError> {
        for some in self.missing(cursor.tree).await?.chunks(AT_ONCE) {
            let batch = Batch { changed: some.to_vec(), step: Step::Reconcile, ..self.batch_of_ours(cursor) };
            let writes = self.decide(std::slice::from_ref(&batch)).await?;
            comparison.drift += n_changes(&writes);
            self.write(&[batch], writes, Some(under_way(&comparison)?)).await?;
        }
        let drift = comparison.drift;
        if drift > 0 {
            tracing::warn!(drift, "the tables differed from the index; they are mended");
        }
        let nothing = self.batch_of_ours(cursor);
        self.write(&[nothing], Vec::new(), Some(ComparisonWrite::Done { drift })).await?;
        self.report.drift = Some(drift);
        Ok(())
    }

    async fn comparison(&self) -> Result<Comparison, QueueError> {
        let fresh = Comparison { began_at: self.follower.clock.now(), after: None, drift: 0 };
        let Some(text) = self.follower.store.comparison(self.follower.id).await? else { return Ok(fresh) };
        // What cannot be read is begun anew; nothing is lost but time.
        Ok(serde_json::from_str(&text).unwrap_or(fresh))
    }
}

fn under_way(comparison: &Comparison) -> Result<ComparisonWrite, QueueError> {
    let text = serde_json::to_string(comparison);
    text.map(ComparisonWrite::UnderWay)
        .map_err(|error| QueueError::Missing(format!("the comparison's place cannot be written: {error}")))
}

fn n_changes(writes: &[KrateWrite]) -> u64 {
    writes.iter().flat_map(|write| &write.lines).map(|line| line.changes().len() as u64).sum()
}
