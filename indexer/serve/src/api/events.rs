//! Everything that happened, to the index and to the rows, as one feed by number: at once, waited for, or as a stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use schema::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{FeedRow, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Asked;
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The one route whose answers may take long.
pub(crate) const ADDRESS: &str = "/api/v1/events";
/// Events of one answer when nothing else is said, and at most.
const DEFAULT: u32 = 100;
const MOST: u32 = 1000;
/// The header a browser sends when a stream broke off.
const LAST_EVENT_ID: &str = "last-event-id";

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(events))
}

/// Whether somebody wants a stream and no document.
pub(crate) fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|text| text.split(',')).any(|one| one.trim().starts_with("text/event-stream"))
}

/// From where, how much, how long.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Only what has a higher number; 0 when not given. `latest`: only what happens from now on.
    after: Option<String>,
    /// Events of one answer, 1 to 1000; 100 when not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    per_page: Option<String>,
    /// Seconds to wait when there is nothing yet, 0 to 60.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 60)]
    wait: Option<String>,
}

/// A piece of the feed.
#[derive(Serialize, JsonSchema)]
struct EventsAnswer {
    /// The events, by number.
    events: Vec<Happened>,
    /// Where it goes on.
    meta: FeedMeta,
    /// What this rests on.
    as_of: Standing,
}

/// Where a feed goes on.
#[derive(Serialize, JsonSchema)]
struct FeedMeta {
    /// Ask with this as `after` to go on. Numbers grow, with gaps.
    next_after: i64,
    /// The highest number there is.
    last: i64,
    /// Whether everything after the number asked for is here or still to come. `false`: that number is higher than any here, so
    /// it is of another database; begin anew.
    complete: bool,
    /// Since when every change of every index was seen; what happened before is told by no event. `null`: not known.
    complete_since: Option<Timestamp>,
}

/// Something that happened.
#[derive(Serialize, JsonSchema)]
struct Happened {
    /// Its number.
    id: i64,
    /// When.
    occurred_at: Timestamp,
    /// What: a kind of change of the index (`added`, `yanked`, …), `provenance_changed`, or `signal`.
    #[serde(rename = "type")]
    kind: String,
    /// About what: `name` and `vers`, and what belongs to the type.
    payload: Value,
}

described!(EventsAnswer as Serialize);

/// Everything that happened, in order
///
/// Asked with `Accept: text/event-stream` it is a stream that begins after `Last-Event-ID` or `after`.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "events", tag = "events", params(EventsQuery),
    responses((status = 200, description = "A piece of the feed, or the feed as a stream.", body = EventsAnswer)),
)]
async fn events(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Asked(asked): Asked<EventsQuery>,
) -> Result<Response, ApiError> {
    let (per_page, wait) = (number(asked.per_page.as_deref(), "per_page", 1, MOST, DEFAULT)?, wait(&service, &asked)?);
    let resumed = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if wants_stream(&headers) {
        let permit = service.stream_permit()?;
        let after = after(&service, resumed.or(asked.after)).await?;
        return streamed(service, after, permit).await;
    }
    let first = async {
        let after = after(&service, asked.after).await?;
        Ok::<_, ApiError>((after, service.store.feed(after, per_page).await?))
    };
    // What the answer rests on is read before each reading of the feed: it has everything that was stored until then.
    let mut as_of = service.standing().await?;
    let (after, mut feed) = service.bounded(first).await?;
    if feed.is_empty() && !wait.is_zero() {
        let _permit = service.stream_permit()?;
        let until = Instant::now() + wait;
        while feed.is_empty() && Instant::now() < until && service.changed(until).await? {
            as_of = service.standing().await?;
            feed = service.store.feed(after, per_page).await?;
        }
    }
    let meta = service.feed_meta(after, &feed).await?;
    let events = feed.iter().map(happened).collect::<Result<_, _>>()?;
    let mut response = answer::json(&EventsAnswer { events, meta, as_of })?;
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    if !wait.is_zero() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

fn wait(service: &Service, asked: &EventsQuery) -> Result<Duration, ApiError> {
    let most = u32::try_from(service.options.max_wait.as_secs()).unwrap_or(u32::MAX);
    Ok(Duration::from_secs(number(asked.wait.as_deref(), "wait", 0, most, 0)?.into()))
}

fn number(text: Option<&str>, name: &str, least: u32, most: u32, default: u32) -> Result<u32, ApiError> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from {least} to {most}, not {text:?}")))
}

