//! The registry at a glance: how much is known, how much waits, how far it was read.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::Step;
use schemars::JsonSchema;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(summary))
}

/// Everything in numbers.
#[derive(Serialize, JsonSchema)]
struct SummaryAnswer {
    /// Crates that were ever seen.
    crates: u64,
    /// Releases that were ever seen.
    releases: u64,
    /// Releases in the index now.
    live_releases: u64,
    /// Dependencies that stand.
    dependencies: u64,
    /// Rows by what they say.
    rows: Vec<RowCount>,
    /// What is still to be done.
    work: Vec<StepCount>,
    /// Lines and files that cannot be read.
    quarantined: usize,
    /// The highest number of `/api/v1/events`.
    last_event: i64,
    /// What this rests on.
    as_of: Standing,
}

/// How many rows say one thing.
#[derive(Serialize, JsonSchema)]
struct RowCount {
    /// Outcome of the source check.
    verdict: String,
    /// What the advisory database says.
    advisory_state: String,
    /// How many.
    rows: u64,
}

/// How much waits at one step.
#[derive(Serialize, JsonSchema)]
struct StepCount {
    /// Which step: download, inspect, verify, match, publish.
    #[schemars(with = "String")]
    step: Step,
    /// Open, and alive.
    waiting: u64,
    /// Of these, failed at least once.
    retrying: u64,
    /// Given up.
    dead: u64,
}

described!(SummaryAnswer as Serialize);

/// Everything in numbers
#[utoipa::path(
    get, path = "/api/v1/summary", operation_id = "summary", tag = "registry",
    responses((status = 200, description = "The numbers.", body = SummaryAnswer)),
)]
async fn summary(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let as_of = service.standing().await?;
    let store = service.store();
    let [crates, releases, live_releases, dependencies] = service.totals().await?;
    let rows = store.row_counts().await?.into_iter();
    let rows = rows.map(|(verdict, advisory_state, rows)| RowCount { verdict, advisory_state, rows }).collect();
    let work = store.counts().await?.into_iter();
    let work = work
        .map(|count| StepCount { step: count.step, waiting: count.waiting, retrying: count.retrying, dead: count.dead })
        .collect();
    answer::json(&SummaryAnswer {
        crates,
        releases,
        live_releases,
        dependencies,
        rows,
        work,
        quarantined: store.quarantined().await?.len(),
        last_event: store.last_number().await?,
        as_of,
    })
}
