//! The tables for people to read are the tables the migrations make, and every column says what it is.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqlitePool;
use store_sqlite::SqliteStore;

fn schema(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(path)
}

/// Every table, view and index of a fresh database, as SQLite keeps their texts, comments included.
async fn end_state() -> Result<String, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("fresh.sqlite");
    SqliteStore::open(&path).await?.close().await;
    let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await?;
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name NOT LIKE '\\_sqlx%' ESCAPE '\\'
         ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 ELSE 3 END, name",
    )
    .fetch_all(&pool)
    .await?;
    let head =
        "-- The end state of the migrations, for people; a test keeps it true. Why a table is there: migrations/.\n";
    Ok(format!("{head}\n{};\n", texts.join(";\n\n")))
}

#[tokio::test]
async fn the_end_state_for_people_is_current() {
    let path = schema("provenance.sql");
    let made = end_state().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, made, "run UPDATE_CONTRACT=1 cargo test -p provenance-store-sqlite and read the difference");
}

#[test]
fn every_table_and_every_column_says_what_it_is() {
    for file in std::fs::read_dir(schema("migrations/sqlite")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("CREATE TABLE")) {
            assert!(at > 0 && lines[at - 1].starts_with("--"), "no comment above {line}");
        }
        let is_column = |line: &&&str| [" INTEGER", " TEXT", " BLOB"].iter().any(|kind| line.contains(kind));
        for line in lines.iter().filter(|line| line.starts_with("    ")).filter(is_column) {
            assert!(line.contains("-- "), "no comment in {line}");
        }
    }
}
