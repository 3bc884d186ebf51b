//! Each thing that can go wrong with a server has its name, and nothing is stored by halves.

use schema::{Priority, Step};
use sqlx::Executor as _;
use store::{Index as _, StoreError, Work as _};

use super::{NOW, opened, releases, server};
use crate::PostgresStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_or_lets_nobody_in_is_named() {
    let nobody = PostgresStore::open("postgres://me:secret@127.0.0.1:1/db").await.unwrap_err();
    assert!(matches!(nobody, StoreError::Away { .. }), "{nobody:?}");
    assert!(nobody.is_transient() && !format!("{nobody} {nobody:?}").contains("secret"), "{nobody}");
    let Some(server) = server().await else { return };
    let database = server.database().await.unwrap();
    let url = database.url();
    let place = url.rsplit_once('@').map_or_else(|| url.split_once("://").unwrap().1, |(_, place)| place);
    let stranger = PostgresStore::open(&format!("postgres://nobody_we_know:secret@{place}")).await.unwrap_err();
    assert!(matches!(stranger, StoreError::Denied { .. }), "{stranger:?}");
    let missing = url.replacen("provenance_test", "no_such_database", 1);
    let missing = PostgresStore::open(&missing).await.unwrap_err();
    assert!(matches!(&missing, StoreError::Open { reason, .. } if reason.contains("createdb")), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_named_and_the_next_call_has_another() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    releases(&store, 1).await;
    let mut transaction = store.begin().await.unwrap();
    store.mark_in(&mut transaction, &[], Step::Match, Priority::FRESH, NOW).await.unwrap();
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()").unwrap();
    let cut = store.reserve(&mut transaction, 1).await.unwrap_err();
    assert!(matches!(cut, StoreError::Away { .. }) && cut.is_transient(), "{cut:?}");
    drop(transaction);
    assert_eq!(store.totals().await.unwrap()[1], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_busy() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    releases(&store, 1).await;
    let mut holder = store.begin().await.unwrap();
    holder.execute("LOCK TABLE release IN ACCESS EXCLUSIVE MODE").await.unwrap();
    database
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 50', current_database()); END $$",
        )
        .unwrap();
    // Opening asks nothing of that table.
    let hurried = PostgresStore::open(&database.url()).await.unwrap();
    let busy = hurried.totals().await.unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }) && busy.is_transient(), "{busy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_connection_is_free_it_is_busy() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    let mut options = store.pool.options().clone();
    options = options.max_connections(1).acquire_timeout(std::time::Duration::from_millis(50));
    let pool = options.connect(&database.url()).await.unwrap();
    let narrow = PostgresStore { pool, ..store.clone() };
    let _held = narrow.begin().await.unwrap();
    let busy = narrow.totals().await.unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_and_a_full_disk_are_named_and_nothing_is_half_stored() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    let (_, ids) = releases(&store, 2).await;
    // What the server says when its disk is full, at the last statement of a transaction.
    database
        .execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON due FOR EACH ROW WHEN (NEW.step = 'publish') EXECUTE FUNCTION full_disk()",
        )
        .unwrap();
    let before = store.counts().await.unwrap();
    let full = store.mark_backfill(schema::ReleaseId(i64::MAX), None, 10, NOW).await.unwrap_err();
    assert!(matches!(full, StoreError::DiskFull { .. }), "{full:?}");
    assert_eq!(store.counts().await.unwrap(), before, "the marks before it are gone with it");
    database.execute("DROP TRIGGER full_disk ON due").unwrap();
    store.mark_backfill(schema::ReleaseId(i64::MAX), None, 10, NOW).await.unwrap();

    database
        .execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
        .unwrap();
    let standby = PostgresStore::open(&database.url()).await.unwrap();
    assert_eq!(standby.totals().await.unwrap()[1], 2);
    let refused = standby.mark(&ids, Step::Match, Priority::FRESH, NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
}
