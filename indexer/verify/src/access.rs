//! The ways to a repository: one that was given, or local copies by a table of mirrors. Fetching is `git_transport`'s.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use git_transport::GitError;

use crate::Limits;
use crate::facts::RepositoryStatus;
use crate::mirrors::Mirrors;
use crate::repository::Repository;
use crate::url::NormalisedUrl;

/// A repository that was reached.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The repository; kept open, so that the next release in it is cheap.
    pub repository: Rc<Repository>,
    /// The address it was found at, when it is another than the one asked for.
    pub redirected_to: Option<String>,
}

/// Why a repository was not opened.
#[derive(Clone, Debug)]
pub enum Unopened {
    /// A fact about the repository, stored as it is.
    Fact(RepositoryStatus),
    /// Our own failure: nothing is known about the repository, and it is to be tried again.
    Ours(Arc<GitError>),
}

impl From<RepositoryStatus> for Unopened {
    fn from(status: RepositoryStatus) -> Self {
        Self::Fact(status)
    }
}

/// Opens repositories by address.
pub trait Repositories {
    /// Opens one.
    ///
    /// # Errors
    /// The status that says why it cannot be read, or our own failure.
    fn open(&self, url: &NormalisedUrl) -> Result<Opened, Unopened>;
}

/// One repository for every address: `verify --repository DIR`.
#[derive(Clone, Debug)]
pub struct GivenRepository(Rc<Repository>);

impl GivenRepository {
    /// Takes the repository.
    #[must_use]
    pub fn new(repository: Repository) -> Self {
        Self(Rc::new(repository))
    }
}

impl Repositories for GivenRepository {
    fn open(&self, _: &NormalisedUrl) -> Result<Opened, Unopened> {
        Ok(Opened { repository: Rc::clone(&self.0), redirected_to: None })
    }
}

/// Local copies, found by the table of mirrors; what the table does not name is `blocked`.
#[derive(Debug)]
pub struct LocalMirrors {
    mirrors: Mirrors,
    limits: Limits,
    open: RefCell<HashMap<PathBuf, Result<Opened, RepositoryStatus>>>,
}

impl LocalMirrors {
    /// Takes the table.
    #[must_use]
    pub fn new(mirrors: Mirrors, limits: Limits) -> Self {
        Self { mirrors, limits, open: RefCell::default() }
    }
}

impl Repositories for LocalMirrors {
    fn open(&self, url: &NormalisedUrl) -> Result<Opened, Unopened> {
        let directory = self.mirrors.find(&url.url).map(PathBuf::from).ok_or(RepositoryStatus::Blocked)?;
        if let Some(known) = self.open.borrow().get(&directory) {
            return known.clone().map_err(Unopened::from);
        }
        let opened = if directory.is_dir() {
            Repository::open(&directory, &self.limits)
                .map(|repository| Opened { repository: Rc::new(repository), redirected_to: None })
        } else {
            Err(RepositoryStatus::Gone)
        };
        self.open.borrow_mut().insert(directory, opened.clone());
        Ok(opened?)
    }
}
