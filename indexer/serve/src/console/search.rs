//! Search: crates by a part of their name, and releases by what is known of them, page after page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{AdvisoryKind, AdvisoryState, ChecksumState, KrateName, ProvenanceRow, ReleaseId, Verdict};
use serde::Deserialize;
use store::{KrateCount, Wanted};

use super::frame::{Section, View, chosen};
use super::table::{choice, input, more, table};
use super::text::{address, krate_link, number, shown, time};
use super::words::{self, advisory_words, checksum_words, spaced, verdict_words};
use crate::extract::Asked;
use crate::{ApiError, Service};

/// Entries of one page.
const PAGE: u32 = 50;

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    q: Option<String>,
    checksum: Option<String>,
    verdict: Option<String>,
    advisory: Option<String>,
    kind: Option<String>,
    yanked: Option<String>,
    deleted: Option<String>,
    after: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Asked(asked): Asked<SearchQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let wanted = asked.wanted()?;
    let is_by_name = wanted == Wanted { part: wanted.part.clone(), ..Wanted::default() };
    let found = match (&wanted.part, is_by_name) {
        (None, true) => html! { p.muted { "Name a part of a crate's name, or a state." } },
        (Some(part), true) => krates(&service, &asked, part).await?,
        _ => releases(&service, &asked, &wanted).await?,
    };
    let content = html! { h1 { "Search" } (asked.form()) (found) };
    Ok(view.page(Section::Search, &asked.title(), &content))
}

impl SearchQuery {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        // Any spelling is taken: the canonical name is what is looked through.
        let part = self.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
        Ok(Wanted {
            part: part.map(|text| text.to_ascii_lowercase().replace('-', "_")),
            verdict: chosen::<Verdict>("verdict", self.verdict.as_ref())?,
            advisories: chosen::<AdvisoryState>("advisory", self.advisory.as_ref())?,
            worst_kind: chosen::<AdvisoryKind>("kind", self.kind.as_ref())?,
            checksum: chosen::<ChecksumState>("checksum", self.checksum.as_ref())?,
            yanked: yes_or_no("yanked", self.yanked.as_ref())?,
            deleted: yes_or_no("deleted", self.deleted.as_ref())?,
        })
    }

    fn title(&self) -> String {
        match self.q.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => format!("Search: {text}"),
            None => "Search".to_owned(),
        }
    }

    fn address(&self, after: &str) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let values =
            [&self.q, &self.checksum, &self.verdict, &self.advisory, &self.kind, &self.yanked, &self.deleted].map(text);
        let names = ["q", "checksum", "verdict", "advisory", "kind", "yanked", "deleted"];
        let query: Vec<_> =
            names.into_iter().zip(values.iter().map(String::as_str)).chain([("after", after)]).collect();
        address("/search", &query)
    }

    /// The way to the first page and to the next one; `next` is the mark of the last entry when there are more.
    fn pages(&self, next: Option<&str>) -> Markup {
        let first = self.after.as_ref().map(|_| self.address(""));
        more(first.as_deref(), next.map(|mark| self.address(mark)).as_deref())
    }

    fn form(&self) -> Markup {
        let yes_no = || [("yes", "yes".to_owned()), ("no", "no".to_owned())];
        html! {
            form.filters method="get" action="/search" {
                (input("q", "Part of the name", "search", self.q.as_deref().unwrap_or_default(), "serde"))
                (choice("checksum", "Archive", self.checksum.as_deref(),
                    ChecksumState::ALL.iter().map(|one| (one.as_str(), checksum_words(*one).1.to_owned()))))
                (choice("verdict", "Source check", self.verdict.as_deref(),
                    Verdict::ALL.iter().map(|one| (one.as_str(), verdict_words(*one).1.to_owned()))))
                (choice("advisory", "Advisories", self.advisory.as_deref(),
                    AdvisoryState::ALL.iter().map(|one| (one.as_str(), advisory_words(*one).1.to_owned()))))
                (choice("kind", "Worst kind", self.kind.as_deref(),
                    AdvisoryKind::ALL.iter().map(|one| (one.as_str(), spaced(one.as_str())))))
                (choice("yanked", "Yanked", self.yanked.as_deref(), yes_no()))
                (choice("deleted", "Deleted", self.deleted.as_deref(), yes_no()))
                button type="submit" { "Search" }
            }
        }
    }
}

