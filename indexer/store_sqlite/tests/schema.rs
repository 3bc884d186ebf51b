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
             AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
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

/// A release with the row `none-known`, one with the row `affected`.
const TWO_ROWS: &str = r#"
    INSERT INTO krate (id, canonical, name) VALUES (1, 'a', 'a');
    INSERT INTO release (id, krate_id, num, num_no_build, generation, checksum, first_seen_at, yanked, line)
        VALUES (1, 1, '1.0.0', '1.0.0', 1, x'ab', 1, 0, '{}'), (2, 1, '2.0.0', '2.0.0', 1, x'cd', 1, 0, '{}');
    INSERT INTO provenance (release_id, checksum_state, verdict, advisory_state, badge_label, badge_message, badge_tone, document,
            rules, checked_at, changed_at)
        VALUES (1, 'ok', 'verified', 'none-known', 'p', 'no advisories known; same text', 'good',
                '{"advisories":{"state":"none-known"},"badge":{"message":"no advisories known; same text","tone":"good"}}', 'r', 1, 1),
               (2, 'ok', 'verified', 'affected', 'p', 'known vulnerability', 'bad', '{"advisories":{"state":"affected"}}', 'r', 1, 1)"#;

#[tokio::test]
async fn the_view_does_not_say_that_nothing_is_known_while_a_release_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waiting.sqlite");
    SqliteStore::open(&path).await.unwrap().close().await;
    let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::raw_sql(TWO_ROWS).execute(&pool).await.unwrap();
    let said = async || -> Vec<(String, String, String, String)> {
        sqlx::query_as("SELECT advisory_state, badge_message, badge_tone, document FROM provenance_v1 ORDER BY num")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    let before = said().await;
    assert_eq!((&*before[0].0, &*before[0].2), ("none-known", "good"));
    for step in ["match", "publish"] {
        let mark = "INSERT INTO due (release_id, step, token, at, priority) SELECT id, ?, id, 0, 0 FROM release";
        sqlx::query(mark).bind(step).execute(&pool).await.unwrap();
        let waiting = said().await;
        let (state, message, tone, document) = &waiting[0];
        assert_eq!((&**state, &**message, &**tone), ("pending", "advisories not checked yet; same text", "neutral"));
        assert!(!document.contains("none-known") && !document.contains("no advisories known"), "{document}");
        assert_eq!(waiting[1], before[1], "what covers a release stands");
        sqlx::query("DELETE FROM due").execute(&pool).await.unwrap();
    }
    // Other work says nothing of advisories.
    sqlx::query("INSERT INTO due (release_id, step, token, at, priority) VALUES (1, 'download', 1, 0, 0)")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(said().await, before);
}
