//! The agent for threads that may block, such as those inside libgit2; never to be called from asynchronous code.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::{Addresses, Agent, AgentOptions, Answer, Get, NetError};

/// One request: a GET, or a POST when it has a body, or what is said. Redirects of anything but a GET are answers.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What to ask for; `http` or `https`.
    pub url: Url,
    /// More request headers.
    pub headers: Vec<(&'static str, String)>,
    /// Another method.
    pub verb: Option<Verb>,
    /// The body to post.
    pub body: Option<Bytes>,
    /// The longest answer accepted, in bytes, after decompression.
    pub max_bytes: u64,
    /// Whom it may talk to.
    pub addresses: Addresses,
    /// For all of it; the agent's own limit when absent.
    pub total_timeout: Option<Duration>,
}

/// A method that is neither GET nor POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl From<Get> for Exchange {
    fn from(get: Get) -> Self {
        let Get { url, headers, max_bytes, addresses } = get;
        Self { url, headers, verb: None, body: None, max_bytes, addresses, total_timeout: None }
    }
}

/// An [`Agent`] with a runtime of its own. Cloning it is cheap.
#[derive(Clone)]
pub struct BlockingAgent {
    agent: Agent,
    runtime: Arc<OwnRuntime>,
}

/// Shuts down without waiting, so that it may be dropped anywhere.
struct OwnRuntime(Option<Runtime>);

impl BlockingAgent {
    /// Builds the agent and its runtime of one thread.
    ///
    /// # Errors
    /// [`NetError::Setup`] as for [`Agent::new`], or when no thread can be started.
    pub fn new(options: AgentOptions) -> Result<Self, NetError> {
        let agent = Agent::new(options)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("net-blocking")
            .enable_all()
            .build()
            .map_err(|error| NetError::Setup { source: error.into() })?;
        Ok(Self { agent, runtime: Arc::new(OwnRuntime(Some(runtime))) })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// As [`Agent::get`].
    pub fn exchange(&self, exchange: Exchange) -> Result<BlockingAnswer, NetError> {
        let answer = self.runtime.get()?.block_on(self.agent.exchange(exchange))?;
        Ok(BlockingAnswer { answer, runtime: Arc::clone(&self.runtime), chunk: Bytes::new() })
    }

    /// The asynchronous agent inside.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }
}

impl OwnRuntime {
    fn get(&self) -> Result<&Runtime, NetError> {
        self.0.as_ref().ok_or_else(|| NetError::Setup { source: "the runtime is gone".into() })
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer whose body is read as from a file; a [`NetError`] is inside the `io::Error`.
pub struct BlockingAnswer {
    answer: Answer,
    runtime: Arc<OwnRuntime>,
    chunk: Bytes,
}

impl BlockingAnswer {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// Where it came from, after redirects.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.answer.url
    }

    /// A header's value; `None` when it is absent or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }
}

impl Read for BlockingAnswer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let runtime = self.runtime.get().map_err(io::Error::other)?;
            match runtime.block_on(self.answer.chunk()).map_err(io::Error::other)? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let n = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
