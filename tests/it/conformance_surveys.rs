//! What every backend must do for those who look around: searches, counts by day, spans of time, marks, page after page.

use std::sync::Arc;

use fixtures::{AdvisoryBuilder, World};
use schema::{
    AdvisoryId, AdvisoryKind, AdvisoryState, Change, ChangeKind, ChecksumState, Generation, IndexLine, KrateName,
    Priority, Release, ReleaseId, Step, Timestamp, Verdict, VersionNum,
};
use store::{
    DayCount, FeedRow, HappenedKind, KrateWrite, LineWrite, MarkState, MarksWanted, MatchWrite, Postponed, RowWrite,
    Signal, SourceState, Span, Store, Wanted,
};

use crate::conformance::on_every_backend;

/// 2026-08-20T00:00:00Z; `date -u -d 2026-08-20 +%s` prints it.
const DAY: Timestamp = Timestamp::from_seconds(1_787_184_000);
const HOUR: i64 = 3600;

fn hour(hour: i64) -> Timestamp {
    DAY.plus_seconds(hour * HOUR)
}

/// A release published and added at an hour of that day.
fn added(name: &str, num: &str, at: Timestamp) -> LineWrite {
    let cksum = "ab".repeat(32);
    let raw = format!(
        r#"{{"name":"{name}","vers":"{num}","deps":[],"cksum":"{cksum}","features":{{}},"yanked":{},"pubtime":"{at}"}}"#,
        num.starts_with('9'),
    );
    let change = change(ChangeKind::Added, name, num, at);
    let line = Box::new(IndexLine::parse(&raw).unwrap());
    LineWrite::Insert { generation: Generation(1), line, raw, changes: vec![change] }
}

fn change(kind: ChangeKind, name: &str, num: &str, at: Timestamp) -> Change {
    Change {
        kind,
        name: Some(KrateName::parse(name).unwrap()),
        num: Some(VersionNum::parse(num).unwrap()),
        checksum: None,
        fields: Vec::new(),
        commit: None,
        at,
        line_before: None,
        line_after: None,
    }
}

/// Two crates: `Alpha-One` with 1.0.0 on the first day and 9.0.0, yanked, on the second; `beta` with 1.0.0, deleted.
async fn small(store: &dyn Store) -> Vec<Release> {
    let state = SourceState { address: "test".to_owned(), ..SourceState::default() };
    let source = store.note_source(&state).await.unwrap();
    let name = |name: &str| KrateName::parse(name).unwrap();
    let lines = vec![added("Alpha-One", "1.0.0", hour(1)), added("Alpha-One", "9.0.0", hour(25))];
    let mut alpha = KrateWrite::new(name("Alpha-One"), 0, lines);
    alpha.signals = vec![Signal { at: hour(25), payload: r#"{"signal":"long-silence"}"#.to_owned() }];
    let beta = KrateWrite::new(name("beta"), 0, vec![added("beta", "1.0.0", hour(2))]);
    store.apply(source, &[alpha, beta], hour(30)).await.unwrap();
    let beta = store.releases(&name("beta").canonical()).await.unwrap().unwrap().remove(0);
    let gone = change(ChangeKind::CrateDeleted, "beta", "1.0.0", hour(3));
    let gone = LineWrite::Delete { release: beta.id, at: hour(3), changes: vec![gone] };
    store.apply(source, &[KrateWrite::new(name("beta"), 1, vec![gone])], hour(30)).await.unwrap();
    let mut all = store.releases(&name("alpha_one").canonical()).await.unwrap().unwrap();
    all.extend(store.releases(&name("beta").canonical()).await.unwrap().unwrap());
    all
}

/// Gives a release a row that says this.
async fn say(store: &dyn Store, release: &Release, verdict: Verdict, advisories: AdvisoryState) {
    let facts = publish::Facts {
        release,
        index_commit: None,
        download: publish::DownloadState::NotAsked,
        inspection: None,
        source: publish::SourceState::NotAsked,
        advisories: publish::MatchState::Waiting,
        now: hour(31),
    };
    let mut row = publish::publish(&facts, None).row;
    row.source.verdict = verdict;
    row.advisories.state = advisories;
    row.advisories.worst_kind = (advisories == AdvisoryState::Affected).then_some(AdvisoryKind::Unsound);
    store.mark(&[release.id], Step::Publish, Priority::FRESH, hour(31)).await.unwrap();
    let marks = store.deliver(Step::Publish, hour(31), hour(32), 100).await.unwrap();
    let mark = *marks.iter().find(|mark| mark.release == release.id).unwrap();
    store.finish_rows(&[RowWrite { mark, row, changed: true }], hour(31)).await.unwrap();
    store.forget_deliveries().await.unwrap();
}

/// Matches everything that is due, with nothing.
async fn matched(store: &dyn Store) {
    let marks = store.deliver(Step::Match, hour(31), hour(32), 100).await.unwrap();
    let writes: Vec<_> = marks.into_iter().map(|mark| MatchWrite { mark, matches: Vec::new() }).collect();
    let state = store.advisory_state().await.unwrap().map(|state| state.seq);
    store.finish_matches(&writes, state, hour(31)).await.unwrap();
}

#[test]
fn crates_are_found_by_a_part_of_their_name_page_after_page() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        small(store.as_ref()).await;
        let found = |part: &'static str, after: Option<&'static str>, limit| {
            let store = Arc::clone(&store);
            async move {
                let after = after.map(|name| KrateName::parse(name).unwrap().canonical());
                let rows = store.krates_named(part, after.as_ref(), limit).await.unwrap();
                let shown = rows.iter().map(|row| format!("{} {} {}", row.name, row.n_releases, row.n_live));
                shown.collect::<Vec<_>>()
            }
        };
        assert_eq!(found("a", None, 9).await, ["Alpha-One 2 2", "beta 1 0"]);
        assert_eq!(found("a_o", None, 9).await, ["Alpha-One 2 2"]);
        assert_eq!(found("a", None, 1).await, ["Alpha-One 2 2"]);
        assert_eq!(found("a", Some("alpha-one"), 1).await, ["beta 1 0"]);
        // No letter of a pattern language means anything.
        assert_eq!(found("%", None, 9).await, [""; 0]);
    });
}

