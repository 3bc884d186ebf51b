//! An answer whose body is still to be read, chunk by chunk, under the request's limits.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use url::Url;

use crate::NetError;
use crate::error::shown;

/// The head of an answer, and the way to its body.
#[derive(Debug)]
pub struct Answer {
    /// The status; never one that was tried again in vain.
    pub status: u16,
    /// Where it came from, after redirects.
    pub url: Url,
    response: reqwest::Response,
    limits: BodyLimits,
    received: u64,
    /// The host counts this request as under way until the answer is dropped.
    _permit: OwnedSemaphorePermit,
}

/// What the body is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: u64,
    pub(crate) stall: Duration,
    pub(crate) total: Duration,
    pub(crate) deadline: Instant,
}

impl Answer {
    pub(crate) fn new(
        response: reqwest::Response,
        url: Url,
        limits: BodyLimits,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, NetError> {
        if response.content_length().is_some_and(|length| length > limits.max_bytes) {
            return Err(NetError::TooLarge { url: shown(&url), limit: limits.max_bytes });
        }
        Ok(Self { status: response.status().as_u16(), url, response, limits, received: 0, _permit: permit })
    }

    /// A header's value; `None` when it is absent or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the body is too long, stalls, takes too long, or breaks off before its announced end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, NetError> {
        let left = self.limits.deadline.saturating_duration_since(Instant::now());
        let (wait, limit) =
            if left < self.limits.stall { (left, self.limits.total) } else { (self.limits.stall, self.limits.stall) };
        let chunk = match timeout(wait, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => {
                let source = error.without_url().into();
                return Err(NetError::Interrupted { url: shown(&self.url), received: self.received, source });
            }
            Err(_) => return Err(NetError::Timeout { url: shown(&self.url), limit }),
        };
        if let Some(chunk) = &chunk {
            self.received += chunk.len() as u64;
            if self.received > self.limits.max_bytes {
                return Err(NetError::TooLarge { url: shown(&self.url), limit: self.limits.max_bytes });
            }
        }
        Ok(chunk)
    }

    /// The whole body; for what is known to be small.
    ///
    /// # Errors
    /// As [`Answer::chunk`].
    pub async fn bytes(mut self) -> Result<Bytes, NetError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}
