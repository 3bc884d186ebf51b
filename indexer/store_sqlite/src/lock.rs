//! One writing process at a time: an exclusive lock on `FILE.lock`, freed by the system when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use store::StoreError;

/// Held while a process writes.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the lock of a database; when another process has it, calls `waiting` once and waits, as cargo does.
///
/// # Errors
/// When the lock's file cannot be made or locked.
pub fn lock(database: &Path, waiting: impl FnOnce()) -> Result<Lock, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let failed = |source: std::io::Error| StoreError::Open {
        address: format!("sqlite:{}", database.display()),
        reason: format!("its lock file cannot be taken: {source}"),
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            waiting();
            file.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(Lock { _file: file })
}
