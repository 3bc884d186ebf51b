//! The agent: sends a request, follows redirects by hand, tries again when that is sensible.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, redirect};
use tokio::time::timeout;
use url::{Host, Url};

use crate::answer::{Answer, BodyLimits};
use crate::blocking::{Exchange, Verb};
use crate::error::shown;
use crate::hosts::{HostState, Hosts};
use crate::resolver::CheckedResolver;
use crate::{Addresses, AgentOptions, Get, NetError, pause};

/// An HTTP client with limits and manners. Cloning it is cheap; clones share connections, breaker and counts.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

/// How the agent waits between tries; tests hand in one that only takes notes.
type Pauses = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

struct Inner {
    options: AgentOptions,
    any: Clients,
    public_only: Clients,
    hosts: Hosts,
    pauses: Pauses,
}

/// Two clients, because decompression is settled per client.
struct Clients {
    /// Asks for gzip and undoes it.
    gzip: Client,
    /// Leaves the body as it was sent, for requests with an `Accept-Encoding` of their own.
    raw: Client,
}

/// What one try came to.
enum Tried {
    /// An answer for the caller.
    Answered(Box<Answer>),
    /// A status that asks for another try.
    Busy { status: u16, retry_after: Option<Duration>, url: Url },
    /// A redirect to follow.
    Moved(Url),
}

impl Agent {
    /// Builds the agent. The crypto provider must be installed before.
    ///
    /// # Errors
    /// [`NetError::Setup`] when there is no crypto provider, or the certificates of the system cannot be used.
    pub fn new(options: AgentOptions) -> Result<Self, NetError> {
        Self::with_pauses(options, Box::new(|pause| Box::pin(tokio::time::sleep(pause))))
    }

    fn with_pauses(options: AgentOptions, pauses: Pauses) -> Result<Self, NetError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(NetError::Setup { source: "no crypto provider is installed".into() });
        }
        let any = Clients::new(&options, Addresses::Any)?;
        let public_only = Clients::new(&options, Addresses::PublicOnly)?;
        Ok(Self(Arc::new(Inner { options, any, public_only, hosts: Hosts::default(), pauses })))
    }

    /// Gets a URL. Every status is an answer, except the ones that were tried again to the last.
    ///
    /// # Errors
    /// When no answer came, or none within the limits.
    pub async fn get(&self, get: Get) -> Result<Answer, NetError> {
        self.exchange(Exchange::from(get)).await
    }

    /// The hosts met so far, by name.
    #[must_use]
    pub fn host_states(&self) -> Vec<HostState> {
        self.0.hosts.states()
    }

    /// What it calls itself.
    #[must_use]
    pub fn user_agent(&self) -> &str {
        &self.0.options.user_agent
    }

    /// Sends any request. Every status is an answer, except the ones that were tried again to the last.
    ///
    /// # Errors
    /// As [`Agent::get`].
    pub async fn exchange(&self, exchange: Exchange) -> Result<Answer, NetError> {
        let options = &self.0.options;
        if options.offline {
            return Err(NetError::Offline { url: shown(&exchange.url) });
        }
        let total = exchange.total_timeout.unwrap_or(options.total_timeout);
        let deadline = Instant::now() + total;
        let limits = BodyLimits { max_bytes: exchange.max_bytes, stall: options.stall_timeout, total, deadline };
        let mut earlier = None;
        for tried in 1..=options.attempts.max(1) {
            let (error, asked) = match self.follow(&exchange, limits).await {
                Ok(Tried::Answered(answer)) => return Ok(*answer),
                Ok(Tried::Busy { status, retry_after, url }) => {
                    (NetError::Status { url: shown(&url), status, retry_after, attempts: tried }, retry_after)
                }
                // The failures of this very request took the host down: they say more than "it is down".
                Err(NetError::HostDown { host, reason }) => {
                    return Err(earlier.unwrap_or(NetError::HostDown { host, reason }));
                }
                Ok(Tried::Moved(_)) => {
                    let url = shown(&exchange.url);
                    return Err(NetError::TooManyRedirects { url, limit: options.max_redirects });
                }
                Err(error) => (error, None),
            };
            let pause = asked.unwrap_or_else(|| pause::backoff(options, tried));
            let too_long = asked.is_some_and(|asked| asked > options.max_retry_after);
            let too_late = Instant::now() + pause >= deadline;
            if !error.is_transient() || tried >= options.attempts || too_long || too_late {
                return Err(error);
            }
            tracing::debug!(error = &error as &dyn Error, ?pause, "request is tried again");
            (self.0.pauses)(pause).await;
            earlier = Some(error);
        }
        Err(earlier.unwrap_or(NetError::Timeout { url: shown(&exchange.url), limit: total }))
    }

    /// One try: the URL and where it redirects to.
    async fn follow(&self, exchange: &Exchange, limits: BodyLimits) -> Result<Tried, NetError> {
        let mut url = exchange.url.clone();
        for _ in 0..=self.0.options.max_redirects {
            check_url(&url, exchange.addresses)?;
            match self.send(exchange, &url, limits).await? {
                Tried::Moved(target) => {
                    if url.scheme() == "https" && target.scheme() == "http" {
                        let reason = "a redirect from https to http is not followed";
                        return Err(NetError::BadUrl { url: shown(&target), reason });
                    }
                    url = target;
                }
                tried => return Ok(tried),
            }
        }
        Ok(Tried::Moved(url))
    }

    /// One request and the head of its answer.
    async fn send(&self, exchange: &Exchange, url: &Url, limits: BodyLimits) -> Result<Tried, NetError> {
        let options = &self.0.options;
        let host = host_and_port(url);
        let request = self.request(exchange, url)?;
        let pass = self.0.hosts.get(&host, options).enter().await?;
        let left = limits.deadline.saturating_duration_since(Instant::now());
        let wait = left.min(options.connect_timeout.saturating_add(options.stall_timeout));
        let sent = match timeout(wait, request.send()).await {
            Ok(sent) => sent.map_err(|error| NetError::of_request(error, url, &host, options.connect_timeout)),
            Err(_) => Err(NetError::Timeout { url: shown(url), limit: wait }),
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                pass.failed(&error);
                return Err(error);
            }
        };
        let permit = pass.answered();
        let status = response.status().as_u16();
        if matches!(status, 429 | 500 | 502 | 503 | 504) {
            let retry_after = pause::retry_after(response.headers());
            return Ok(Tried::Busy { status, retry_after, url: url.clone() });
        }
        if exchange.body.is_none()
            && exchange.verb.is_none()
            && let Some(target) = redirect_target(&response, url)?
        {
            return Ok(Tried::Moved(target));
        }
        Answer::new(response, url.clone(), limits, permit).map(|answer| Tried::Answered(Box::new(answer)))
    }

    fn request(&self, exchange: &Exchange, url: &Url) -> Result<reqwest::RequestBuilder, NetError> {
        let any = exchange.addresses == Addresses::Any;
        let clients = if any { &self.0.any } else { &self.0.public_only };
        let raw = exchange.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        let client = if raw { &clients.raw } else { &clients.gzip };
        let method = match (exchange.verb, &exchange.body) {
            (Some(Verb::Put), _) => Method::PUT,
            (Some(Verb::Delete), _) => Method::DELETE,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut request = client.request(method, url.clone());
        let elsewhere = url.origin() != exchange.url.origin();
        for (name, value) in &exchange.headers {
            let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            else {
                return Err(NetError::BadUrl { url: shown(url), reason: "one of the headers to send is no header" });
            };
            if matches!(name, AUTHORIZATION | COOKIE) {
                // What proves who we are is for the host it was meant for, not for where that host points to.
                if elsewhere {
                    continue;
                }
                value.set_sensitive(true);
            }
            request = request.header(name, value);
        }
        Ok(match &exchange.body {
            Some(body) => request.body(body.clone()),
            None => request,
        })
    }
}

