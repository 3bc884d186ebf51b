//! A store whose n-th call fails, before it is made or after; every other call is the real one's.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schema::{
    AdvisoryFacts, AdvisoryId, AdvisoryMatch, CanonicalName, DbCommit, KrateName, Priority, ProvenanceRow, Release,
    ReleaseId, Sha256, SourceSummary, Step, Timestamp, VersionNum,
};
use store::{
    Advisories, AdvisoryState, AppliedKrate, ArchiveRow, ArchiveState, Audit, ChangeRow, CheckRow, Checks, DayCount,
    DbWrite, DeadMark, DeedRow, DeedWrite, EventRow, Exposure, ExposurePage, FeedRow, FollowWrite, Following,
    HeldCheck, Index, InspectionRow, Jobs, Judging, JudgingCursor, JudgingWrite, KrateCount, KrateRevision, KrateWrite,
    Latency, Look, Mark, MarksWanted, MatchRow, MatchWrite, OpenMark, Outcome, PageRow, Pages, PastDependency,
    Postponed, PublishFacts, Quarantined, Results, ReviewRow, ReviewWrite, Reviews, RowWrite, Rows, SignalFacts,
    SourceState, Span, Store, StoreError, StoredAdvisory, StoredKrate, Surveys, Tally, TokenRow, TokenWrite, Tokens,
    VersionRow, Wanted, WebhookProgress, WebhookRow, WebhookWrite, Webhooks, Work, WorkCount,
};

/// When the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// It is not made.
    Before,
    /// It is made, and its answer is lost.
    After,
}

/// The store that fails.
pub(crate) struct Faulty {
    store: Arc<dyn Store>,
    calls: AtomicUsize,
    fails_at: usize,
    when: When,
    failed: AtomicBool,
    failed_in: Mutex<&'static str>,
    is_away: AtomicBool,
    meanwhile: Mutex<Option<(usize, Meanwhile)>>,
}

/// Something that somebody else does between two calls.
type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Faulty {
    pub(super) fn new(store: Arc<dyn Store>, fails_at: usize, when: When) -> Self {
        let (calls, failed, failed_in) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new("nothing"));
        let (is_away, meanwhile) = (AtomicBool::new(false), Mutex::new(None));
        Self { store, calls, fails_at, when, failed, failed_in, is_away, meanwhile }
    }

    /// One that does not fail until it is told to.
    pub(crate) fn sound(store: Arc<dyn Store>) -> Self {
        Self::new(store, usize::MAX, When::Before)
    }

    /// From now on every call fails, or none does.
    pub(crate) fn take_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Before the `n`-th call from now on, something else happens.
    pub(crate) fn meanwhile(&self, n: usize, happens: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some((self.calls.load(Ordering::SeqCst) + n, Box::pin(happens)));
    }

    /// Whether it did.
    pub(crate) fn happened(&self) -> bool {
        self.meanwhile.lock().unwrap().is_none()
    }

    fn due(&self, call: usize) -> Option<Meanwhile> {
        let due = self.meanwhile.lock().unwrap().take_if(|(at, _)| *at <= call);
        due.map(|(_, happens)| happens)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(super) fn failed_in(&self) -> &'static str {
        *self.failed_in.lock().unwrap()
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(happens) = self.due(number) {
            happens.await;
        }
        let fails = number == self.fails_at;
        if fails {
            self.failed.store(true, Ordering::SeqCst);
            *self.failed_in.lock().unwrap() = name;
        }
        if self.is_away.load(Ordering::SeqCst) || fails && self.when == When::Before {
            return Err(lost(name));
        }
        let answer = call.await;
        if fails { answer.and(Err(lost(name))) } else { answer }
    }
}

fn lost(action: &'static str) -> StoreError {
    StoreError::Query { action, source: "the test pulled the plug".into() }
}

macro_rules! failing {
    ($trait:ident { $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $trait for Faulty {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.call(stringify!($name), self.store.$name($($arg),*)).await
            })*
        }
    };
}

