//! Who is told of events: subscriptions, kept and listed here. Nothing is sent by a handler; `run` and `work` do that.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use net::{Addresses, NetError, Url};
use schema::{ChangeKind, CratePattern, Random, Scope, Secret, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{WebhookRow, WebhookWrite};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Known, Staff};
use super::{Deed, Done, Noted, read, unkept};
use crate::extract::{Body, Segments};
use crate::openapi::described;
use crate::{ApiError, Service};

/// What every secret begins with (Standard Webhooks 1.0.0, "Signature scheme").
const MARK: &str = "whsec_";
/// Random bytes of a secret; the specification wants 24 to 64.
const LENGTH: usize = 32;
const MAX_URL: usize = 2_000;

/// What is wrong with a subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No address that can be told anything.
    #[error("a subscription needs an https address without a user name; http only where the address may be private")]
    Address,
    /// An address that is not public, where it has to be. Nothing would ever be delivered to it.
    #[error("{0} is not a public address, so nothing would be sent to it; `webhook add --private` allows one")]
    NotPublic(IpAddr),
    /// No secret of the specification's.
    #[error("a secret is whsec_ and 24 to 64 bytes in base64")]
    Secret,
    /// No type of event.
    #[error("{0:?} is no type of event; there are {types}", types = types().collect::<Vec<_>>().join(", "))]
    Type(String),
    /// A place in the feed where nothing is or was.
    #[error(
        "`after` is a number from 0 to {last}, the newest event, not {after}; without it the subscription begins now"
    )]
    After {
        /// As asked.
        after: i64,
        /// The highest number there is.
        last: i64,
    },
}

/// A new secret; `None`: there is no chance to be had.
#[must_use]
pub fn new_webhook_secret(random: &dyn Random) -> Option<Secret> {
    let mut bytes = [0; LENGTH];
    random.fill(&mut bytes).then(|| Secret::new(format!("{MARK}{}", BASE64_STANDARD.encode(bytes))))
}

/// A subscription as it may be kept.
///
/// # Errors
/// When nothing could ever be delivered to it, or not safely.
pub fn checked_webhook(webhook: WebhookWrite) -> Result<WebhookWrite, WebhookError> {
    let url = &webhook.url;
    let rest = match url.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if webhook.private => rest,
        _ => return Err(WebhookError::Address),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || host.is_empty() || host.contains('@') {
        return Err(WebhookError::Address);
    }
    // The rule that deliveries are held to; what a name leads to is only known when one is made.
    let addresses = if webhook.private { Addresses::Any } else { Addresses::PublicOnly };
    let parsed: Url = url.parse().map_err(|_| WebhookError::Address)?;
    net::check_url(&parsed, addresses).map_err(|why| match why {
        NetError::RefusedAddress { address, .. } => WebhookError::NotPublic(address),
        _ => WebhookError::Address,
    })?;
    if !webhook.private && parsed.host_str().is_some_and(is_localhost) {
        return Err(WebhookError::NotPublic(Ipv4Addr::LOCALHOST.into()));
    }
    let bytes = webhook.secret.reveal().strip_prefix(MARK).and_then(|text| BASE64_STANDARD.decode(text).ok());
    if !bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len())) {
        return Err(WebhookError::Secret);
    }
    if let Some(odd) = webhook.types.iter().find(|kind| !types().any(|known| known == kind.as_str())) {
        return Err(WebhookError::Type(odd.clone()));
    }
    Ok(webhook)
}

/// A name that means this machine wherever it is looked up (RFC 6761, 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// From where a subscription begins: after a number of the feed, or now, after the last one.
///
/// # Errors
/// When there is no such place.
pub fn checked_after(after: Option<i64>, last: i64) -> Result<i64, WebhookError> {
    match after {
        None => Ok(last),
        Some(after) if (0..=last).contains(&after) => Ok(after),
        Some(after) => Err(WebhookError::After { after, last }),
    }
}

