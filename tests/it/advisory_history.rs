//! The advisory database followed through made-up histories: after every round the tables say what reading that commit
//! from scratch says, and every state that was seen can be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use advisories::{Advisory, DatabaseRepository, id_of};
use fixtures::history::Dice;
use fixtures::{AdvisoryBuilder, AdvisoryRepo};
use queue::{FirstState, Restart, follow_database};
use schema::{AdvisoryId, Generation, IndexLine, KrateName, ReleaseId, Step, Timestamp};
use store::{KrateWrite, LineWrite, MatchWrite, SourceState, Store};

use crate::databases::Memory;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const NUMS: [&str; 7] = ["0.0.1", "0.1.0", "1.0.0-rc.1", "1.0.0", "1.1.0", "2.3.4", "99.0.0+build"];

/// Which advisory covers which release; with flags, as stored.
type Matches = BTreeSet<(ReleaseId, AdvisoryId, String)>;

/// What ought to be known, computed from whole commits alone: the last good text of every id that some file bears.
#[derive(Clone, Default)]
struct Expected(BTreeMap<AdvisoryId, (String, String)>);

impl Expected {
    fn look_at(&mut self, repository: &Path, commit: &str) {
        let repository = DatabaseRepository::in_folder(repository).unwrap().unwrap().at(commit);
        let database = repository.read().unwrap();
        let bad: BTreeSet<_> = database.quarantined.iter().map(|bad| id_of(&bad.path)).collect();
        let good: BTreeSet<_> = database.advisories.iter().map(|advisory| advisory.facts.id.clone()).collect();
        self.0.retain(|id, _| good.contains(id) || bad.contains(id));
        self.0.extend(database.advisories.into_iter().map(|one| (one.facts.id, (one.path, one.text))));
    }

    async fn matches(&self, store: &dyn Store) -> Matches {
        let advisories = self.0.values().map(|(path, text)| Advisory::parse(path, text, "c").unwrap());
        let advisories: Vec<_> = advisories.collect();
        let releases = store.releases_of(&all_releases(store).await).await.unwrap();
        let found = queue::match_releases(&advisories, &releases);
        found.into_iter().map(|found| (found.release, found.advisory, format!("{:?}", found.flags))).collect()
    }
}

async fn all_releases(store: &dyn Store) -> Vec<ReleaseId> {
    let page = store.exposure_page(ReleaseId(i64::MIN), 1_000_000, None).await.unwrap();
    page.releases.iter().map(|release| release.id).collect()
}

async fn stored_matches(store: &dyn Store) -> Matches {
    let found = store.matches(&all_releases(store).await).await.unwrap();
    found.into_iter().map(|found| (found.release, found.advisory, format!("{:?}", found.flags))).collect()
}

/// Does what the handler of the step does with every mark that is due, and nothing with releases that have none.
async fn drain_matching(store: &dyn Store) {
    let marks = store.deliver(Step::Match, NOW, NOW.plus_seconds(60), 1_000_000).await.unwrap();
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let stored = store.advisories().await.unwrap();
    let advisories: Vec<_> = stored.iter().map(|stored| queue::parsed(stored).unwrap()).collect();
    let found = queue::match_releases(&advisories, &store.releases_of(&ids).await.unwrap());
    let of = |release| found.iter().filter(|found| found.release == release).cloned().collect();
    let writes: Vec<_> = marks.iter().map(|mark| MatchWrite { mark: *mark, matches: of(mark.release) }).collect();
    let state = store.advisory_state().await.unwrap().map(|state| state.seq);
    store.finish_matches(&writes, state, NOW).await.unwrap();
}

async fn store_with(folder: &Path, krates: &[String]) -> Memory {
    let store = Memory::fresh(folder).await;
    let state = SourceState { address: "test".to_owned(), ..SourceState::default() };
    let source = store.note_source(&state).await.unwrap();
    let writes: Vec<_> = krates.iter().map(|krate| releases_of(krate)).collect();
    store.apply(source, &writes, NOW).await.unwrap();
    store
}

