//! What every backend must do, whatever database is behind it. A new backend is one more line in [`backends`].

use std::sync::Arc;

use schema::{
    AdvisoryFacts, AdvisoryId, AdvisoryKind, AdvisoryMatch, CanonicalName, Change, ChangeKind, DbCommit, Findings,
    Generation, IndexLine, KrateName, Licence, MatchFlag, Priority, ReleaseId, Score, SeverityWord, Sha256, Step,
    Timestamp,
};
use store::{
    AdvisoryWrite, ArchiveRow, ArchiveState, DbState, DbWrite, InspectionRow, KrateWrite, LineWrite, Mark, MatchWrite,
    Postponed, QuarantineWrite, RowWrite, SourceState, Store, StoreError,
};
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;

use crate::databases;

mod text;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const LATER: Timestamp = Timestamp::from_seconds(1_800_001_000);

/// Runs a story on a fresh database of every backend there is.
pub(crate) fn on_every_backend<F, Fut>(story: F)
where
    F: Fn(Arc<dyn Store>) -> Fut,
    Fut: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let sqlite = SqliteStore::open(&folder.path().join("conformance.sqlite")).await.unwrap();
        story(Arc::new(sqlite)).await;
    });
    let Some(database) = databases::postgres() else { return };
    runtime.block_on(async {
        let postgres = PostgresStore::open(&database.url()).await.unwrap();
        story(Arc::new(postgres.clone())).await;
        postgres.close().await;
    });
}

pub(crate) fn line(num: &str, cksum: u8, deps: &str) -> (Box<IndexLine>, String) {
    let cksum = format!("{cksum:02x}").repeat(32);
    let raw = format!(
        r#"{{"name":"alpha","vers":"{num}","deps":[{deps}],"cksum":"{cksum}","features":{{}},"yanked":false}}"#
    );
    (Box::new(IndexLine::parse(&raw).unwrap()), raw)
}

pub(crate) fn dependency(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}}"#
    )
}

fn insert(num: &str, cksum: u8, generation: u32, deps: &str) -> LineWrite {
    let (line, raw) = line(num, cksum, deps);
    LineWrite::Insert { generation: Generation(generation), line, raw, changes: Vec::new() }
}

pub(crate) fn change(kind: ChangeKind, num: &str) -> Change {
    Change {
        kind,
        name: Some(KrateName::parse("alpha").unwrap()),
        num: Some(schema::VersionNum::parse(num).unwrap()),
        checksum: None,
        fields: Vec::new(),
        commit: None,
        at: NOW,
        line_before: None,
        line_after: None,
    }
}

pub(crate) fn write(revision: i64, lines: Vec<LineWrite>) -> KrateWrite {
    let name = KrateName::parse("alpha").unwrap();
    KrateWrite::new(name, revision, lines)
}

fn alpha() -> CanonicalName {
    KrateName::parse("Alpha").unwrap().canonical()
}

async fn source(store: &dyn Store) -> i64 {
    store.note_source(&SourceState { address: "test".to_owned(), ..SourceState::default() }).await.unwrap()
}

/// One crate with one release; its source and the release's number.
pub(crate) async fn one_release(store: &dyn Store) -> (i64, ReleaseId) {
    let source = source(store).await;
    store.apply(source, &[write(0, vec![insert("1.0.0", 1, 1, &dependency("beta"))])], NOW).await.unwrap();
    (source, store.releases(&alpha()).await.unwrap().unwrap()[0].id)
}

pub(crate) async fn taken(store: &dyn Store, step: Step) -> Vec<Mark> {
    store.deliver(step, LATER, LATER.plus_seconds(60), 100).await.unwrap()
}

