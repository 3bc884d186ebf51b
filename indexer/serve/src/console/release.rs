//! One release: its checks side by side, what they rest on, and where it stands among its neighbours.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{ProvenanceRow, Release};
use serde::Deserialize;
use store::{ArchiveRow, CheckRow, InspectionRow, MarkState, MarksWanted, OpenMark, StoredAdvisory, VersionRow};

use super::frame::{Section, View};
use super::krate::{Known, to, when};
use super::table::facts;
use super::text::{address, known, number, outside, part, release_address, shown, time, time_and_age};
use super::words;
use super::{evidence, findings};
use crate::extract::{Asked, Segments, version_num};
use crate::{ApiError, Service};

/// A release has one mark of a step at most.
const STEPS: u32 = 16;

#[derive(Deserialize)]
pub(super) struct ReleaseQuery {
    generation: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Segments((text, num)): Segments<(String, String)>,
    Asked(asked): Asked<ReleaseQuery>,
) -> Result<Response, ApiError> {
    let num = version_num(&num)?;
    let known = Known::read(&service, &text).await?;
    if text != known.name.as_str() {
        let generation = asked.generation.as_deref().unwrap_or_default();
        return Ok(to(&address(&release_address(&known.name, &num, None), &[("generation", generation)])));
    }
    let view = View::of(&service).await?;
    let mut pages = service.store().pages(&known.name.canonical(), &num).await?;
    let wanted = asked.generation.as_deref().filter(|text| !text.is_empty());
    let at = match wanted {
        // The archive that is offered now, or else the last one that was.
        None => pages.iter().rposition(|page| page.release.deleted_at.is_none()).or(pages.len().checked_sub(1)),
        Some(text) => pages.iter().position(|page| page.release.key.generation.to_string() == text),
    };
    let Some(at) = at else { return Err(service.unknown_version(&known.name, num).await) };
    let generations: Vec<_> = pages.iter().map(|page| page.release.key.generation).collect();
    let page = pages.swap_remove(at);
    let release = page.release.clone();
    let row = service.row_of(page);
    let held = Held::read(&service, &release).await?;
    let others: Vec<_> = generations.into_iter().filter(|one| *one != release.key.generation).collect();
    let content = html! {
        (heading(&release, &others))
        (checks(&row, &held, &view))
        (why(&row))
        (evidence::section(held.checks.last()))
        (findings::section(held.inspection.as_ref()))
        (advisories(&row, &held.advisories, &view))
        (history(&held.checks))
        (marks(&held.marks, &view))
        (neighbours(&known.versions, &release))
        @if release.deleted_at.is_none() {
            (super::act::forms(&release.key, held.marks.iter().any(|mark| mark.state == MarkState::Dead)))
        }
    };
    Ok(view.page(Section::Elsewhere, &format!("{} {}", known.name, release.key.num), &content))
}

/// What the memory holds beside the row.
struct Held {
    archive: Option<ArchiveRow>,
    inspection: Option<InspectionRow>,
    checks: Vec<CheckRow>,
    advisories: Vec<StoredAdvisory>,
    marks: Vec<OpenMark>,
}

impl Held {
    async fn read(service: &Service, release: &Release) -> Result<Self, ApiError> {
        let store = service.store();
        let of_this = MarksWanted { release: Some(release.id), ..MarksWanted::default() };
        Ok(Self {
            archive: store.archive(release.id).await?,
            inspection: store.inspection(release.id).await?,
            checks: store.checks(release.id).await?,
            advisories: store.advisories_of(&release.key.name.canonical()).await?,
            marks: store.marks(of_this, None, STEPS).await?,
        })
    }
}