fn releases_of(krate: &str) -> KrateWrite {
    let insert = |num: &&str| {
        let cksum = fixtures::sha256_hex(format!("{krate}-{num}").as_bytes());
        let raw = fixtures::IndexLineBuilder::new(krate, num).cksum(&cksum).build();
        let line = Box::new(IndexLine::parse(&raw).unwrap());
        LineWrite::Insert { generation: Generation::FIRST, line, raw, changes: Vec::new() }
    };
    KrateWrite::new(KrateName::parse(krate).unwrap(), 0, NUMS.iter().map(insert).collect())
}

fn advisory(id: &str, krate: &str, dice: &mut Dice) -> AdvisoryBuilder {
    let builder = AdvisoryBuilder::new(id, krate, "2026-08-01");
    let builder = match dice.roll(5) {
        0 => builder.list("categories", &["malicious"]),
        1 => builder.text("informational", "unmaintained"),
        2 => builder.text("withdrawn", "2026-08-10"),
        _ => builder,
    };
    match dice.roll(4) {
        0 => builder,
        1 => builder.patched(&[">= 1.0.0"]),
        2 => builder.patched(&[">= 2.0.0", "^1.1.0"]),
        _ => builder.patched(&["> 2.0.0"]).unaffected(&["< 0.1.0"]),
    }
}

/// A database like the real one, in small: a few crates with several advisories, some aliases shared.
fn made_up(repo: &mut AdvisoryRepo, dice: &mut Dice) -> Vec<String> {
    let krates: Vec<String> = (0..12).map(|n| format!("krate-{n}")).collect();
    for n in 0..30 {
        let id = format!("RUSTSEC-2026-{n:04}");
        let krate = dice.pick(&krates);
        let builder = advisory(&id, krate, dice).list("aliases", &[&format!("CVE-2026-{:04}", n / 2)]);
        repo.put(&builder.path(), &builder.build());
    }
    krates
}

/// One thing that happens to such databases.
fn change(repo: &mut AdvisoryRepo, krates: &[String], gone: &mut Vec<(String, Vec<u8>)>, dice: &mut Dice) {
    let paths: Vec<String> = repo.files.keys().filter(|path| path.starts_with("crates/")).cloned().collect();
    let path = dice.pick(&paths).clone();
    let id = id_of(&path).0;
    match dice.roll(10) {
        // Edited, withdrawn or restored, the place kept.
        0..=2 => {
            let krate = path.split('/').nth(1).unwrap().to_owned();
            repo.put(&path, &advisory(&id, &krate, dice).build());
        }
        // Moved to another crate.
        3 => {
            repo.files.remove(&path);
            let krate = dice.pick(krates);
            let builder = advisory(&id, krate, dice);
            repo.put(&builder.path(), &builder.build());
        }
        // The same id in two files.
        4 => {
            let krate = dice.pick(krates);
            let builder = advisory(&id, krate, dice);
            repo.put(&builder.path(), &builder.build());
        }
        // Unreadable in each way, one of them a parser that panics.
        5 => repo.put(&path, "no advisory"),
        6 => {
            let krate = path.split('/').nth(1).unwrap().to_owned();
            repo.put(&path, &AdvisoryBuilder::new(&id, &krate, "2026-08-01").patched(&["= 1.0.0", "> 1.0.0"]).build());
        }
        7 => gone.extend(repo.files.remove_entry(&path)),
        // Back again, as it was.
        8 => repo.files.extend(gone.pop()),
        _ => repo.put("README.md", &format!("edited {}", dice.roll(1_000))),
    }
}