#[test]
fn a_release_is_known_by_name_number_and_generation() {
    on_every_backend(|store| async move {
        let source = source(store.as_ref()).await;
        let lines = vec![
            insert("1.0.0", 1, 1, ""),
            insert("1.0.0+b", 1, 1, ""),
            insert("1.0.0", 2, 2, ""),
            insert("1.10.0", 3, 1, ""),
            insert("1.9.0", 3, 1, ""),
        ];
        store.apply(source, &[write(0, lines)], NOW).await.unwrap();
        let keys: Vec<_> =
            store.releases(&alpha()).await.unwrap().unwrap().iter().map(|release| release.key.to_string()).collect();
        assert_eq!(keys, ["alpha@1.0.0", "alpha@1.0.0 (generation 2)", "alpha@1.0.0+b", "alpha@1.9.0", "alpha@1.10.0"]);
        assert_eq!(store.releases(&KrateName::parse("gamma").unwrap().canonical()).await.unwrap(), None);
        assert_eq!(store.totals().await.unwrap(), [1, 5, 5, 0]);
    });
}

#[test]
fn of_two_writers_one_is_told_to_read_again_and_nothing_of_its_is_stored() {
    on_every_backend(|store| async move {
        let (source, _) = one_release(store.as_ref()).await;
        let held = store.krates(source, &[alpha()]).await.unwrap();
        assert_eq!((held[0].revision, held[0].releases.len()), (1, 1));
        store.apply(source, &[write(1, vec![insert("1.1.0", 2, 1, "")])], NOW).await.unwrap();
        for stale in [0, 1] {
            let late = store.apply(source, &[write(stale, vec![insert("1.2.0", 3, 1, "")])], NOW).await;
            assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
        }
        assert_eq!(store.releases(&alpha()).await.unwrap().unwrap().len(), 2);
    });
}

