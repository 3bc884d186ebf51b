//! What every backend must do for those who ask one thing and ask it often: pages, versions, checksums, the feed, the revision.

use std::sync::Arc;

use schema::{Change, ChangeKind, Generation, IndexLine, KrateName, ReleaseId, Sha256, Step, Timestamp, VersionNum};
use store::{FeedRow, KrateWrite, LineWrite, RowWrite, Signal, SourceState, Store};

use crate::conformance::on_every_backend;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn write(name: &str, revision: i64, lines: Vec<LineWrite>) -> KrateWrite {
    KrateWrite::new(KrateName::parse(name).unwrap(), revision, lines)
}

fn insert(name: &str, num: &str, cksum: u8, generation: u32, is_change: bool) -> LineWrite {
    let cksum = format!("{cksum:02x}").repeat(32);
    let raw =
        format!(r#"{{"name":"{name}","vers":"{num}","deps":[],"cksum":"{cksum}","features":{{}},"yanked":false}}"#);
    let line = Box::new(IndexLine::parse(&raw).unwrap());
    let added = Change {
        kind: ChangeKind::Added,
        name: Some(KrateName::parse(name).unwrap()),
        num: Some(VersionNum::parse(num).unwrap()),
        checksum: None,
        fields: Vec::new(),
        commit: None,
        at: NOW,
        line_before: None,
        line_after: Some(raw.clone()),
    };
    let changes = if is_change { vec![added] } else { Vec::new() };
    LineWrite::Insert { generation: Generation(generation), line, raw, changes }
}

async fn source(store: &dyn Store) -> i64 {
    store.note_source(&SourceState { address: "test".to_owned(), ..SourceState::default() }).await.unwrap()
}

/// The revision once it stays: on a server that others write to, it may move without us for a while.
async fn resting(store: &dyn Store) -> String {
    let mut last = store.revision().await.unwrap();
    loop {
        let next = store.revision().await.unwrap();
        if next == last {
            return next;
        }
        last = next;
    }
}

#[test]
fn the_revision_is_another_one_after_every_write_and_the_same_after_none() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let mut seen = vec![resting(store.as_ref()).await];
        let source = source(store.as_ref()).await;
        seen.push(resting(store.as_ref()).await);
        // A baseline records no change and no event; it is seen all the same.
        store.apply(source, &[write("alpha", 0, vec![insert("alpha", "1.0.0", 1, 1, false)])], NOW).await.unwrap();
        seen.push(resting(store.as_ref()).await);
        let id = store.releases(&KrateName::parse("alpha").unwrap().canonical()).await.unwrap().unwrap()[0].id;
        store.mark(&[id], Step::Download, schema::Priority::FRESH, NOW).await.unwrap();
        seen.push(resting(store.as_ref()).await);
        assert_eq!(store.last_number().await.unwrap(), 0);
        let unlike: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(unlike.len(), seen.len(), "{seen:?}");
    });
}

#[test]
fn a_page_is_found_by_number_and_by_checksum_with_every_generation() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let source = source(store.as_ref()).await;
        let lines = vec![
            insert("Beta-B", "1.0.0", 1, 1, false),
            insert("Beta-B", "1.0.0", 2, 2, false),
            insert("Beta-B", "1.0.0+build", 2, 1, false),
            insert("Beta-B", "1.10.0", 3, 1, false),
            insert("Beta-B", "1.9.0", 4, 1, false),
        ];
        store.apply(source, &[write("Beta-B", 0, lines)], NOW).await.unwrap();
        let beta = KrateName::parse("beta_b").unwrap().canonical();
        let num = |text: &str| VersionNum::parse(text).unwrap();
        let pages = store.pages(&beta, &num("1.0.0")).await.unwrap();
        let keys: Vec<_> = pages.iter().map(|page| page.release.key.to_string()).collect();
        assert_eq!(keys, ["Beta-B@1.0.0", "Beta-B@1.0.0 (generation 2)"]);
        assert!(pages.iter().all(|page| page.row.is_none()));
        assert_eq!(store.pages(&beta, &num("2.0.0")).await.unwrap(), []);
        assert_eq!(store.pages(&KrateName::parse("gamma").unwrap().canonical(), &num("1.0.0")).await.unwrap(), []);

        let versions = store.versions(&beta).await.unwrap().unwrap();
        let nums: Vec<_> = versions.iter().map(|one| format!("{} {}", one.num, one.generation)).collect();
        assert_eq!(nums, ["1.0.0 1", "1.0.0 2", "1.0.0+build 1", "1.9.0 1", "1.10.0 1"]);
        assert_eq!(versions[0].name.as_str(), "Beta-B");
        assert_eq!(store.versions(&KrateName::parse("gamma").unwrap().canonical()).await.unwrap(), None);

        // In the order asked for, what is gone left out.
        let asked = [versions[3].id, ReleaseId(4_000_000), versions[0].id];
        let found: Vec<_> = store.pages_of(&asked).await.unwrap().iter().map(|page| page.release.id).collect();
        assert_eq!(found, [versions[3].id, versions[0].id]);
        let with = |byte: u8| Sha256::from_bytes([byte; 32]);
        assert_eq!(store.with_checksum(&with(2)).await.unwrap(), [versions[1].id, versions[2].id]);
        assert_eq!(store.with_checksum(&with(9)).await.unwrap(), []);
    });
}

