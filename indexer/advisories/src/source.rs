//! Where a database comes from: a folder with or without a history, an address, or the snapshot inside the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use git2::{ObjectType, Oid};
use schema::{DbCommit, Timestamp};

use crate::{AdvisoriesError, Database, DatabaseRepository, File};

/// What `--advisory-db` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdvisorySource {
    /// A folder: a git repository, bare or not, or plain files.
    Dir(PathBuf),
    /// An address to fetch from; see [`crate::open_bare`].
    Git(String),
    /// The facts-only snapshot inside the program.
    Snapshot,
}

impl AdvisorySource {
    /// Reads an argument: `snapshot`, an address with `://`, else a folder.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "snapshot" => Self::Snapshot,
            address if address.contains("://") => Self::Git(address.to_owned()),
            folder => Self::Dir(PathBuf::from(folder)),
        }
    }
}

/// Reads the whole database in a folder: at HEAD when it is a git repository, else its files.
///
/// Plain files have no commit; `files-` and a digest of paths and contents stands for it, the newest file's time for its date.
///
/// # Errors
/// When it cannot be read, or holds no advisory.
pub fn read_directory(path: &Path) -> Result<Database, AdvisoriesError> {
    match DatabaseRepository::in_folder(path)? {
        Some(repository) => repository.read(),
        None => read_plain(path, path.display().to_string()),
    }
}

fn read_plain(root: &Path, source: String) -> Result<Database, AdvisoriesError> {
    let mut found = Found::default();
    for collection in ["crates", "rust"] {
        let folder = root.join(collection);
        if folder.is_dir() {
            walk(&folder, collection, MAX_DEPTH, &mut found)?;
        }
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    let commit = format!("files-{}", digest(&found.files)?);
    Database::from_files(found.files, DbCommit { commit, at: Timestamp::from_seconds(found.newest), source })
}

/// A package's folder is the deepest one; one more is looked at, so that a stray file is reported.
const MAX_DEPTH: u32 = 3;

#[derive(Default)]
struct Found {
    files: Vec<File>,
    newest: i64,
}

fn walk(folder: &Path, below_root: &str, depth: u32, found: &mut Found) -> Result<(), AdvisoriesError> {
    for entry in fs::read_dir(folder).map_err(AdvisoriesError::unreadable(folder))? {
        let entry = entry.map_err(AdvisoriesError::unreadable(folder))?;
        let at = entry.path();
        let kind = entry.file_type().map_err(AdvisoriesError::unreadable(&at))?;
        let path = format!("{below_root}/{}", entry.file_name().to_string_lossy());
        if kind.is_dir() && depth > 1 {
            walk(&at, &path, depth - 1, found)?;
        } else if kind.is_file() {
            let bytes = fs::read(&at).map_err(AdvisoriesError::unreadable(&at))?;
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let changed = changed.map_err(AdvisoriesError::unreadable(&at))?.duration_since(UNIX_EPOCH);
            let seconds = changed.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0);
            found.newest = found.newest.max(seconds);
            found.files.push(File { path, bytes });
        }
    }
    Ok(())
}

/// A digest over paths and contents, by git's own hash: it needs to tell states apart, not to resist anyone.
fn digest(files: &[File]) -> Result<Oid, AdvisoriesError> {
    let hash = |bytes: &[u8]| {
        Oid::hash_object(ObjectType::Blob, bytes).map_err(AdvisoriesError::git("digest the advisory database's files"))
    };
    let mut listing = String::new();
    for file in files {
        listing.extend([&hash(&file.bytes)?.to_string(), " ", &file.path, "\n"]);
    }
    hash(listing.as_bytes())
}