/// The types of events there are: changes of the index, and what else the feed has.
fn types() -> impl Iterator<Item = &'static str> {
    ChangeKind::ALL.iter().map(|kind| kind.as_str()).chain(["provenance_changed", "signal"])
}

/// An address as the audit may keep it: what stands behind `?` is often a secret.
#[must_use]
pub fn shown_url(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(list, add)).routes(routes!(remove)).routes(routes!(resume))
}

/// A subscription that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    /// Where to: an https address that is public.
    url: String,
    /// What deliveries are signed with, `whsec_` and 24 to 64 bytes in base64; one is made when it is not given.
    secret: Option<String>,
    /// Only events of these types; empty: all.
    #[serde(default)]
    types: Vec<String>,
    /// Only events about these crates, each a name or the beginning of names and a star; empty: all.
    #[serde(default)]
    crates: Vec<CratePattern>,
    /// Only what has a higher number, 0 to the newest there is; from now on when it is not given.
    after: Option<i64>,
}

/// The subscriptions there are.
#[derive(Serialize, JsonSchema)]
struct WebhooksAnswer {
    /// By number, disabled ones included.
    webhooks: Vec<WebhookEntry>,
}

/// A subscription, without its secret, and how far it is.
#[derive(Serialize, JsonSchema)]
struct WebhookEntry {
    /// Its number.
    id: i64,
    /// Where to.
    url: String,
    /// Only events of these types; empty: all.
    types: Vec<String>,
    /// Only events about these crates; empty: all.
    crates: Vec<CratePattern>,
    /// Since when.
    created_at: Timestamp,
    /// The number of the last event that was taken or is not wanted.
    after: i64,
    /// Failed tries of the next one.
    tries: u32,
    /// When it is tried next.
    next_at: Timestamp,
    /// Why the last try failed. Other people's text.
    last_error: Option<String>,
    /// When one was last taken.
    last_success_at: Option<Timestamp>,
    /// Since when nothing is sent.
    disabled_at: Option<Timestamp>,
    /// Why nothing is sent.
    disabled_reason: Option<String>,
}

/// A subscription that was made.
#[derive(Serialize, JsonSchema)]
struct Added {
    /// Its number.
    id: i64,
    /// It is told of what has a higher number.
    after: i64,
}

/// A subscription that is gone.
#[derive(Serialize, JsonSchema)]
struct Removed {
    /// Its number.
    removed: i64,
}

/// A subscription that goes on.
#[derive(Serialize, JsonSchema)]
struct Resumed {
    /// Its number.
    resumed: i64,
}

type WebhookAdded = Noted<Added>;
type WebhookRemoved = Noted<Removed>;
type WebhookResumed = Noted<Resumed>;

described!(
    NewWebhook as Deserialize,
    WebhooksAnswer as Serialize,
    WebhookAdded as Serialize,
    WebhookRemoved as Serialize,
    WebhookResumed as Serialize,
);

/// Who is told of events
///
/// Needs a token with the scope `admin`.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "webhooks", tag = "staff",
    security(("token" = [])),
    responses((status = 200, description = "The subscriptions.", body = WebhooksAnswer)),
)]
async fn list(State(service): State<Arc<Service>>, headers: HeaderMap) -> Result<Response, ApiError> {
    Staff::allowed(&service, &headers, Scope::Admin, None).await?;
    let webhooks = service.store.webhooks().await?.into_iter().map(WebhookEntry::from).collect();
    Ok(unkept(StatusCode::OK, &WebhooksAnswer { webhooks }))
}

