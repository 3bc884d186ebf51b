//! The advisories that are known, worst first, and one of them: what it says, what it covers, and the way out.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{AdvisoryFacts, AdvisoryId, AdvisoryKind, Licence, SeverityWord, Step};
use serde::Deserialize;
use store::{MatchRow, StoredAdvisory};

use super::frame::{Section, View, chosen};
use super::krate::to;
use super::search::{advisory_address, cut_to};
use super::table::{choice, facts, input, more, table};
use super::text::{address, count, known, krate_link, lines, number, outside, part, release_address, shown, time};
use super::words;
use crate::extract::{Asked, Segments};
use crate::{AdvisoryReading, ApiError, Service};

/// Entries of one page.
const PAGE: u32 = 100;

#[derive(Deserialize)]
pub(super) struct AdvisoriesQuery {
    q: Option<String>,
    kind: Option<String>,
    severity: Option<String>,
    withdrawn: Option<String>,
    after: Option<String>,
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Asked(asked): Asked<AdvisoriesQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let counts = service.store().counts().await?;
    let to_match = counts.iter().filter(|count| count.step == Step::Match);
    let n_pending: u64 = to_match.map(|count| count.waiting + count.dead).sum();
    let covered: HashMap<AdvisoryId, u64> = service.store().covered().await?.into_iter().collect();
    let mut found = asked.narrow(service.store().advisory_facts().await?)?;
    // The newest report first; of one day in the order of their ids.
    found.sort_by(|a, b| (&b.date, &b.id).cmp(&(&a.date, &a.id)));
    let total = found.len();
    if let Some(after) = asked.after.as_deref().filter(|text| !text.is_empty()) {
        let place = found.iter().position(|facts| facts.id.0 == after);
        let place = place.ok_or_else(|| {
            ApiError::BadRequest(format!("after {after:?} is no place in this list; begin without it"))
        })?;
        found.drain(..=place);
    }
    let next = cut_to(&mut found, PAGE).map(|last| asked.address(&last.id.0));
    let first = asked.after.as_ref().map(|_| asked.address(""));
    let rows: Vec<_> = found.iter().map(|facts| row(facts, covered.get(&facts.id))).collect();
    let content = html! {
        h1 { "Advisories" }
        (asked.form())
        @if view.standing.as_of.advisory_db.is_none() {
            p.note { "No advisory database is loaded, so nothing can be said: this list is not empty, it is missing." }
        } @else if rows.is_empty() { p { "No advisory of the database is so." } }
        @else {
            p.muted { (count(total as u64, "advisory").replace("advisorys", "advisories")) ", the newest report first." }
            @if n_pending > 0 { p.note { (words::chip(words::Look::Waiting, "not matched yet")) " " (count(n_pending, "release")) ": more may be covered than is counted here." } }
            (table("Advisories", &["Advisory", "Package", "Kind", "Severity", "Reported", "Releases covered", "Title"], &rows))
        }
        (more(first.as_deref(), next.as_deref()))
    };
    Ok(view.page(Section::Advisories, "Advisories", &content))
}

impl AdvisoriesQuery {
    fn narrow(&self, mut all: Vec<AdvisoryFacts>) -> Result<Vec<AdvisoryFacts>, ApiError> {
        let kind = chosen::<AdvisoryKind>("kind", self.kind.as_ref())?;
        let severity = chosen::<SeverityWord>("severity", self.severity.as_ref())?;
        let withdrawn = match self.withdrawn.as_deref() {
            None | Some("") => None,
            Some("yes") => Some(true),
            Some("no") => Some(false),
            Some(other) => return Err(ApiError::BadRequest(format!("withdrawn is yes or no, not {other:?}"))),
        };
        let part = self.q.as_deref().unwrap_or_default().trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&part);
        all.retain(|facts| {
            kind.is_none_or(|kind| facts.kind == kind)
                && severity.is_none_or(|severity| facts.score.severity == severity)
                && withdrawn.is_none_or(|withdrawn| facts.withdrawn.is_some() == withdrawn)
                && (part.is_empty()
                    || has(&facts.id.0)
                    || has(&facts.package)
                    || has(title(facts))
                    || facts.aliases.iter().any(|alias| has(alias)))
        });
        Ok(all)
    }

    fn address(&self, after: &str) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (q, kind, severity, withdrawn) =
            (text(&self.q), text(&self.kind), text(&self.severity), text(&self.withdrawn));
        let query =
            [("q", &*q), ("kind", &*kind), ("severity", &*severity), ("withdrawn", &*withdrawn), ("after", after)];
        address("/advisories", &query)
    }

    fn form(&self) -> Markup {
        let chosen = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let severities = SeverityWord::ALL.iter().map(|one| (one.as_str(), one.as_str().to_owned()));
        let kinds = AdvisoryKind::ALL.iter().map(|one| (one.as_str(), one.as_str().to_owned()));
        let yes_no = [("yes", "yes".to_owned()), ("no", "no".to_owned())];
        html! {
            form.filters method="get" action="/advisories" {
                (input("q", "Id, package or title", "search", self.q.as_deref().unwrap_or_default(), "RUSTSEC-2026-0001"))
                (choice("kind", "Kind", chosen(&self.kind).as_deref(), kinds))
                (choice("severity", "Severity", chosen(&self.severity).as_deref(), severities))
                (choice("withdrawn", "Withdrawn", chosen(&self.withdrawn).as_deref(), yes_no))
                button type="submit" { "Show" }
            }
        }
    }
}

