//! Where a git index is read from for years: a repository in place, or a clone of ours that looks after itself.
//!
//! A clone is fetched into, kept small, given the snapshot of a history that was replaced, and made anew when it is damaged;
//! nobody has to be told. The repository of somebody else is only read.

use std::path::{Path, PathBuf};

use git_transport::GitOptions as TransportOptions;
use schema::GitOid;

use crate::FollowError;
use crate::git::repository::ARCHIVE;
use crate::git::{Cursor, GitIndex, History, Start, to_git, to_schema};

/// So many small packs may lie about; every fetch leaves one.
const PACKS: usize = 50;
/// Snapshots are named by day and may be made the day before in some zone, in seconds.
const A_DAY: i64 = 86_400;

/// A git index and the way to its present state.
pub struct GitSource {
    place: Place,
    index: Option<GitIndex>,
}

enum Place {
    Here(PathBuf),
    Clone { url: String, path: PathBuf, options: Box<TransportOptions>, archive: Option<String> },
}

impl GitSource {
    /// A repository on this machine, read where it is.
    #[must_use]
    pub fn here(path: &Path) -> Self {
        Self { place: Place::Here(path.to_owned()), index: None }
    }

    /// An index at `url`, of which a bare clone is kept at `path`; `archive` names a repository with older histories.
    #[must_use]
    pub fn clone_of(url: &str, path: &Path, options: TransportOptions, archive: Option<String>) -> Self {
        let place = Place::Clone { url: url.to_owned(), path: path.to_owned(), options: Box::new(options), archive };
        Self { place, index: None }
    }

    /// Whether the repository is ours, so that it may be written and thrown away.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.place, Place::Clone { .. })
    }

    /// Brings it up to the index and gives the head; `None` while there is no commit.
    ///
    /// Blocking. The first fetch for `Start::Now` is shallow; one with a cursor, whose clone is gone, brings the past, so
    /// that the cursor is found again. When the history was replaced, the snapshots made since are fetched as well.
    ///
    /// # Errors
    /// When it cannot be fetched or read; the clone stays as it was.
    pub fn look(&mut self, start: Start, cursor: Option<&Cursor>) -> Result<Option<GitOid>, FollowError> {
        if self.is_ours() {
            self.fetch(start, cursor)?;
        }
        Ok(self.index()?.repository.head()?.map(to_schema))
    }

    /// The index as last looked at.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn index(&mut self) -> Result<&mut GitIndex, FollowError> {
        let index = match self.index.take() {
            Some(index) => index,
            None => self.open()?,
        };
        Ok(self.index.insert(index))
    }

    /// Throws a damaged clone away; the next look makes it anew. `false`: it is not ours to throw away.
    ///
    /// # Errors
    /// When the disk does not allow it.
    pub fn discard(&mut self) -> Result<bool, FollowError> {
        let Place::Clone { path, .. } = &self.place else { return Ok(false) };
        self.index = None;
        tracing::warn!(path = %path.display(), "the clone of the index is damaged and made anew");
        let removed = if path.is_file() { std::fs::remove_file(path) } else { std::fs::remove_dir_all(path) };
        match removed {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FollowError::Unreadable { path: path.clone(), source })
            }
            _ => Ok(true),
        }
    }

    fn open(&mut self) -> Result<GitIndex, FollowError> {
        match &self.place {
            Place::Here(path) => GitIndex::open(path),
            Place::Clone { path, .. } => {
                let path = path.clone();
                let opened = make_folder(&path).and_then(|()| GitIndex::open_clone(&path));
                match opened {
                    Ok(index) => Ok(index),
                    // Beyond opening; what cannot even be removed is a trouble of the disk and is said.
                    Err(_) if path.exists() => {
                        self.discard()?;
                        make_folder(&path)?;
                        GitIndex::open_clone(&path)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn fetch(&mut self, start: Start, cursor: Option<&Cursor>) -> Result<(), FollowError> {
        self.tidy();
        let is_empty = self.index()?.head()?.is_none();
        let begins_now = start == Start::Now && (cursor.is_none() || !is_empty);
        let history = if begins_now { History::HeadOnly } else { History::Snapshots };
        let Self { place: Place::Clone { url, options, archive, .. }, index: Some(index) } = self else {
            return Ok(());
        };
        index.fetch(url, history, options)?;
        if let Some(archive) = archive {
            let everything = [format!("+refs/heads/*:{ARCHIVE}*")];
            index.repository.fetch_refs(archive, &everything, options)?;
        }
        if let (Some(cursor), History::HeadOnly) = (cursor, history) {
            fetch_snapshots(index, url, options, cursor)?;
        }
        Ok(())
    }

    /// Puts packs together when there are too many. It can wait: what is wrong with a pack shows when it is needed.
    fn tidy(&mut self) {
        let Place::Clone { path, .. } = &self.place else { return };
        match git_transport::consolidate_packs(path, PACKS) {
            Ok(None) => {}
            // Handles to the packs that are gone are let go.
            Ok(Some(_)) => self.index = None,
            Err(error) => tracing::warn!(path = %path.display(), "packs could not be put together: {error}"),
        }
    }
}

impl std::fmt::Debug for GitSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = match &self.place {
            Place::Here(path) => path.display().to_string(),
            Place::Clone { url, .. } => url.clone(),
        };
        f.debug_struct("GitSource").field("at", &at).finish_non_exhaustive()
    }
}

/// When the head no longer descends from the cursor, its history was replaced: the branches that keep what was replaced
/// since then hold the commits in between.
fn fetch_snapshots(
    index: &GitIndex,
    url: &str,
    options: &TransportOptions,
    cursor: &Cursor,
) -> Result<(), FollowError> {
    let repository = &index.repository;
    let seen = to_git(cursor.within.map_or(cursor.commit, |within| within.commit));
    let Some(head) = repository.head()? else { return Ok(()) };
    if seen.is_zero() || repository.is_behind(seen, head)? {
        return Ok(());
    }
    let Some(facts) = repository.commit_if_there(seen)? else { return Ok(()) };
    let since = format!("refs/heads/snapshot-{}", facts.at.plus_seconds(-A_DAY).date());
    let offered = git_transport::list_refs(url, options)?.refs;
    let is_new = |name: &str| name.starts_with("refs/heads/snapshot-") && name >= since.as_str();
    let wanted: Vec<String> = offered
        .into_iter()
        .filter(|offered| is_new(&offered.name))
        .map(|offered| format!("+{0}:{0}", offered.name))
        .collect();
    if !wanted.is_empty() {
        repository.fetch_refs(url, &wanted, options)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), FollowError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|source| FollowError::Unreadable { path: folder.to_owned(), source })
}