#[test]
fn releases_are_found_by_what_is_known_of_them() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let all = small(store.as_ref()).await;
        say(store.as_ref(), &all[0], Verdict::Mismatch, AdvisoryState::Affected).await;
        say(store.as_ref(), &all[1], Verdict::Verified, AdvisoryState::NoneKnown).await;
        // What was just added waits for its match: until then nobody is told that nothing is known.
        let none_known = Wanted { advisories: Some(AdvisoryState::NoneKnown), ..Wanted::default() };
        let pending = Wanted { advisories: Some(AdvisoryState::Pending), ..Wanted::default() };
        assert_eq!(store.find(&none_known, None, 9).await.unwrap(), []);
        assert_eq!(store.find(&pending, None, 9).await.unwrap(), [all[1].id]);
        let row = |verdict: &str, state: &str| (verdict.to_owned(), state.to_owned(), 1);
        let waiting = [row("mismatch", "affected"), row("verified", "pending")];
        assert_eq!(store.row_counts().await.unwrap(), waiting);
        let tallies = store.tallies().await.unwrap();
        let of_the_verified = tallies.iter().filter(|one| one.verdict == Verdict::Verified);
        let states: Vec<_> = of_the_verified.map(|one| (one.advisories, one.rows)).collect();
        assert_eq!(states, [(AdvisoryState::Pending, 1)]);
        matched(store.as_ref()).await;
        assert_eq!(store.row_counts().await.unwrap(), waiting, "its row is not published anew yet");
        say(store.as_ref(), &all[0], Verdict::Mismatch, AdvisoryState::Affected).await;
        say(store.as_ref(), &all[1], Verdict::Verified, AdvisoryState::NoneKnown).await;
        let settled = [row("mismatch", "affected"), row("verified", "none-known")];
        assert_eq!(store.row_counts().await.unwrap(), settled);
        assert_eq!(store.find(&pending, None, 9).await.unwrap(), []);
        let found = |wanted: Wanted, below: Option<ReleaseId>| {
            let store = Arc::clone(&store);
            async move { store.find(&wanted, below, 9).await.unwrap() }
        };
        let nothing = Wanted::default;
        let mut newest: Vec<_> = all.iter().map(|release| release.id).collect();
        newest.sort_by_key(|id| std::cmp::Reverse(id.0));
        assert_eq!(found(nothing(), None).await, newest);
        assert_eq!(found(nothing(), Some(newest[0])).await, newest[1..]);
        for (wanted, expected) in [
            (Wanted { verdict: Some(Verdict::Mismatch), ..nothing() }, vec![all[0].id]),
            (Wanted { advisories: Some(AdvisoryState::NoneKnown), ..nothing() }, vec![all[1].id]),
            (Wanted { worst_kind: Some(AdvisoryKind::Unsound), ..nothing() }, vec![all[0].id]),
            (Wanted { checksum: Some(ChecksumState::Ok), ..nothing() }, vec![]),
            (Wanted { yanked: Some(true), ..nothing() }, vec![all[1].id]),
            (Wanted { deleted: Some(true), ..nothing() }, vec![all[2].id]),
            (Wanted { deleted: Some(false), yanked: Some(false), ..nothing() }, vec![all[0].id]),
            (Wanted { part: Some("bet".to_owned()), ..nothing() }, vec![all[2].id]),
            (Wanted { part: Some("bet".to_owned()), verdict: Some(Verdict::Verified), ..nothing() }, vec![]),
        ] {
            assert_eq!(found(wanted.clone(), None).await, expected, "{wanted:?}");
        }
        let mut tallies: Vec<_> = store.tallies().await.unwrap();
        tallies.sort_by_key(|tally| tally.verdict);
        let said: Vec<_> = tallies.iter().map(|one| (one.verdict, one.advisories, one.worst_kind, one.rows)).collect();
        let expected = [
            (Verdict::Verified, AdvisoryState::NoneKnown, None, 1),
            (Verdict::Mismatch, AdvisoryState::Affected, Some(AdvisoryKind::Unsound), 1),
        ];
        assert_eq!(said, expected);
    });
}

