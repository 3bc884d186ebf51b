//! What `serve` may not name, put into its hands: the rules of `publish` and `advisories`, and the graph that `queue` keeps.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use advisories::Advisory;
use async_trait::async_trait;
use export::{Interval, WayOut};
use graph::Graph;
use queue::{LiveGraph, QueueError};
use schema::{Entry, ProvenanceRow, Release, ReleaseId, Timestamp, VersionNum};
use serve::{AdvisoryReading, Graphs, HeldGraph, RoomError, Rules};
use store::{Store, StoredAdvisory};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, RwLock};
use tokio::task::JoinHandle;

use crate::commands::{affected, show};

/// The rules as they are compiled in.
pub(crate) struct OurRules;

impl Rules for OurRules {
    fn version(&self) -> &'static str {
        publish::RULES
    }

    fn awaiting_match(&self, row: ProvenanceRow) -> ProvenanceRow {
        publish::awaiting_match(row)
    }

    fn unwritten(&self, release: &Release, now: Timestamp) -> ProvenanceRow {
        show::unwritten(release, now)
    }

    fn reading(&self, stored: &StoredAdvisory) -> Result<AdvisoryReading, RoomError> {
        let parsed = parsed(stored)?;
        let intervals = parsed.ranges().into_iter().map(|range| Interval {
            introduced: range.introduced.map(|version| version.to_string()),
            fixed: range.fixed.map(|version| version.to_string()),
        });
        Ok(AdvisoryReading {
            intervals: intervals.collect(),
            description: description(&stored.text),
            related: parsed.related,
            references: parsed.references,
            categories: parsed.categories,
        })
    }

    fn covers(&self, stored: &StoredAdvisory, num: &VersionNum) -> Result<Option<bool>, RoomError> {
        let parsed = parsed(stored)?;
        Ok(num.semver().map(|version| parsed.affects(&version)))
    }

    fn ways_out(
        &self,
        of: &[ReleaseId],
        advisories: &[StoredAdvisory],
        releases: &[Release],
    ) -> Result<HashMap<ReleaseId, WayOut>, RoomError> {
        let standing = advisories.iter().filter(|stored| stored.facts.withdrawn.is_none());
        let parsed = standing.map(parsed).collect::<Result<Vec<_>, _>>()?;
        let asked = releases.iter().filter(|release| of.contains(&release.id));
        let next = affected::next_of_each(asked, releases, &parsed);
        let way_out = |next: advisories::NextSafe| WayOut { compatible: next.compatible, any: next.any };
        Ok(next.into_iter().map(|(release, next)| (release, way_out(next))).collect())
    }

    fn entries(&self, packed: &[u8]) -> Result<Vec<Entry>, RoomError> {
        inspect::unpack_entries(packed).map_err(|error| RoomError::Unreadable {
            what: "the list of an archive's files".to_owned(),
            source: Box::new(error),
        })
    }
}

fn parsed(stored: &StoredAdvisory) -> Result<Advisory, RoomError> {
    queue::parsed(stored).map_err(|error| RoomError::Unreadable {
        what: format!("advisory {}", stored.facts.id),
        source: Box::new(error),
    })
}

/// What follows the first heading of the file; the fenced front matter before it is facts, not prose.
fn description(text: &str) -> String {
    let body = text.rsplit_once("\n```\n").map_or(text, |(_, body)| body).trim_start();
    let body = body.strip_prefix('#').map_or(body, |rest| rest.split_once('\n').map_or("", |(_, body)| body));
    body.trim().to_owned()
}

/// The graph, read when somebody first asks and kept current from then on, and the last one of the past that was asked for.
#[derive(Clone)]
pub(super) struct Kept {
    store: Arc<dyn Store>,
    live: Arc<RwLock<Option<LiveGraph>>>,
    /// The revision the graph was last brought up to.
    revision: Arc<Mutex<Option<String>>>,
    past: Arc<RwLock<Option<Past>>>,
    /// Held by the one who builds a graph of the past: it takes the memory of the whole registry, and anybody may ask.
    building: Arc<Mutex<()>>,
}

/// So long one waits for another's graph of the past to be built; then who asked is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The graph of a time, as the tables told it at a revision.
struct Past {
    at: Timestamp,
    revision: String,
    graph: Arc<Graph>,
}

impl Kept {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, live: Arc::default(), revision: Arc::default(), past: Arc::default(), building: Arc::default() }
    }

    async fn bring_up(self) -> Result<(), QueueError> {
        let mut revision = self.revision.lock().await;
        let present = self.store.revision().await?;
        if revision.as_ref() == Some(&present) {
            return Ok(());
        }
        let store = self.store.as_ref();
        let mut live = self.live.write().await;
        match live.as_mut() {
            Some(live) => {
                live.refresh(store).await?;
            }
            None => *live = Some(LiveGraph::read(store).await?),
        }
        *revision = Some(present);
        Ok(())
    }

    /// The graph of a time, when it is the last one that was built and nothing was stored since.
    async fn held_past(&self, at: Timestamp) -> Result<Option<Arc<Graph>>, QueueError> {
        let revision = self.store.revision().await?;
        let past = self.past.read().await;
        let held = past.as_ref().filter(|held| held.at == at && held.revision == revision);
        Ok(held.map(|held| Arc::clone(&held.graph)))
    }

    async fn read_past(self, at: Timestamp, _turn: OwnedMutexGuard<()>) -> Result<Arc<Graph>, QueueError> {
        // Who held the turn before may have built this very one.
        if let Some(graph) = self.held_past(at).await? {
            return Ok(graph);
        }
        let revision = self.store.revision().await?;
        let graph = Arc::new(queue::read_graph(self.store.as_ref(), Some(at)).await?);
        *self.past.write().await = Some(Past { at, revision, graph: Arc::clone(&graph) });
        Ok(graph)
    }
}

#[async_trait]
impl Graphs for Kept {
    /// A large graph takes longer to read than an answer may take. Whoever asked first goes away without it; the reading goes on,
    /// and the next one finds it done.
    async fn graph(&self, at: Option<Timestamp>) -> Result<HeldGraph, RoomError> {
        if let Some(at) = at {
            if let Some(graph) = self.held_past(at).await.map_err(away)? {
                return Ok(Box::new(graph));
            }
            // One at a time, whoever still waits for it: who gave up may not leave a heap of them behind.
            let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.building).lock_owned()).await;
            let turn = turn.map_err(|_| RoomError::Busy)?;
            let graph = finished(tokio::spawn(self.clone().read_past(at, turn))).await?;
            return Ok(Box::new(graph));
        }
        finished(tokio::spawn(self.clone().bring_up())).await?;
        let held = Arc::clone(&self.live).read_owned().await;
        let held = OwnedRwLockReadGuard::try_map(held, |live| live.as_ref().map(LiveGraph::graph));
        // It was read just now; that it is gone again cannot be.
        let held = held.map_err(|_| away(QueueError::Missing("the graph of the registry".to_owned())))?;
        Ok(Box::new(Present(held)))
    }
}

async fn finished<T>(task: JoinHandle<Result<T, QueueError>>) -> Result<T, RoomError> {
    task.await.map_err(|failure| RoomError::Away(Box::new(failure)))?.map_err(away)
}

/// The present graph, which is not brought up to date while it is looked at.
struct Present(OwnedRwLockReadGuard<Option<LiveGraph>, Graph>);

impl Deref for Present {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        &self.0
    }
}

fn away(error: QueueError) -> RoomError {
    RoomError::Away(Box::new(error))
}
