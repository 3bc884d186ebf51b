//! The questions that OSV's own API takes, in its shapes: one package, a batch of packages, one record by its id.
//! <https://google.github.io/osv.dev/api/>

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use export::ReportedAdvisory;
use schema::{KrateName, VersionNum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{MatchRow, StoredAdvisory};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Purl;
use crate::extract::{Body, BodyRefused, Segments};
use crate::openapi::described;
use crate::{ApiError, Rules, Service, answer};

/// Questions of one batch, as OSV has it.
const MOST_QUESTIONS: usize = 1000;
/// Records of one answer; the rest is asked for with its token.
const MOST_RECORDS: usize = 1000;
/// The one ecosystem this service knows.
const ECOSYSTEM: &str = "crates.io";

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(query)).routes(routes!(query_batch)).routes(routes!(record))
}

/// A question about a package.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Query {
    /// The package.
    #[schemars(required)]
    package: Option<Package>,
    /// Only what covers this version.
    #[schemars(regex(pattern = r"^[0-9A-Za-z.+_-]{1,150}$"))]
    version: Option<String>,
    /// A commit of a repository. Nothing is known here by commit: such a question is refused.
    commit: Option<String>,
    /// The token of an answer that was not the last.
    page_token: Option<String>,
}

/// A package.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Package {
    /// The crate, in any spelling.
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"))]
    name: Option<String>,
    /// `crates.io`
    ecosystem: Option<String>,
    /// `pkg:cargo/NAME[@VERSION]`, instead of both.
    purl: Option<String>,
}

/// Questions about packages.
#[derive(Debug, Deserialize, JsonSchema)]
struct Batch {
    /// A thousand at most.
    #[schemars(length(max = 1000))]
    queries: Vec<Query>,
}

/// What covers the package.
#[derive(Serialize, JsonSchema)]
struct QueryAnswer {
    /// OSV records; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vulns: Vec<Value>,
    /// With this token there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// What covers each of the packages.
#[derive(Serialize, JsonSchema)]
struct BatchAnswer {
    /// In the order of the questions: the id of each record, and when it was last changed.
    results: Vec<QueryAnswer>,
}

/// A record.
#[derive(Serialize, JsonSchema)]
struct OsvRecord(Value);

/// Why there is no answer, in OSV's shape.
#[derive(Serialize, JsonSchema)]
struct OsvError {
    /// gRPC's code: 3 for a bad question, 5 for nothing there, 14 for a database that is away.
    code: u8,
    /// A sentence.
    message: String,
}

described!(
    Query as Deserialize,
    Batch as Deserialize,
    QueryAnswer as Serialize,
    BatchAnswer as Serialize,
    OsvRecord as Serialize,
    OsvError as Serialize,
);

/// What covers a package, or one of its versions
#[utoipa::path(
    post, path = "/api/v1/query", operation_id = "osv_query", tag = "osv", request_body = Query,
    responses(
        (status = 200, description = "OSV records.", body = QueryAnswer),
        (status = 400, description = "The question cannot be understood.", body = OsvError),
        (status = 413, description = "The body is too large.", body = OsvError),
        (status = 503, description = "Ask again.", body = OsvError),
    ),
)]
async fn query(State(service): State<Arc<Service>>, body: Result<Body, BodyRefused>) -> Result<Response, Refused> {
    let query: Query = read(body)?;
    let (stored, next_page_token) = service.covering(&query).await?;
    let mut vulns = Vec::new();
    for one in &stored {
        vulns.push(service.osv_record(one).await?);
    }
    Ok(unkept(&QueryAnswer { vulns, next_page_token }))
}

