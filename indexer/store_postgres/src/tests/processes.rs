//! Deliveries and leads belong to processes, and end with them.

use std::collections::HashSet;

use schema::{Step, Timestamp};
use sqlx::Connection as _;
use store::{Following as _, Work as _};

use super::{LATER, NOW, opened, releases, server};
use crate::PostgresStore;

/// What `kill -9` does to a process, as the server sees it: its connection is gone.
async fn kill(store: &PostgresStore) {
    store
        .membership
        .with(async |member| {
            let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut member.connection).await?;
            let mut other = sqlx::PgConnection::connect_with(&store.membership.options()).await?;
            sqlx::query("SELECT pg_terminate_backend($1, 10000)").bind(pid).execute(&mut other).await?;
            other.close().await
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_share_the_marks_and_none_is_taken_twice() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    let (_, ids) = releases(&store, 300).await;
    let taking = (0..4).map(|_| {
        let url = database.url();
        tokio::spawn(async move {
            let store = PostgresStore::open(&url).await.unwrap();
            let mut taken = Vec::new();
            loop {
                let some = store.deliver(Step::Match, NOW, LATER, 7).await.unwrap();
                if some.is_empty() {
                    return (store, taken);
                }
                taken.extend(some.into_iter().map(|mark| mark.release));
            }
        })
    });
    let mut all = Vec::new();
    // Their stores are kept: a delivery ends with its process.
    let outcomes = futures::future::join_all(taking).await;
    for outcome in &outcomes {
        all.extend(outcome.as_ref().unwrap().1.iter().copied());
    }
    assert_eq!(all.len(), ids.len(), "each once");
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), ids.into_iter().collect::<HashSet<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_had_is_free_and_what_a_living_one_has_is_not() {
    let Some(server) = server().await else { return };
    let (database, first) = opened(&server).await;
    releases(&first, 10).await;
    let second = PostgresStore::open(&database.url()).await.unwrap();
    assert_eq!(first.deliver(Step::Match, NOW, LATER, 4).await.unwrap().len(), 4);
    assert_eq!(second.deliver(Step::Match, NOW, LATER, 100).await.unwrap().len(), 6);
    // A start, and a look for the dead, leave alone what others have.
    second.forget_deliveries().await.unwrap();
    assert_eq!(second.deliver(Step::Match, NOW, LATER, 100).await.unwrap().len(), 6);
    assert_eq!(second.forget_lost_deliveries().await.unwrap(), 0);
    kill(&first).await;
    assert_eq!(second.forget_lost_deliveries().await.unwrap(), 4);
    assert_eq!(second.deliver(Step::Match, NOW, LATER, 100).await.unwrap().len(), 4);
    // The first lives on after all, and has another number by now: whatever it had is not its any more.
    assert!(first.deliver(Step::Match, NOW, LATER, 4).await.is_err(), "its connection was cut");
    assert_eq!(first.deliver(Step::Match, NOW, LATER, 4).await.unwrap(), []);
    second.close().await;
    assert_eq!(first.forget_lost_deliveries().await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_ends_with_its_process_or_with_its_time() {
    let Some(server) = server().await else { return };
    let (database, first) = opened(&server).await;
    let (source, _) = releases(&first, 1).await;
    let second = PostgresStore::open(&database.url()).await.unwrap();
    let token = first.lead(source, "a", NOW, LATER).await.unwrap().unwrap();
    assert_eq!(second.lead(source, "b", NOW, LATER).await.unwrap(), None);
    kill(&first).await;
    let next = second.lead(source, "b", NOW, LATER).await.unwrap().unwrap();
    assert!(next > token);
    assert!(first.lead(source, "a", NOW, LATER).await.is_err(), "its connection was cut");
    assert_eq!(first.lead(source, "a", NOW, LATER).await.unwrap(), None);
    assert!(first.lead(source, "a", LATER, Timestamp::from_micros(i64::MAX)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_one_processs_at_a_time_and_free_when_that_dies() {
    let Some(server) = server().await else { return };
    let (database, first) = opened(&server).await;
    let second = PostgresStore::open(&database.url()).await.unwrap();
    let (tokio, serde) = ("example.org/tokio", "example.org/serde");
    // Two jobs of one process may have it; it is free when both are done.
    assert!(first.lock_repository(tokio).await.unwrap() && first.lock_repository(tokio).await.unwrap());
    assert!(!second.lock_repository(tokio).await.unwrap());
    assert!(second.lock_repository(serde).await.unwrap());
    second.unlock_repository(tokio).await.unwrap();
    first.unlock_repository(tokio).await.unwrap();
    assert!(!second.lock_repository(tokio).await.unwrap());
    first.unlock_repository(tokio).await.unwrap();
    assert!(second.lock_repository(tokio).await.unwrap());
    kill(&second).await;
    assert!(first.lock_repository(tokio).await.unwrap() && first.lock_repository(serde).await.unwrap());
}