fn yes_or_no(name: &str, text: Option<&String>) -> Result<Option<bool>, ApiError> {
    match text.map(String::as_str) {
        None | Some("") => Ok(None),
        Some("yes" | "true" | "1") => Ok(Some(true)),
        Some("no" | "false" | "0") => Ok(Some(false)),
        Some(other) => Err(ApiError::BadRequest(format!("{name} is yes or no, not {other:?}"))),
    }
}

/// Crates by name; the one that is named exactly stands before all others.
async fn krates(service: &Service, asked: &SearchQuery, part: &str) -> Result<Markup, ApiError> {
    let after = match asked.after.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            Some(KrateName::parse(text).map_err(|why| ApiError::BadRequest(format!("after: {why}")))?.canonical())
        }
    };
    let mut found = service.store().krates_named(part, after.as_ref(), PAGE + 1).await?;
    let next = cut(&mut found).map(|last: &KrateCount| last.canonical.as_str().to_owned());
    let exact = match KrateName::parse(part) {
        Ok(name) if after.is_none() => service.store().versions(&name.canonical()).await?,
        _ => None,
    };
    let exact: Option<&KrateName> = exact.iter().flatten().next().map(|version| &version.name);
    let rows: Vec<_> = found
        .iter()
        .map(|krate| {
            html! {
                th scope="row" { (krate_link(&krate.name)) }
                td.n { (number(krate.n_releases)) }
                td.n { (number(krate.n_live)) }
            }
        })
        .collect();
    Ok(html! {
        @if let Some(name) = exact { p { "The crate of this name: " strong { (krate_link(name)) } } }
        @if rows.is_empty() { p { "No crate that is known here has this in its name." } }
        @else { (table("Crates", &["Crate", "Releases ever seen", "In the index now"], &rows)) }
        (asked.pages(next.as_deref()))
    })
}

async fn releases(service: &Service, asked: &SearchQuery, wanted: &Wanted) -> Result<Markup, ApiError> {
    let below = match asked.after.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(ReleaseId(text.parse().map_err(|_| {
            ApiError::BadRequest(format!("after {text:?} is no place in this list; begin without it"))
        })?)),
    };
    let mut ids = service.store().find(wanted, below, PAGE + 1).await?;
    let next = cut(&mut ids).map(|last| last.0.to_string());
    let rows: Vec<ProvenanceRow> =
        service.store().pages_of(&ids).await?.into_iter().map(|page| service.row_of(page)).collect();
    Ok(html! {
        @if rows.is_empty() { p { "No release that is known here is so." } }
        @else {
            p.muted { "What was stored last comes first." }
            (release_table("Releases", &rows, true))
        }
        (asked.pages(next.as_deref()))
    })
}

/// Leaves what one page has, and gives its last entry when there are more.
pub(super) fn cut<T>(list: &mut Vec<T>) -> Option<&T> {
    cut_to(list, PAGE)
}

/// The same for pages of another length.
pub(super) fn cut_to<T>(list: &mut Vec<T>, length: u32) -> Option<&T> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let is_more = list.len() > length;
    list.truncate(length);
    list.last().filter(|_| is_more)
}

/// Releases with what is known of each.
pub(super) fn release_table(caption: &str, rows: &[ProvenanceRow], with_name: bool) -> Markup {
    let headings = ["Crate", "Version", "Published", "Archive", "Source check", "Advisories"];
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            html! {
                @if with_name { th scope="row" { (krate_link(&row.name)) } td { (words::release_cell(row)) } }
                @else { th scope="row" { (words::release_cell(row)) } }
                td { @match row.published_at { Some(at) => { (time(at)) } None => { span.muted { "not said" } } } }
                td { (words::checksum(row.checksum_state)) }
                td { (words::verdict(row.source.verdict)) }
                td {
                    (words::advisories(&row.advisories))
                    @for id in &row.advisories.ids { " " a href=(advisory_address(&id.0)) { (shown(&id.0)) } }
                }
            }
        })
        .collect();
    table(caption, if with_name { &headings } else { &headings[1..] }, &cells)
}

/// The page of an advisory.
pub(super) fn advisory_address(id: &str) -> String {
    format!("/advisories/{}", super::text::part(id))
}