#[test]
fn the_feed_is_changes_and_events_by_number_and_a_row_comes_with_its_page() {
    on_every_backend(|store: Arc<dyn Store>| async move {
        let source = source(store.as_ref()).await;
        let first = write("alpha", 0, vec![insert("alpha", "1.0.0", 1, 1, true), insert("alpha", "1.1.0", 2, 1, true)]);
        store.apply(source, &[first], NOW).await.unwrap();
        let alpha = KrateName::parse("alpha").unwrap().canonical();
        let id = store.releases(&alpha).await.unwrap().unwrap()[0].id;
        store.mark(&[id], Step::Publish, schema::Priority::FRESH, NOW).await.unwrap();
        let marks = store.deliver(Step::Publish, NOW, NOW.plus_seconds(60), 10).await.unwrap();
        let mark = *marks.iter().find(|mark| mark.release == id).unwrap();
        let row = row(&store.releases(&alpha).await.unwrap().unwrap()[0]);
        store.finish_rows(&[RowWrite { mark, row: row.clone(), changed: true }], NOW).await.unwrap();
        let second = KrateWrite {
            signals: vec![Signal { at: NOW, payload: r#"{"name":"alpha","signal":"made_up"}"#.to_owned() }],
            ..write("alpha", 1, vec![insert("alpha", "1.2.0", 3, 1, true)])
        };
        store.apply(source, &[second], NOW).await.unwrap();

        let page = store.pages(&alpha, &VersionNum::parse("1.0.0").unwrap()).await.unwrap();
        assert_eq!(page[0].row.as_ref(), Some(&row));
        let feed = store.feed(0, 100).await.unwrap();
        let mut kinds: Vec<_> = feed
            .iter()
            .map(|row| match row {
                FeedRow::Change(row) => row.change.kind.to_string(),
                FeedRow::Event(row) => row.kind.clone(),
            })
            .collect();
        assert_eq!(kinds[..3], ["added", "added", "provenance_changed"]);
        kinds[3..].sort();
        assert_eq!(kinds[3..], ["added", "signal"]);
        let numbers: Vec<_> = feed.iter().map(FeedRow::seq).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(store.last_number().await.unwrap(), *numbers.last().unwrap());
        // However it is cut, it is the same feed.
        for limit in 1..=4 {
            let (mut cut, mut after) = (Vec::new(), 0);
            loop {
                let piece = store.feed(after, limit).await.unwrap();
                let Some(last) = piece.last() else { break };
                assert!(piece.len() <= limit as usize);
                after = last.seq();
                cut.extend(piece);
            }
            assert_eq!(cut, feed, "{limit}");
        }
    });
}

fn row(release: &schema::Release) -> schema::ProvenanceRow {
    let facts = publish::Facts {
        release,
        index_commit: None,
        download: publish::DownloadState::NotAsked,
        inspection: None,
        source: publish::SourceState::NotAsked,
        advisories: publish::MatchState::Waiting,
        now: NOW,
    };
    publish::publish(&facts, None).row
}
