//! What one operation may do and has done so far; the transport finds it by its thread.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use net::{Addresses, AgentOptions, BlockingAgent, NetError, Url};

use crate::GitError;

/// What an operation may do.
#[derive(Clone)]
pub struct GitOptions {
    /// Bytes received in all.
    pub max_bytes: u64,
    /// Bytes of the list of refs.
    pub max_ref_bytes: u64,
    /// Objects of a pack.
    pub max_objects: usize,
    /// For the whole operation.
    pub total_timeout: Duration,
    /// Whom it may talk to.
    pub addresses: Addresses,
    /// Whether `file://` and local paths are allowed.
    pub allow_file: bool,
    /// The HTTP client; without one, a common one with default options is used.
    pub agent: Option<BlockingAgent>,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_ref_bytes: 32 << 20,
            max_objects: 5_000_000,
            total_timeout: Duration::from_mins(10),
            addresses: Addresses::PublicOnly,
            allow_file: false,
            agent: None,
        }
    }
}

/// One operation under way.
pub(crate) struct Session {
    pub(crate) options: GitOptions,
    pub(crate) agent: BlockingAgent,
    deadline: Instant,
    received: AtomicU64,
    /// The repository's URL, after redirects.
    base: Mutex<Option<Url>>,
    /// The first failure: libgit2 passes on only texts.
    failure: Mutex<Option<GitError>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Session>>> = const { RefCell::new(None) };
}

/// The session of the operation that runs on this thread.
pub(crate) fn current() -> Option<Arc<Session>> {
    CURRENT.with_borrow(Clone::clone)
}

impl Session {
    pub(crate) fn new(options: &GitOptions) -> Result<Arc<Self>, GitError> {
        let agent = match &options.agent {
            Some(agent) => agent.clone(),
            None => common_agent()?,
        };
        let deadline = Instant::now() + options.total_timeout;
        Ok(Arc::new(Self {
            options: options.clone(),
            agent,
            deadline,
            received: AtomicU64::new(0),
            base: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    /// Runs libgit2's part. A failure of the transport wins over what libgit2 makes of it.
    pub(crate) fn run<T>(self: &Arc<Self>, operation: impl FnOnce() -> Result<T, git2::Error>) -> Result<T, GitError> {
        struct Reset(Option<Arc<Session>>);
        impl Drop for Reset {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let reset = Reset(CURRENT.replace(Some(Arc::clone(self))));
        let result = operation();
        drop(reset);
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, failure) {
            (Ok(value), None) => Ok(value),
            (_, Some(failure)) => Err(failure),
            (Err(error), None) => Err(GitError::Git(error)),
        }
    }

    /// Keeps the first failure, and gives libgit2 an error without any foreign text.
    pub(crate) fn fail(&self, error: GitError) -> io::Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        io::Error::other("the transport failed")
    }

    /// What a failure of the network means here.
    pub(crate) fn of_net(&self, error: NetError) -> GitError {
        match error {
            NetError::TooLarge { limit, .. } => GitError::TooLarge { limit, unit: "bytes" },
            _ if self.left().is_zero() => GitError::TimedOut { limit: self.options.total_timeout },
            error => GitError::Net(error),
        }
    }

    /// The time left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Counts bytes of the network.
    pub(crate) fn count(&self, n: usize) -> Result<(), GitError> {
        let n = n as u64;
        let received = self.received.fetch_add(n, Ordering::Relaxed) + n;
        let limit = self.options.max_bytes;
        if received > limit { Err(GitError::TooLarge { limit, unit: "bytes" }) } else { Ok(()) }
    }

    pub(crate) fn base(&self) -> Option<Url> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_base(&self, base: Url) {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(base);
    }
}

/// The client for callers without one of their own. It is never dropped.
fn common_agent() -> Result<BlockingAgent, NetError> {
    static AGENT: OnceLock<BlockingAgent> = OnceLock::new();
    if let Some(agent) = AGENT.get() {
        return Ok(agent.clone());
    }
    let agent = BlockingAgent::new(AgentOptions::default())?;
    Ok(AGENT.get_or_init(|| agent).clone())
}