#[test]
fn an_edit_closes_and_opens_dependencies_and_a_deletion_forgets_nothing() {
    on_every_backend(|store| async move {
        let (source, release) = one_release(store.as_ref()).await;
        let (edited, raw) = line("1.0.0", 1, &format!("{},{}", dependency("beta"), dependency("gamma")));
        let changes = vec![change(ChangeKind::MetadataChanged, "1.0.0")];
        let update = LineWrite::Update { release, line: edited, raw: raw.clone(), dependencies_differ: true, changes };
        store.apply(source, &[write(1, vec![update])], NOW).await.unwrap();
        assert_eq!(store.totals().await.unwrap()[3], 2);
        let changes = vec![change(ChangeKind::VersionDeleted, "1.0.0")];
        store.apply(source, &[write(2, vec![LineWrite::Delete { release, at: LATER, changes }])], LATER).await.unwrap();
        let kept = &store.releases(&alpha()).await.unwrap().unwrap()[0];
        assert_eq!((kept.deleted_at, kept.line.as_str()), (Some(LATER), raw.as_str()));
        let told = store.changes(0, Some(&alpha()), 10).await.unwrap();
        assert_eq!(
            told.iter().map(|row| row.change.kind).collect::<Vec<_>>(),
            [ChangeKind::MetadataChanged, ChangeKind::VersionDeleted]
        );
        assert!(told[0].seq < told[1].seq);
        assert_eq!(store.changes(told[0].seq, None, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn a_mark_is_delivered_once_and_again_after_its_lease() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        let first = taken(store.as_ref(), Step::Match).await;
        assert_eq!(first.iter().map(|mark| mark.release).collect::<Vec<_>>(), [release]);
        assert_eq!(taken(store.as_ref(), Step::Match).await, []);
        let after = store.deliver(Step::Match, LATER.plus_seconds(61), LATER.plus_seconds(99), 9).await.unwrap();
        assert_eq!(after, first);
        store.forget_deliveries().await.unwrap();
        assert_eq!(taken(store.as_ref(), Step::Match).await, first);
        // Delivered or not, it is due until somebody clears it; other steps are not concerned.
        assert_eq!(store.next_due(&[Step::Match, Step::Verify]).await.unwrap(), Some(NOW));
        assert_eq!(store.next_due(&[Step::Verify]).await.unwrap(), None);
    });
}

#[test]
fn a_mark_given_back_is_delivered_again_when_it_may_be_and_has_spent_no_try() {
    on_every_backend(|store| async move {
        one_release(store.as_ref()).await;
        let first = taken(store.as_ref(), Step::Match).await;
        let soon = LATER.plus_seconds(5);
        store.give_back(&first, Step::Match, soon).await.unwrap();
        assert_eq!(taken(store.as_ref(), Step::Match).await, []);
        assert_eq!(store.deliver(Step::Match, soon, soon.plus_seconds(60), 9).await.unwrap(), first);
        // Marked anew in between, it is somebody else's to give back.
        store.mark(&[first[0].release], Step::Match, Priority::FRESH, NOW).await.unwrap();
        store.give_back(&first, Step::Match, soon).await.unwrap();
        assert_eq!(taken(store.as_ref(), Step::Match).await.len(), 1);
    });
}

#[test]
fn a_late_result_is_void() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        store.mark(&[release], Step::Download, Priority::FRESH, NOW).await.unwrap();
        let old = taken(store.as_ref(), Step::Download).await[0];
        store.mark(&[release], Step::Download, Priority::FRESH, NOW).await.unwrap();
        let row = ArchiveRow {
            state: ArchiveState::Ok,
            found: None,
            size: Some(7),
            origin: None,
            http_status: None,
            at: NOW,
        };
        assert!(!store.finish_download(old, &row, &[Step::Inspect], NOW).await.unwrap());
        assert_eq!((store.archive(release).await.unwrap(), taken(store.as_ref(), Step::Inspect).await), (None, vec![]));
        assert_eq!(store.start(old, Step::Download).await.unwrap(), None);

        let new = taken(store.as_ref(), Step::Download).await[0];
        assert_eq!(store.start(new, Step::Download).await.unwrap(), Some(1));
        assert!(store.finish_download(new, &row, &[Step::Inspect], NOW).await.unwrap());
        assert!(!store.finish_download(new, &row, &[], NOW).await.unwrap(), "a second run of the same job");
        assert_eq!(store.archive_states(&[release]).await.unwrap(), [(release, ArchiveState::Ok)]);
        let inspect = taken(store.as_ref(), Step::Inspect).await[0];
        // A mark made again after it was cleared never bears an old token.
        store.mark(&[release], Step::Download, Priority::FRESH, NOW).await.unwrap();
        assert!(!store.finish_download(new, &row, &[], NOW).await.unwrap());
        let inspection = InspectionRow {
            checksum: Sha256::from_bytes([1; 32]),
            compressed_size: 7,
            unpacked_size: 9,
            n_files: 1,
            manifest: None,
            claim: None,
            findings: Findings::default(),
            at: NOW,
        };
        assert!(store.finish_inspection(inspect, &inspection, b"packed", &[], NOW).await.unwrap());
        assert_eq!(store.inspection(release).await.unwrap(), Some(inspection));
        assert_eq!(store.entries(Sha256::from_bytes([1; 32])).await.unwrap().unwrap(), b"packed");
    });
}

#[test]
fn failures_wait_die_and_are_revived() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        store.mark(&[release], Step::Download, Priority::FRESH, NOW).await.unwrap();
        let mark = taken(store.as_ref(), Step::Download).await[0];
        let at = LATER.plus_seconds(500);
        store
            .postpone(mark, Step::Download, &Postponed { at, error: "no route".to_owned(), dead: false }, NOW)
            .await
            .unwrap();
        // Its failure is a state that readers see: the row is due at once, not when the next try is.
        assert_eq!(taken(store.as_ref(), Step::Publish).await.len(), 1);
        assert_eq!(taken(store.as_ref(), Step::Download).await, []);
        let again = store.deliver(Step::Download, at, at.plus_seconds(9), 9).await.unwrap();
        assert_eq!((again[0].tries, again[0].token), (1, mark.token));
        store
            .postpone(again[0], Step::Download, &Postponed { at, error: "gave up".to_owned(), dead: true }, at)
            .await
            .unwrap();
        assert_eq!(store.deliver(Step::Download, at.plus_seconds(99), at.plus_seconds(100), 9).await.unwrap(), []);
        let dead = store.dead().await.unwrap();
        assert_eq!((dead[0].release, dead[0].tries, dead[0].error.as_deref()), (release, 2, Some("gave up")));
        assert_eq!(store.revive(Some(&[ReleaseId(release.0 + 1)]), NOW).await.unwrap(), 0);
        assert_eq!(store.revive(None, NOW).await.unwrap(), 1);
        assert_eq!(taken(store.as_ref(), Step::Download).await[0].tries, 0);
    });
}

