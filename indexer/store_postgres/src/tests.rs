//! What PostgreSQL alone can show: many writers at once, processes that die, roles, and the server's own errors. What both
//! databases must do stands in `tests/it/conformance.rs`.

mod errors;
mod migrations;
mod processes;
mod roles;
mod schema;
mod sequence;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::schema::{KrateName, ReleaseId, Timestamp};
use store::{Index as _, KrateWrite, LineWrite, SourceState};

use crate::PostgresStore;
use crate::scratch::{Database, Server};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LATER: Timestamp = Timestamp::from_seconds(1_800_000_900);

/// A server for one test; `None`: there is none on this machine, which is said.
async fn server() -> Option<Arc<Server>> {
    #[expect(clippy::disallowed_methods, reason = "how tests are run is told by the environment")]
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = variable("PROVENANCE_TEST_POSTGRES_URL").map(|url| url.into_string().unwrap());
    let debian = std::fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&variable("PATH").unwrap_or_default()));
    let found = Server::shared(named.as_deref(), &folders).await.unwrap();
    if found.is_none() {
        assert!(variable("CI").is_none_or(|value| value != "true"), "no PostgreSQL");
        skip("no PostgreSQL");
    }
    found
}

fn skip(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}

/// A fresh database and a store in it.
async fn opened(server: &Arc<Server>) -> (Database, PostgresStore) {
    let database = server.database().await.unwrap();
    let store = PostgresStore::open(&database.url()).await.unwrap();
    (database, store)
}

fn insert(name: &str, num: &str) -> LineWrite {
    let cksum = "ab".repeat(32);
    let raw =
        format!(r#"{{"name":"{name}","vers":"{num}","deps":[],"cksum":"{cksum}","features":{{}},"yanked":false}}"#);
    let line = Box::new(::schema::IndexLine::parse(&raw).unwrap());
    LineWrite::Insert { generation: ::schema::Generation::FIRST, line, raw, changes: Vec::new() }
}

fn write(name: &str, revision: i64, lines: Vec<LineWrite>) -> KrateWrite {
    KrateWrite::new(KrateName::parse(name).unwrap(), revision, lines)
}

/// One source and a crate with so many releases, all due for matching.
async fn releases(store: &PostgresStore, n: usize) -> (i64, Vec<ReleaseId>) {
    let state = SourceState { address: "test".to_owned(), ..SourceState::default() };
    let source = store.note_source(&state).await.unwrap();
    let lines = (0..n).map(|n| insert("alpha", &format!("1.0.{n}"))).collect();
    store.apply(source, &[write("alpha", 0, lines)], NOW).await.unwrap();
    let held = store.releases(&KrateName::parse("alpha").unwrap().canonical()).await.unwrap().unwrap();
    (source, held.into_iter().map(|release| release.id).collect())
}
