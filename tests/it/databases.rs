//! Where tests find their databases: a server named by `PROVENANCE_TEST_POSTGRES_URL`, the usual one on this machine, or one of
//! our own. Without any, what needs one is skipped with a line, and fails in CI.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use store_postgres::scratch::{Database, Server};

use crate::harness::skip;

/// A fresh database on the PostgreSQL server; it is dropped with this. `None`: there is no server.
pub(crate) fn postgres() -> Option<Database> {
    let server = server()?;
    Some(waiting(async || server.database().await.unwrap()))
}

/// The same without any tables.
pub(crate) fn bare_postgres() -> Option<Database> {
    let server = server()?;
    Some(waiting(async || server.bare_database().await.unwrap()))
}

/// The server all tests of this process share; the last one to end takes its template with it.
fn server() -> Option<Arc<Server>> {
    static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut held = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = held.upgrade() {
        return Some(server);
    }
    let named = variable("PROVENANCE_TEST_POSTGRES_URL").map(|url| url.into_string().unwrap());
    let found = waiting(async || Server::find(named.as_deref(), &programs()).await.unwrap());
    match &found {
        Some(server) => *held = Arc::downgrade(server),
        None => {
            let why = "no PostgreSQL: name one with PROVENANCE_TEST_POSTGRES_URL, or install it";
            assert!(variable("CI").is_none_or(|value| value != "true"), "{why}");
            skip(why);
        }
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