impl Clients {
    fn new(options: &AgentOptions, addresses: Addresses) -> Result<Self, NetError> {
        let build = |gzip| {
            Client::builder()
                .user_agent(&options.user_agent)
                .connect_timeout(options.connect_timeout)
                .gzip(gzip)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                // A proxy would resolve names behind the back of the address check, and the environment is `cli`'s.
                .no_proxy()
                .referer(false)
                .dns_resolver(Arc::new(CheckedResolver(addresses)))
                .build()
                .map_err(|error| NetError::Setup { source: error.into() })
        };
        Ok(Self { gzip: build(true)?, raw: build(false)? })
    }
}

/// Whether a request to this URL would be sent at all: scheme, user and literal address. Names are checked where they are
/// resolved.
///
/// # Errors
/// [`NetError::BadUrl`], and [`NetError::RefusedAddress`] for an address that the policy keeps out.
pub fn check_url(url: &Url, addresses: Addresses) -> Result<(), NetError> {
    let bad = |reason| Err(NetError::BadUrl { url: shown(url), reason });
    if !matches!(url.scheme(), "http" | "https") {
        return bad("only http and https are spoken");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("it carries a user name");
    }
    if url.port() == Some(0) {
        return bad("nothing can be sent to port 0");
    }
    let address = match url.host() {
        None => return bad("it names no host"),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    if addresses.allows(address) {
        return Ok(());
    }
    Err(NetError::RefusedAddress { host: url.host_str().unwrap_or_default().to_owned(), address })
}

fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn redirect_target(response: &Response, url: &Url) -> Result<Option<Url>, NetError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    match location.to_str().ok().and_then(|location| url.join(location).ok()) {
        Some(target) => Ok(Some(target)),
        None => Err(NetError::BadUrl { url: shown(url), reason: "it redirects to something that is no URL" }),
    }
}

#[cfg(test)]
mod tests;