/// What covers each of many packages, by id
#[utoipa::path(
    post, path = "/api/v1/querybatch", operation_id = "osv_query_batch", tag = "osv", request_body = Batch,
    responses(
        (status = 200, description = "Ids, for each question in its place.", body = BatchAnswer),
        (status = 400, description = "A question cannot be understood.", body = OsvError),
        (status = 413, description = "The body is too large.", body = OsvError),
        (status = 503, description = "Ask again.", body = OsvError),
    ),
)]
async fn query_batch(
    State(service): State<Arc<Service>>,
    body: Result<Body, BodyRefused>,
) -> Result<Response, Refused> {
    let batch: Batch = read(body)?;
    if batch.queries.len() > MOST_QUESTIONS {
        return Err(Refused::Bad("Too many queries.".to_owned()));
    }
    let mut results = Vec::with_capacity(batch.queries.len());
    for query in &batch.queries {
        let (stored, next_page_token) = service.covering(query).await?;
        let vulns = stored.iter().map(|one| json!({ "id": one.facts.id, "modified": one.changed_at })).collect();
        results.push(QueryAnswer { vulns, next_page_token });
    }
    Ok(unkept(&BatchAnswer { results }))
}

/// A record by its id
#[utoipa::path(
    get, path = "/api/v1/vulns/{id}", operation_id = "osv_record", tag = "osv",
    params(("id" = String, Path, description = "The id of an advisory, not an alias.")),
    responses(
        (status = 200, description = "The OSV record.", body = OsvRecord),
        (status = 404, description = "There is none of this id.", body = OsvError),
        (status = 503, description = "Ask again.", body = OsvError),
    ),
)]
async fn record(State(service): State<Arc<Service>>, Segments(id): Segments<String>) -> Result<Response, Refused> {
    service.with_advisories().await?;
    let stored = service.store.advisories_by_id(&id).await.map_err(ApiError::from)?;
    let Some(one) = stored.iter().find(|stored| stored.facts.id.0.eq_ignore_ascii_case(&id)) else {
        return Err(Refused::Missing);
    };
    Ok(answer::json(&OsvRecord(service.osv_record(one).await?))?)
}

/// What a question is about.
struct Subject {
    name: KrateName,
    num: Option<VersionNum>,
}

impl Subject {
    fn of(query: &Query) -> Result<Self, Refused> {
        let bad = |words: &str| Err(Refused::Bad(words.to_owned()));
        if query.commit.as_ref().is_some_and(|commit| !commit.is_empty()) {
            return bad("Nothing is known here by commit.");
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let package = query.package.clone().unwrap_or_default();
        let (name, ecosystem, purl) = (given(&package.name), given(&package.ecosystem), given(&package.purl));
        let version = given(&query.version);
        if let Some(purl) = purl {
            if name.is_some() || ecosystem.is_some() {
                return bad("name and ecosystem cannot be specified beside purl.");
            }
            let Purl { name, num, .. } = Purl::parse(&purl).map_err(|why| Refused::Bad(why.to_string()))?;
            return match (num, version) {
                (Some(_), Some(_)) => bad("version specified in params and purl query."),
                (Some(num), None) => Ok(Self { name, num: Some(num) }),
                (None, version) => Ok(Self { name, num: version.map(|version| number(&version)).transpose()? }),
            };
        }
        let Some(name) = name else { return bad("Invalid query: a package is missing.") };
        match ecosystem.as_deref() {
            Some(ECOSYSTEM) => {}
            Some(_) => return bad("Invalid ecosystem: crates.io is the only one known here."),
            None => return bad("Invalid query: the ecosystem is missing."),
        }
        let name = KrateName::parse(&name).map_err(|why| Refused::Bad(why.to_string()))?;
        Ok(Self { name, num: version.map(|version| number(&version)).transpose()? })
    }
}

fn number(text: &str) -> Result<VersionNum, Refused> {
    VersionNum::parse(text).map_err(|why| Refused::Bad(why.to_string()))
}

impl Service {
    /// The advisories that cover what a question is about, and the token of the next page. Withdrawn ones cover nothing.
    ///
    /// They are judged by their text, not by stored matches: a version need not be published, and none is pending here.
    async fn covering(&self, query: &Query) -> Result<(Vec<StoredAdvisory>, Option<String>), Refused> {
        let subject = Subject::of(query)?;
        self.with_advisories().await?;
        let mut stored = self.store.advisories_of(&subject.name.canonical()).await.map_err(ApiError::from)?;
        stored.retain(|stored| stored.facts.withdrawn.is_none());
        stored.sort_by(|a, b| a.facts.id.cmp(&b.facts.id));
        if let Some(num) = &subject.num {
            let mut covering = Vec::new();
            for one in stored {
                match self.rules.covers(&one, num).map_err(ApiError::from)? {
                    Some(true) => covering.push(one),
                    Some(false) => {}
                    None => return Err(Refused::Bad(format!("{num} is not SemVer, so no advisory can name it."))),
                }
            }
            stored = covering;
        }
        if let Some(token) = query.page_token.as_ref().filter(|token| !token.is_empty()) {
            let Some(before) = stored.iter().position(|stored| stored.facts.id.0 == *token) else {
                return Err(Refused::Bad("Invalid page token.".to_owned()));
            };
            stored.drain(..=before);
        }
        let is_more = stored.len() > MOST_RECORDS;
        stored.truncate(MOST_RECORDS);
        let token = stored.last().filter(|_| is_more).map(|stored| stored.facts.id.0.clone());
        Ok((stored, token))
    }

