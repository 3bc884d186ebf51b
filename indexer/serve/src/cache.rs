//! Rendered answers, kept while nothing they are made of has changed, and the conditional requests on top of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::Service;

/// An answer larger than this is made anew each time.
const LARGEST: usize = 1 << 20;
/// What an entry takes beside its texts: its headers, its place in the table.
const OVERHEAD: u64 = 512;

/// The answers that are kept.
pub(crate) struct Answers {
    kept: Cache<Key, Arc<Kept>, Weight>,
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
}

/// What was asked, and whether the answer may come compressed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    address: String,
    gzip: bool,
}

struct Kept {
    /// The moment it was made at.
    stamp: u64,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Kept>> for Weight {
    fn weight(&self, key: &Key, kept: &Arc<Kept>) -> u64 {
        OVERHEAD + (key.address.len() + kept.body.len()) as u64
    }
}

impl Answers {
    /// An empty cache that takes so many bytes at most.
    pub(crate) fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / 4096).unwrap_or(usize::MAX).max(16);
        let kept = Cache::with_weighter(expected, bytes, Weight);
        Self { kept, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// What it holds: entries, and bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.kept.len(), self.kept.weight())
    }
}

/// Answers from what is kept, or keeps what is answered. Only what anybody may read is kept: 200, `Cache-Control: public`,
/// asked without a name or a password.
pub(crate) async fn keep(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(key) = key(&request) else { return next.run(request).await };
    // Without a database nothing is known to be still so; the handler says what is wrong.
    let Ok(moment) = service.moment().await else { return next.run(request).await };
    let answers = &service.kept;
    if let Some(kept) = answers.kept.get(&key).filter(|kept| kept.stamp == moment.stamp) {
        answers.hits.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Body::from(kept.body.clone()));
        *response.headers_mut() = kept.headers.clone();
        return response;
    }
    answers.misses.fetch_add(1, Ordering::Relaxed);
    let is_get = request.method() == Method::GET;
    let response = next.run(request).await;
    if !is_get || !may_be_kept(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = match taken(body).await {
        Ok(Taken::Whole(body)) => body,
        Ok(Taken::TooLarge(body)) => return Response::from_parts(parts, body),
        Err(error) => {
            tracing::warn!(address = key.address, error = error.to_string(), "an answer broke off");
            return crate::ApiError::Internal.into_response();
        }
    };
    let kept = Kept { stamp: moment.stamp, headers: parts.headers.clone(), body: body.clone() };
    answers.kept.insert(key, Arc::new(kept));
    Response::from_parts(parts, Body::from(body))
}

/// A body, as far as it was read to be kept.
enum Taken {
    Whole(Bytes),
    /// It is larger than what is kept: all of it, to be passed on.
    TooLarge(Body),
}

async fn taken(body: Body) -> Result<Taken, axum::Error> {
    let (mut chunks, mut length, mut rest) = (Vec::new(), 0, body.into_data_stream());
    while let Some(chunk) = rest.next().await {
        let chunk = chunk?;
        length += chunk.len();
        chunks.push(chunk);
        if length > LARGEST {
            let read = stream::iter(chunks.into_iter().map(Ok));
            return Ok(Taken::TooLarge(Body::from_stream(read.chain(rest))));
        }
    }
    Ok(Taken::Whole(chunks.concat().into()))
}

fn key(request: &Request) -> Option<Key> {
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_personal = headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE);
    if !reads || is_personal || crate::api::wants_stream(headers) {
        return None;
    }
    let address = request.uri().path_and_query()?.as_str().to_owned();
    Some(Key { address, gzip: takes_gzip(headers) })
}

fn may_be_kept(response: &Response) -> bool {
    let says = |name, word: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .is_some_and(|text| text.contains(word))
    };
    // A body of unknown length is a stream, unless it was compressed on the way.
    let is_short = says(header::CONTENT_ENCODING, "gzip")
        || axum::body::HttpBody::size_hint(response.body()).exact().is_some_and(|size| size <= LARGEST as u64);
    response.status() == StatusCode::OK && says(header::CACHE_CONTROL, "public") && is_short
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        (name.eq_ignore_ascii_case("gzip") || name == "*") && !parts.any(|part| part == "q=0" || part == "q=0.0")
    })
}

/// 304 where the client has the answer already: `If-None-Match` by weak comparison (RFC 9110, 13.1.2).
pub(crate) async fn conditional(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let held: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let response = next.run(request).await;
    if !reads || held.is_empty() || response.status() != StatusCode::OK {
        return response;
    }
    let Some(tag) = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return response };
    if !held.iter().any(|value| value.to_str().is_ok_and(|list| names(list, tag))) {
        return response;
    }
    let mut unchanged = Response::new(Body::empty());
    *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
    for name in [header::ETAG, header::CACHE_CONTROL, header::VARY, header::EXPIRES, header::CONTENT_LOCATION] {
        for value in response.headers().get_all(&name) {
            unchanged.headers_mut().append(name.clone(), value.clone());
        }
    }
    unchanged
}

/// Whether a list of entity tags names this one. `*` names every one; a comma may stand inside a tag.
fn names(list: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if list.trim() == "*" {
        return true;
    }
    let wanted = opaque(tag);
    let mut rest = list;
    while let Some(begin) = rest.find('"') {
        let Some(length) = rest[begin + 1..].find('"') else { return false };
        let end = begin + 1 + length + 1;
        if rest[begin..end] == wanted {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_compared_as_the_standard_says() {
        for (list, tag, same) in [
            ("W/\"1\"", "W/\"1\"", true),
            ("\"1\"", "W/\"1\"", true),
            ("W/\"2\"", "W/\"1\"", false),
            ("\"0\", W/\"1\" , \"2\"", "W/\"1\"", true),
            ("\"a,b\"", "\"a,b\"", true),
            ("*", "W/\"1\"", true),
            (" * ", "W/\"1\"", true),
            ("1", "W/\"1\"", false),
            ("\"1", "W/\"1\"", false),
            ("", "W/\"1\"", false),
        ] {
            assert_eq!(names(list, tag), same, "{list} {tag}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |text: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("identity") && !takes(""));
    }
}
