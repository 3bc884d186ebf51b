//! Bytes kept by their sha256, over any object store; it knows nothing of crates.

use std::hash::{BuildHasher, Hasher};
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use schema::Sha256;
use sha2::Digest;

use crate::{DownloadError, Place, S3Options};

/// The blob store. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<dyn ObjectStore>);

/// A blob on its way in: written and hashed at once, and not to be seen until it is kept.
pub(crate) struct Incoming {
    store: Arc<dyn ObjectStore>,
    path: Path,
    upload: WriteMultipart,
    hash: sha2::Sha256,
    size: u64,
}

/// A blob completely written, but not yet under its key.
pub(crate) struct Written {
    store: Arc<dyn ObjectStore>,
    path: Path,
    pub(crate) digest: Sha256,
    pub(crate) size: u64,
}

impl Blobs {
    /// Keeps blobs in any object store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// Keeps blobs in a local directory, which is created when it is missing.
    ///
    /// # Errors
    /// When the directory cannot be created or used.
    pub fn open_dir(path: &FilePath) -> Result<Self, DownloadError> {
        std::fs::create_dir_all(path).map_err(|error| DownloadError::of_file(path, error))?;
        let root = Path::default();
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| DownloadError::of_store(&root, error))?;
        Ok(Self::new(Arc::new(store.with_fsync(true))))
    }

    /// Keeps blobs in a folder or a bucket.
    ///
    /// # Errors
    /// As [`Blobs::open_dir`], and when the bucket's options make no sense. Whether a bucket is there shows at its first use.
    pub fn open(place: &Place, options: &S3Options) -> Result<Self, DownloadError> {
        match place {
            Place::Folder(path) => Self::open_dir(path),
            Place::Bucket { bucket, prefix } => Ok(Self::new(Place::bucket_store(bucket, prefix, options)?)),
        }
    }

    /// Stores bytes whole or not at all, and says their key.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, bytes: Bytes) -> Result<Sha256, DownloadError> {
        let digest = Sha256::from_bytes(sha2::Sha256::digest(&bytes).into());
        let path = key(&digest);
        match self.0.put(&path, PutPayload::from_bytes(bytes)).await {
            Ok(_) => Ok(digest),
            Err(error) => Err(DownloadError::of_store(&path, error)),
        }
    }

    /// The bytes with this sha256; `None` when they are not here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, digest: &Sha256) -> Result<Option<Bytes>, DownloadError> {
        let path = key(digest);
        let read = async { self.0.get(&path).await?.bytes().await };
        found(&path, read.await)
    }

    /// How many bytes the blob has; `None` when it is not here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn size(&self, digest: &Sha256) -> Result<Option<u64>, DownloadError> {
        let path = key(digest);
        Ok(found(&path, self.0.head(&path).await)?.map(|meta| meta.size))
    }

    /// Whether the blob is here.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn contains(&self, digest: &Sha256) -> Result<bool, DownloadError> {
        Ok(self.size(digest).await?.is_some())
    }

    /// Removes the blob; one that is not here is removed already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, digest: &Sha256) -> Result<(), DownloadError> {
        let path = key(digest);
        found(&path, self.0.delete(&path).await).map(drop)
    }

    pub(crate) async fn begin(&self) -> Result<Incoming, DownloadError> {
        // Random, so that no two workers ever write to the same place.
        let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        let path = Path::from(format!("incoming/{:016x}{:016x}", random(), random()));
        match self.0.put_multipart(&path).await {
            Ok(upload) => {
                let upload = WriteMultipart::new(upload);
                let store = Arc::clone(&self.0);
                Ok(Incoming { store, path, upload, hash: sha2::Sha256::new(), size: 0 })
            }
            Err(error) => Err(DownloadError::of_store(&path, error)),
        }
    }
}

impl Incoming {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), DownloadError> {
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        // One part being written and one being filled: memory stays bounded when the disk is slower than the network.
        let ready = self.upload.wait_for_capacity(1).await;
        ready.map_err(|error| DownloadError::of_store(&self.path, error))?;
        self.upload.put(bytes);
        Ok(())
    }

    pub(crate) async fn finish(self) -> Result<Written, DownloadError> {
        let Self { store, path, upload, hash, size } = self;
        match upload.finish().await {
            Ok(_) => Ok(Written { store, path, digest: Sha256::from_bytes(hash.finalize().into()), size }),
            Err(error) => Err(DownloadError::of_store(&path, error)),
        }
    }

    /// Forgets what was written. Should that fail, the first error matters more.
    pub(crate) async fn abort(self) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(error = &error as &dyn std::error::Error, path = %self.path, "cannot remove a partial blob");
        }
    }
}

impl Written {
    /// Puts the blob under its own sha256.
    pub(crate) async fn keep(self) -> Result<(), DownloadError> {
        let kept = self.store.rename(&self.path, &key(&self.digest)).await;
        kept.map_err(|error| DownloadError::of_store(&self.path, error))
    }

    pub(crate) async fn discard(self) -> Result<(), DownloadError> {
        found(&self.path, self.store.delete(&self.path).await).map(drop)
    }
}

fn key(digest: &Sha256) -> Path {
    let hex = digest.to_string();
    Path::from(format!("sha256/{}/{}/{hex}", &hex[..2], &hex[2..4]))
}

fn found<T>(path: &Path, result: object_store::Result<T>) -> Result<Option<T>, DownloadError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(DownloadError::of_store(path, error)),
    }
}
