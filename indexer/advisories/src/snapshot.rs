//! The facts-only snapshot: one readable text that holds every advisory's facts in the database's own layout, and no prose.

use std::path::Path;

use schema::{DbCommit, Timestamp};

use crate::front_matter::FrontMatter;
use crate::{AdvisoriesError, Database, File, Quarantined, read_directory};

/// The snapshot inside the program.
const BUNDLED: &str = include_str!("../snapshot/advisories.txt");

/// What the answers name as its origin.
const SOURCE: &str = "snapshot";

/// What a checkout is, when it does not say so itself: an archive of a repository has no commit inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The public address of the database.
    pub address: String,
    /// Its commit; `None` takes what the folder says.
    pub commit: Option<String>,
    /// That commit's time; `None` takes what the folder says.
    pub at: Option<Timestamp>,
}

/// A snapshot that was written, and what was left out of it.
#[derive(Clone, Debug)]
pub struct WrittenSnapshot {
    /// The text.
    pub text: String,
    /// How many advisories it holds.
    pub n_advisories: usize,
    /// The files that are no good advisories and are not in it.
    pub quarantined: Vec<Quarantined>,
}

/// The database inside the program, for a first run without the network.
///
/// # Errors
/// Only when the program was built with a broken snapshot; a test keeps that from happening.
pub fn bundled_snapshot() -> Result<Database, AdvisoriesError> {
    read_snapshot(BUNDLED)
}

/// The state that [`bundled_snapshot`] is of.
///
/// # Errors
/// As [`bundled_snapshot`].
pub fn bundled_commit() -> Result<DbCommit, AdvisoriesError> {
    commit_of(BUNDLED)
}

/// Reads a snapshot's text through the one loader.
///
/// # Errors
/// When its header is incomplete, or not one advisory is good.
pub fn read_snapshot(text: &str) -> Result<Database, AdvisoriesError> {
    Database::from_files(files(text), commit_of(text)?)
}

/// What a snapshot's header says of the state it is of.
fn commit_of(text: &str) -> Result<DbCommit, AdvisoriesError> {
    let malformed = AdvisoriesError::MalformedSnapshot;
    let header = |key: &str| {
        let lines = text.lines().take_while(|line| line.starts_with('#'));
        lines.filter_map(|line| line.strip_prefix(key)).map(str::trim).next()
    };
    let commit = header("# commit:").ok_or(malformed("its header names no commit"))?;
    let at = header("# date:").ok_or(malformed("its header names no date"))?;
    let at = Timestamp::parse(at).map_err(|_| malformed("its header's date is none"))?;
    Ok(DbCommit { commit: commit.to_owned(), at, source: SOURCE.to_owned() })
}

/// Writes the snapshot of a checkout: `provenance advisories snapshot DIR`.
///
/// # Errors
/// When the checkout cannot be read, or holds no advisory.
pub fn write_snapshot(checkout: &Path, origin: &Origin) -> Result<WrittenSnapshot, AdvisoriesError> {
    let database = read_directory(checkout)?;
    let commit = origin.commit.as_ref().unwrap_or(&database.commit.commit);
    let at = origin.at.unwrap_or(database.commit.at);
    let n_advisories = database.advisories.len();
    let mut text = format!(
        "# Facts of an advisory database, without its prose: an id stands in place of each title.\n\
         # source: {}\n\
         # commit: {commit}\n\
         # date: {at}\n\
         # advisories: {n_advisories}\n\
         # licence: CC0-1.0; where an entry says `license = \"CC-BY-4.0\"`, its url is the attribution\n\
         # written by: provenance advisories snapshot DIR\n",
        origin.address,
    );
    for advisory in &database.advisories {
        if let Some(file) = snapshot_file(&advisory.text) {
            text.extend(["\n", BEFORE, &advisory.path, AFTER, "\n", &file]);
        }
    }
    Ok(WrittenSnapshot { text, n_advisories, quarantined: database.quarantined })
}

/// The facts of one advisory's file as a file of the same layout; `None` when it is none.
#[must_use]
pub fn snapshot_file(text: &str) -> Option<String> {
    let parts = rustsec::advisory::Parts::parse(text).ok()?;
    Some(FrontMatter::parse(parts.front_matter).ok()?.to_file())
}

/// Around the path of each file, as `head` prints it; no value within a file can begin a line.
const BEFORE: &str = "==> ";
const AFTER: &str = " <==";

fn files(text: &str) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER)) {
            files.push(File { path: path.to_owned(), bytes: Vec::new() });
        } else if let Some(file) = files.last_mut() {
            file.bytes.extend_from_slice(line.as_bytes());
            file.bytes.push(b'\n');
        }
    }
    files
}
