//! Numbers become visible in their order, listeners hear of them, and nobody waits in a ring.

use schema::{Change, ChangeKind, KrateName, Priority, Step, Timestamp};
use sqlx::postgres::PgListener;
use store::{Following as _, Index as _, LineWrite, Signal, Work as _};

use super::{LATER, NOW, opened, releases, server, write};
use crate::PostgresStore;

fn change(kind: ChangeKind) -> Change {
    Change {
        kind,
        name: Some(KrateName::parse("alpha").unwrap()),
        num: None,
        checksum: None,
        fields: Vec::new(),
        commit: None,
        at: NOW,
        line_before: None,
        line_after: None,
    }
}

/// Waits until somebody waits for a lock.
async fn until_somebody_waits(store: &PostgresStore) {
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
                 SELECT pid FROM pg_stat_activity WHERE datname = current_database())",
        )
        .fetch_one(&store.pool)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_given_out_first_is_seen_first_however_late_it_is_committed() {
    let Some(server) = server().await else { return };
    let (_database, store) = opened(&server).await;
    let (source, _) = releases(&store, 1).await;

    // One writer takes a number and is slow to commit.
    let mut slow = store.begin().await.unwrap();
    let first = store.reserve(&mut slow, 1).await.unwrap();
    sqlx::query("INSERT INTO event (seq, at, kind, payload) VALUES ($1, 0, 'slow', '{}')")
        .bind(first)
        .execute(&mut *slow)
        .await
        .unwrap();
    // Another one is quick, and must not be seen before it.
    let quick = tokio::spawn({
        let store = store.clone();
        async move {
            let record = LineWrite::Record { change: Box::new(change(ChangeKind::ConfigChanged)) };
            let mut quick = write("alpha", 1, vec![record]);
            quick.signals = vec![Signal { at: NOW, payload: "{}".to_owned() }];
            store.apply(source, &[quick], NOW).await
        }
    });
    until_somebody_waits(&store).await;
    assert_eq!(store.events(0, 10).await.unwrap(), []);
    assert_eq!(store.changes(0, None, 10).await.unwrap(), []);
    store.commit(slow).await.unwrap();
    quick.await.unwrap().unwrap();
    let events: Vec<_> = store.events(0, 10).await.unwrap().into_iter().map(|event| (event.seq, event.kind)).collect();
    assert_eq!(events, [(first, "slow".to_owned()), (first + 2, "signal".to_owned())]);
    assert_eq!(store.changes(0, None, 10).await.unwrap()[0].seq, first + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_with_a_cursor_misses_nothing_while_many_write() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 25;
    let Some(server) = server().await else { return };
    let (_database, store) = opened(&server).await;
    let (source, _) = releases(&store, 1).await;
    let writers = (0..WRITERS).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let name = format!("writer-{n}");
            for round in 0..ROUNDS {
                let mut signal =
                    write(&name, i64::try_from(round).unwrap(), vec![super::insert(&name, &format!("0.0.{round}"))]);
                signal.signals = vec![Signal { at: NOW, payload: format!("{n}-{round}") }];
                store.apply(source, &[signal], NOW).await.unwrap();
            }
        })
    });
    let writing = tokio::spawn(futures::future::join_all(writers));
    let (mut cursor, mut heard) = (0, Vec::new());
    while heard.len() < WRITERS * ROUNDS {
        let ended = writing.is_finished();
        let page = store.events(cursor, 7).await.unwrap();
        assert!(!(ended && page.is_empty()), "the writers are done, and only {} events were heard", heard.len());
        for event in page {
            assert!(event.seq > cursor);
            cursor = event.seq;
            heard.push(event.payload);
        }
    }
    for outcome in writing.await.unwrap() {
        outcome.unwrap();
    }
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), WRITERS * ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_hear_the_highest_number_after_its_commit() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    let (source, _) = releases(&store, 1).await;
    let mut listener = PgListener::connect(&database.url()).await.unwrap();
    listener.listen("provenance_changed").await.unwrap();
    let mut signals = write("alpha", 1, Vec::new());
    signals.signals = (0..3).map(|_| Signal { at: NOW, payload: "{}".to_owned() }).collect();
    store.apply(source, &[signals], NOW).await.unwrap();
    let heard: i64 = listener.recv().await.unwrap().payload().parse().unwrap();
    let highest = store.events(0, 10).await.unwrap().last().unwrap().seq;
    assert_eq!(heard, highest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_mark_the_same_releases_in_any_order_do_not_end_in_a_ring() {
    let Some(server) = server().await else { return };
    let (_database, store) = opened(&server).await;
    let (_, ids) = releases(&store, 40).await;
    let marking = (0..6).map(|n| {
        let (store, mut ids) = (store.clone(), ids.clone());
        if n % 2 == 1 {
            ids.reverse();
        }
        tokio::spawn(async move {
            for _ in 0..10 {
                store.mark(&ids, Step::Match, Priority::FRESH, NOW).await.unwrap();
                let marks = store.deliver(Step::Match, LATER, Timestamp::from_micros(0), 100).await.unwrap();
                let writes: Vec<_> =
                    marks.iter().rev().map(|mark| store::MatchWrite { mark: *mark, matches: Vec::new() }).collect();
                store::Advisories::finish_matches(&store, &writes, None, NOW).await.unwrap();
            }
        })
    });
    for outcome in futures::future::join_all(marking).await {
        outcome.unwrap();
    }
}