fn heading(release: &Release, others: &[schema::Generation]) -> Markup {
    let key = &release.key;
    let path = format!("/api/v1/crates/{}/{}", part(key.name.as_str()), part(key.num.as_str()));
    html! {
        h1 {
            a href=(super::text::krate_address(&key.name)) { (key.name.as_str()) } " " (shown(key.num.as_str()))
            (words::standing(release.yanked, release.deleted_at, key.generation))
        }
        @if let Some(at) = release.deleted_at {
            p.note { "Gone from the index since " (time(at)) ". What is said here is what was known of it, and stays." }
        }
        @for other in others {
            p.note { "This number had more than one archive: " a href=(release_address(&key.name, &key.num, Some(*other))) { "archive " (other) } "." }
        }
        ul.links {
            li { a href=(path) { "Row as JSON" } }
            li { a href=(format!("{path}/source")) { "Source checks as JSON" } }
            li { a href=(format!("/crates/{}/dependents", key.name)) { "Dependents of the crate" } }
        }
    }
}

/// Index, archive, source and advisories, side by side.
fn checks(row: &ProvenanceRow, held: &Held, view: &View) -> Markup {
    html! {
        div.checks {
            section.check aria-labelledby="index" {
                h2 #index { "Index" }
                p { @if row.deleted_at.is_some() { "It was in the index and is gone." } @else if row.yanked { "It is in the index, yanked." } @else { "It is in the index." } }
                p { "Published " (when(row.published_at)) }
                p.muted { "First seen here " (time(row.first_seen_at)) }
            }
            section.check aria-labelledby="archive" {
                h2 #archive { "Archive" }
                p { (words::checksum(row.checksum_state)) }
                (archive(row, held.archive.as_ref()))
            }
            section.check aria-labelledby="source" {
                h2 #source { "Source" }
                p { (words::verdict(row.source.verdict)) }
                p { (shown(&row.source.words)) }
                @if let Some(last) = held.checks.last() { p.muted { "Last compared " (time_and_age(last.at, view.now)) } }
            }
            section.check aria-labelledby="known" {
                h2 #known { "Advisories" }
                p { (words::advisories(&row.advisories)) }
                p {
                    @match &view.standing.as_of.advisory_db {
                        Some(db) => { "As of the database of " (time(db.at)) "." }
                        None => { "No advisory database is loaded." }
                    }
                }
            }
        }
    }
}

fn archive(row: &ProvenanceRow, held: Option<&ArchiveRow>) -> Markup {
    html! {
        @if let (Some(packed), Some(unpacked)) = (row.compressed_size, row.unpacked_size) {
            p { (number(packed)) " bytes, unpacked " (number(unpacked)) }
        }
        @if let Some(held) = held {
            p.muted { "Fetched " (time(held.at)) @if let Some(status) = held.http_status { ", the registry answered " (status) } }
            @if let Some(found) = held.found.filter(|found| *found != row.checksum) {
                p { "Bytes with sha256 " code { (found.to_string()) } " came." }
            }
        }
        p.muted { "Promised sha256 " code { (row.checksum.to_string()) } }
    }
}

/// The row's own words, with the source it names and the reasons of its verdict.
fn why(row: &ProvenanceRow) -> Markup {
    let source = &row.source;
    let text = |text: Option<&String>| known(text, "none", |text| html! { code { (shown(text)) } });
    let link = |text: Option<&String>| known(text, "none", |text| outside(text));
    html! {
        h2 { "Why the row says so" }
        (facts(&[
            ("Badge", html! { (shown(&row.badge.label)) ": " strong { (shown(&row.badge.message)) } }),
            ("Repository named", link(source.repository_claimed.as_ref())),
            ("Repository looked at", link(source.repository.as_ref())),
            ("Commit claimed", text(source.commit_claimed.as_ref())),
            ("Commit that matches", text(source.commit_matched.as_ref())),
            ("Tag at it", text(source.tag.as_ref())),
            ("To look at", link(source.browse_url.as_ref())),
            ("Rules", html! { code { (shown(&row.rules)) } @if let Some(rules) = &source.rules { ", source " code { (shown(rules)) } } }),
            ("Row last changed", time(row.changed_at)),
            ("Facts last looked at", time(row.checked_at)),
        ]))
        h3 { "Reasons" }
        (findings::reasons(&source.reasons))
    }
}

