//! Migrations keep what is stored, run once however many start together, and refuse what is newer.

use std::collections::BTreeMap;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::StoreError;

use super::{opened, server};
use crate::PostgresStore;
use crate::migrating::MIGRATIONS;

/// Rows for the tables of the first migrations, put in as soon as the table is there.
const ROWS: [(i64, &str); 4] = [
    (
        1,
        r#"INSERT INTO source (address, download) VALUES ('a', 'b');
           INSERT INTO krate (canonical, name, revision) VALUES ('a_b', 'A-b', 3);
           INSERT INTO reading (source_id, krate_id, etag, read_at) VALUES (1, 1, '"e"', 5);
           INSERT INTO release (krate_id, num, num_no_build, semver_ord, generation, checksum, first_seen_at, yanked, line)
               VALUES (1, '1.0.0+b', '1.0.0', '\x01', 1, '\xab', 7, true, '{"x":"\u0000"}');
           INSERT INTO dependency (release_id, from_seq, ordinal, canonical, name, req, kind, optional, default_features, features)
               VALUES (1, 0, 0, 'c', 'c', '^1', 'normal', false, true, '[]');
           UPDATE sequence SET last = 9;
           INSERT INTO change (seq, source_id, release_id, kind, fields, at, observed_at) VALUES (8, 1, 1, 'added', '[]', 1, 2);
           INSERT INTO quarantine (origin, path, path_digest, line, raw, reason, first_seen_at)
               VALUES ('index', 'a/b', '\x00', 1, 'raw', 'why', 4);
           INSERT INTO due (release_id, step, token, at, priority) VALUES (1, 'match', 4, 5, 10);
           INSERT INTO archive (release_id, state, at) VALUES (1, 'ok', 6);
           INSERT INTO inspection (release_id, checksum, compressed_size, unpacked_size, n_files, findings, at)
               VALUES (1, '\xab', 1, 2, 3, '{}', 4);
           INSERT INTO entry_document (checksum, document) VALUES ('\xab', '\x0102');
           INSERT INTO advisory_db (db_commit, at, source, loaded_at) VALUES ('c', 1, 's', 2);
           INSERT INTO advisory_revision (advisory, from_db_seq, path, text, facts) VALUES ('R', 1, 'p', 't', '{}');
           INSERT INTO advisory_alias (alias, advisory) VALUES ('CVE', 'R');
           INSERT INTO advisory_match (release_id, advisory, from_db_seq, flags) VALUES (1, 'R', 1, '[]');
           INSERT INTO provenance VALUES (1, 'ok', 'verified', 'affected', NULL, NULL, 'l', 'm', 'good', '{}', 'r', 1, 2);
           INSERT INTO event (seq, at, kind, release_id, payload) VALUES (9, 1, 'k', 1, '{}')"#,
    ),
    (
        2,
        r"INSERT INTO source_check (release_id, at, cause, verdict, rules, summary, document)
              VALUES (1, 1, 'first', 'verified', 'r', '{}', '{}');
          INSERT INTO ref_observation (repository, name, commit_id, first_seen_at, last_seen_at, digest)
              VALUES ('r', 'refs/heads/main', 'c', 1, 2, '\x03')",
    ),
    (6, "INSERT INTO judging (rule, version, release_id) VALUES ('verify', 'v', 1)"),
    (
        7,
        "INSERT INTO token (name, digest, scopes, crates, created_at) VALUES ('n', '\\xab', '[]', '[]', 1);
           INSERT INTO review (release_id, finding, state, reason, token_id, at) VALUES (1, 'f', 'open', 'r', 1, 2);
           INSERT INTO audit (at, actor, action, subject, reason, outcome, detail) VALUES (1, 'a', 'b', 'c', 'd', 'done', '{}');
           INSERT INTO webhook (url, secret, types, crates, private, created_at, cursor, next_at)
               VALUES ('u', 's', '[]', '[]', true, 1, 2, 3)",
    ),
];

/// Every table's rows, as text, in the columns it has now.
async fn contents(connection: &mut PgConnection) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let tables: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'
         GROUP BY table_name",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let mut all = BTreeMap::new();
    for (table, columns) in tables {
        let rows = rows(connection, &table, &columns).await;
        all.insert(table, (columns, rows));
    }
    all
}

async fn rows(connection: &mut PgConnection, table: &str, columns: &[String]) -> Vec<String> {
    let columns = columns.join(", ");
    let statement = format!("SELECT row({columns})::text FROM {table} ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&mut *connection).await.unwrap()
}

#[tokio::test]
async fn every_migration_keeps_the_rows_that_were_there_before_it() {
    let Some(server) = server().await else { return };
    let database = server.bare_database().await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let all: Vec<_> = MIGRATIONS.iter().cloned().collect();
    let mut n_rows = 0;
    for n in 1..=all.len() {
        let before = contents(&mut connection).await;
        Migrator::with_migrations(all[..n].to_vec()).run(&mut connection).await.unwrap();
        for (table, (columns, held)) in before {
            n_rows += held.len();
            assert_eq!(rows(&mut connection, &table, &columns).await, held, "{table} after {}", all[n - 1].description);
        }
        for (_, statements) in ROWS.iter().filter(|(version, _)| *version == all[n - 1].version) {
            connection.execute(*statements).await.unwrap();
        }
    }
    assert!(n_rows > 50, "only {n_rows} rows were looked at");
    let store = PostgresStore::open_existing(&database.url()).await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_together_migrate_once() {
    let Some(server) = server().await else { return };
    let database = server.bare_database().await.unwrap();
    assert_eq!(PostgresStore::missing_migrations(&database.url()).await.unwrap().len(), MIGRATIONS.iter().count());
    let older = PostgresStore::open_existing(&database.url()).await.unwrap_err();
    assert!(older.to_string().contains("provenance migrate"), "{older}");
    let opening = (0..6).map(|_| {
        let url = database.url();
        tokio::spawn(async move { PostgresStore::open(&url).await })
    });
    for outcome in futures::future::join_all(opening).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(PostgresStore::missing_migrations(&database.url()).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let Some(server) = server().await else { return };
    let (database, store) = opened(&server).await;
    store.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99990001, 'from the future', true, '', 0)";
    database.execute(newer).unwrap();
    for refused in [PostgresStore::open(&database.url()).await, PostgresStore::open_existing(&database.url()).await] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 99_990_001, .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn an_index_that_was_not_finished_is_made_again() {
    let Some(server) = server().await else { return };
    let database = server.bare_database().await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    // As if two migrations that build an index concurrently had been cut short: one index is there and invalid, the other one was
    // finished by the server when nobody was there any more to note it.
    connection.ensure_migrations_table("_sqlx_migrations").await.unwrap();
    connection
        .execute("CREATE TABLE left_over (checksum BYTEA); INSERT INTO left_over VALUES ('a'), ('a')")
        .await
        .unwrap();
    assert!(
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY release_published ON left_over (checksum)").await.is_err()
    );
    connection.execute("CREATE INDEX CONCURRENTLY change_at ON left_over (checksum)").await.unwrap();
    for name in ["release_published", "change_at"] {
        let again = format!("CREATE INDEX {name} ON left_over (checksum)");
        assert!(connection.execute(AssertSqlSafe(again)).await.is_err(), "{name} is in the way");
    }
    PostgresStore::open(&database.url()).await.unwrap();
    let on: Vec<String> = sqlx::query_scalar(
        "SELECT indrelid::regclass::text FROM pg_index
         WHERE indisvalid AND indexrelid IN ('release_published'::regclass, 'change_at'::regclass) ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(on, ["change", "release"]);
}
