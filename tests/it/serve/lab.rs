//! The server inside the test, on a real socket: with a database that can go away, a clock that can be set, and limits of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use export::{Interval, WayOut};
use publish::{DownloadState, Facts, MatchState, SourceState};
use schema::{Clock, Entry, ProvenanceRow, Random, Release, ReleaseId, Timestamp, VersionNum};
use serve::{AdvisoryReading, Graphs, HeldGraph, Listener, Nudge, Parts, RoomError, Rules, ServeOptions, Service};
use store::{Store, StoredAdvisory};
use tokio_util::sync::CancellationToken;

use crate::faults::Faulty;
use crate::harness::Home;
use crate::http::{Answer, get};

/// A server that stops when it is dropped.
pub(crate) struct Lab {
    pub(crate) address: String,
    pub(crate) store: Arc<Faulty>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) nudged: Arc<Mutex<usize>>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
}

/// Nothing here makes a secret.
struct NoChance;

impl Random for NoChance {
    fn fill(&self, _: &mut [u8]) -> bool {
        false
    }
}

/// A clock that the test sets.
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl Hands {
    pub(crate) fn set(&self, at: Timestamp) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }
}

impl Lab {
    /// Serves the database of a home; the clock stands at the last reading of its index.
    pub(crate) fn new(home: &Home, options: ServeOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let nudged = Arc::new(Mutex::new(0));
        let (store, clock, address) = runtime.block_on(async {
            let memory = home.memory().await;
            let read = memory.sources().await.unwrap()[0].last_success_at.unwrap();
            let clock = Arc::new(Hands(AtomicI64::new(read.as_micros())));
            let store = Arc::new(Faulty::sound(Arc::clone(&memory)));
            let listener = Listener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.address().to_string();
            let service = Service::new(Parts {
                store: store.clone(),
                clock: clock.clone(),
                rules: Arc::new(TheRules),
                graphs: Arc::new(Read(store.clone())),
                nudge: Some(Arc::new(Counted(nudged.clone()))),
                registry: None,
                random: Arc::new(NoChance),
                options: options.clone(),
                stop: stop.clone(),
            });
            let (router, ended) = (serve::router(&service.unwrap()), stop.clone());
            tokio::spawn(async move { listener.serve(router, &options, &ended).await });
            (store, clock, address)
        });
        Self { address, store, clock, nudged, stop, runtime: Some(runtime) }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(&self.address, path)
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A path of the description with values of the small world in its places.
pub(crate) fn filled(path: &str) -> String {
    let sum = crate::serve::checksum_of_alpha();
    let filled = path.replace("{name}", "alpha").replace("{version}", "1.0.0").replace("{sha256}", &sum);
    let id = if filled.contains("/webhooks/") { "1" } else { "RUSTSEC-2026-9001" };
    let filled = filled.replace("{id}", id);
    if filled.ends_with("/purl") { format!("{filled}?purl=pkg:cargo/alpha@1.0.0") } else { filled }
}

struct Counted(Arc<Mutex<usize>>);

impl Nudge for Counted {
    fn nudge(&self) {
        *self.0.lock().unwrap() += 1;
    }
}

struct Read(Arc<Faulty>);

#[async_trait]
impl Graphs for Read {
    async fn graph(&self, at: Option<Timestamp>) -> Result<HeldGraph, RoomError> {
        assert_ne!(at, Some(Timestamp::from_micros(0)), "the test asked for a panic");
        let store: &dyn Store = self.0.as_ref();
        let graph = queue::read_graph(store, at).await.map_err(|error| RoomError::Away(Box::new(error)))?;
        Ok(Box::new(Box::new(graph)))
    }
}

/// The rules of the other rooms, as the program hands them in.
struct TheRules;

impl Rules for TheRules {
    fn version(&self) -> &'static str {
        publish::RULES
    }

    fn awaiting_match(&self, row: ProvenanceRow) -> ProvenanceRow {
        publish::awaiting_match(row)
    }

    fn unwritten(&self, release: &Release, now: Timestamp) -> ProvenanceRow {
        let facts = Facts {
            release,
            index_commit: None,
            download: DownloadState::NotAsked,
            inspection: None,
            source: SourceState::NotAsked,
            advisories: MatchState::Waiting,
            now,
        };
        publish::publish(&facts, None).row
    }

    fn reading(&self, stored: &StoredAdvisory) -> Result<AdvisoryReading, RoomError> {
        let parsed = queue::parsed(stored).map_err(|error| RoomError::Away(Box::new(error)))?;
        let intervals = parsed.ranges().into_iter().map(|range| Interval {
            introduced: range.introduced.map(|version| version.to_string()),
            fixed: range.fixed.map(|version| version.to_string()),
        });
        Ok(AdvisoryReading { intervals: intervals.collect(), ..AdvisoryReading::default() })
    }

    fn covers(&self, stored: &StoredAdvisory, num: &VersionNum) -> Result<Option<bool>, RoomError> {
        let parsed = queue::parsed(stored).map_err(|error| RoomError::Away(Box::new(error)))?;
        Ok(num.semver().map(|version| parsed.affects(&version)))
    }

    fn ways_out(
        &self,
        _of: &[ReleaseId],
        _advisories: &[StoredAdvisory],
        _releases: &[Release],
    ) -> Result<HashMap<ReleaseId, WayOut>, RoomError> {
        Ok(HashMap::new())
    }

    fn entries(&self, packed: &[u8]) -> Result<Vec<Entry>, RoomError> {
        inspect::unpack_entries(packed).map_err(|error| RoomError::Away(Box::new(error)))
    }
}