/// What inspect says of an archive whose manifest names this repository.
fn inspected(repository: Option<&str>) -> InspectionRow {
    let link = repository.map(|link| format!("repository = \"{link}\"\n")).unwrap_or_default();
    let manifest = format!("[package]\nname = \"alpha\"\nversion = \"1.0.0\"\n{link}");
    let archive = fixtures::CrateFile::with_manifest("alpha", "1.0.0", &manifest).build().unwrap();
    let expected = inspect::Expected::from_file_name("alpha-1.0.0.crate").unwrap();
    let inspection = inspect::inspect(archive.as_slice(), &expected, None, &inspect::Limits::default()).unwrap();
    InspectionRow {
        checksum: inspection.archive.sha256,
        compressed_size: inspection.archive.compressed_size,
        unpacked_size: inspection.archive.unpacked_size,
        n_files: inspection.files.len() as u64,
        manifest: inspection.manifest,
        claim: inspection.claim,
        findings: inspection.findings,
        at: NOW,
    }
}

#[test]
fn neighbours_and_promises_are_told_by_crate_and_version() {
    on_every_backend(|store| async move {
        let source = source(store.as_ref()).await;
        let lines = vec![insert("1.0.0", 1, 1, ""), insert("1.1.0", 2, 1, ""), insert("1.2.0", 3, 1, "")];
        store.apply(source, &[write(0, lines)], NOW).await.unwrap();
        let ids: Vec<_> = store.releases(&alpha()).await.unwrap().unwrap().iter().map(|release| release.id).collect();
        store.mark(&ids, Step::Inspect, Priority::FRESH, NOW).await.unwrap();
        for (mark, repository) in taken(store.as_ref(), Step::Inspect).await.iter().zip([Some("a"), Some("b"), None]) {
            store.finish_inspection(*mark, &inspected(repository), b"packed", &[], NOW).await.unwrap();
        }
        assert_eq!(store.neighbours(ids[0]).await.unwrap(), ["b"]);
        assert_eq!(store.neighbours(ids[2]).await.unwrap(), ["a", "b"]);
        let promised = store.promised("ALPHA", "1.1.0").await.unwrap();
        assert_eq!(promised, Some((Sha256::from_bytes([2; 32]), None)));
        assert_eq!(store.promised("alpha", "9.0.0").await.unwrap(), None);
    });
}

#[test]
fn the_quarantine_holds_what_is_bad_now_and_since_when() {
    on_every_backend(|store| async move {
        let source = source(store.as_ref()).await;
        let bad = |line| QuarantineWrite {
            path: "al/ph/alpha".to_owned(),
            line,
            raw: "{".to_owned(),
            reason: "no JSON".to_owned(),
        };
        let with = |revision, quarantine| KrateWrite { quarantine, ..write(revision, Vec::new()) };
        store.apply(source, &[with(0, vec![bad(1), bad(2)])], NOW).await.unwrap();
        store.apply(source, &[with(1, vec![bad(2)])], LATER).await.unwrap();
        let held = store.quarantined().await.unwrap();
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].entry.line, held[0].first_seen_at), (2, NOW));
    });
}

fn advisory(id: &str, text: &str, aliases: &[&str]) -> AdvisoryWrite {
    let facts = AdvisoryFacts {
        id: AdvisoryId(id.to_owned()),
        package: "alpha".to_owned(),
        krate: Some(alpha()),
        kind: AdvisoryKind::Vulnerability,
        kind_derived: false,
        score: Score { severity: SeverityWord::Unscored, score_x10: None, cvss: None, vector: None },
        title: id.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        date: "2026-08-05".to_owned(),
        withdrawn: None,
        patched: Vec::new(),
        unaffected: Vec::new(),
        functions: std::collections::BTreeMap::new(),
        url: None,
        licence: Licence::Cc0,
    };
    AdvisoryWrite {
        path: format!("crates/alpha/{id}.md"),
        text: text.to_owned(),
        changed_in: None,
        changed_at: None,
        facts,
    }
}

