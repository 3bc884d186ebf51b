//! Everything that can go wrong on the network, one variant per thing a caller can do about it.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use crate::resolver::RefusedName;

type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no answer. URLs are shown without their query, which may hold a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The operator wants no network.
    #[error("{url} was not asked for: working offline")]
    Offline {
        /// What would have been asked for.
        url: String,
    },
    /// The host failed lately and is left alone for a while.
    #[error("{host} is taken for down: {reason}")]
    HostDown {
        /// The host and port.
        host: String,
        /// The first of the failures that led to this.
        reason: String,
    },
    /// A private or otherwise special address, where only public ones are allowed.
    #[error("{host} is at {address}, which is not a public address")]
    RefusedAddress {
        /// The host as named.
        host: String,
        /// Its address.
        address: IpAddr,
    },
    /// No connection.
    #[error("cannot connect to {host}")]
    Connect {
        /// The host and port.
        host: String,
        /// What the system says.
        source: Cause,
    },
    /// The certificate or the handshake is not acceptable; another try will not change that.
    #[error("no secure connection to {host}")]
    Tls {
        /// The host and port.
        host: String,
        /// What the TLS library says.
        source: Cause,
    },
    /// A time limit passed.
    #[error("{url} gave nothing within {limit:?}")]
    Timeout {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// A status that asks for another try, still there after the last one.
    #[error("{url} answered {status} after {attempts} tries")]
    Status {
        /// What was asked for.
        url: String,
        /// The last status.
        status: u16,
        /// The pause the server asks for.
        retry_after: Option<Duration>,
        /// How often it was tried.
        attempts: u32,
    },
    /// The body is longer than allowed.
    #[error("{url} is longer than the {limit} bytes allowed")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The body ended early or cannot be decoded. The caller asks again.
    #[error("the body of {url} broke off after {received} bytes")]
    Interrupted {
        /// What was asked for.
        url: String,
        /// What had come until then.
        received: u64,
        /// What the HTTP library says.
        source: Cause,
    },
    /// What came is no HTTP, or the connection closed before it.
    #[error("{url} gave no proper HTTP answer")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What the HTTP library says.
        source: Cause,
    },
    /// Redirected too often, perhaps in a circle.
    #[error("{url} redirects more than {limit} times")]
    TooManyRedirects {
        /// Where it began.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// A URL that is not asked for, here or as a redirect's target.
    #[error("{url} cannot be asked for: {reason}")]
    BadUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The client itself cannot be built.
    #[error("the HTTP client cannot be set up")]
    Setup {
        /// Why.
        source: Cause,
    },
}

impl NetError {
    /// Whether the same request may succeed later without anybody changing anything on our side.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::HostDown { .. }
                | Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Status { .. }
                | Self::Interrupted { .. }
                | Self::Protocol { .. }
        )
    }

    /// Whether the host, and not only the answer, is in doubt.
    pub(crate) fn blames_host(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Timeout { .. })
    }

    /// Sorts what the HTTP library says about a request that got no answer.
    pub(crate) fn of_request(error: reqwest::Error, url: &Url, host: &str, limit: Duration) -> Self {
        let error = error.without_url();
        if let Some(refused) = find::<RefusedName>(&error) {
            return Self::RefusedAddress { host: refused.host.clone(), address: refused.address };
        }
        if find::<rustls::Error>(&error).is_some() {
            return Self::Tls { host: host.to_owned(), source: error.into() };
        }
        if error.is_timeout() {
            return Self::Timeout { url: shown(url), limit };
        }
        if error.is_connect() {
            return Self::Connect { host: host.to_owned(), source: error.into() };
        }
        Self::Protocol { url: shown(url), source: error.into() }
    }
}

/// An error with all its causes on one line, for where only a text is kept.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// A URL for people: without query, fragment and user.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Looks for an error of one type among the causes, also inside the `io::Error`s that hide theirs from `source()`.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match hidden {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
