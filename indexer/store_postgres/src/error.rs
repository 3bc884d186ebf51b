//! From PostgreSQL's codes to the errors a caller can act on.

use sqlx::Error;
use store::StoreError;

use crate::PostgresStore;

/// `result.failing_on(store, "do what")`: names what was tried.
pub(crate) trait Failing<T> {
    fn failing_on(self, store: &PostgresStore, action: &'static str) -> Result<T, StoreError>;
}

impl<T> Failing<T> for Result<T, Error> {
    fn failing_on(self, store: &PostgresStore, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| mapped(&store.address(), action, source))
    }
}

pub(crate) fn mapped(address: &str, action: &'static str, source: Error) -> StoreError {
    named(address, &source).unwrap_or_else(|| StoreError::Query { action, source: Box::new(source) })
}

pub(crate) fn opening(address: &str, source: &Error) -> StoreError {
    named(address, source)
        .unwrap_or_else(|| StoreError::Open { address: address.to_owned(), reason: source.to_string() })
}

fn named(address: &str, source: &Error) -> Option<StoreError> {
    let address = address.to_owned();
    match source {
        Error::Database(database) => by_code(address, &database.code()?, database.message()),
        Error::Io(io) => Some(StoreError::Away { address, reason: io.to_string() }),
        Error::PoolClosed | Error::WorkerCrashed => {
            Some(StoreError::Away { address, reason: "the connection is closed".to_owned() })
        }
        Error::PoolTimedOut => {
            Some(StoreError::Busy { address, reason: "no connection became free in time".to_owned() })
        }
        _ => None,
    }
}

/// SQLSTATE: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn by_code(address: String, code: &str, message: &str) -> Option<StoreError> {
    let reason = message.to_owned();
    match code {
        // disk_full
        "53100" => Some(StoreError::DiskFull { address }),
        // too_many_connections, out_of_memory, lock_not_available, query_canceled, deadlock_detected, serialization_failure
        "53300" | "53200" | "55P03" | "57014" | "40P01" | "40001" => Some(StoreError::Busy { address, reason }),
        // invalid_catalog_name
        "3D000" => Some(StoreError::Open { address, reason: format!("{reason}; make it with `createdb`") }),
        // read_only_sql_transaction
        "25006" => Some(StoreError::ReadOnly { address, reason }),
        // insufficient_privilege
        "42501" => Some(StoreError::Denied { address, reason }),
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => Some(StoreError::Corrupt { address, reason }),
        // Invalid authorization.
        _ if code.starts_with("28") => Some(StoreError::Denied { address, reason }),
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout and their kin; connection exceptions;
        // idle_in_transaction_session_timeout.
        _ if code.starts_with("57P") || code.starts_with("08") || code == "25P03" => {
            Some(StoreError::Away { address, reason })
        }
        _ => None,
    }
}
