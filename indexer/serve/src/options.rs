//! Every limit of the server, by name, with the reason for its default.

use std::time::Duration;

use schema::Secret;

/// How the server behaves. Sizes are bytes.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The longest address taken, path and query together.
    pub max_uri: usize,
    /// The largest body of a request: a batch of a thousand questions in OSV's shape fits.
    pub max_body: usize,
    /// What all headers of a request may take.
    pub max_headers: usize,
    /// How long a client may take to send its headers, and how long a connection may stay idle between two requests.
    pub header_time: Duration,
    /// How long a client may take to accept what is sent to it without taking anything at all.
    pub write_time: Duration,
    /// How long one answer may take; streams and long polls have their own bound.
    pub answer_time: Duration,
    /// Answers under way at once; one more is refused with 503 instead of making all of them slow.
    pub max_answers: usize,
    /// Open connections; more wait in the system's own queue.
    pub max_connections: usize,
    /// Open streams and long polls.
    pub max_streams: usize,
    /// The longest a long poll may be asked to wait.
    pub max_wait: Duration,
    /// Between two signs of life on a stream on which nothing happens.
    pub heartbeat: Duration,
    /// Between two looks at whether anything was stored.
    pub look: Duration,
    /// What the cache of rendered answers may take.
    pub cache_bytes: u64,
    /// An advisory database that nobody looked at for so long makes answers stale. It is looked at every quarter of an hour.
    pub advisories_stale: Duration,
    /// After the word to stop, answers under way have so long to end.
    pub stop_time: Duration,
    /// The secret of those who may say that the index changed; `None`: nobody may.
    pub hook_secret: Option<Secret>,
    /// The least time between two nudges that are passed on.
    pub hook_every: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_uri: 8 << 10,
            max_body: 1 << 20,
            max_headers: 32 << 10,
            header_time: Duration::from_secs(15),
            write_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(10),
            max_answers: 512,
            max_connections: 8192,
            max_streams: 256,
            max_wait: Duration::from_mins(1),
            heartbeat: Duration::from_secs(15),
            look: Duration::from_secs(1),
            cache_bytes: 64 << 20,
            advisories_stale: Duration::from_hours(6),
            stop_time: Duration::from_secs(10),
            hook_secret: None,
            hook_every: Duration::from_secs(5),
        }
    }
}
