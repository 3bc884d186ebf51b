//! Opening the bare repository that things are fetched into, also after a crash.

use std::path::Path;
use std::{fs, io};

use git2::Repository;

use crate::{GitError, register};

/// Opens the bare repository at `path`, or makes one.
///
/// Lock files in it are removed: the caller is its only user, so they are left over from a process that was killed.
///
/// # Errors
/// When there is something else, or the disk does not allow it.
pub fn open_or_init_bare(path: &Path) -> Result<Repository, GitError> {
    register::ensure()?;
    if !path.join("HEAD").exists() {
        return Repository::init_bare(path).map_err(|error| unusable(path, error));
    }
    // Locks stand beside the files of the repository itself and beside the refs; objects have none.
    remove_locks(path).map_err(|error| unusable(path, error))?;
    let refs = path.join("refs");
    if refs.is_dir() {
        remove_locks_below(&refs).map_err(|error| unusable(path, error))?;
    }
    Repository::open_bare(path).map_err(|error| unusable(path, error))
}

fn remove_locks_below(folder: &Path) -> io::Result<()> {
    remove_locks(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_locks_below(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_locks(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_file() && path.extension().is_some_and(|extension| extension == "lock") {
            tracing::info!(path = %path.display(), "stale lock is removed");
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

pub(crate) fn unusable(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> GitError {
    GitError::Repository { path: path.to_owned(), source: error.into() }
}