fn advisories(row: &ProvenanceRow, known: &[StoredAdvisory], view: &View) -> Markup {
    let of = |id: &schema::AdvisoryId| known.iter().find(|stored| stored.facts.id == *id);
    let entry = |id: &schema::AdvisoryId| {
        html! {
            li {
                a href=(super::search::advisory_address(&id.0)) { (shown(&id.0)) } " "
                @if let Some(stored) = of(id) {
                    (words::kind(stored.facts.kind)) " " (words::score(stored.facts.score.severity)) " " (shown(&stored.facts.title))
                }
            }
        }
    };
    html! {
        h2 { "Advisories" }
        @if row.advisories.ids.is_empty() {
            @match row.advisories.state {
                schema::AdvisoryState::NoneKnown => {
                    p { "None that is known covers this release" @if let Some(db) = &view.standing.as_of.advisory_db { ", as of the database of " (time(db.at)) } "." }
                }
                schema::AdvisoryState::Pending => { p { "It was not matched against the present database yet. That is no answer." } }
                _ => { p { "Nothing can be said." } }
            }
        } @else { ul { @for id in &row.advisories.ids { (entry(id)) } } }
        @if !row.advisories.near.is_empty() {
            p { "A pre-release of a version that these cover, and not covered by the official rule:" }
            ul { @for id in &row.advisories.near { (entry(id)) } }
        }
    }
}

/// Every comparison that was made; none is overwritten.
fn history(checks: &[CheckRow]) -> Markup {
    let rows: Vec<_> = checks
        .iter()
        .rev()
        .map(|check| {
            html! {
                th scope="row" { (time(check.at)) }
                td { (shown(&check.cause)) }
                td { (words::verdict(check.summary.verdict)) }
                td { @match &check.repository { Some(key) => { span.raw { (shown(key)) } } None => { span.muted { "none" } } } }
                td { @if let Some(commit) = &check.summary.commit_matched { code { (shown(&super::frame::short(commit))) } } }
                td { @if let Some(rules) = &check.summary.rules { code { (shown(rules)) } } }
            }
        })
        .collect();
    html! {
        h2 { "Source checks" }
        @if rows.is_empty() { p { "It was never compared with a repository." } }
        @else {
            (super::table::table("Source checks, the last one first", &["When", "Why", "Outcome", "Repository", "Commit", "Rules"], &rows))
        }
    }
}

fn marks(marks: &[OpenMark], view: &View) -> Markup {
    html! {
        @if !marks.is_empty() {
            h2 { "What waits" }
            ul {
                @for mark in marks {
                    li {
                        strong { (mark.step) } " " (super::jobs::state(mark, view.now)) " due " (time_and_age(mark.at, view.now))
                        @if mark.tries > 0 { ", failed tries: " (mark.tries) }
                        @if let Some(error) = &mark.error { ": " (shown(error)) }
                    }
                }
            }
        }
    }
}

/// The releases before and after it, and the way to what differs.
fn neighbours(versions: &[VersionRow], release: &Release) -> Markup {
    let at = versions.iter().position(|version| version.id == release.id);
    let before = at.and_then(|at| at.checked_sub(1)).and_then(|at| versions.get(at));
    let after = at.and_then(|at| versions.get(at + 1));
    let link = |version: &VersionRow| {
        html! {
            a href=(release_address(&version.name, &version.num, Some(version.generation))) { (shown(version.num.as_str())) }
            (words::standing(version.yanked, version.deleted_at, version.generation))
        }
    };
    let path = format!("/crates/{}/diff", release.key.name);
    let num = release.key.num.as_str();
    html! {
        h2 { "Neighbours" }
        ul {
            @match before {
                Some(before) => {
                    li { "Before: " (link(before)) ", " a href=(address(&path, &[("from", before.num.as_str()), ("to", num)])) { "what differs" } }
                }
                None => { li { "Before: none, this is the lowest version." } }
            }
            @match after {
                Some(after) => {
                    li { "After: " (link(after)) ", " a href=(address(&path, &[("from", num), ("to", after.num.as_str())])) { "what differs" } }
                }
                None => { li { "After: none, this is the highest version." } }
            }
        }
    }
}