async fn replay(seed: u64, rounds: usize, begin: impl Fn(&mut AdvisoryRepo, &mut Dice) -> Vec<String>) {
    let (folder, mut dice) = (tempfile::tempdir().unwrap(), Dice::new(seed));
    let mut repo = AdvisoryRepo::create(&folder.path().join("db")).unwrap();
    let krates = begin(&mut repo, &mut dice);
    let store = store_with(folder.path(), &krates).await;
    let (mut expected, mut gone) = (Expected::default(), Vec::new());
    let mut commits = vec![repo.commit().unwrap()];
    let mut states_seen: Vec<(String, Expected)> = Vec::new();
    expected.look_at(&repo.path(), &commits[0]);
    states_seen.push((commits[0].clone(), expected.clone()));
    let mut rewritten = false;
    for round in 0..rounds {
        let label = format!("seed {seed}, round {round}");
        let first = if round == 0 { FirstState::Beginning } else { FirstState::Now };
        let repository = DatabaseRepository::in_folder(&repo.path()).unwrap().unwrap();
        let loaded = follow_database(store.as_ref(), repository, first, NOW).await.unwrap();
        assert_eq!(loaded.restart, rewritten.then_some(Restart::Rewritten), "{label}");
        assert_eq!(loaded.advisories, expected.0.len(), "{label}");
        drain_matching(store.as_ref()).await;
        assert_eq!(stored_matches(store.as_ref()).await, expected.matches(store.as_ref()).await, "{label}");

        rewritten = round % 7 == 6;
        if rewritten {
            change(&mut repo, &krates, &mut gone, &mut dice);
            let earlier = commits[commits.len() - 2].clone();
            commits.push(repo.commit_upon_earlier(&earlier).unwrap());
            expected.look_at(&repo.path(), commits.last().unwrap());
            states_seen.push((commits.last().unwrap().clone(), expected.clone()));
            continue;
        }
        for _ in 0..=dice.roll(4) {
            for _ in 0..=dice.roll(3) {
                change(&mut repo, &krates, &mut gone, &mut dice);
            }
            commits.push(repo.commit().unwrap());
            expected.look_at(&repo.path(), commits.last().unwrap());
            states_seen.push((commits.last().unwrap().clone(), expected.clone()));
        }
    }
    let states = store.advisory_states().await.unwrap();
    let mut n_asked = 0;
    for (commit, expected) in &states_seen {
        let Some(state) = states.iter().rfind(|state| state.commit.commit == *commit) else { continue };
        let stood = store.advisories_at(state.seq).await.unwrap();
        let stood: BTreeMap<_, _> = stood.into_iter().map(|one| (one.facts.id, (one.path, one.text))).collect();
        assert_eq!(stood, expected.0, "seed {seed}, as of {commit}");
        n_asked += 1;
    }
    assert!(n_asked >= rounds, "{n_asked} states asked");
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(story);
}

#[test]
fn made_up_histories_end_where_reading_from_scratch_ends() {
    run(async {
        for seed in 1..=12 {
            replay(seed, 16, made_up).await;
        }
    });
}

/// The same upon the real database's 1,225 files.
#[test]
fn histories_upon_the_real_database_end_where_reading_from_scratch_ends() {
    #[expect(
        clippy::disallowed_methods,
        reason = "wider data is found through the environment, as the house rules say"
    )]
    let archive = std::env::var_os("PROVENANCE_TEST_DATA").map(|data| Path::new(&data).join("advisory-db.tar.xz"));
    let Some(archive) = archive.filter(|archive| archive.exists()) else {
        crate::harness::skip("PROVENANCE_TEST_DATA has no advisory-db.tar.xz");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let tar = std::process::Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(tar.success());
    let begin = |repo: &mut AdvisoryRepo, _: &mut Dice| {
        let database = advisories::read_directory(folder.path()).unwrap();
        let mut krates = BTreeMap::new();
        for advisory in &database.advisories {
            repo.put(&advisory.path, &advisory.text);
            krates.extend(advisory.facts.krate.as_ref().map(|krate| (krate.clone(), advisory.facts.package.clone())));
        }
        krates.into_values().collect()
    };
    run(replay(99, 10, begin));
}
