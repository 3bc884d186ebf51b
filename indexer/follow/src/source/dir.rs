//! An index as a folder in the plain layout: a mirror, a test world, an air-gapped copy. No git.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use schema::KrateName;

use super::{Fetched, Validators, index_text};
use crate::{FollowError, IndexConfig};

/// The plain layout on this machine.
#[derive(Clone, Debug)]
pub struct DirIndex {
    root: PathBuf,
    max_bytes: u64,
}

impl DirIndex {
    /// An index below this folder; no file larger than `max_bytes` is read.
    #[must_use]
    pub fn new(root: PathBuf, max_bytes: u64) -> Self {
        Self { root, max_bytes }
    }

    /// Its `config.json`, if it has one.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such file.
    pub async fn config(&self) -> Result<Option<IndexConfig>, FollowError> {
        let path = self.root.join(IndexConfig::FILE);
        let Some(bytes) = self.read(&path).await? else { return Ok(None) };
        IndexConfig::parse(&bytes, &path.display().to_string()).map(Some)
    }

    /// The file of one crate. Validators mean nothing here: reading is cheaper than asking.
    ///
    /// # Errors
    /// When the file cannot be read, or is no index file.
    pub async fn fetch(&self, name: &KrateName, _validators: Option<&Validators>) -> Result<Fetched, FollowError> {
        let path = self.root.join(name.index_path());
        let Some(bytes) = self.read(&path).await? else { return Ok(Fetched::Missing { status: None }) };
        let text = index_text(bytes, &path.display().to_string())?;
        Ok(Fetched::File { text, validators: Validators::default() })
    }

    /// Every crate the folder has a file for, by the file's spelling, in the order of their paths.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub async fn krates(&self) -> Result<Vec<KrateName>, FollowError> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            let unreadable = |source| FollowError::Unreadable { path: folder.clone(), source };
            let mut entries = tokio::fs::read_dir(&folder).await.map_err(unreadable)?;
            while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
                let kind = entry.file_type().await.map_err(unreadable)?;
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if kind.is_dir() && !hidden {
                    folders.push(entry.path());
                } else if kind.is_file()
                    && let Some(name) = self.krate_at(&entry.path())
                {
                    found.push(name);
                }
            }
        }
        found.sort_by_cached_key(KrateName::index_path);
        Ok(found)
    }

    /// The crate whose file stands at this path; `None` for a read-me and all else that is no crate.
    fn krate_at(&self, path: &Path) -> Option<KrateName> {
        let name = KrateName::parse(path.file_name()?.to_str()?).ok()?;
        (self.root.join(name.index_path()) == path).then_some(name)
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FollowError> {
        let unreadable = |source| FollowError::Unreadable { path: path.to_owned(), source };
        let size = match tokio::fs::metadata(path).await {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // With the whole index gone (a disk not mounted) no crate in it is deleted.
                return if self.root.is_dir() { Ok(None) } else { Err(unreadable(error)) };
            }
            Err(error) => return Err(unreadable(error)),
        };
        if size > self.max_bytes {
            return Err(FollowError::TooLarge { place: path.display().to_string(), limit: self.max_bytes });
        }
        tokio::fs::read(path).await.map(Some).map_err(unreadable)
    }
}
