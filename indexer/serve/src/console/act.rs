//! Forms with which staff have a release looked at again or tried again. The token is typed and sent with the form: no cookie,
//! nothing kept, and the same deed, with the same record, as over the API.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use schema::ReleaseKey;
use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::{Section, View};
use super::text::{release_address, shown};
use crate::actions::{Known, MAX_REASON, recheck};
use crate::extract::{Body, Segments, krate_name, version_num};
use crate::{ApiError, Service};

/// The largest answer of the API that is read to be told.
const LARGEST_ANSWER: usize = 64 << 10;

/// What a form sends.
#[derive(Deserialize)]
struct Filled {
    token: String,
    #[serde(default)]
    reason: String,
}

/// Has a release looked at again.
pub(super) async fn look_again(
    State(service): State<Arc<Service>>,
    Segments((name, num)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let (headers, asked) = asked(&name, &num, &body)?;
    let known = Known::by(&service, &headers).await?;
    let answer = document(recheck::recheck(State(Arc::clone(&service)), headers, known, Body(asked)).await?).await?;
    let marked = |step: &str| answer["marked"][step].as_u64().unwrap_or_default();
    let said = match (marked("verify"), marked("download")) {
        (0, 0) => Said::Nothing(why_none(&answer)),
        (checked, 0) => {
            Said::Done(format!("{} for a source check, before anything that nobody asked for.", times(checked)))
        }
        (0, fetched) => {
            Said::Done(format!("{} for a download, before anything that nobody asked for.", times(fetched)))
        }
        (checked, fetched) => {
            Said::Done(format!("{} for a source check, {} for a download.", times(checked), times(fetched)))
        }
    };
    told(&service, &name, &num, &said).await
}

/// Has what was given up tried again.
pub(super) async fn try_again(
    State(service): State<Arc<Service>>,
    Segments((name, num)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let (headers, asked) = asked(&name, &num, &body)?;
    let known = Known::by(&service, &headers).await?;
    let answer = document(recheck::retry(State(Arc::clone(&service)), headers, known, Body(asked)).await?).await?;
    let said = match answer["revived"].as_u64().unwrap_or_default() {
        0 => Said::Nothing(why_none(&answer)),
        1 => Said::Done("One step that was given up is due again.".to_owned()),
        revived => Said::Done(format!("{revived} steps that were given up are due again.")),
    };
    told(&service, &name, &num, &said).await
}

/// What came of a form, in a sentence.
enum Said {
    Done(String),
    /// Why nothing was done.
    Nothing(String),
}

/// What the API would have answered.
async fn document(answer: Response) -> Result<Value, ApiError> {
    let body = to_bytes(answer.into_body(), LARGEST_ANSWER).await.map_err(|_| ApiError::Internal)?;
    serde_json::from_slice(&body).map_err(|_| ApiError::Internal)
}

fn why_none(answer: &Value) -> String {
    answer["why_none"].as_str().unwrap_or("there is nothing to mark").to_owned()
}

fn times(n: u64) -> String {
    if n == 1 { "1 release is due".to_owned() } else { format!("{n} releases are due") }
}

/// The form as the API takes it.
fn asked(name: &str, num: &str, body: &[u8]) -> Result<(HeaderMap, Bytes), ApiError> {
    let refused = || ApiError::BadRequest("the form is not what is asked for".to_owned());
    // A form is written as a query is (HTML, application/x-www-form-urlencoded).
    let text = std::str::from_utf8(body).map_err(|_| refused())?;
    let uri: Uri = format!("/?{text}").parse().map_err(|_| refused())?;
    let Query(filled) = Query::<Filled>::try_from_uri(&uri).map_err(|_| refused())?;
    let bearer = format!("Bearer {}", filled.token.trim());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| ApiError::Unauthorized("the token is not valid"))?;
    bearer.set_sensitive(true);
    let document = json!({ "name": name, "num": num, "reason": filled.reason });
    Ok((HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]), document.to_string().into()))
}

async fn told(service: &Service, name: &str, num: &str, said: &Said) -> Result<Response, ApiError> {
    let (title, sentence) = match said {
        Said::Done(sentence) => ("Done", sentence.clone()),
        Said::Nothing(why) => ("Nothing was marked", format!("Nothing was marked: {why}.")),
    };
    let (name, num) = (krate_name(name)?, version_num(num)?);
    let view = View::of(service).await?;
    let content = html! {
        h1 { (title) }
        p.lead { (sentence) }
        p { a href=(release_address(&name, &num, None)) { (name.as_str()) " " (shown(num.as_str())) } }
    };
    let mut response = view.page(Section::Elsewhere, title, &content);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The forms on the page of a release.
pub(super) fn forms(key: &ReleaseKey, was_given_up: bool) -> Markup {
    let path = release_address(&key.name, &key.num, None);
    let form = |deed: &str, words: &str| {
        html! {
            form.filters method="post" action=(format!("{path}/{deed}")) {
                div.field { label for=(format!("{deed}-token")) { "Token" } input id=(format!("{deed}-token")) name="token" type="password" required autocomplete="off"; }
                div.field { label for=(format!("{deed}-reason")) { "Reason" } input id=(format!("{deed}-reason")) name="reason" type="text" maxlength=(MAX_REASON) autocomplete="off"; }
                button type="submit" { (words) }
            }
        }
    };
    html! {
        details.act {
            summary { "Act, with a token" }
            p.muted { "The scope " code { "recheck" } " is needed. The deed is noted with the name of the token." }
            (form("recheck", "Look again"))
            @if was_given_up { (form("retry", "Try again")) }
        }
    }
}