/// Has an address told of events
///
/// The secret that was made for it comes back in the header `x-webhook-secret`, once. Needs a token with the scope `admin`.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "webhook_add", tag = "staff", request_body = NewWebhook,
    security(("token" = [])),
    responses((
        status = 201, description = "It is told from now on.", body = WebhookAdded,
        headers(("x-webhook-secret" = String, description = "The secret, when none was given.")),
    )),
)]
async fn add(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    _: Known,
    Body(body): Body,
) -> Result<Response, ApiError> {
    Staff::allowed(&service, &headers, Scope::Admin, None).await?;
    let new: NewWebhook = read(&body)?;
    let is_ours = new.secret.is_none();
    let secret = match new.secret {
        Some(secret) => Some(Secret::new(secret)),
        None => new_webhook_secret(service.random.as_ref()),
    };
    let secret = secret.ok_or(ApiError::Internal)?;
    // Who has no hand on this machine gets no address inside its network.
    let webhook = WebhookWrite { url: new.url, secret, types: new.types, crates: new.crates, private: false };
    let webhook = checked_webhook(webhook).map_err(|why| ApiError::BadRequest(why.to_string()))?;
    let deed = deed("webhook add", shown_url(&webhook.url).to_owned());
    let after = checked_after(new.after, service.store.last_number().await?)
        .map_err(|why| ApiError::BadRequest(why.to_string()))?;
    service
        .deed(&headers, deed, async |_: &Staff| {
            let id = service.store.add_webhook(&webhook, after, service.now()).await?;
            Ok(Done { status: StatusCode::CREATED, ..Done::told(Added { id, after }) })
        })
        .await
        .map(|response| if is_ours { with_secret(response, &webhook.secret) } else { response })
}

/// The secret that was made here is told once and stands in no record, so it goes beside the answer.
fn with_secret(mut response: Response, secret: &Secret) -> Response {
    if let Ok(mut value) = axum::http::HeaderValue::from_str(secret.reveal()) {
        value.set_sensitive(true);
        response.headers_mut().insert("x-webhook-secret", value);
    }
    response
}

/// Tells an address no more
///
/// Needs a token with the scope `admin`.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", operation_id = "webhook_remove", tag = "staff",
    params(("id" = i64, Path, description = "The number of the subscription.")),
    security(("token" = [])),
    responses((status = 200, description = "It is forgotten.", body = WebhookRemoved)),
)]
async fn remove(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Segments(id): Segments<i64>,
) -> Result<Response, ApiError> {
    let act = async |_: &Staff| {
        if service.store.remove_webhook(id).await? {
            return Ok(Done::told(Removed { removed: id }));
        }
        Err(ApiError::NotFound(format!("there is no subscription {id}")))
    };
    service.deed(&headers, deed("webhook remove", id.to_string()), act).await
}

/// Goes on with one that was given up
///
/// Needs a token with the scope `admin`.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/resume", operation_id = "webhook_resume", tag = "staff",
    params(("id" = i64, Path, description = "The number of the subscription.")),
    security(("token" = [])),
    responses((status = 200, description = "It goes on from where it was.", body = WebhookResumed)),
)]
async fn resume(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Segments(id): Segments<i64>,
) -> Result<Response, ApiError> {
    let act = async |_: &Staff| {
        if service.store.resume_webhook(id, service.now()).await? {
            return Ok(Done::told(Resumed { resumed: id }));
        }
        Err(ApiError::NotFound(format!("there is no disabled subscription {id}")))
    };
    service.deed(&headers, deed("webhook resume", id.to_string()), act).await
}

const fn deed(action: &'static str, subject: String) -> Deed<'static> {
    Deed { action, scope: Scope::Admin, krate: None, subject, reason: "" }
}

impl From<WebhookRow> for WebhookEntry {
    fn from(row: WebhookRow) -> Self {
        let WebhookRow { id, webhook, created_at, progress } = row;
        let (disabled_at, disabled_reason) = progress.disabled.unzip();
        Self {
            id,
            url: webhook.url,
            types: webhook.types,
            crates: webhook.crates,
            created_at,
            after: progress.cursor,
            tries: progress.tries,
            next_at: progress.next_at,
            last_error: progress.last_error,
            last_success_at: progress.last_success_at,
            disabled_at,
            disabled_reason,
        }
    }
}
