//! Two who would lead, a clone that is maltreated, an index that forgets: what a follower does without an operator.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};

use fixtures::history::commit_history;
use fixtures::{GitIndex, IndexLineBuilder, World, git_server};
use follow::{FileIndex, GitOptions, GitSource, SparseIndex, SparseOptions, Start};
use queue::{FollowOptions, FollowReport, Follower, IndexReader, KrateOutcome, Progress, QueueError, Quiet};
use schema::{ChangeKind, Clock, KrateName, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::databases::Memory;
use crate::harness::{Home, archive, skip, small_world};

/// A clock that the test moves.
struct Hands(AtomicI64);

impl Hands {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_787_300_000)))
    }

    fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

async fn store(folder: &Path) -> Memory {
    Memory::fresh(folder).await
}

async fn follower(
    source: GitSource,
    holder: &str,
    store: &Arc<dyn Store>,
    clock: &Arc<Hands>,
    start: Start,
) -> Follower {
    let git = GitOptions { start, ..GitOptions::default() };
    let options = FollowOptions { git, ..FollowOptions::default() };
    Follower::new(source, "the index", holder, store.clone(), clock.clone(), options).await.unwrap()
}

async fn round(follower: &Follower) -> Result<FollowReport, QueueError> {
    follower.round(&Quiet, &CancellationToken::new()).await
}

/// Stops in the middle of a round until it is let go.
struct Frozen {
    arrived: mpsc::SyncSender<()>,
    go: std::sync::Mutex<mpsc::Receiver<()>>,
}