#[test]
fn days_are_counted_in_utc_and_their_ends_are_sharp() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let all = small(store.as_ref()).await;
        say(store.as_ref(), &all[0], Verdict::Verified, AdvisoryState::NoneKnown).await;
        let count = |day, what: &str, n| DayCount { day: hour(day), what: what.to_owned(), n };
        let published = store.published_by_day(DAY, hour(48)).await.unwrap();
        // Beta is gone and has no row; what was published stays published.
        assert_eq!(published, [count(0, "pending", 1), count(0, "verified", 1), count(24, "pending", 1)]);
        assert_eq!(store.published_by_day(hour(1), hour(2)).await.unwrap(), [count(0, "verified", 1)]);
        assert_eq!(store.published_by_day(hour(26), hour(48)).await.unwrap(), []);
        let happened = store.happened_by_day(DAY, hour(48)).await.unwrap();
        let expected =
            [count(0, "added", 2), count(0, "crate_deleted", 1), count(24, "added", 1), count(24, "signal", 1)];
        assert_eq!(happened, expected);
    });
}

#[test]
fn a_span_of_time_is_told_in_order_page_after_page() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let all = small(store.as_ref()).await;
        say(store.as_ref(), &all[0], Verdict::Verified, AdvisoryState::NoneKnown).await;
        let told = |from, until, kind, after, limit| {
            let store = Arc::clone(&store);
            async move { store.happened(&Span { from, until, kind, after }, limit).await.unwrap() }
        };
        let words = |rows: &[FeedRow]| -> Vec<String> {
            let word = |row: &FeedRow| match row {
                FeedRow::Change(row) => format!("{} {}", row.change.kind, row.change.num.as_ref().unwrap()),
                FeedRow::Event(row) => row.kind.clone(),
            };
            rows.iter().map(word).collect()
        };
        let whole = told(DAY, hour(48), HappenedKind::All, None, 99).await;
        let expected =
            ["added 1.0.0", "added 1.0.0", "crate_deleted 1.0.0", "added 9.0.0", "signal", "provenance_changed"];
        assert_eq!(words(&whole), expected);
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = told(DAY, hour(48), HappenedKind::All, after, 2).await;
            let Some(last) = page.last() else { break };
            after = Some((last.at(), last.seq()));
            paged.extend(page);
        }
        assert_eq!(paged, whole);
        for (kind, expected) in [
            (HappenedKind::Changes(None), vec!["added 1.0.0", "added 1.0.0", "crate_deleted 1.0.0", "added 9.0.0"]),
            (HappenedKind::Changes(Some(ChangeKind::CrateDeleted)), vec!["crate_deleted 1.0.0"]),
            (HappenedKind::Signals, vec!["signal"]),
            (HappenedKind::Rows, vec!["provenance_changed"]),
        ] {
            assert_eq!(words(&told(DAY, hour(48), kind, None, 99).await), expected, "{kind:?}");
        }
        // The first instant is in it, the last one is not.
        assert_eq!(words(&told(hour(1), hour(2), HappenedKind::All, None, 9).await), ["added 1.0.0"]);
    });
}