failing!(Index {
    source(address: &str) -> Option<SourceState>;
    sources() -> Vec<SourceState>;
    note_source(state: &SourceState) -> i64;
    krates(source: i64, names: &[CanonicalName]) -> Vec<StoredKrate>;
    apply(source: i64, writes: &[KrateWrite], now: Timestamp) -> Vec<AppliedKrate>;
    releases(canonical: &CanonicalName) -> Option<Vec<Release>>;
    releases_of_krates(names: &[CanonicalName]) -> Vec<Release>;
    releases_of(ids: &[ReleaseId]) -> Vec<Release>;
    changes(after: i64, krate: Option<&CanonicalName>, limit: u32) -> Vec<ChangeRow>;
    quarantined() -> Vec<Quarantined>;
    totals() -> [u64; 4];
});

failing!(Following {
    lead(source: i64, holder: &str, now: Timestamp, until: Timestamp) -> Option<i64>;
    resign(source: i64, token: i64) -> ();
    cursor(source: i64) -> Option<String>;
    note_look(source: i64, token: i64, look: &Look, now: Timestamp) -> ();
    comparison(source: i64) -> Option<String>;
    signal_facts(krates: &[CanonicalName], dependencies: &[CanonicalName], since: Timestamp) -> SignalFacts;
    latencies(since: Timestamp, limit: u32) -> Vec<Latency>;
    live_krates() -> Vec<KrateName>;
    apply_batch(write: &FollowWrite, now: Timestamp) -> ();
    note_round(source: i64, token: i64, failure: Option<&str>, read: Option<Timestamp>) -> ();
    events(after: i64, limit: u32) -> Vec<EventRow>;
});

failing!(Work {
    mark(releases: &[ReleaseId], step: Step, priority: Priority, now: Timestamp) -> ();
    mark_backfill(below: ReleaseId, since: Option<Timestamp>, limit: u32, now: Timestamp) -> Option<ReleaseId>;
    deliver(step: Step, now: Timestamp, until: Timestamp, limit: u32) -> Vec<Mark>;
    forget_deliveries() -> ();
    forget_lost_deliveries() -> u64;
    give_back(marks: &[Mark], step: Step, at: Timestamp) -> ();
    lock_repository(repository: &str) -> bool;
    unlock_repository(repository: &str) -> ();
    start(mark: Mark, step: Step) -> Option<u32>;
    postpone(mark: Mark, step: Step, outcome: &Postponed, now: Timestamp) -> ();
    revive(releases: Option<&[ReleaseId]>, now: Timestamp) -> u64;
    open_marks(releases: &[ReleaseId], step: Step) -> Vec<DeadMark>;
    counts() -> Vec<WorkCount>;
    dead() -> Vec<DeadMark>;
    next_due(steps: &[Step]) -> Option<Timestamp>;
});

failing!(Jobs {
    job_migrations() -> Vec<i64>;
    prune_jobs() -> u64;
});

failing!(Results {
    finish_download(mark: Mark, row: &ArchiveRow, next: &[Step], now: Timestamp) -> bool;
    finish_inspection(mark: Mark, row: &InspectionRow, entries: &[u8], next: &[Step], now: Timestamp) -> bool;
    archive(release: ReleaseId) -> Option<ArchiveRow>;
    inspection(release: ReleaseId) -> Option<InspectionRow>;
    entries(checksum: Sha256) -> Option<Vec<u8>>;
    archive_states(releases: &[ReleaseId]) -> Vec<(ReleaseId, ArchiveState)>;
});

failing!(Checks {
    finish_check(mark: Mark, row: &CheckRow, refs: &[(String, String)], recheck_at: Timestamp, now: Timestamp) -> bool;
    checks(release: ReleaseId) -> Vec<CheckRow>;
    summaries(releases: &[ReleaseId]) -> Vec<(ReleaseId, SourceSummary)>;
    repositories(releases: &[ReleaseId]) -> Vec<(ReleaseId, Option<String>)>;
    never_checked(releases: &[ReleaseId]) -> Vec<ReleaseId>;
    refs_seen(repository: &str) -> BTreeMap<String, String>;
    promised(name: &str, num: &str) -> Option<(Sha256, Option<Timestamp>)>;
    neighbours(release: ReleaseId) -> Vec<String>;
});

