//! What an agent is told once, and what a single request says; nothing here acts.

use std::time::Duration;

use url::Url;

use crate::Addresses;

/// Limits and manners of an [`Agent`](crate::Agent).
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// Sent with every request; should name a contact.
    pub user_agent: String,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Without a byte from the server.
    pub stall_timeout: Duration,
    /// For one request with all its tries, redirects and its whole body.
    pub total_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: usize,
    /// How often a request is tried in all.
    pub attempts: u32,
    /// The first pause between tries; doubled each time, and jittered.
    pub backoff: Duration,
    /// The longest pause of our own choosing.
    pub max_backoff: Duration,
    /// The longest `Retry-After` that is waited for; a longer one ends the tries.
    pub max_retry_after: Duration,
    /// Requests at once to one host.
    pub per_host: usize,
    /// Consecutive connect failures or time-outs that take a host for down.
    pub breaker_failures: u32,
    /// How long a host taken for down is left alone.
    pub breaker_pause: Duration,
    /// Refuse every request.
    pub offline: bool,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("provenance-indexer/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(10),
            max_redirects: 5,
            attempts: 4,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            max_retry_after: Duration::from_mins(2),
            per_host: 16,
            breaker_failures: 3,
            breaker_pause: Duration::from_secs(30),
            offline: false,
        }
    }
}

/// One GET request.
#[derive(Clone, Debug)]
pub struct Get {
    /// What to get; `http` or `https`.
    pub url: Url,
    /// More request headers. With an `Accept-Encoding` of its own the body is left as it was sent. `Authorization` and `Cookie` do not follow a redirect to another origin.
    pub headers: Vec<(&'static str, String)>,
    /// The longest body accepted, in bytes, after decompression.
    pub max_bytes: u64,
    /// Whom it may talk to.
    pub addresses: Addresses,
}

impl Get {
    /// A request without headers of its own, for at most 64 MiB, from any address.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self { url, headers: Vec::new(), max_bytes: 64 << 20, addresses: Addresses::Any }
    }
}
