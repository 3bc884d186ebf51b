//! Where a release came from: every source check with its evidence, and the files of its archive.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schema::{Generation, KrateName, Sha256, SourceSummary, Timestamp, VersionNum};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::releases::current;
use crate::extract::{Asked, Segments, krate_name, version_num};
use crate::listing::{Meta, PageQuery};
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(source))
}

/// Where a release came from.
#[derive(Serialize, JsonSchema)]
struct SourceAnswer {
    /// The crate, in its published spelling.
    name: KrateName,
    /// The version.
    num: VersionNum,
    /// Which archive of that number.
    generation: Generation,
    /// sha256 of the archive.
    checksum: Sha256,
    /// What the row says of its source, reasons included.
    source: SourceSummary,
    /// Every comparison that was made, the first one first.
    checks: Vec<Check>,
    /// Evidence of the last one, as `provenance verify --json` gives it; `null` when it was never checked.
    evidence: Value,
    /// A page of the archive's files, in their order there; `null` when it was not inspected.
    files: Option<Vec<File>>,
    /// The other pages of files.
    meta: Option<Meta>,
    /// What this rests on.
    as_of: Standing,
}

/// One comparison.
#[derive(Serialize, JsonSchema)]
struct Check {
    /// When.
    at: Timestamp,
    /// Why: first, recheck, rules or asked.
    cause: String,
    /// The repository looked at.
    repository: Option<String>,
    /// What came of it.
    summary: SourceSummary,
}

/// A file of the archive. Its path is another person's text.
#[derive(Serialize, JsonSchema)]
struct File {
    /// Below the folder that the archive unpacks into.
    path: String,
    /// file, directory, symlink, hardlink or other.
    kind: String,
    /// Unix permission bits.
    mode: u32,
    /// Bytes.
    size: u64,
    /// sha256 of its content.
    sha256: Sha256,
    /// The id git gives its content.
    git_blob: String,
}

described!(SourceAnswer as Serialize);

/// Where a release came from: checks, evidence, files
#[utoipa::path(
    get, path = "/api/v1/crates/{name}/{version}/source", operation_id = "source", tag = "crates",
    params(
        ("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
        ("version" = String, Path, description = "The version, build metadata included.", pattern = "^[0-9A-Za-z.+_-]{1,150}$"),
        PageQuery,
    ),
    responses((status = 200, description = "Checks, evidence, files.", body = SourceAnswer)),
)]
async fn source(
    State(service): State<Arc<Service>>,
    Segments((name, num)): Segments<(String, String)>,
    Asked(page): Asked<PageQuery>,
) -> Result<Response, ApiError> {
    let (name, num) = (krate_name(&name)?, version_num(&num)?);
    let as_of = service.standing().await?;
    let pages = service.store.pages(&name.canonical(), &num).await?;
    let ids: Vec<_> = pages.iter().map(|page| page.release.id).collect();
    let rows: Vec<_> = pages.into_iter().map(|page| service.row_of(page)).collect();
    let found = current(&rows).and_then(|row| Some((row, *ids.get(rows.iter().position(|one| one == row)?)?)));
    let Some((row, id)) = found else { return Err(service.unknown_version(&name, num).await) };
    let checks = service.store.checks(id).await?;
    let evidence = match checks.last() {
        Some(check) => serde_json::from_str(&check.document).map_err(|_| ApiError::Internal)?,
        None => Value::Null,
    };
    let (files, meta) = files(&service, row.checksum, &page).await?.unzip();
    answer::json(&SourceAnswer {
        name: row.name.clone(),
        num: row.num.clone(),
        generation: row.generation,
        checksum: row.checksum,
        source: row.source.clone(),
        checks: checks
            .into_iter()
            .map(|check| Check {
                at: check.at,
                cause: check.cause,
                repository: check.repository,
                summary: check.summary,
            })
            .collect(),
        evidence,
        files,
        meta,
        as_of,
    })
}

async fn files(service: &Service, checksum: Sha256, page: &PageQuery) -> Result<Option<(Vec<File>, Meta)>, ApiError> {
    // What is wrong with the query is wrong with or without files.
    page.per_page()?;
    let Some(packed) = service.store.entries(checksum).await? else { return Ok(None) };
    let entries = service.rules.entries(&packed)?;
    let numbered: Vec<_> = entries.into_iter().enumerate().collect();
    let (entries, meta) = page.cut(numbered, |(number, _)| number.to_string())?;
    let files = entries.into_iter().map(|(_, entry)| File {
        path: entry.path,
        kind: serde_json::to_value(entry.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned))
            .unwrap_or_default(),
        mode: entry.mode,
        size: entry.size,
        sha256: entry.sha256,
        git_blob: entry.git_blob.to_string(),
    });
    Ok(Some((files.collect(), meta)))
}
