//! Indexes that are read one crate at a time: a folder, or HTTP. They fetch files; what changed is `reconcile`'s to say.

use schema::KrateName;

use crate::file::looks_like_index;
use crate::reconcile::lacks_held;
use crate::{FollowError, IndexConfig, StoredLine, spellings};

mod dir;
mod sparse;

pub use dir::DirIndex;
pub use sparse::{SparseIndex, SparseOptions};

/// An index that is read one crate at a time.
#[derive(Debug)]
pub enum FileIndex {
    /// The plain layout on this machine.
    Dir(DirIndex),
    /// The same over HTTP.
    Sparse(SparseIndex),
}

/// What a server said of the age of a file, to be sent back with the next question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

/// One answer about one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Its file.
    File {
        /// The text.
        text: String,
        /// For the next question.
        validators: Validators,
    },
    /// The file is still the one the validators came with.
    NotModified,
    /// There is no such file. A cache may say so for an hour after a publish: believe it when a second answer, asked for
    /// later and without validators, says the same.
    Missing {
        /// 404, 410 or 451; `None` on a folder, which is believed at once.
        status: Option<u16>,
    },
}

/// A crate that was looked up under several spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The spelling under which the index has it; the published one is in its lines.
    pub name: KrateName,
    /// Its file's text.
    pub text: String,
    /// For the next question.
    pub validators: Validators,
}

impl FileIndex {
    /// The index's `config.json`; `None` when it has none, and then no archive has an address.
    ///
    /// # Errors
    /// When it cannot be fetched or read.
    pub async fn config(&self) -> Result<Option<IndexConfig>, FollowError> {
        match self {
            Self::Dir(index) => index.config().await,
            Self::Sparse(index) => index.config().await,
        }
    }

    /// The file of one crate, under exactly this spelling.
    ///
    /// # Errors
    /// When the index cannot be read, or answers with something that is no index file. Neither says that the crate is gone.
    pub async fn fetch(&self, name: &KrateName, validators: Option<&Validators>) -> Result<Fetched, FollowError> {
        match self {
            Self::Dir(index) => index.fetch(name, validators).await,
            Self::Sparse(index) => index.fetch(name, validators).await,
        }
    }

    /// The file of a crate whose spelling somebody typed: `-` and `_` are exchanged until it is found, as cargo does.
    ///
    /// # Errors
    /// As [`FileIndex::fetch`], and [`FollowError::UnknownKrate`] with every spelling tried.
    pub async fn find(&self, name: &KrateName) -> Result<Found, FollowError> {
        let spellings = spellings(name);
        for spelling in &spellings {
            if let Fetched::File { text, validators } = self.fetch(spelling, None).await? {
                return Ok(Found { name: spelling.clone(), text, validators });
            }
        }
        let tried = spellings.iter().map(|spelling| spelling.as_str().to_owned()).collect();
        Err(FollowError::UnknownKrate { name: name.clone(), tried })
    }
}

/// Whether an answer may be an old copy: it lacks a version that is held as live.
///
/// A cache that is behind looks exactly so, and so does a true deletion. **Deletions are confirmed twice**: when this is
/// true, or the answer is [`Fetched::Missing`], write nothing, keep no validators, ask again later without validators, and
/// go on only when that answer says the same.
#[must_use]
pub fn looks_stale(stored: &[StoredLine], file: &str, krate: &KrateName) -> bool {
    lacks_held(stored, file.as_bytes(), krate)
}

/// The text of a file, or the error that it is none; `place` is its path or URL.
fn index_text(bytes: Vec<u8>, place: &str) -> Result<String, FollowError> {
    let refuse = |reason: String| FollowError::NotAnIndexFile { place: place.to_owned(), reason };
    if bytes.trim_ascii().is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| refuse(format!("not UTF-8: {}", error.utf8_error())))?;
    if !looks_like_index(&text) {
        let begin: String = text.chars().take(60).collect();
        return Err(refuse(format!("no line of it is one of an index; it begins {begin:?}")));
    }
    Ok(text)
}