fn state(commit: &str, changed: Vec<AdvisoryWrite>, removed: &[&str]) -> DbWrite {
    let state = DbState {
        commit: DbCommit { commit: commit.to_owned(), at: NOW, source: "test".to_owned() },
        changed,
        removed: removed.iter().map(|id| AdvisoryId((*id).to_owned())).collect(),
    };
    DbWrite { since: None, states: vec![state], quarantine: Vec::new() }
}

#[test]
fn advisories_are_found_by_any_id_changed_and_retracted() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        taken(store.as_ref(), Step::Match).await;
        store.apply_db(&state("one", vec![advisory("RUSTSEC-1", "a", &["CVE-1"])], &[]), NOW).await.unwrap();
        let mark = taken(store.as_ref(), Step::Match).await[0];
        let found = AdvisoryMatch {
            release,
            advisory: AdvisoryId("RUSTSEC-1".to_owned()),
            flags: vec![MatchFlag::DerivedKind],
        };
        let one = store.advisory_state().await.unwrap().map(|state| state.seq);
        let writes = [MatchWrite { mark, matches: vec![found.clone()] }];
        for other in [None, one.map(|seq| seq - 1)] {
            let refused = store.finish_matches(&writes, other, NOW).await;
            assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
            assert_eq!(store.open_marks(&[release], Step::Match).await.unwrap().len(), 1, "it is still to be done");
        }
        store.finish_matches(&writes, one, NOW).await.unwrap();
        assert_eq!(store.matches(&[release]).await.unwrap(), [found]);
        assert_eq!(store.open_marks(&[release], Step::Publish).await.unwrap().len(), 1);
        for id in ["rustsec-1", "cve-1", "CVE-1"] {
            assert_eq!(store.advisories_by_id(id).await.unwrap().len(), 1, "{id}");
        }
        assert_eq!(store.matched_by(&[AdvisoryId("RUSTSEC-1".to_owned())]).await.unwrap()[0].release.id, release);

        // Another text of the same advisory: its crate is due again, and an old alias is forgotten.
        store.apply_db(&state("two", vec![advisory("RUSTSEC-1", "b", &["CVE-2"])], &[]), NOW).await.unwrap();
        assert_eq!(store.advisories_by_id("CVE-1").await.unwrap(), []);
        let listed = store.advisories().await.unwrap();
        assert_eq!(listed[0].db_commit, "two");
        assert_eq!(store.advisory_facts().await.unwrap(), [listed[0].facts.clone()]);
        let mark = taken(store.as_ref(), Step::Match).await[0];
        let two = store.advisory_state().await.unwrap().map(|state| state.seq);
        store.finish_matches(&[MatchWrite { mark, matches: Vec::new() }], two, NOW).await.unwrap();
        assert_eq!(store.matches(&[release]).await.unwrap(), []);

        store.apply_db(&state("three", Vec::new(), &["RUSTSEC-1"]), NOW).await.unwrap();
        assert_eq!(store.advisories().await.unwrap(), []);
        assert_eq!(store.advisory_db().await.unwrap().unwrap().commit, "three");
        // The same state again marks nothing.
        taken(store.as_ref(), Step::Match).await;
        let three = store.advisory_state().await.unwrap().unwrap().seq;
        store.apply_db(&state("three", Vec::new(), &[]), LATER).await.unwrap();
        assert_eq!(store.advisory_db_loaded_at().await.unwrap(), Some(LATER));
        assert_eq!(store.advisory_state().await.unwrap().unwrap().seq, three);
        // What is read of it now and was not before is another state: nobody's knowledge of the first one stands for it.
        store.apply_db(&state("three", vec![advisory("RUSTSEC-1", "c", &[])], &[]), LATER).await.unwrap();
        let again = store.advisory_state().await.unwrap().unwrap();
        assert!(again.seq > three && again.commit.commit == "three", "{again:?}");
        store.apply_db(&state("three", Vec::new(), &["RUSTSEC-1"]), LATER).await.unwrap();
    });
}

