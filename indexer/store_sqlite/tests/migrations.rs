//! Every migration keeps the rows that were there before it.

use std::collections::BTreeMap;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Executor as _};

static MIGRATIONS: Migrator = sqlx::migrate!("../../schema/migrations/sqlite");

/// Rows for the tables of the first migrations, put in as soon as the table is there.
const ROWS: [(i64, &str); 4] = [
    (
        1,
        r#"INSERT INTO source (address, download) VALUES ('a', 'b');
           INSERT INTO krate (canonical, name, revision) VALUES ('a_b', 'A-b', 3);
           INSERT INTO reading (source_id, krate_id, etag, read_at) VALUES (1, 1, '"e"', 5);
           INSERT INTO release (krate_id, num, num_no_build, semver_ord, generation, checksum, first_seen_at, yanked, line)
               VALUES (1, '1.0.0+b', '1.0.0', x'01', 1, x'ab', 7, 1, '{}');
           INSERT INTO dependency (release_id, from_seq, ordinal, canonical, name, req, kind, optional, default_features, features)
               VALUES (1, 0, 0, 'c', 'c', '^1', 'normal', 0, 1, '[]');
           UPDATE sequence SET last = 9;
           INSERT INTO change (seq, source_id, release_id, kind, fields, at, observed_at) VALUES (8, 1, 1, 'added', '[]', 1, 2);
           INSERT INTO quarantine (origin, path, line, raw, reason, first_seen_at) VALUES ('index', 'a/b', 1, 'raw', 'why', 4);
           INSERT INTO due (release_id, step, token, at, priority) VALUES (1, 'match', 4, 5, 10);
           INSERT INTO archive (release_id, state, at) VALUES (1, 'ok', 6);
           INSERT INTO inspection (release_id, checksum, compressed_size, unpacked_size, n_files, findings, at)
               VALUES (1, x'ab', 1, 2, 3, '{}', 4);
           INSERT INTO entry_document (checksum, document) VALUES (x'ab', x'0102');
           INSERT INTO advisory_db (db_commit, at, source, loaded_at) VALUES ('c', 1, 's', 2);
           INSERT INTO advisory_revision (advisory, from_db_seq, path, text, facts) VALUES ('R', 1, 'p', 't', '{}');
           INSERT INTO advisory_alias (alias, advisory) VALUES ('CVE', 'R');
           INSERT INTO advisory_match (release_id, advisory, from_db_seq, flags) VALUES (1, 'R', 1, '[]');
           INSERT INTO provenance VALUES (1, 'ok', 'verified', 'affected', NULL, NULL, 'l', 'm', 'good', '{}', 'r', 1, 2);
           INSERT INTO event (seq, at, kind, release_id, payload) VALUES (9, 1, 'k', 1, '{}')"#,
    ),
    (
        2,
        "INSERT INTO source_check (release_id, at, cause, verdict, rules, summary, document)
             VALUES (1, 1, 'first', 'verified', 'r', '{}', '{}');
         INSERT INTO ref_observation (repository, name, commit_id, first_seen_at, last_seen_at)
             VALUES ('r', 'refs/heads/main', 'c', 1, 2)",
    ),
    (6, "INSERT INTO judging (rule, version, release_id) VALUES ('verify', 'v', 1)"),
    (
        7,
        "INSERT INTO token (name, digest, scopes, crates, created_at) VALUES ('n', x'ab', '[]', '[]', 1);
           INSERT INTO review (release_id, finding, state, reason, token_id, at) VALUES (1, 'f', 'open', 'r', 1, 2);
           INSERT INTO audit (at, actor, action, subject, reason, outcome, detail) VALUES (1, 'a', 'b', 'c', 'd', 'done', '{}');
           INSERT INTO webhook (url, secret, types, crates, private, created_at, cursor, next_at)
               VALUES ('u', 's', '[]', '[]', 1, 1, 2, 3)",
    ),
];

/// Every table with its columns and its rows, as SQL literals.
async fn contents(pool: &SqlitePool) -> sqlx::Result<BTreeMap<String, (Vec<String>, Vec<String>)>> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations'")
            .fetch_all(pool)
            .await?;
    let mut all = BTreeMap::new();
    for table in tables {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(&table).fetch_all(pool).await?;
        let rows = rows(pool, &table, &columns).await?;
        all.insert(table, (columns, rows));
    }
    Ok(all)
}

async fn rows(pool: &SqlitePool, table: &str, columns: &[String]) -> sqlx::Result<Vec<String>> {
    let columns = columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(" || ',' || ");
    let statement = format!("SELECT {columns} AS row FROM {table} ORDER BY row");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(pool).await
}

#[tokio::test]
async fn every_migration_keeps_the_rows_that_were_there_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("old.sqlite").display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    let all: Vec<_> = MIGRATIONS.iter().cloned().collect();
    let mut n_rows = 0;
    for n in 1..=all.len() {
        let before = contents(&pool).await.unwrap();
        Migrator::with_migrations(all[..n].to_vec()).run(&pool).await.unwrap();
        for (table, (columns, held)) in before {
            n_rows += held.len();
            assert_eq!(rows(&pool, &table, &columns).await.unwrap(), held, "{table} after {}", all[n - 1].description);
        }
        for (_, statements) in ROWS.iter().filter(|(version, _)| *version == all[n - 1].version) {
            pool.execute(*statements).await.unwrap();
        }
    }
    assert!(n_rows > 50, "only {n_rows} rows were looked at");
}

#[tokio::test]
async fn the_number_of_a_subscription_that_was_removed_before_is_known_from_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("old.sqlite").display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    let before: Vec<_> = MIGRATIONS.iter().filter(|migration| migration.version < 16).cloned().collect();
    Migrator::with_migrations(before).run(&pool).await.unwrap();
    let added = r#"INSERT INTO audit (at, actor, action, subject, reason, outcome, detail)
        VALUES (1, 'a', 'webhook add', 'u', '', 'done', '{"id":7,"after":0}'), (2, 'a', 'webhook add', 'u', '', 'begun', '')"#;
    pool.execute(added).await.unwrap();
    MIGRATIONS.run(&pool).await.unwrap();
    let next = "INSERT INTO webhook (url, secret, types, crates, private, created_at, cursor, next_at)
        VALUES ('u', 's', '[]', '[]', 1, 1, 2, 3) RETURNING id";
    let id: i64 = sqlx::query_scalar(next).fetch_one(&pool).await.unwrap();
    assert_eq!(id, 8);
}
