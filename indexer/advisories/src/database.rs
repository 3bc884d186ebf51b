//! A database at one commit: files in, good advisories and quarantined files out. It does not know where files come from.

use std::collections::BTreeMap;

use schema::DbCommit;

use crate::{AdvisoriesError, Advisory};

/// An advisory is a page or two; anything beyond this is something else.
const MAX_BYTES: usize = 1024 * 1024;

/// The advisory database as of one commit.
#[derive(Clone, Debug)]
pub struct Database {
    /// Which state of the database this is.
    pub commit: DbCommit,
    /// The good ones, by path.
    pub advisories: Vec<Advisory>,
    /// The bad ones, by path. Their last good copies, if there were any, stay valid.
    pub quarantined: Vec<Quarantined>,
}

/// A file below `crates/` or `rust/` that is no good advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it stands.
    pub path: String,
    /// What is wrong with it, for people.
    pub reason: String,
    /// What it says, as far as it is text. Hostile text.
    pub text: String,
}

/// One file of a database, from wherever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Database {
    /// Reads the files of one state of the database; those outside of `crates/` and `rust/`, dot files and drafts are no part of it.
    ///
    /// Of two files with one id the first by path counts and the other is quarantined.
    ///
    /// # Errors
    /// [`AdvisoriesError::Empty`] when not one is good.
    pub fn from_files(files: Vec<File>, commit: DbCommit) -> Result<Self, AdvisoriesError> {
        let Read { advisories, quarantined } = read_files(files, &commit.commit);
        if advisories.is_empty() {
            return Err(AdvisoriesError::Empty { origin: commit.source });
        }
        Ok(Self { commit, advisories, quarantined })
    }
}

/// Stops a database from which most advisories vanished at once (a wrong branch, a broken fetch) before anything is retracted.
///
/// # Errors
/// [`AdvisoriesError::Emptied`] when fewer than half of those known remain.
pub fn brake(known: usize, remaining: usize) -> Result<(), AdvisoriesError> {
    if remaining < known.div_ceil(2) { Err(AdvisoriesError::Emptied { known, remaining }) } else { Ok(()) }
}

/// What became of some files.
pub(crate) struct Read {
    pub(crate) advisories: Vec<Advisory>,
    pub(crate) quarantined: Vec<Quarantined>,
}

/// Reads each file by itself, in order of path.
pub(crate) fn read_files(mut files: Vec<File>, commit: &str) -> Read {
    files.retain(|file| belongs(&file.path));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut paths_by_id: BTreeMap<String, String> = BTreeMap::new();
    let mut read = Read { advisories: Vec::new(), quarantined: Vec::new() };
    for file in files {
        let outcome = read_file(&file, commit).and_then(|advisory| match paths_by_id.get(&advisory.facts.id.0) {
            Some(first) => Err(format!("its id is already that of {first}")),
            None => Ok(advisory),
        });
        match outcome {
            Ok(advisory) => {
                paths_by_id.insert(advisory.facts.id.0.clone(), advisory.path.clone());
                read.advisories.push(advisory);
            }
            Err(reason) => {
                tracing::debug!(path = %file.path, %reason, "advisory file quarantined");
                let kept = &file.bytes[..file.bytes.len().min(MAX_BYTES)];
                let text = String::from_utf8_lossy(kept).into_owned();
                read.quarantined.push(Quarantined { path: file.path, reason, text });
            }
        }
    }
    read
}

/// Whether a path is the database's business: below a collection, no dot file, no draft.
pub(crate) fn belongs(path: &str) -> bool {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let in_collection = path.starts_with("crates/") || path.starts_with("rust/");
    in_collection && !file_name.starts_with('.') && !file_name.starts_with("RUSTSEC-0000-0000.")
}

fn read_file(file: &File, commit: &str) -> Result<Advisory, String> {
    if file.bytes.len() > MAX_BYTES {
        return Err(format!("{} bytes long, more than {MAX_BYTES}", file.bytes.len()));
    }
    let text = std::str::from_utf8(&file.bytes).map_err(|error| error.to_string())?;
    Advisory::parse(&file.path, text, commit)
}