async fn after(service: &Service, text: Option<String>) -> Result<i64, ApiError> {
    match text.as_deref() {
        None => Ok(0),
        Some("latest") => Ok(service.store.last_number().await?),
        Some(text) => {
            let number = text.parse().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| ApiError::BadRequest(format!("after is a number or `latest`, not {text:?}")))
        }
    }
}

/// A stream: what there is, then what comes. It ends when the program stops, or when the database is away; the client comes back
/// with the number it saw last, and nothing is lost.
async fn streamed(service: Arc<Service>, after: i64, permit: OwnedSemaphorePermit) -> Result<Response, ApiError> {
    let meta = service.feed_meta(after, &[]).await?;
    let mut head = vec![Event::default().comment("one event for each thing that happened; ids grow, with gaps")];
    if !meta.complete {
        let gap = json!({ "after": after, "last": meta.last, "complete": false });
        head.push(Event::default().event("gap").data(gap.to_string()));
    }
    let heartbeat = service.options.heartbeat;
    let following = Following { service, after, permit, waiting: head.into_iter().rev().collect() };
    let mut response =
        Sse::new(following.into_stream()).keep_alive(KeepAlive::new().interval(heartbeat)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A stream that is open.
struct Following {
    service: Arc<Service>,
    after: i64,
    permit: OwnedSemaphorePermit,
    /// What is to be sent, the last one first.
    waiting: Vec<Event>,
}

impl Following {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut following| async {
            let event = following.next().await?;
            Some((Ok(event), following))
        })
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            let feed = self.service.store.feed(self.after, DEFAULT).await;
            let feed = feed.inspect_err(ended).ok()?;
            if let Some(last) = feed.last() {
                self.after = last.seq();
                let events = feed.iter().rev().map(|row| {
                    let happened = happened(row)?;
                    let event = Event::default().id(happened.id.to_string()).event(happened.kind.clone());
                    event.json_data(&happened).map_err(|_| ApiError::Internal)
                });
                self.waiting = events.collect::<Result<_, _>>().ok()?;
                continue;
            }
            // Far enough away to be never reached.
            let until = Instant::now() + Duration::from_hours(1);
            if !self.service.changed(until).await.inspect_err(ended).ok()? && self.service.stop.is_cancelled() {
                return None;
            }
        }
    }
}

fn ended(error: &StoreError) {
    tracing::warn!(error = crate::error::in_one_line(error), "a stream ends, because the database does not answer");
}

impl Drop for Following {
    fn drop(&mut self) {
        tracing::debug!(after = self.after, streams = self.permit.num_permits(), "a stream ended");
    }
}

impl Service {
    fn stream_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| ApiError::Busy)
    }

    /// Waits until something was stored. `false`: nothing was until then, or the program is to stop.
    async fn changed(&self, until: Instant) -> Result<bool, StoreError> {
        let before = self.moment().await?.stamp;
        while Instant::now() < until {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(false),
                () = tokio::time::sleep_until(until.min(Instant::now() + self.options.look)) => {}
            }
            if self.moment().await?.stamp != before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn feed_meta(&self, after: i64, feed: &[FeedRow]) -> Result<FeedMeta, ApiError> {
        let next_after = feed.last().map_or(after, FeedRow::seq);
        let last = self.store.last_number().await?.max(feed.last().map_or(0, FeedRow::seq));
        let sources = &self.moment().await?.known.sources;
        let since: Option<Vec<_>> = sources.iter().map(|source| source.complete_since).collect();
        let complete_since = since.and_then(|since| since.into_iter().max());
        Ok(FeedMeta { next_after, last, complete: after <= last, complete_since })
    }
}

fn happened(row: &FeedRow) -> Result<Happened, ApiError> {
    Ok(match row {
        FeedRow::Change(row) => {
            let change = &row.change;
            Happened {
                id: row.seq,
                occurred_at: change.at,
                kind: change.kind.to_string(),
                payload: json!({
                    "name": change.name, "vers": change.num, "checksum": change.checksum, "fields": change.fields,
                    "commit": change.commit,
                }),
            }
        }
        FeedRow::Event(row) => Happened {
            id: row.seq,
            occurred_at: row.at,
            kind: row.kind.clone(),
            payload: serde_json::from_str(&row.payload).map_err(|error| {
                tracing::error!(event = row.seq, error = error.to_string(), "a stored event cannot be read");
                ApiError::Internal
            })?,
        },
    })
}
