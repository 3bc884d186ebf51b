//! Files by path, each put whole or not at all, over a folder or a bucket: what a static export is written to.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::io::AsyncWriteExt as _;

use crate::{DownloadError, Place, S3Options};

/// Where a folder keeps what is not written to its end. Emptied when it is opened.
const INCOMING: &str = ".incoming";
/// Held while a process writes a folder; the system frees it, however the process ends.
const LOCK: &str = ".lock";
/// Files written at one time.
const AT_ONCE: usize = 16;

/// Files of one place. A reader sees the old file or the new one, never a part.
#[derive(Clone, Debug)]
pub struct Files(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Folder { root: PathBuf, n_written: Arc<AtomicU64>, _lock: Arc<File> },
    Store(Arc<dyn ObjectStore>),
}

impl Files {
    /// Opens a place to write it; a folder is made when it is missing, and is written by one process at a time. Nobody keeps
    /// two processes from one bucket.
    ///
    /// # Errors
    /// When the folder cannot be made or used, another process writes it, or the bucket's options make no sense.
    pub async fn open(place: &Place, options: &S3Options) -> Result<Self, DownloadError> {
        match place {
            Place::Folder(root) => {
                let incoming = root.join(INCOMING);
                let made = tokio::fs::create_dir_all(root).await;
                made.map_err(|error| DownloadError::of_file(root, error))?;
                let lock = Arc::new(locked(root)?);
                match tokio::fs::remove_dir_all(&incoming).await {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(DownloadError::of_file(&incoming, error));
                    }
                    _ => {}
                }
                let made = tokio::fs::create_dir_all(&incoming).await;
                made.map_err(|error| DownloadError::of_file(&incoming, error))?;
                Ok(Self(Kind::Folder { root: root.clone(), n_written: Arc::default(), _lock: lock }))
            }
            Place::Bucket { bucket, prefix } => Ok(Self(Kind::Store(Place::bucket_store(bucket, prefix, options)?))),
        }
    }

    /// Files of any object store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(Kind::Store(store))
    }

    /// The bytes at a path; `None` when there are none.
    ///
    /// # Errors
    /// When the place fails.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, DownloadError> {
        checked(path)?;
        match &self.0 {
            Kind::Folder { root, .. } => {
                let path = root.join(path);
                match tokio::fs::read(&path).await {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(DownloadError::of_file(&path, error)),
                }
            }
            Kind::Store(store) => {
                let path = Path::from(path);
                match async { store.get(&path).await?.bytes().await }.await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(DownloadError::of_store(&path, error)),
                }
            }
        }
    }

    /// Puts these files, replacing those that are there; all of them are on disk when it returns. The order among them is
    /// not said.
    ///
    /// # Errors
    /// When one cannot be written; others may have been.
    pub async fn put(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), DownloadError> {
        let puts = futures::stream::iter(files.into_iter().map(|(path, bytes)| self.put_one(path, bytes)));
        puts.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn put_one(&self, path: String, bytes: Vec<u8>) -> Result<(), DownloadError> {
        checked(&path)?;
        match &self.0 {
            Kind::Folder { root, n_written, .. } => {
                let number = n_written.fetch_add(1, Ordering::Relaxed);
                let (incoming, path) = (root.join(INCOMING).join(number.to_string()), root.join(&path));
                let put = write_and_move(&incoming, &path, &bytes).await;
                put.map_err(|error| DownloadError::of_file(&path, error))
            }
            Kind::Store(store) => {
                let path = Path::from(path);
                match store.put(&path, PutPayload::from(bytes)).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(DownloadError::of_store(&path, error)),
                }
            }
        }
    }
}

fn locked(root: &FilePath) -> Result<File, DownloadError> {
    let path = root.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| DownloadError::of_file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DownloadError::Busy { place: root.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(DownloadError::of_file(&path, error)),
    }
}

/// Synced before it is moved: after a power cut the new name must not lead to an empty file.
async fn write_and_move(incoming: &FilePath, path: &FilePath, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tokio::fs::File::create(incoming).await?;
    file.write_all(bytes).await?;
    file.sync_data().await?;
    drop(file);
    match tokio::fs::rename(incoming, path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            tokio::fs::rename(incoming, path).await
        }
        moved => moved,
    }
}

/// A path of ours: parts that go down, of characters that every file system and every bucket takes for themselves.
fn checked(path: &str) -> Result<(), DownloadError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-!".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
    if path.split('/').all(is_part) {
        return Ok(());
    }
    Err(DownloadError::BadPlace { place: path.to_owned(), reason: "no file of ours can stand there" })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use object_store::memory::InMemory;

    use super::*;

    async fn folder(path: &FilePath) -> Files {
        Files::open(&Place::from(path), &S3Options::default()).await.unwrap()
    }

    fn one(path: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        vec![(path.to_owned(), bytes.to_vec())]
    }

    #[tokio::test]
    async fn what_is_put_is_there_and_replaces_what_was() {
        let home = tempfile::tempdir().unwrap();
        for files in [folder(&home.path().join("new/out")).await, Files::new(Arc::new(InMemory::new()))] {
            assert_eq!(files.get("a/b/c.json").await.unwrap(), None);
            files.put(one("a/b/c.json", b"1")).await.unwrap();
            files
                .put(vec![("a/b/c.json".to_owned(), b"2".to_vec()), ("a/x!.svg".to_owned(), b"3".to_vec())])
                .await
                .unwrap();
            assert_eq!(files.get("a/b/c.json").await.unwrap().unwrap(), "2");
            assert_eq!(files.get("a/x!.svg").await.unwrap().unwrap(), "3");
        }
    }

    #[tokio::test]
    async fn nothing_is_written_beside_the_place() {
        let home = tempfile::tempdir().unwrap();
        let files = folder(&home.path().join("out")).await;
        for path in ["", "/a", "../a", "a/../../b", "a//b", "a/.b", ".incoming/0", "a\\b", "a/ü", "C:a", "a\0b"] {
            assert!(matches!(files.put(one(path, b"x")).await, Err(DownloadError::BadPlace { .. })), "{path:?}");
            assert!(files.get(path).await.is_err(), "{path:?}");
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_folder_has_one_writer_and_what_it_left_half_written_goes() {
        let home = tempfile::tempdir().unwrap();
        let first = folder(home.path()).await;
        let second = Files::open(&Place::from(home.path()), &S3Options::default()).await;
        assert!(matches!(second, Err(DownloadError::Busy { .. })), "{second:?}");
        drop(first);
        std::fs::write(home.path().join(".incoming/7"), "half").unwrap();
        let third = folder(home.path()).await;
        assert_eq!(std::fs::read_dir(home.path().join(".incoming")).unwrap().count(), 0);
        third.put(one("a", b"1")).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reader_sees_the_old_file_or_the_new_one() {
        let home = tempfile::tempdir().unwrap();
        let files = folder(home.path()).await;
        let (old, new) = (vec![b'a'; 300_000], vec![b'b'; 400_000]);
        files.put(one("f", &old)).await.unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let reader = std::thread::spawn({
            let (path, is_over) = (home.path().join("f"), Arc::clone(&is_over));
            let (old, new) = (old.clone(), new.clone());
            move || {
                let mut n_read = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let bytes = std::fs::read(&path).unwrap();
                    assert!(bytes == old || bytes == new, "{} bytes", bytes.len());
                    n_read += 1;
                }
                n_read
            }
        });
        for _ in 0..20 {
            files.put(one("f", &new)).await.unwrap();
            files.put(one("f", &old)).await.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    }
}
