//! Where tests find their databases: a server named by `PROVENANCE_TEST_POSTGRES_URL`, one of our own, or the usual one on this
//! machine. Without any, what needs one is skipped with a line, and fails in CI.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::Store;
use store_postgres::PostgresStore;
use store_postgres::scratch::{Database, Server};
use store_sqlite::SqliteStore;

use crate::harness::skip;

/// The database that stories run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Which one it is in this run: `PROVENANCE_TEST_DATABASE` says `sqlite` (or nothing) or `postgres`.
pub(crate) fn kind() -> Kind {
    match variable("PROVENANCE_TEST_DATABASE").map(|name| name.into_string().unwrap()).as_deref() {
        None | Some("sqlite") => Kind::Sqlite,
        Some("postgres") => Kind::Postgres,
        Some(other) => panic!("PROVENANCE_TEST_DATABASE is sqlite or postgres, not {other:?}"),
    }
}

/// Says that a test is about SQLite's file where another database is asked for.
pub(crate) fn is_without_file() -> bool {
    let without = kind() == Kind::Postgres;
    if without {
        skip("it is about SQLite's file");
    }
    without
}

/// An open store of the kind this run is about, with the database it is in.
pub(crate) struct Memory {
    store: Arc<dyn Store>,
    closing: Closing,
    _database: Option<Arc<Database>>,
}

enum Closing {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Memory {
    /// A fresh one; where it is a file, in this folder.
    pub(crate) async fn fresh(folder: &Path) -> Self {
        match kind() {
            Kind::Sqlite => Self::in_file(&folder.join("memory.sqlite")).await,
            Kind::Postgres => {
                let database = demanded_postgres();
                Self { _database: Some(Arc::clone(&database)), ..Self::on_server(&database).await }
            }
        }
    }

    pub(crate) async fn in_file(path: &Path) -> Self {
        let store = SqliteStore::open(path).await.unwrap();
        Self { store: Arc::new(store.clone()), closing: Closing::Sqlite(store), _database: None }
    }

    pub(crate) async fn on_server(database: &Database) -> Self {
        let store = PostgresStore::open(&database.url()).await.unwrap();
        Self { store: Arc::new(store.clone()), closing: Closing::Postgres(store), _database: None }
    }

    pub(crate) async fn close(&self) {
        match &self.closing {
            Closing::Sqlite(store) => store.close().await,
            Closing::Postgres(store) => store.close().await,
        }
    }
}

impl Deref for Memory {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

/// A fresh database on the PostgreSQL server; it is dropped with this. `None`: there is no server.
pub(crate) fn postgres() -> Option<Database> {
    let server = server()?;
    Some(waiting(async || server.database().await.unwrap()))
}

/// A server that a test has to itself, with a database on it. `None`: its programs are not on this machine.
pub(crate) fn own_postgres() -> Option<(Arc<Server>, Database)> {
    let found = waiting(async || Server::own(&programs()).await.unwrap());
    let Some(server) = found else {
        let why = "no initdb and postgres to start a server with: install PostgreSQL";
        assert!(variable("CI").is_none_or(|value| value != "true"), "{why}");
        skip(why);
        return None;
    };
    let database = waiting(async || server.database().await.unwrap());
    Some((server, database))
}

/// As [`postgres`] for a run that is about PostgreSQL: without a server it fails.
pub(crate) fn demanded_postgres() -> Arc<Database> {
    Arc::new(postgres().expect("PROVENANCE_TEST_DATABASE asks for PostgreSQL, and there is none"))
}

fn server() -> Option<Arc<Server>> {
    let named = variable("PROVENANCE_TEST_POSTGRES_URL").map(|url| url.into_string().unwrap());
    let found = waiting(async || Server::shared(named.as_deref(), &programs()).await.unwrap());
    if found.is_none() {
        let why = "no PostgreSQL: name one with PROVENANCE_TEST_POSTGRES_URL, or install it";
        assert!(variable("CI").is_none_or(|value| value != "true"), "{why}");
        skip(why);
    }
    found
}

/// Folders that may hold `initdb` and `postgres`.
fn programs() -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::env::split_paths(&variable("PATH").unwrap_or_default()).collect();
    let debian = std::fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    folders.extend(debian.map(|version| version.path().join("bin")));
    // Wrappers that change the user are of no use to us.
    folders.sort_by_key(|folder| !folder.starts_with("/usr/lib/postgresql"));
    folders
}

/// Waits on a thread of its own, so that it does not matter where it is called.
fn waiting<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        });
        thread.join().unwrap()
    })
}

pub(crate) fn variable(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "how tests are run is told by the environment")]
    let value = std::env::var_os(name);
    value.filter(|value| !value.is_empty())
}