#[test]
fn marks_are_listed_by_release_step_and_state() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let all = small(store.as_ref()).await;
        let ids: Vec<_> = all.iter().map(|release| release.id).collect();
        store.mark(&ids[..1], Step::Download, Priority::FRESH, hour(31)).await.unwrap();
        store.mark(&ids[1..], Step::Download, Priority::FRESH, hour(32)).await.unwrap();
        let marks = store.deliver(Step::Download, hour(32), hour(33), 9).await.unwrap();
        for (mark, dead) in marks.iter().zip([true, false]) {
            let outcome = Postponed { at: hour(40), error: "no\u{0}answer".to_owned(), dead };
            store.postpone(*mark, Step::Download, &outcome, hour(33)).await.unwrap();
        }
        let listed = |wanted: MarksWanted, after, limit| {
            let store = Arc::clone(&store);
            async move { store.marks(wanted, after, limit).await.unwrap() }
        };
        let downloads = MarksWanted { step: Some(Step::Download), ..MarksWanted::default() };
        let found = listed(downloads, None, 9).await;
        let mut states: Vec<_> = found.iter().map(|mark| mark.state.as_str()).collect();
        states.sort_unstable();
        assert_eq!(states, ["given-up", "retrying", "waiting"]);
        let dead = listed(MarksWanted { state: Some(MarkState::Dead), ..MarksWanted::default() }, None, 9).await;
        assert_eq!((dead.len(), dead[0].error.as_deref(), dead[0].tries), (1, Some("no\u{0}answer"), 1));
        assert_eq!((dead[0].at, dead[0].step), (hour(40), Step::Download));
        let waiting = MarksWanted { state: Some(MarkState::Waiting), ..downloads };
        assert_eq!(listed(waiting, None, 9).await.len(), 1);
        let one = listed(MarksWanted { release: Some(ids[0]), ..MarksWanted::default() }, None, 9).await;
        assert!(one.len() >= 2 && one.iter().all(|mark| mark.release == ids[0]), "{one:?}");
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = listed(MarksWanted::default(), after, 2).await;
            let Some(last) = page.last() else { break };
            after = Some((last.release, last.step));
            paged.extend(page);
        }
        assert_eq!(paged, listed(MarksWanted::default(), None, 99).await);
    });
}

#[test]
fn what_advisories_cover_is_counted_without_what_they_nearly_cover() {
    // Through the program: who covers what is decided there.
    let home = crate::harness::Home::new();
    let mut world = World::new();
    for num in ["1.0.0", "1.0.1", "2.0.0-rc.1", "2.0.0"] {
        world = world.publish("alpha", num, "2026-08-01T00:00:00Z", crate::harness::archive("alpha", num));
    }
    let patched = [">= 1.0.1, < 2.0.0", ">= 2.0.1"];
    let world = world.advisory(&AdvisoryBuilder::new("RUSTSEC-2026-9002", "alpha", "2026-08-05").patched(&patched));
    let world = world.advisory(&AdvisoryBuilder::new("RUSTSEC-2026-9003", "beta", "2026-08-05"));
    let (advisories, index) = (home.path().join("advisory-db"), home.path().join("index"));
    world.write_advisories(&advisories).unwrap();
    world.write_index(&index, None).unwrap();
    let (index, advisories) = (index.to_str().unwrap(), advisories.to_str().unwrap());
    home.run(&["index", "--crate", "alpha", "--index", index, "--advisory-db", advisories, "--no-source"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let covered = runtime.block_on(async { home.memory().await.covered().await.unwrap() });
    assert_eq!(covered, [(AdvisoryId("RUSTSEC-2026-9002".to_owned()), 2)]);
}