/// The heading, or the id where the licence lets us show none.
fn title(facts: &AdvisoryFacts) -> &str {
    if facts.licence == Licence::Other { &facts.id.0 } else { &facts.title }
}

fn row(facts: &AdvisoryFacts, covered: Option<&u64>) -> Markup {
    html! {
        th scope="row" {
            a href=(advisory_address(&facts.id.0)) { (shown(&facts.id.0)) }
            @if facts.withdrawn.is_some() { " " (words::chip(words::Look::NotChecked, "withdrawn")) }
        }
        td { (package(facts)) }
        td { (words::kind(facts.kind)) }
        td { (words::score(facts.score.severity)) }
        td { (shown(&facts.date)) }
        td.n { (number(covered.copied().unwrap_or_default())) }
        td.long { (shown(title(facts))) }
    }
}

fn package(facts: &AdvisoryFacts) -> Markup {
    match schema::KrateName::parse(&facts.package) {
        Ok(name) if facts.krate.is_some() => krate_link(&name),
        _ => html! { (shown(&facts.package)) " " span.muted { "(not a crate)" } },
    }
}

#[derive(Deserialize)]
pub(super) struct AdvisoryQuery {
    after: Option<String>,
}

pub(super) async fn one(
    State(service): State<Arc<Service>>,
    Segments(id): Segments<String>,
    Asked(asked): Asked<AdvisoryQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    if view.standing.as_of.advisory_db.is_none() {
        return Err(ApiError::NoAdvisories);
    }
    let mut found = service.store().advisories_by_id(&id).await?;
    let stored = match (found.pop(), found.len()) {
        (None, _) => return Err(ApiError::NotFound(format!("no advisory that is known here has the id {id:?}"))),
        (Some(one), 0) => one,
        (Some(one), _) => {
            found.push(one);
            return Ok(several(&view, &id, &found));
        }
    };
    if stored.facts.id.0 != id {
        return Ok(to(&advisory_address(&stored.facts.id.0)));
    }
    let reading = service.rules.reading(&stored)?;
    let (affected, near) = covered(&service, &stored, asked.after.as_deref()).await?;
    let id = &stored.facts.id.0;
    let content = html! {
        h1 { (shown(id)) @if let Some(day) = &stored.facts.withdrawn { " " (words::chip(words::Look::NotChecked, &format!("withdrawn {day}"))) } }
        p.lead { (shown(title(&stored.facts))) }
        (about(&stored, &reading))
        h2 #affected { "Affected releases" }
        (affected)
        (near)
        (prose(&stored, &reading, &view))
    };
    Ok(view.page(Section::Advisories, id, &content))
}

/// An alias may stand for more than one.
fn several(view: &View, id: &str, found: &[StoredAdvisory]) -> Response {
    let content = html! {
        h1 { (shown(id)) }
        p { "More than one advisory goes by this id:" }
        ul { @for one in found { li { a href=(advisory_address(&one.facts.id.0)) { (shown(&one.facts.id.0)) } ": " (package(&one.facts)) } } }
    };
    view.page(Section::Advisories, id, &content)
}

fn about(stored: &StoredAdvisory, reading: &AdvisoryReading) -> Markup {
    let known = &stored.facts;
    let list = |texts: &[String], otherwise: &str| {
        html! {
            @if texts.is_empty() { span.muted { (otherwise) } }
            @for (at, text) in texts.iter().enumerate() { @if at > 0 { ", " } code { (shown(text)) } }
        }
    };
    let derived =
        html! { @if known.kind_derived { " " span.muted { "(derived: the database does not state this kind)" } } };
    let vector = html! { @if let Some(vector) = &known.score.vector { " " code { (shown(vector)) } } };
    let mut rows = vec![
        ("Package", package(known)),
        ("Kind", html! { (words::kind(known.kind)) (derived) }),
        ("Severity", html! { (words::score(known.score.severity)) (vector) }),
        ("Reported", shown(&known.date)),
        ("Other ids", list(&known.aliases, "none")),
        ("Versions with a fix", list(&known.patched, "none named")),
        ("Versions never affected", list(&known.unaffected, "none named")),
        (
            "Last changed in the database",
            html! { (time(stored.changed_at)) " by " code { (shown(&super::frame::short(&stored.changed_in))) } },
        ),
    ];
    if !known.functions.is_empty() {
        let functions: Vec<_> = known.functions.keys().cloned().collect();
        rows.push(("Affected functions", list(&functions, "none named")));
    }
    if !reading.categories.is_empty() {
        rows.push(("Categories", list(&reading.categories, "none")));
    }
    let links: Vec<&String> = known.url.iter().chain(&reading.references).collect();
    if !links.is_empty() {
        rows.push(("To read on", html! { ul { @for link in links { li { (outside(link)) } } } }));
    }
    facts(&rows)
}