failing!(Advisories {
    advisory_db() -> Option<DbCommit>;
    advisory_db_loaded_at() -> Option<Timestamp>;
    advisories() -> Vec<StoredAdvisory>;
    advisory_facts() -> Vec<AdvisoryFacts>;
    advisory_state() -> Option<AdvisoryState>;
    advisory_states() -> Vec<AdvisoryState>;
    advisories_at(seq: i64) -> Vec<StoredAdvisory>;
    apply_db(write: &DbWrite, now: Timestamp) -> ();
    advisories_by_id(id: &str) -> Vec<StoredAdvisory>;
    advisories_of(canonical: &CanonicalName) -> Vec<StoredAdvisory>;
    finish_matches(writes: &[MatchWrite], state: Option<i64>, now: Timestamp) -> ();
    matches(releases: &[ReleaseId]) -> Vec<AdvisoryMatch>;
    all_matches() -> Vec<AdvisoryMatch>;
    matched_by(advisories: &[AdvisoryId]) -> Vec<MatchRow>;
});

failing!(Rows {
    publish_facts(releases: &[ReleaseId]) -> Vec<PublishFacts>;
    finish_rows(writes: &[RowWrite], now: Timestamp) -> ();
    rows(canonical: &CanonicalName) -> Vec<ProvenanceRow>;
    rows_of(releases: &[ReleaseId]) -> Vec<(ReleaseId, ProvenanceRow)>;
    said(releases: &[ReleaseId], at: Timestamp) -> Vec<(ReleaseId, String)>;
    row_counts() -> Vec<(String, String, u64)>;
});

failing!(Exposure {
    exposure_page(after: ReleaseId, limit: u32, at: Option<Timestamp>) -> ExposurePage;
    dependencies_ever(on: &CanonicalName) -> Vec<PastDependency>;
    krate_revisions() -> Vec<KrateRevision>;
    exposure_of(krates: &[i64]) -> ExposurePage;
});

failing!(Pages {
    revision() -> String;
    pages(canonical: &CanonicalName, num: &VersionNum) -> Vec<PageRow>;
    pages_of(releases: &[ReleaseId]) -> Vec<PageRow>;
    versions(canonical: &CanonicalName) -> Option<Vec<VersionRow>>;
    with_checksum(checksum: &Sha256) -> Vec<ReleaseId>;
    feed(after: i64, limit: u32) -> Vec<FeedRow>;
    last_number() -> i64;
});

failing!(Judging {
    judging() -> Option<JudgingCursor>;
    last_checks(after: ReleaseId, limit: u32) -> Vec<HeldCheck>;
    finish_judging(write: &JudgingWrite, now: Timestamp) -> ();
});

failing!(Tokens {
    add_token(token: &TokenWrite, now: Timestamp) -> i64;
    tokens() -> Vec<TokenRow>;
    token(id: i64) -> Option<TokenRow>;
    revoke_token(id: i64, now: Timestamp) -> bool;
    note_token_used(id: i64, now: Timestamp) -> ();
});

failing!(Reviews {
    add_review(review: &ReviewWrite, now: Timestamp) -> i64;
    reviews(release: ReleaseId) -> Vec<ReviewRow>;
});

failing!(Audit {
    begin_deed(deed: &DeedWrite, now: Timestamp) -> i64;
    end_deed(id: i64, outcome: Outcome, detail: &str) -> ();
    deeds(after: i64, limit: u32) -> Vec<DeedRow>;
});

failing!(Webhooks {
    add_webhook(webhook: &WebhookWrite, cursor: i64, now: Timestamp) -> i64;
    webhooks() -> Vec<WebhookRow>;
    remove_webhook(id: i64) -> bool;
    take_webhooks(now: Timestamp, until: Timestamp, after: i64, limit: u32) -> Vec<WebhookRow>;
    note_webhook(id: i64, held: Timestamp, progress: &WebhookProgress) -> ();
    resume_webhook(id: i64, now: Timestamp) -> bool;
});

failing!(Surveys {
    krates_named(part: &str, after: Option<&CanonicalName>, limit: u32) -> Vec<KrateCount>;
    find(wanted: &Wanted, below: Option<ReleaseId>, limit: u32) -> Vec<ReleaseId>;
    tallies() -> Vec<Tally>;
    published_by_day(from: Timestamp, until: Timestamp) -> Vec<DayCount>;
    happened_by_day(from: Timestamp, until: Timestamp) -> Vec<DayCount>;
    happened(span: &Span, limit: u32) -> Vec<FeedRow>;
    marks(wanted: MarksWanted, after: Option<(ReleaseId, Step)>, limit: u32) -> Vec<OpenMark>;
    covered() -> Vec<(AdvisoryId, u64)>;
});