impl Progress for Frozen {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64, _: &str) {
        if self.arrived.try_send(()).is_ok() {
            tokio::task::block_in_place(|| self.go.lock().unwrap().recv().unwrap());
        }
    }
    fn grow(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

async fn changes(store: &dyn Store) -> Vec<(String, String, String)> {
    let rows = store.changes(0, None, 100_000).await.unwrap();
    let text = |change: &schema::Change| change.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let told = rows.iter().map(|row| {
        let num = row.change.num.as_ref().map(ToString::to_string).unwrap_or_default();
        (row.change.kind.to_string(), text(&row.change), num)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_frozen_leader_and_its_successor_one_writes() {
    let home = Home::new();
    let path = home.path().join("index.git");
    commit_history(&mut GitIndex::create(&path).unwrap(), 1, 60).unwrap();
    let alone = store(home.path()).await;
    let clock = Hands::new();
    round(&follower(GitSource::here(&path), "alone", &alone, &clock, Start::Beginning).await).await.unwrap();

    let folder = home.path().join("both");
    std::fs::create_dir_all(&folder).unwrap();
    let shared = store(&folder).await;
    let first = follower(GitSource::here(&path), "first", &shared, &clock, Start::Beginning).await;
    let second = follower(GitSource::here(&path), "second", &shared, &clock, Start::Beginning).await;
    let ((arrived, has_arrived), (let_go, go)) = (mpsc::sync_channel(1), mpsc::channel());
    let frozen = tokio::spawn(async move {
        let progress = Frozen { arrived, go: std::sync::Mutex::new(go) };
        let outcome = first.round(&progress, &CancellationToken::new()).await;
        (outcome, first)
    });
    // Taken away with the first word, so that it stops but once.
    tokio::task::block_in_place(move || has_arrived.recv().unwrap());
    assert!(matches!(round(&second).await, Err(QueueError::NotLeading { .. })), "its lease is not over yet");
    clock.forward(121);
    round(&second).await.unwrap();
    let told = changes(shared.as_ref()).await;
    let_go.send(()).unwrap();
    let (thawed, first) = frozen.await.unwrap();
    assert!(matches!(thawed, Err(QueueError::Store(store::StoreError::Conflict { .. }))), "{thawed:?}");
    assert_eq!(changes(shared.as_ref()).await, told, "the thawed one wrote nothing");
    assert_eq!(told, changes(alone.as_ref()).await, "every change once");

    assert!(matches!(round(&first).await, Err(QueueError::NotLeading { .. })));
    second.resign().await.unwrap();
    assert_eq!(round(&first).await.unwrap().batches, 0);
}

struct Cloned {
    home: Home,
    origin: PathBuf,
    clone: PathBuf,
    url: String,
    clock: Arc<Hands>,
    start: Start,
}

impl Cloned {
    /// `None` where git is not: then no index can be served.
    fn new(start: Start) -> Option<Self> {
        if !git_server::has_git() {
            skip("git is not on this machine, so no index can be served");
            return None;
        }
        net::install_crypto_provider();
        let home = Home::new();
        let (origin, clone) = (home.path().join("index.git"), home.path().join("clone"));
        let url = format!("{}/index.git", git_server::serve(home.path()).unwrap());
        Some(Self { home, origin, clone, url, clock: Hands::new(), start })
    }

    async fn follow(&self, store: &Arc<dyn Store>) -> FollowReport {
        let options =
            git_transport::GitOptions { addresses: net::Addresses::Any, ..git_transport::GitOptions::default() };
        let source = GitSource::clone_of(&self.url, &self.clone, options, None);
        round(&follower(source, "the test", store, &self.clock, self.start).await).await.unwrap()
    }

    fn packs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.clone.join("objects/pack")).unwrap();
        let mut packs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        packs.retain(|path| path.extension().is_some_and(|extension| extension == "pack"));
        packs.sort();
        packs
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = git_server::git(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is done to a clone, and its name.
type Damage = (&'static str, fn(&Cloned));

fn kinds(report: &FollowReport) -> Vec<(ChangeKind, usize)> {
    report.changes.iter().map(|(kind, n)| (*kind, *n)).collect()
}

fn line(name: &str, num: &str) -> IndexLineBuilder {
    IndexLineBuilder::new(name, num).cksum(&fixtures::sha256_hex(format!("{name}{num}").as_bytes()))
}

fn with(world: &World, name: &str, num: &str) -> World {
    world.clone().version(name, num, &line(name, num), None)
}

#[tokio::test]
async fn a_shallow_clone_brings_every_commit_after_its_edge_also_across_a_squash() {
    let Some(lab) = Cloned::new(Start::Now) else { return };
    let store = store(lab.home.path()).await;
    let mut index = GitIndex::create(&lab.origin).unwrap();
    let world = commit_history(&mut index, 2, 30).unwrap();
    assert_eq!(kinds(&lab.follow(&store).await), [], "a baseline has no changes");
    let n_commits = git(&lab.clone, &["rev-list", "--count", "refs/provenance/head"]);
    assert_eq!(n_commits.trim(), "1", "the past was not fetched");

    // Three commits, the second taken back by the third, then the history is replaced, and one more.
    let one = with(&world, "new-one", "1.0.0");
    index.commit(&one, None, "one").unwrap();
    index.commit(&with(&one, "passing", "1.0.0"), None, "two").unwrap();
    index.commit(&one, None, "three").unwrap();
    index.squash("snapshot-2026-08-20").unwrap();
    index.commit(&with(&one, "after", "1.0.0"), None, "four").unwrap();
    let report = lab.follow(&store).await;
    let expected = [(ChangeKind::Added, 3), (ChangeKind::CrateDeleted, 1), (ChangeKind::Squash, 1)];
    assert_eq!(kinds(&report), expected, "what came and went before the squash is not lost");
    assert!(!report.reconciled);
}

#[tokio::test]
async fn a_clone_that_is_damaged_or_gone_is_made_anew_and_nothing_is_lost() {
    let Some(lab) = Cloned::new(Start::Now) else { return };
    let store = store(lab.home.path()).await;
    let mut index = GitIndex::create(&lab.origin).unwrap();
    let mut world = commit_history(&mut index, 3, 30).unwrap();
    lab.follow(&store).await;
    let damages: [Damage; 5] = [
        ("every pack cut short", |lab| {
            for pack in lab.packs() {
                let bytes = std::fs::read(&pack).unwrap();
                let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
                #[expect(clippy::permissions_set_readonly_false, reason = "git makes its packs read-only")]
                permissions.set_readonly(false);
                std::fs::set_permissions(&pack, permissions).unwrap();
                std::fs::write(&pack, &bytes[..bytes.len() / 3]).unwrap();
            }
        }),
        ("a folder without objects", |lab| std::fs::remove_dir_all(lab.clone.join("objects")).unwrap()),
        ("HEAD overwritten", |lab| std::fs::write(lab.clone.join("HEAD"), "nonsense").unwrap()),
        ("wiped", |lab| std::fs::remove_dir_all(&lab.clone).unwrap()),
        ("a file in its place", |lab| {
            std::fs::remove_dir_all(&lab.clone).unwrap();
            std::fs::write(&lab.clone, "").unwrap();
        }),
    ];
    for (n, (damage, inflict)) in damages.into_iter().enumerate() {
        inflict(&lab);
        // Two commits, so that a mere comparison of the ends would lose one.
        index.commit(&with(&world, "passing", &format!("1.{n}.0")), None, "passing").unwrap();
        world = with(&world, "staying", &format!("1.{n}.0"));
        index.commit(&world, None, "staying").unwrap();
        let report = lab.follow(&store).await;
        let added = report.changes.get(&ChangeKind::Added).copied();
        assert_eq!(added, Some(2), "{damage}: {report:?}");
        assert!(!report.reconciled, "{damage}: the cursor was found again");
    }
}

#[tokio::test]
async fn what_an_index_no_longer_keeps_is_read_from_an_archive_of_its_histories() {
    let Some(lab) = Cloned::new(Start::Beginning) else { return };
    let mut index = GitIndex::create(&lab.origin).unwrap();
    let world = commit_history(&mut index, 6, 40).unwrap();
    index.squash("snapshot-2026-08-20").unwrap();
    index.commit(&with(&world, "after", "1.0.0"), None, "after").unwrap();
    let whole = store(lab.home.path()).await;
    lab.follow(&whole).await;

    let archive = lab.home.path().join("archive.git");
    git(lab.home.path(), &["init", "-q", "--bare", "archive.git"]);
    git(&lab.origin, &["push", "-q", archive.to_str().unwrap(), "snapshot-2026-08-20"]);
    git(&lab.origin, &["branch", "-q", "-D", "snapshot-2026-08-20"]);
    let folder = lab.home.path().join("another");
    std::fs::create_dir_all(&folder).unwrap();
    let another = store(&folder).await;
    let options = git_transport::GitOptions {
        addresses: net::Addresses::Any,
        allow_file: true,
        ..git_transport::GitOptions::default()
    };
    let archive = Some(archive.to_str().unwrap().to_owned());
    let source = GitSource::clone_of(&lab.url, &folder.join("clone"), options, archive);
    round(&follower(source, "the test", &another, &lab.clock, lab.start).await).await.unwrap();
    assert_eq!(changes(another.as_ref()).await, changes(whole.as_ref()).await);
    assert!(changes(whole.as_ref()).await.iter().filter(|(kind, ..)| kind == "added").count() > 10);
}

#[tokio::test]
async fn a_thousand_fetches_do_not_leave_a_thousand_packs() {
    let Some(lab) = Cloned::new(Start::Beginning) else { return };
    let store = store(lab.home.path()).await;
    let mut index = GitIndex::create(&lab.origin).unwrap();
    let world = commit_history(&mut index, 4, 5).unwrap();
    lab.follow(&store).await;
    // What a thousand fetches leave: packs of an object each, and locks of processes that were killed.
    for n in 0..300 {
        let blob = lab.home.write("blob", &format!("object {n}"));
        let name = git(&lab.clone, &["hash-object", "-w", blob.to_str().unwrap()]);
        let mut pack = git_server::git(&lab.clone)
            .args(["pack-objects", "-q", "objects/pack/pack"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut pack.stdin.take().unwrap(), name.as_bytes()).unwrap();
        assert!(pack.wait().unwrap().success());
    }
    for lock in ["HEAD.lock", "packed-refs.lock", "config.lock", "refs/provenance/head.lock"] {
        std::fs::write(lab.clone.join(lock), "").unwrap();
    }
    assert!(lab.packs().len() > 300);
    index.commit(&with(&world, "new-one", "1.0.0"), None, "one").unwrap();
    assert_eq!(kinds(&lab.follow(&store).await), [(ChangeKind::Added, 1)]);
    assert!(lab.packs().len() < 5, "{:?}", lab.packs());
    git(&lab.clone, &["fsck", "--full", "--strict"]);
    let loose = git(&lab.clone, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    assert!(loose.lines().count() > 300, "no object was dropped");
}

#[tokio::test]
async fn a_comparison_finds_what_no_commit_told_and_goes_on_where_it_stopped() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let world = commit_history(&mut GitIndex::create(&path).unwrap(), 5, 120).unwrap();
    let (store, clock) = (store(home.path()).await, Hands::new());
    let git = GitOptions { start: Start::Beginning, max_files: 3, ..GitOptions::default() };
    let options = FollowOptions { git, ..FollowOptions::default() };
    let source = GitSource::here(&path);
    let memory: Arc<dyn Store> = store.clone();
    let follower = Follower::new(source, "the index", "the test", memory, clock.clone(), options).await.unwrap();
    round(&follower).await.unwrap();
    let read = store.source("the index").await.unwrap().unwrap().last_success_at;
    assert!(read.is_some());
    clock.forward(60);
    let nothing = follower.compare(&Quiet, &CancellationToken::new()).await.unwrap();
    assert_eq!((nothing.drift, nothing.changes.len()), (Some(0), 0));
    let compared = store.source("the index").await.unwrap().unwrap();
    assert_eq!(compared.last_success_at, read, "who compares looks at no head: of the minute since nothing is known");

    // Somebody tampers with the tables: another source says that a crate lost everything, and that another one is there.
    let victim = world.names().last().unwrap().to_owned();
    let other =
        store.note_source(&store::SourceState { address: "tampering".to_owned(), ..Default::default() }).await.unwrap();
    let held = store.krates(other, &[KrateName::parse(&victim).unwrap().canonical()]).await.unwrap().pop().unwrap();
    let gone: Vec<_> = held.releases.iter().filter(|release| !release.deleted).collect();
    let n_gone = gone.len() as u64;
    assert!(n_gone > 0);
    let lines = gone.into_iter().map(|release| store::LineWrite::Delete {
        release: release.id,
        at: clock.now(),
        changes: Vec::new(),
    });
    let write = store::KrateWrite::new(held.name, held.revision, lines.collect());
    store.apply(other, &[write], clock.now()).await.unwrap();

    // Stopped after its first piece, the comparison goes on behind it.
    let stop = CancellationToken::new();
    let stopper = StopAfterOne(stop.clone());
    assert!(matches!(follower.compare(&stopper, &stop).await, Err(QueueError::Interrupted)));
    let source = store.source("the index").await.unwrap().unwrap();
    assert!(store.comparison(source.id).await.unwrap().unwrap().contains("\"after\":\""));
    let found = follower.compare(&Quiet, &CancellationToken::new()).await.unwrap();
    assert_eq!(found.drift, Some(n_gone));
    assert_eq!(kinds(&found), [(ChangeKind::ReAdded, usize::try_from(n_gone).unwrap())]);
    let again = follower.compare(&Quiet, &CancellationToken::new()).await.unwrap();
    assert_eq!(again.drift, Some(0));
    let source = store.source("the index").await.unwrap().unwrap();
    assert_eq!((source.drift, source.compared_at.is_some()), (Some(0), true));
}

/// Asks to stop when the first piece is done.
struct StopAfterOne(CancellationToken);

impl Progress for StopAfterOne {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64, _: &str) {
        self.0.cancel();
    }
    fn grow(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sparse_deletion_is_believed_when_it_is_still_so_an_hour_later() {
    net::install_crypto_provider();
    let home = Home::new();
    let (store, clock) = (store(home.path()).await, Hands::new());
    let more = small_world().publish("alpha", "1.2.0", "2026-08-20T07:15:00Z", archive("alpha", "1.2.0"));
    let server = more.serve().unwrap();
    let url = server.index_url().trim_start_matches("sparse+").parse().unwrap();
    let agent = net::Agent::new(net::AgentOptions::default()).unwrap();
    let index = FileIndex::Sparse(SparseIndex::new(url, agent, SparseOptions::default()));
    let memory: Arc<dyn Store> = store.clone();
    let (reader, _) = IndexReader::open(index, "sparse", memory).await.unwrap();
    let read = async || {
        let names = vec![KrateName::parse("alpha").unwrap()];
        let mut report = reader.read(names, clock.now(), &Quiet, &CancellationToken::new()).await.unwrap();
        report.krates.pop().unwrap().1
    };
    assert!(matches!(read().await, KrateOutcome::Read { .. }));
    // Gone from the answer: an old answer, or a deletion. An hour later the answer is whole again: it was an old one.
    server.set_world(small_world());
    assert!(matches!(read().await, KrateOutcome::Doubtful { .. }));
    server.set_world(more);
    clock.forward(3600);
    assert!(matches!(read().await, KrateOutcome::Read { changes: 0, .. }));
    // Gone again, and still gone after an hour, but not before.
    server.set_world(small_world());
    assert!(matches!(read().await, KrateOutcome::Doubtful { .. }));
    clock.forward(3599);
    assert!(matches!(read().await, KrateOutcome::Doubtful { .. }));
    clock.forward(1);
    assert!(matches!(read().await, KrateOutcome::Read { changes: 1, .. }));
    assert_eq!(changes(store.as_ref()).await, [("version_deleted".to_owned(), "alpha".to_owned(), "1.2.0".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_with_a_cursor_sees_every_event_of_many_writers_once() {
    let home = Home::new();
    let store = store(home.path()).await;
    let write = |name: String| store::KrateWrite {
        signals: vec![store::Signal { at: Timestamp::from_seconds(1), payload: format!("{{\"name\":\"{name}\"}}") }],
        ..store::KrateWrite::new(KrateName::parse(&name).unwrap(), 0, Vec::new())
    };
    let source =
        store.note_source(&store::SourceState { address: "x".to_owned(), ..Default::default() }).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            let writes: Vec<_> = (0..25).map(|n| write(format!("made-by-{writer}-{n}"))).collect();
            tokio::spawn(async move {
                for write in writes {
                    store.apply(source, &[write], Timestamp::from_seconds(1)).await.unwrap();
                }
            })
        })
        .collect();
    let (mut after, mut seen) = (0, Vec::new());
    while seen.len() < 100 {
        for event in store.events(after, 7).await.unwrap() {
            after = event.seq;
            seen.push(event.payload);
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let n_seen = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((n_seen, seen.len()), (100, 100));
}
