//! Who depends on a crate, directly or through others, now or at a time, and what that means where releases are affected.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use graph::{DependentState, Graph};
use maud::{Markup, html};
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};
use serde::Deserialize;

use super::changes::{given, minute};
use super::frame::{Section, View};
use super::krate::{Known, to};
use super::search::{advisory_address, cut_to};
use super::table::{choice, input, more, table};
use super::text::{address, count, krate_address, krate_link, release_address, shown, time};
use super::words::{Look, chip};
use crate::extract::{Asked, Segments};
use crate::{ApiError, Service};

/// Entries of one page.
const PAGE: u32 = 100;
/// The longest way that is shown; it is told where it is cut.
const LONGEST_PATH: usize = 12;

#[derive(Deserialize)]
pub(super) struct DependentsQuery {
    advisory: Option<String>,
    transitive: Option<String>,
    at: Option<String>,
    after: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
    Asked(asked): Asked<DependentsQuery>,
) -> Result<Response, ApiError> {
    let known = Known::read(&service, &text).await?;
    if text != known.name.as_str() {
        return Ok(to(&asked.address(&known.name, asked.after.as_deref().unwrap_or_default())));
    }
    let view = View::of(&service).await?;
    let at = asked.at()?;
    let waiting = service.waiting(&known.name.canonical()).await?;
    let covered = match asked.advisory() {
        Some(id) => Some(service.covered_by(id, &known.name).await?),
        None => None,
    };
    let Ok(_turn) = service.graph_questions.acquire().await else { return Err(ApiError::Busy) };
    let graph = service.graphs.graph(at).await?;
    let canonical = known.name.canonical();
    // The graph is walked on this thread; the others go on.
    let (mut entries, n_affected, n_pending) = tokio::task::block_in_place(|| {
        let releases = graph.releases(&canonical).map(|(id, _)| id);
        let affected: HashSet<_> =
            releases.filter(|id| covered.as_ref().is_none_or(|covered| covered.contains(id))).collect();
        let n_pending = waiting.among(graph.releases(&canonical).map(|(id, _)| id));
        (entries(&graph, &canonical, &affected, asked.is_transitive()), affected.len(), n_pending)
    });
    drop(graph);
    let total = entries.len();
    if let Some(after) = asked.after.as_deref().filter(|text| !text.is_empty()) {
        let place = entries.iter().position(|entry| entry.mark == after).ok_or_else(|| {
            ApiError::BadRequest(format!("after {after:?} is no place in this list; begin without it"))
        })?;
        entries.drain(..=place);
    }
    let next = cut_to(&mut entries, PAGE).map(|last| asked.address(&known.name, &last.mark));
    let first = asked.after.as_ref().map(|_| asked.address(&known.name, ""));
    let is_any = asked.advisory().is_none();
    let rows: Vec<_> = entries.iter().map(|entry| cells(entry, is_any)).collect();
    let content = html! {
        h1 { "Dependents of " a href=(krate_address(&known.name)) { (known.name.as_str()) } }
        (asked.form(&known.name))
        @if let Some(id) = asked.advisory() {
            p { "Affected are the " (count(n_affected as u64, "release")) " that " a href=(advisory_address(id)) { (shown(id)) } " covers." }
            @if n_pending > 0 { p.note { (chip(Look::Waiting, "not matched yet")) " " (count(n_pending as u64, "release")) " of the crate count as not affected here." } }
        } @else {
            p { "Asked about: any version of " (known.name.as_str()) ", " (count(n_affected as u64, "release")) "." }
        }
        (as_of(at, &view))
        @if rows.is_empty() { p { "Nobody that is known here depends on it." } }
        @else {
            p.muted { (count(total as u64, "dependency").replace("dependencys", "dependencies")) ": direct ones first, by crate and version." }
            (table("Dependents", &["Crate", "Version", "Requires", "Kind", "What that means", "Way"], &rows))
        }
        (more(first.as_deref(), next.as_deref()))
    };
    Ok(view.page(Section::Elsewhere, &format!("Dependents of {}", known.name), &content))
}

fn as_of(at: Option<Timestamp>, view: &View) -> Markup {
    html! {
        @if let Some(at) = at {
            p {
                "As the index was at " (time(at)) ". "
                @if view.is_complete(at, at) { (chip(Look::Agrees, "complete")) }
                @else { (chip(Look::Caution, "not complete")) " The record does not cover that time: what is not listed may still have been." }
            }
        }
        @if !view.sources.iter().any(|source| source.cursor_commit.is_some()) {
            p.note { "No whole index with a history is followed: only the crates that were read are looked through." }
        }
    }
}

