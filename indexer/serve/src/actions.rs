//! What staff may do over HTTP, with a token: looked at again, tried again, reviewed, yanked, subscribed. Every deed is noted
//! before it is done, and nothing here writes a fact: marks, reviews, subscriptions and the record are all there is.

mod access;
mod audit;
pub(crate) mod recheck;
mod review;
mod tokens;
mod webhooks;
mod yank;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schema::{CanonicalName, KrateName, Release, Scope, VersionNum};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::{DeedWrite, Outcome};
use utoipa_axum::router::OpenApiRouter;

use crate::extract::{krate_name, version_num};
use crate::{ApiError, Service};

pub(crate) use access::Known;
use access::Staff;

pub use recheck::NOTHING_GIVEN_UP;
pub use tokens::{NewToken, TokenText};
pub use webhooks::{WebhookError, checked_after, checked_webhook, new_webhook_secret, shown_url};

/// The longest reason taken, in characters: it is read by people, in one line of the record.
pub(crate) const MAX_REASON: usize = 1_000;

/// The routes of what needs a token, with their description.
pub(crate) fn described() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default()
        .merge(recheck::router())
        .merge(review::router())
        .merge(yank::router())
        .merge(webhooks::router())
        .merge(audit::router())
}

/// What came of a deed: how it ended, and what to tell.
struct Done<T> {
    outcome: Outcome,
    status: StatusCode,
    told: T,
}

impl<T> Done<T> {
    fn told(told: T) -> Self {
        Self { outcome: Outcome::Done, status: StatusCode::OK, told }
    }
}

/// What is told of a deed that was noted.
#[derive(Serialize, JsonSchema)]
struct Noted<T> {
    #[serde(flatten)]
    told: T,
    /// Its number in the record, `/api/v1/actions/audit`.
    audit: i64,
}

/// A deed about to be done.
struct Deed<'a> {
    action: &'static str,
    scope: Scope,
    /// The crate it is about; `None` where it is about none.
    krate: Option<&'a CanonicalName>,
    subject: String,
    reason: &'a str,
}

impl Service {
    /// Does something in the name of whoever asks, when their token allows it, and notes it before and after.
    async fn deed<T, F>(&self, headers: &HeaderMap, deed: Deed<'_>, act: F) -> Result<Response, ApiError>
    where
        T: Serialize,
        F: AsyncFnOnce(&Staff) -> Result<Done<T>, ApiError>,
    {
        let staff = Staff::allowed(self, headers, deed.scope, deed.krate).await?;
        let Deed { action, subject, reason, .. } = deed;
        let write = DeedWrite {
            token: Some(staff.id),
            actor: staff.name.clone(),
            action: action.to_owned(),
            subject: subject.clone(),
            reason: reason.to_owned(),
        };
        let number = self.store.begin_deed(&write, self.now()).await?;
        let done = act(&staff).await;
        let (outcome, detail) = match &done {
            Ok(done) => (done.outcome, json!(done.told)),
            Err(error) => (Outcome::Failed, json!({ "error": error.to_string() })),
        };
        tracing::info!(action, subject, token.id = staff.id, outcome = outcome.as_str(), "staff acted");
        // What was done is done; that its end could not be noted is for the log.
        if let Err(error) = self.store.end_deed(number, outcome, &detail.to_string()).await {
            tracing::error!(error = crate::error::in_one_line(&error), number, "the end of a deed could not be noted");
        }
        let Done { status, told, .. } = done?;
        Ok(unkept(status, &Noted { told, audit: number }))
    }

    /// The releases that a name, or a name and a number, mean; those that were deleted are not among them.
    async fn meant(&self, name: &KrateName, num: Option<&VersionNum>) -> Result<Vec<Release>, ApiError> {
        let Some(mut releases) = self.store.releases(&name.canonical()).await? else {
            return Err(ApiError::NotFound(format!("crate `{name}` is not known here")));
        };
        releases.retain(|release| num.is_none_or(|num| release.key.num == *num));
        if releases.is_empty() {
            let num = num.map(VersionNum::as_str).unwrap_or_default();
            return Err(ApiError::NotFound(format!("crate `{name}` has no release {num} that was ever seen here")));
        }
        releases.retain(|release| release.deleted_at.is_none());
        Ok(releases)
    }
}

/// A body as a document of ours.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|why| ApiError::BadRequest(format!("the body is not what is asked for: {why}")))
}

fn subject(name: &str, num: Option<&str>) -> Result<(KrateName, Option<VersionNum>), ApiError> {
    Ok((krate_name(name)?, num.map(version_num).transpose()?))
}

/// Why something is done, in the words of whoever does it, where they have to say so.
fn reason(text: &str) -> Result<&str, ApiError> {
    let text = reason_if_any(text)?;
    if text.is_empty() {
        return Err(ApiError::BadRequest(format!("`reason` says why, in 1 to {MAX_REASON} characters")));
    }
    Ok(text)
}

/// The same where nothing has to be said.
fn reason_if_any(text: &str) -> Result<&str, ApiError> {
    let (text, most) = (text.trim(), MAX_REASON);
    match text.chars().count() {
        n if n > most => Err(ApiError::BadRequest(format!("`reason` has {n} characters; at most {most} are kept"))),
        _ => Ok(text),
    }
}

/// An answer to one person, which nobody may keep.
fn unkept(status: StatusCode, document: &impl Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], axum::Json(document)).into_response()
}