#[test]
fn several_states_are_stored_at_once_and_each_can_be_asked() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        let mut first = advisory("RUSTSEC-1", "a", &[]);
        (first.changed_in, first.changed_at) = (Some("zero".to_owned()), Some(NOW.plus_seconds(-9)));
        let mut write = state("one", vec![first], &[]);
        let added = vec![advisory("RUSTSEC-1", "b", &[]), advisory("RUSTSEC-2", "c", &[])];
        write.states.extend(state("two", added, &[]).states);
        write.states.extend(state("three", Vec::new(), &["RUSTSEC-1"]).states);
        store.apply_db(&write, NOW).await.unwrap();
        assert_eq!(store.open_marks(&[release], Step::Match).await.unwrap().len(), 1);
        let states = store.advisory_states().await.unwrap();
        assert_eq!(
            states.iter().map(|state| state.commit.commit.as_str()).collect::<Vec<_>>(),
            ["one", "two", "three"]
        );
        let mut held = Vec::new();
        for state in &states {
            let stood = store.advisories_at(state.seq).await.unwrap();
            held.push(stood.into_iter().map(|one| (one.text, one.changed_in, one.changed_at)).collect::<Vec<_>>());
        }
        let row = |text: &str, commit: &str, at| (text.to_owned(), commit.to_owned(), at);
        assert_eq!(held[0], [row("a", "zero", NOW.plus_seconds(-9))]);
        assert_eq!(held[1], [row("b", "two", NOW), row("c", "two", NOW)]);
        assert_eq!(held[2], [row("c", "two", NOW)]);
        assert_eq!(store.advisories().await.unwrap().len(), 1);
        assert_eq!(store.advisories_at(states[0].seq - 1).await.unwrap(), []);
        // Differences made on a state that another process has gone on from are no differences any more.
        let mut late = state("four", vec![advisory("RUSTSEC-9", "d", &[])], &[]);
        for since in [0, states[1].seq] {
            late.since = Some(since);
            let refused = store.apply_db(&late, NOW).await;
            assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        }
        assert_eq!(store.advisories().await.unwrap().len(), 1);
        late.since = Some(states[2].seq);
        store.apply_db(&late, NOW).await.unwrap();
        assert_eq!(store.advisories().await.unwrap().len(), 2);
    });
}

#[test]
fn a_row_is_written_against_its_mark_and_read_back_whole() {
    on_every_backend(|store| async move {
        let (_, release) = one_release(store.as_ref()).await;
        store.mark(&[release], Step::Publish, Priority::FRESH, NOW).await.unwrap();
        let facts = store.publish_facts(&[release, ReleaseId(999)]).await.unwrap();
        assert_eq!(facts.len(), 1, "a vanished release is no error");
        let told = publish::Facts {
            release: &facts[0].release,
            index_commit: None,
            download: publish::DownloadState::NotAsked,
            inspection: None,
            source: publish::SourceState::NotAsked,
            advisories: publish::MatchState::NoDatabase,
            now: NOW,
        };
        let row = publish::publish(&told, None).row;
        let late = Mark { release, token: -1, tries: 0 };
        store.finish_rows(&[RowWrite { mark: late, row: row.clone(), changed: true }], NOW).await.unwrap();
        assert_eq!(store.rows(&alpha()).await.unwrap(), []);
        let mark = taken(store.as_ref(), Step::Publish).await[0];
        store.finish_rows(&[RowWrite { mark, row: row.clone(), changed: true }], NOW).await.unwrap();
        assert_eq!(store.rows(&alpha()).await.unwrap(), std::slice::from_ref(&row));
        assert_eq!(store.rows_of(&[release]).await.unwrap(), [(release, row)]);
        assert_eq!(store.open_marks(&[release], Step::Publish).await.unwrap(), []);
        assert_eq!(store.row_counts().await.unwrap(), [("unchecked".to_owned(), "unknown".to_owned(), 1)]);
    });
}