/// The affected releases of a page with the way out of each, and those that are only near.
async fn covered(
    service: &Service,
    stored: &StoredAdvisory,
    after: Option<&str>,
) -> Result<(Markup, Markup), ApiError> {
    let Some(canonical) = &stored.facts.krate else {
        return Ok((html! { p { "It is about the toolchain itself, which is no crate." } }, html! {}));
    };
    let store = service.store();
    let releases = store.releases(canonical).await?.unwrap_or_default();
    let all: Vec<_> = releases.iter().map(|release| release.id).collect();
    // In this order: what waits no more when it is counted has its matches by then.
    let n_pending = store.open_marks(&all, Step::Match).await?.len();
    let rows = store.matched_by(std::slice::from_ref(&stored.facts.id)).await?;
    let (mut affected, near): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.found.is_affected());
    let total = affected.len();
    affected.reverse();
    if let Some(after) = after.filter(|text| !text.is_empty()) {
        let place = affected.iter().position(|row| row.release.id.0.to_string() == after);
        let place = place.ok_or_else(|| {
            ApiError::BadRequest(format!("after {after:?} is no place in this list; begin without it"))
        })?;
        affected.drain(..=place);
    }
    let here = advisory_address(&stored.facts.id.0);
    let next = cut_to(&mut affected, PAGE).map(|last| address(&here, &[("after", &last.release.id.0.to_string())]));
    let of_krate = store.advisories_of(canonical).await?;
    let ids: Vec<_> = affected.iter().map(|row| row.release.id).collect();
    let mut ways = service.rules.ways_out(&ids, &of_krate, &releases)?;
    let cells: Vec<_> =
        affected.iter().map(|row| affected_cells(row, &ways.remove(&row.release.id).unwrap_or_default())).collect();
    let exposed =
        address(&format!("/crates/{}/dependents", part(canonical.as_str())), &[("advisory", &stored.facts.id.0)]);
    let list = html! {
        @if n_pending > 0 { p.note { (words::chip(words::Look::Waiting, "not matched yet")) " " (count(n_pending as u64, "release")) " of the crate: nothing is said about them here." } }
        @if releases.is_empty() { p { "No release of this crate is known here." } }
        @else if total == 0 { p { "No release that is known here is covered." } }
        @else {
            p { (count(total as u64, "release")) ", the highest version first; what is gone from the index is listed, too. " a href=(exposed) { "Who depends on them" } "." }
            (table("Affected releases", &["Version", "Published", "Next safe, compatible", "Next safe, any", "To be known"], &cells))
        }
        (more(after.map(|_| here.as_str()), next.as_deref()))
    };
    Ok((list, near_list(&near)))
}

fn affected_cells(row: &MatchRow, way: &export::WayOut) -> Markup {
    let key = &row.release.key;
    let link =
        |num: &schema::VersionNum| html! { a href=(release_address(&key.name, num, None)) { (shown(num.as_str())) } };
    let next = |num: Option<&schema::VersionNum>| known(num, "none known", link);
    html! {
        th scope="row" {
            a href=(release_address(&key.name, &key.num, Some(key.generation))) { (shown(key.num.as_str())) }
            (words::standing(row.release.yanked, row.release.deleted_at, key.generation))
        }
        td { (super::krate::when(row.release.published_at)) }
        td { (next(way.compatible.as_ref())) }
        td { (next(way.any.as_ref())) }
        td { @for (at, flag) in row.found.flags.iter().enumerate() { @if at > 0 { "; " } (words::flag_words(*flag)) } }
    }
}

fn near_list(near: &[MatchRow]) -> Markup {
    html! {
        @if !near.is_empty() {
            h2 { "Near, and not affected by the official rule" }
            ul {
                @for row in near.iter().take(PAGE as usize) {
                    li {
                        a href=(release_address(&row.release.key.name, &row.release.key.num, Some(row.release.key.generation))) { (shown(row.release.key.num.as_str())) }
                        ": " @for (at, flag) in row.found.flags.iter().enumerate() { @if at > 0 { "; " } (words::flag_words(*flag)) }
                    }
                }
                @if near.len() > PAGE as usize { li { "and " (count((near.len() - PAGE as usize) as u64, "more release")) "; the API lists them all" } }
            }
        }
    }
}

/// The database's own words, where its licence lets us show them, with whose they are.
fn prose(stored: &StoredAdvisory, reading: &AdvisoryReading, view: &View) -> Markup {
    let source = view.standing.as_of.advisory_db.as_ref().map(|db| db.source.clone()).unwrap_or_default();
    html! {
        h2 { "What the database says" }
        @match stored.facts.licence {
            Licence::Other => { p { "The licence of this text does not let us show it; the links above lead to it." } }
            licence => {
                @if reading.description.is_empty() { p.muted { "The database that is loaded has facts alone, without prose." } }
                @else { div.prose { (lines(&reading.description)) } }
                p.muted { "Text under " (licence) ", from " span.raw { (shown(&source)) } ", file " span.raw { (shown(&stored.path)) } "." }
            }
        }
    }
}