impl DependentsQuery {
    fn advisory(&self) -> Option<&str> {
        self.advisory.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    fn is_transitive(&self) -> bool {
        self.transitive.as_deref().is_some_and(|text| text == "yes")
    }

    fn at(&self) -> Result<Option<Timestamp>, ApiError> {
        given("at", self.at.as_ref())
    }

    fn address(&self, name: &KrateName, after: &str) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (advisory, transitive, at) = (text(&self.advisory), text(&self.transitive), text(&self.at));
        let query = [("advisory", &*advisory), ("transitive", &*transitive), ("at", &*at), ("after", after)];
        address(&format!("{}/dependents", krate_address(name)), &query)
    }

    fn form(&self, name: &KrateName) -> Markup {
        let at = self.at().ok().flatten().map(minute).unwrap_or_default();
        html! {
            form.filters method="get" action=(format!("{}/dependents", krate_address(name))) {
                (input("advisory", "Affected by", "text", self.advisory().unwrap_or_default(), "RUSTSEC-2026-0001"))
                (input("at", "At a time (UTC)", "text", &at, "2026-08-20T07:15"))
                (choice("transitive", "Through others, too", self.is_transitive().then_some("yes"), [("yes", "yes".to_owned())]))
                button type="submit" { "Show" }
            }
        }
    }
}

/// One dependency on the crate, or one release exposed through others.
struct Entry {
    name: KrateName,
    num: VersionNum,
    /// What it requires, and for what; `None` for one exposed through others.
    requires: Option<(String, DependencyKind)>,
    optional: bool,
    state: Option<DependentState>,
    yanked: bool,
    deleted_at: Option<Timestamp>,
    /// From the dependent to what it takes of the crate.
    path: Vec<String>,
    mark: String,
}

fn entries(graph: &Graph, krate: &CanonicalName, affected: &HashSet<ReleaseId>, transitive: bool) -> Vec<Entry> {
    let direct = graph.dependents(krate, |release| affected.contains(&release));
    let mut entries: Vec<_> = direct
        .iter()
        .map(|one| Entry {
            name: one.name.clone(),
            num: one.num.clone(),
            requires: Some((one.req.to_owned(), one.kind)),
            optional: one.optional,
            state: one.state,
            yanked: one.yanked,
            deleted_at: one.deleted_at,
            path: Vec::new(),
            mark: format!("{}", one.release.0),
        })
        .collect();
    if transitive {
        let asked: Vec<_> = affected.iter().copied().collect();
        let closure = graph.resolved().closure(&asked);
        // What leads to an affected release at once stands among the direct ones already.
        for hit in closure.hits().iter().filter(|hit| !affected.contains(&hit.through)) {
            let Some(known) = graph.release(hit.release) else { continue };
            let path = closure.path(hit.release).into_iter();
            let step = |id| graph.release(id).map(|one| format!("{} {}", one.name, one.num));
            entries.push(Entry {
                name: known.name.clone(),
                num: known.num.clone(),
                requires: None,
                optional: hit.optional,
                state: None,
                yanked: known.yanked,
                deleted_at: known.deleted_at,
                path: path.take(LONGEST_PATH).filter_map(step).collect(),
                mark: format!("{}", hit.release.0),
            });
        }
    }
    // One release may stand there more than once; its place makes the mark its own.
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.mark = format!("{}.{number}", entry.mark);
    }
    entries
}

fn cells(entry: &Entry, is_any: bool) -> Markup {
    html! {
        th scope="row" { (krate_link(&entry.name)) }
        td {
            a href=(release_address(&entry.name, &entry.num, None)) { (shown(entry.num.as_str())) }
            (super::words::standing(entry.yanked, entry.deleted_at, schema::Generation::FIRST))
        }
        td { @if let Some((req, _)) = &entry.requires { code { (shown(req)) } } @else { span.muted { "through others" } } }
        td { @if let Some((_, kind)) = &entry.requires { (kind) } @if entry.optional { " optional" } }
        td { @if entry.requires.is_some() { (meaning(entry.state, is_any)) } @else if is_any { (chip(Look::NothingKnown, "takes one")) } @else { (chip(Look::Bad, "exposed")) } }
        td.long { @for (at, step) in entry.path.iter().enumerate() { @if at > 0 { " → " } (shown(step)) } }
    }
}

fn meaning(state: Option<DependentState>, is_any: bool) -> Markup {
    match state {
        Some(state) if is_any => chip(Look::NothingKnown, state.of_any_version()),
        None => chip(Look::Cannot, "the requirement cannot be read"),
        Some(DependentState::Never) => chip(Look::NothingKnown, "allows no affected release"),
        Some(DependentState::OnlyOldLocks) => chip(Look::Caution, "only old lock files hold one"),
        Some(DependentState::FreshAffected) => chip(Look::Bad, "a fresh build takes an affected one"),
        Some(DependentState::Stuck) => chip(Look::Bad, "every release it allows is affected"),
    }
}
