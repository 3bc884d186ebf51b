//! From SQLite's codes to the errors a caller can act on.

use std::path::Path;

use store::StoreError;

use crate::SqliteStore;

/// `result.failing_on(store, "do what")`: names what was tried.
pub(crate) trait Failing<T> {
    fn failing_on(self, store: &SqliteStore, action: &'static str) -> Result<T, StoreError>;
}

impl<T> Failing<T> for Result<T, sqlx::Error> {
    fn failing_on(self, store: &SqliteStore, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| mapped(store, action, source))
    }
}

/// SQLite's primary result codes (the low byte of the extended ones): <https://sqlite.org/rescode.html>.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;
/// Extended codes of `SQLITE_IOERR` that a full disk gives, too: when the log cannot grow, and when its index cannot.
const SQLITE_IOERR_WRITE: u32 = 0x30a;
const SQLITE_IOERR_SHMSIZE: u32 = 0x130a;

pub(crate) fn mapped(store: &SqliteStore, action: &'static str, source: sqlx::Error) -> StoreError {
    named(&store.address(), &source).unwrap_or_else(|| StoreError::Query { action, source: Box::new(source) })
}

pub(crate) fn opening(path: &Path, source: &sqlx::Error) -> StoreError {
    let address = format!("sqlite:{}", path.display());
    named(&address, source).unwrap_or_else(|| StoreError::Open { address, reason: source.to_string() })
}

fn named(address: &str, source: &sqlx::Error) -> Option<StoreError> {
    let database = source.as_database_error()?;
    let code: u32 = database.code()?.parse().ok()?;
    let address = address.to_owned();
    match code & 0xff {
        SQLITE_CORRUPT | SQLITE_NOTADB => Some(StoreError::Corrupt { address, reason: database.message().to_owned() }),
        SQLITE_FULL => Some(StoreError::DiskFull { address }),
        _ if matches!(code, SQLITE_IOERR_WRITE | SQLITE_IOERR_SHMSIZE) => Some(StoreError::DiskFull { address }),
        _ => None,
    }
}
