//! A worker writes rows and makes no tables; a reader sees the contract and nothing else.

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgListener};
use store::{Index as _, StoreError, Work as _};

use super::{LATER, NOW, opened, releases, server};
use crate::PostgresStore;

async fn tried(connection: &mut PgConnection, statement: &'static str) -> Result<(), String> {
    let outcome = sqlx::query(statement).execute(connection).await;
    outcome.map(|_| ()).map_err(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_can_do_its_work_and_no_more() {
    let Some(server) = server().await else { return };
    let (database, owner) = opened(&server).await;
    let (source, _) = releases(&owner, 3).await;
    // Roles belong to the whole server: their names are this database's.
    let tag = database.url().split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let (worker, reader) = (format!("{tag}_worker"), format!("{tag}_reader"));
    for role in [&worker, &reader] {
        database.execute(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    }
    owner.grant_worker(&worker).await.unwrap();
    owner.grant_reader(&reader).await.unwrap();

    let store = PostgresStore::open(&database.url_as(&worker)).await.unwrap();
    assert_eq!(store.totals().await.unwrap(), [1, 3, 3, 0]);
    assert_eq!(store.deliver(schema::Step::Match, NOW, LATER, 10).await.unwrap().len(), 3);
    store.apply(source, &[super::write("beta", 0, vec![super::insert("beta", "0.1.0")])], NOW).await.unwrap();
    let mut connection = PgConnection::connect(&database.url_as(&worker)).await.unwrap();
    for statement in [
        "CREATE TABLE mine (a INT)",
        "DROP TABLE release",
        "ALTER TABLE release ADD a INT",
        "DELETE FROM _sqlx_migrations",
    ] {
        assert_eq!(tried(&mut connection, statement).await, Err("42501".to_owned()), "{statement}");
    }
    let denied = store.grant_reader(&reader).await.unwrap_err();
    assert!(matches!(denied, StoreError::Denied { .. }), "{denied:?}");

    let mut connection = PgConnection::connect(&database.url_as(&reader)).await.unwrap();
    assert_eq!(tried(&mut connection, "SELECT name, verdict FROM provenance_v1").await, Ok(()));
    for statement in [
        "SELECT * FROM release",
        "SELECT * FROM provenance",
        "SELECT * FROM event",
        "CREATE TABLE mine (a INT)",
        "SELECT nextval('due_token')",
    ] {
        assert_eq!(tried(&mut connection, statement).await, Err("42501".to_owned()), "{statement}");
    }
    // A view over joined tables takes no rows from anybody, whatever was granted.
    assert_eq!(tried(&mut connection, "DELETE FROM provenance_v1").await, Err("55000".to_owned()));
    let mut listener = PgListener::connect(&database.url_as(&reader)).await.unwrap();
    listener.listen("provenance_changed").await.unwrap();

    store.close().await;
    drop((connection, listener));
    for role in [&worker, &reader] {
        database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    }
}
