//! One crate: every release that was ever seen, tombstones and later archives of a number included.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use schema::{KrateName, ProvenanceRow, ReleaseId, Timestamp};
use serde::Deserialize;
use store::{ChangeRow, VersionRow};

use super::frame::{Section, View};
use super::past;
use super::search::{cut_to, release_table};
use super::table::{input, more, table};
use super::text::{address, count, krate_address, number, part, shown, time};
use super::words;
use crate::extract::{Asked, Segments, krate_name};
use crate::{ApiError, Service};

/// Releases of one page.
const PAGE: u32 = 100;
/// The last changes shown.
const CHANGES: usize = 50;

#[derive(Deserialize)]
pub(super) struct KrateQuery {
    after: Option<String>,
    at: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
    Asked(asked): Asked<KrateQuery>,
) -> Result<Response, ApiError> {
    let known = Known::read(&service, &text).await?;
    if text != known.name.as_str() {
        let query =
            [("after", asked.after.as_deref().unwrap_or_default()), ("at", asked.at.as_deref().unwrap_or_default())];
        return Ok(to(&address(&krate_address(&known.name), &query)));
    }
    let view = View::of(&service).await?;
    let at = super::changes::given("at", asked.at.as_ref())?;
    let changes = service.store().changes(0, Some(&known.name.canonical()), u32::MAX).await?;
    let name = known.name.as_str();
    let releases = match at {
        Some(at) => {
            let releases = service.store().releases(&known.name.canonical()).await?.unwrap_or_default();
            past::section(&releases, &changes, at, &view)
        }
        None => present(&service, &known, asked.after.as_deref()).await?,
    };
    let content = html! {
        h1 { (name) }
        p { (known.words()) }
        ul.links {
            @if at.is_some() { li { a href=(krate_address(&known.name)) { "As it is now" } } }
            li { a href=(format!("/crates/{name}/dependents")) { "Dependents" } }
            li { a href=(format!("/api/v1/crates/{}", part(name))) { "As JSON" } }
        }
        (releases)
        @if asked.after.is_none() {
            h2 { "As it was" }
            form.filters method="get" action=(krate_address(&known.name)) {
                (input("at", "At a time (UTC)", "text", &at.map(super::changes::minute).unwrap_or_default(), "2026-08-20T07:15"))
                button type="submit" { "Show" }
            }
            (compare(&known.versions, name, ["", ""]))
            (story(&changes))
        }
    };
    Ok(view.page(Section::Elsewhere, name, &content))
}

/// The releases as they are now, a page of them.
async fn present(service: &Service, known: &Known, after: Option<&str>) -> Result<Markup, ApiError> {
    let (ids, next) = known.page(after)?;
    let rows: Vec<ProvenanceRow> =
        service.store().pages_of(&ids).await?.into_iter().map(|page| service.row_of(page)).collect();
    let first = after.map(|_| krate_address(&known.name));
    let next = next.map(|mark| address(&krate_address(&known.name), &[("after", &mark)]));
    Ok(html! {
        h2 { "Releases" }
        p.muted { "The highest version comes first; what is gone from the index stays in the list." }
        (release_table(&format!("Releases of {}", known.name), &rows, false))
        (more(first.as_deref(), next.as_deref()))
    })
}

/// A crate and its releases, in version order.
pub(super) struct Known {
    pub(super) name: KrateName,
    pub(super) versions: Vec<VersionRow>,
}

impl Known {
    /// By any spelling; what is not known is an error that says what is.
    pub(super) async fn read(service: &Service, text: &str) -> Result<Self, ApiError> {
        let name = krate_name(text)?;
        let versions = service.store().versions(&name.canonical()).await?;
        match versions {
            Some(versions) if !versions.is_empty() => Ok(Self { name: versions[0].name.clone(), versions }),
            _ => Err(service.unknown_krate(text).await),
        }
    }

    fn words(&self) -> Markup {
        let live = self.versions.iter().filter(|version| version.deleted_at.is_none());
        let (n_live, n_yanked) = (live.clone().count(), live.filter(|version| version.yanked).count());
        let n_deleted = self.versions.len() - n_live;
        html! {
            (count(self.versions.len() as u64, "release")) " ever seen: " (number(n_live as u64)) " in the index now"
            @if n_yanked > 0 { ", " (number(n_yanked as u64)) " of them yanked" }
            @if n_deleted > 0 { "; " strong { (number(n_deleted as u64)) " gone from the index" } }
            "."
        }
    }

    /// The releases of a page, highest version first, and the mark of the next page.
    fn page(&self, after: Option<&str>) -> Result<(Vec<ReleaseId>, Option<String>), ApiError> {
        let mut ids: Vec<ReleaseId> = self.versions.iter().rev().map(|version| version.id).collect();
        if let Some(after) = after.filter(|text| !text.is_empty()) {
            let place = ids.iter().position(|id| id.0.to_string() == after);
            let place = place.ok_or_else(|| {
                ApiError::BadRequest(format!("after {after:?} is no place in this list; begin without it"))
            })?;
            ids.drain(..=place);
        }
        let next = cut_to(&mut ids, PAGE).map(|last| last.0.to_string());
        Ok((ids, next))
    }
}

/// Sends a browser to another address. Not for ever: a name may be registered again in another spelling.
pub(super) fn to(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, address)]).into_response(),
        Err(_) => ApiError::BadRequest("this cannot be an address".to_owned()).into_response(),
    }
}

/// The form for two versions to be compared; what was not chosen is the last two.
pub(super) fn compare(versions: &[VersionRow], name: &str, chosen: [&str; 2]) -> Markup {
    let mut nums: Vec<&str> = versions.iter().rev().map(|version| version.num.as_str()).collect();
    nums.dedup();
    let options = |side: usize, otherwise: usize| {
        let at = nums.iter().position(|num| *num == chosen[side]).unwrap_or(otherwise);
        html! { @for (place, num) in nums.iter().enumerate() { option value=(num) selected[place == at] { (num) } } }
    };
    html! {
        @if nums.len() > 1 {
            h2 { "Compare two versions" }
            form.filters method="get" action=(format!("/crates/{name}/diff")) {
                div.field { label for="from" { "From" } select #from name="from" { (options(0, 1)) } }
                div.field { label for="to" { "To" } select #to name="to" { (options(1, 0)) } }
                button type="submit" { "Compare" }
            }
        }
    }
}

/// What happened to the crate in the index, the last first.
fn story(changes: &[ChangeRow]) -> Markup {
    let rows: Vec<_> = changes.iter().rev().take(CHANGES).map(change_cells).collect();
    html! {
        h2 { "What happened in the index" }
        @if rows.is_empty() {
            p { "Nothing since it is watched: what was there at the first reading is recorded by no change." }
        } @else {
            (table("Changes", &["When", "What", "Version", "Fields", "Commit"], &rows))
            @if changes.len() > CHANGES {
                p.muted { "The last " (CHANGES) " of " (number(changes.len() as u64)) "." }
            }
        }
    }
}

/// A change without its crate.
fn change_cells(row: &ChangeRow) -> Markup {
    let change = &row.change;
    html! {
        th scope="row" { (time(change.at)) }
        td { (words::change(change.kind)) }
        td { @if let Some(num) = &change.num { (shown(num.as_str())) } }
        td { (shown(&change.fields.join(", "))) }
        td { @if let Some(commit) = &change.commit { code { (shown(&super::frame::short(commit))) } } }
    }
}

/// A time that may not be known.
pub(super) fn when(at: Option<Timestamp>) -> Markup {
    html! { @match at { Some(at) => { (time(at)) } None => { span.muted { "the index does not say" } } } }
}