    async fn osv_record(&self, stored: &StoredAdvisory) -> Result<Value, ApiError> {
        let rows = self.store.matched_by(std::slice::from_ref(&stored.facts.id)).await?;
        Ok(export::osv(&reported(self.rules.as_ref(), stored, rows)?))
    }
}

/// An advisory as `export` takes it. The way out of a release stands in no OSV record and is not looked for.
pub(crate) fn reported(
    rules: &dyn Rules,
    stored: &StoredAdvisory,
    rows: Vec<MatchRow>,
) -> Result<ReportedAdvisory, ApiError> {
    let reading = rules.reading(stored)?;
    let affected = rows.into_iter().filter(|row| row.found.is_affected());
    let releases = affected
        .map(|row| export::AffectedRelease { release: row.release, way_out: export::WayOut::default() })
        .collect();
    Ok(ReportedAdvisory {
        facts: stored.facts.clone(),
        modified: stored.changed_at,
        intervals: reading.intervals,
        related: reading.related,
        references: reading.references,
        categories: reading.categories,
        releases,
    })
}

fn read<T: serde::de::DeserializeOwned>(body: Result<Body, BodyRefused>) -> Result<T, Refused> {
    let Body(bytes) = body.map_err(|refused| match refused {
        BodyRefused::TooLarge(limit) => Refused::TooLarge(limit),
        BodyRefused::Unreadable(why) => Refused::Bad(why),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Refused::Bad(format!("Invalid query: {error}.")))
}

/// An answer to a POST, which nobody keeps.
fn unkept<T: Serialize>(document: &T) -> Response {
    axum::Json(document).into_response()
}

/// A refusal in OSV's shape.
enum Refused {
    Bad(String),
    Missing,
    TooLarge(usize),
    Other(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Other(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let document = |code, message| axum::Json(OsvError { code, message });
        match self {
            Self::Bad(message) => (StatusCode::BAD_REQUEST, document(3, message)).into_response(),
            Self::Missing => (StatusCode::NOT_FOUND, document(5, "Bug not found.".to_owned())).into_response(),
            Self::TooLarge(limit) => {
                let message = format!("The query is larger than {limit} bytes.");
                (StatusCode::PAYLOAD_TOO_LARGE, document(3, message)).into_response()
            }
            Self::Other(error) => {
                let message = error.to_string();
                let code = if error.status() == StatusCode::SERVICE_UNAVAILABLE { 14 } else { 13 };
                // Its headers say when to ask again.
                let (mut parts, _) = error.into_response().into_parts();
                parts.headers.remove(axum::http::header::CONTENT_LENGTH);
                let (_, body) = document(code, message).into_response().into_parts();
                Response::from_parts(parts, body)
            }
        }
    }
}
