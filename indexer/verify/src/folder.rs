//! The folder of repositories on disk: a lock for each, and a size it is held to. What stands in them is git's.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of repositories by name, each with a file `NAME.lock` beside it that outlives it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// Held as long as a repository is in use; the system frees it, however the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

/// What came of asking for a lock.
pub(crate) enum Taken {
    Ours(Lock),
    InUse,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for a repository and takes it.
    pub(crate) fn take(&self, name: &str) -> io::Result<Taken> {
        let file = self.lock_file(name)?;
        file.lock()?;
        used(file).map(Taken::Ours)
    }

    /// Takes a repository when nobody else has it.
    pub(crate) fn try_take(&self, name: &str) -> io::Result<Taken> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => used(file).map(Taken::Ours),
            Err(TryLockError::WouldBlock) => Ok(Taken::InUse),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes what was used longest ago, until no more than this many bytes are left. What somebody uses stays, however
    /// large it is. Returns how many repositories were removed.
    pub(crate) fn shrink_to(&self, max_bytes: u64) -> io::Result<usize> {
        let mut held = self.held()?;
        let mut size: u64 = held.iter().map(|repository| repository.size).sum();
        held.sort_by_key(|repository| repository.used_at);
        let mut n_removed = 0;
        for repository in held {
            if size <= max_bytes {
                break;
            }
            let file = self.lock_file(&repository.name)?;
            if file.try_lock().is_ok() {
                fs::remove_dir_all(self.0.join(&repository.name))?;
                size -= repository.size;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }

    fn held(&self) -> io::Result<Vec<Held>> {
        let mut held = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let lock = self.0.join(format!("{name}.lock"));
            // Only what has its lock beside it is ours to remove.
            let Ok(lock) = fs::metadata(lock) else { continue };
            if entry.file_type()?.is_dir() {
                held.push(Held { size: size_of(&entry.path())?, used_at: lock.modified()?, name });
            }
        }
        Ok(held)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        fs::create_dir_all(&self.0)?;
        File::options().create(true).truncate(false).write(true).open(self.0.join(format!("{name}.lock")))
    }
}

/// A repository on disk.
struct Held {
    name: String,
    size: u64,
    used_at: SystemTime,
}

/// Writing to it is what keeps the time of the last use.
fn used(mut file: File) -> io::Result<Lock> {
    file.write_all(b"in use")?;
    Ok(Lock(file))
}

/// Bytes of all files below. Files that go away meanwhile, as packs in the making do, count nothing.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        size += match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()).unwrap_or(0),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(folder: &Folder, name: &str, n_bytes: usize) {
        assert!(matches!(folder.try_take(name).unwrap(), Taken::Ours(_)));
        let place = folder.path().join(name).join("objects");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("pack"), vec![0; n_bytes]).unwrap();
    }

    fn names(folder: &Folder) -> Vec<String> {
        let mut names: Vec<_> = folder.held().unwrap().into_iter().map(|held| held.name).collect();
        names.sort();
        names
    }

    /// Times of files are as coarse as the disk has them; the order of use is set by hand.
    fn used_at(folder: &Folder, name: &str, seconds: u64) {
        let file = folder.lock_file(name).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("repositories"));
        for (name, seconds) in [("a", 30), ("b", 10), ("c", 20)] {
            filled(&folder, name, 1000);
            used_at(&folder, name, seconds);
        }
        assert_eq!(folder.shrink_to(3000).unwrap(), 0);
        assert_eq!(folder.shrink_to(2000).unwrap(), 1);
        assert_eq!(names(&folder), ["a", "c"]);
        let in_use = folder.take("c").unwrap();
        used_at(&folder, "c", 20);
        assert_eq!(folder.shrink_to(0).unwrap(), 1);
        assert_eq!(names(&folder), ["c"]);
        drop(in_use);
        assert_eq!(folder.shrink_to(0).unwrap(), 1);
        assert!(matches!(folder.try_take("c").unwrap(), Taken::Ours(_)));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned());
        fs::create_dir(place.path().join("somebody's")).unwrap();
        fs::write(place.path().join("somebody's/file"), vec![0; 1000]).unwrap();
        assert_eq!(folder.shrink_to(0).unwrap(), 0);
        assert!(place.path().join("somebody's/file").exists());
    }

    #[test]
    fn a_repository_in_use_is_not_taken_twice() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned());
        let held = folder.take("a").unwrap();
        assert!(matches!(folder.try_take("a").unwrap(), Taken::InUse));
        drop(held);
        assert!(matches!(folder.try_take("a").unwrap(), Taken::Ours(_)));
    }
}
