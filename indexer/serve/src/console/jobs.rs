//! What is due and what was given up, with the reason, and what cannot be read at all.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{ReleaseId, Step, Timestamp};
use serde::Deserialize;
use store::{MarkState, MarksWanted, OpenMark, Quarantined, WorkCount};

use super::frame::{Section, View, chosen};
use super::search::cut_to;
use super::table::{choice, more, table};
use super::text::{address, krate_link, number, release_address, shown, time, time_and_age};
use super::words::{Look, chip, spaced};
use crate::extract::Asked;
use crate::{ApiError, Service};

/// Marks of one page.
const PAGE: u32 = 100;
/// Lines that cannot be read: so many are shown, how many there are is said.
const QUARANTINED: usize = 100;

#[derive(Deserialize)]
pub(super) struct JobsQuery {
    step: Option<String>,
    state: Option<String>,
    after: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Asked(asked): Asked<JobsQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let wanted = asked.wanted()?;
    let after = asked.mark()?;
    let mut marks = service.store().marks(wanted, after, PAGE + 1).await?;
    let next = cut_to(&mut marks, PAGE).map(|last| format!("{}.{}", last.release.0, last.step));
    let here = |after: &str| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        address("/jobs", &[("step", &text(&asked.step)), ("state", &text(&asked.state)), ("after", after)])
    };
    let first = after.map(|_| here(""));
    let rows: Vec<_> = marks.iter().map(|mark| cells(mark, &view)).collect();
    let content = html! {
        h1 { "Jobs" }
        (counts(&service.store().counts().await?))
        h2 { "Open marks" }
        (asked.form())
        @if rows.is_empty() { p { "No mark is so." } }
        @else { (table("Open marks", &["Crate", "Version", "Step", "State", "Due", "Failed tries", "Why"], &rows)) }
        (more(first.as_deref(), next.as_deref().map(here).as_deref()))
        p.muted { "What was given up waits for " code { "provenance retry" } "." }
        (quarantine(&service.store().quarantined().await?))
    };
    Ok(view.page(Section::Jobs, "Jobs", &content))
}

impl JobsQuery {
    fn wanted(&self) -> Result<MarksWanted, ApiError> {
        let state = match self.state.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(MarkState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
                ApiError::BadRequest(format!("state is waiting, retrying or given-up, not {text:?}"))
            })?),
        };
        Ok(MarksWanted { release: None, step: chosen::<Step>("step", self.step.as_ref())?, state })
    }

    fn mark(&self) -> Result<Option<(ReleaseId, Step)>, ApiError> {
        let Some(text) = self.after.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let mark =
            text.split_once('.').and_then(|(id, step)| Some((ReleaseId(id.parse().ok()?), Step::from_code(step)?)));
        let refused = || ApiError::BadRequest(format!("after {text:?} is no place in this list; begin without it"));
        mark.map(Some).ok_or_else(refused)
    }

    fn form(&self) -> Markup {
        let steps = Step::ALL.iter().map(|step| (step.as_str(), step.as_str().to_owned()));
        let states = MarkState::ALL.into_iter().map(|state| (state.as_str(), spaced(state.as_str())));
        html! {
            form.filters method="get" action="/jobs" {
                (choice("step", "Step", self.step.as_deref().filter(|text| !text.is_empty()), steps))
                (choice("state", "State", self.state.as_deref().filter(|text| !text.is_empty()), states))
                button type="submit" { "Show" }
            }
        }
    }
}

fn counts(counts: &[WorkCount]) -> Markup {
    let rows: Vec<_> = counts
        .iter()
        .map(|count| {
            html! {
                th scope="row" { (count.step) }
                td.n { (number(count.waiting)) }
                td.n { (number(count.retrying)) }
                td.n { (number(count.dead)) }
            }
        })
        .collect();
    html! {
        @if rows.is_empty() { p { "Nothing waits." } }
        @else { (table("Marks by step", &["Step", "Open", "Of these failed before", "Given up"], &rows)) }
    }
}

fn cells(mark: &OpenMark, view: &View) -> Markup {
    let key = &mark.key;
    html! {
        th scope="row" { (krate_link(&key.name)) }
        td { a href=(release_address(&key.name, &key.num, Some(key.generation))) { (shown(key.num.as_str())) } }
        td { (mark.step) }
        td { (state(mark, view.now)) }
        td { (time_and_age(mark.at, view.now)) }
        td.n { (mark.tries) }
        td.long { @match &mark.error { Some(error) => { (shown(error)) } None => { span.muted { "not tried yet" } } } }
    }
}

/// How far a mark is, in its look.
pub(super) fn state(mark: &OpenMark, now: Timestamp) -> Markup {
    match mark.state {
        MarkState::Waiting if mark.at > now => chip(Look::Waiting, "scheduled"),
        MarkState::Waiting => chip(Look::Waiting, "waiting"),
        MarkState::Retrying => chip(Look::Caution, "retrying"),
        MarkState::Dead => chip(Look::Ours, "given up"),
    }
}

/// Lines and files that cannot be read; their neighbours were read all the same.
fn quarantine(entries: &[Quarantined]) -> Markup {
    let rows: Vec<_> = entries
        .iter()
        .rev()
        .take(QUARANTINED)
        .map(|one| {
            html! {
                th scope="row" { span.raw { (shown(&one.entry.path)) } @if one.entry.line > 0 { ", line " (one.entry.line) } }
                td { (shown(&one.origin)) }
                td { (time(one.first_seen_at)) }
                td.long { (shown(&one.entry.reason)) }
            }
        })
        .collect();
    html! {
        h2 #quarantine { "What cannot be read" }
        @if rows.is_empty() { p { "Every line and every file could be read." } }
        @else {
            (table("Quarantine, the last first", &["Where", "Of", "Since", "Why"], &rows))
            @if entries.len() > QUARANTINED { p.muted { "The last " (QUARANTINED) " of " (number(entries.len() as u64)) "." } }
        }
    }
}
