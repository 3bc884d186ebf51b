//! What can go wrong with a database as a whole. A bad file is no error: it is quarantined (`database`).

use std::path::PathBuf;

/// Why no database could be read; the caller keeps its last good copy in every case.
#[derive(Debug, thiserror::Error)]
pub enum AdvisoriesError {
    /// The folder or one of its files cannot be read.
    #[error("read the advisory database in {}", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// libgit2 cannot read what was asked for.
    #[error("{doing}")]
    Git {
        /// What was being done, with the names involved.
        doing: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// There is not one good advisory in it: rather a wrong folder than a world without advisories.
    #[error("no advisory found in {origin}; expected files such as crates/NAME/RUSTSEC-0000-0000.md")]
    Empty {
        /// Where it was looked for.
        origin: String,
    },
    /// Most of the advisories known are gone at once. Nothing must be retracted before a person has looked.
    #[error("only {remaining} of {known} advisories remain; nothing was changed")]
    Emptied {
        /// How many were known.
        known: usize,
        /// How many of them are left.
        remaining: usize,
    },
    /// The snapshot's text is not laid out as `write_snapshot` lays it out.
    #[error("the facts-only snapshot is malformed: {0}")]
    MalformedSnapshot(&'static str),
}

impl AdvisoriesError {
    /// Names what was being done when libgit2 failed.
    pub(crate) fn git(doing: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Git { doing, source }
    }

    /// Names the path at which the file system failed.
    pub(crate) fn unreadable(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, source }
    }
}
