//! The first page: what is followed and how far, what waits, what the rows say, and what happened on the last days.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{AdvisoryKind, AdvisoryState, ChangeKind, ChecksumState, Timestamp, Verdict};
use serde::Deserialize;
use store::{SourceState, Tally, WorkCount};

use super::chart::{Days, midnight};
use super::frame::{Section, View, short};
use super::table::{facts, input, table};
use super::text::{address, known, number, shown, since, time, time_and_age};
use super::words::{Look, advisory_words, checksum_words, chip, spaced, verdict_words};
use crate::extract::Asked;
use crate::standing::without_password;
use crate::{ApiError, Service};

/// Days shown when nothing is asked, and the most that can be asked for.
const DAYS: i64 = 30;
const MOST_DAYS: i64 = 366;
const DAY: i64 = 86_400;

#[derive(Deserialize)]
pub(super) struct OverviewQuery {
    days: Option<String>,
    until: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Asked(asked): Asked<OverviewQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let (from, until, n_days) = asked.window(view.now)?;
    let store = service.store();
    let totals = store.totals().await?;
    let tallies = store.tallies().await?;
    let happened = Days::new(from, until, &store.happened_by_day(from, until).await?);
    let published = Days::new(from, until, &store.published_by_day(from, until).await?);
    let content = html! {
        h1 { "Overview" }
        (numbers(totals, &tallies))
        (followed(&view))
        (work(&store.counts().await?, store.quarantined().await?.len()))
        (states(&tallies))
        section.window aria-labelledby="by-day" {
            h2 #by-day { "By day" }
            form.filters method="get" action="/" {
                (input("days", "Days", "number", &n_days.to_string(), "30"))
                (input("until", "Until and with (UTC)", "date", &until.plus_seconds(-DAY).date(), "2026-08-20"))
                button type="submit" { "Show" }
            }
        }
        (happened.charts("happened", "What happened to the index", &happenings(from, until)))
        (published.charts("published", "Releases published, by what their source check says now", &verdicts()))
    };
    Ok(view.page(Section::Overview, "Overview", &content))
}

impl OverviewQuery {
    /// First midnight, the midnight after the last day, and how many days that is.
    fn window(&self, now: Timestamp) -> Result<(Timestamp, Timestamp, i64), ApiError> {
        let days =
            match self.days.as_deref().filter(|text| !text.is_empty()) {
                None => DAYS,
                Some(text) => text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days)).ok_or_else(|| {
                    ApiError::BadRequest(format!("days is a number from 1 to {MOST_DAYS}, not {text:?}"))
                })?,
            };
        let last = match self.until.as_deref().filter(|text| !text.is_empty()) {
            None => now,
            Some(text) => Timestamp::parse(text).map_err(|why| ApiError::BadRequest(why.to_string()))?,
        };
        let until = midnight(last).plus_seconds(DAY);
        Ok((until.plus_seconds(-days * DAY), until, days))
    }
}

fn numbers([krates, releases, live, dependencies]: [u64; 4], tallies: &[Tally]) -> Markup {
    let rows: u64 = tallies.iter().map(|tally| tally.rows).sum();
    let affected = tallies.iter().filter(|tally| tally.advisories == AdvisoryState::Affected).map(|tally| tally.rows);
    html! {
        ul.numbers {
            li { b { (number(krates)) } " crates" }
            li { b { (number(releases)) } " releases ever seen" }
            li { b { (number(live)) } " in the index now" }
            li { b { (number(dependencies)) } " dependencies that stand" }
            li { b { (number(rows)) } " rows written" }
            li { b { (number(affected.sum())) } " affected" }
        }
    }
}

fn followed(view: &View) -> Markup {
    html! {
        section aria-labelledby="followed" {
            h2 #followed { "What is followed" }
            @if view.sources.is_empty() { p { "No index was ever read." } }
            @for source in &view.sources { (one_source(source, view.now)) }
        }
    }
}

fn one_source(source: &SourceState, now: Timestamp) -> Markup {
    let optional = |at: Option<Timestamp>, otherwise: &str| known(at.as_ref(), otherwise, |at| time_and_age(*at, now));
    let state = match source.trouble(now) {
        None => chip(Look::Agrees, "read to its head"),
        Some(trouble) => chip(Look::Bad, &trouble.to_string()),
    };
    let mut rows = vec![
        ("Index", html! { span.raw { (shown(&without_password(&source.address))) } " " (state) }),
        ("Read to its end", optional(source.last_success_at, "never")),
        (
            "Every change recorded since",
            known(source.complete_since.as_ref(), "not yet: the record has not begun", |at| since(*at)),
        ),
    ];
    if let Some(commit) = &source.cursor_commit {
        let at = html! { @if let Some(at) = source.cursor_at { " of " (time(at)) } };
        rows.push(("Stored up to", html! { code { (shown(&short(commit))) } (at) }));
    }
    if let Some(head) = source.head_commit.as_ref().filter(|head| source.cursor_commit.as_ref() != Some(head)) {
        rows.push(("Head at the last look", html! { code { (shown(&short(head))) } }));
    }
    if let Some(since) = source.behind_since {
        rows.push(("Behind since", time_and_age(since, now)));
    }
    if let Some(at) = source.compared_at {
        let drift = source.drift.unwrap_or_default();
        rows.push((
            "Compared as a whole",
            html! { (time_and_age(at, now)) ", " (number(drift)) " changes that no commit had told" },
        ));
    }
    if let Some(error) = &source.last_error {
        rows.push(("Last failure", html! { (shown(error)) }));
    }
    facts(&rows)
}

fn work(counts: &[WorkCount], n_quarantined: usize) -> Markup {
    let cell = |step: &str, state: &str, n: u64| {
        html! {
            td.n { @if n == 0 { "0" } @else { a href=(address("/jobs", &[("step", step), ("state", state)])) { (number(n)) } } }
        }
    };
    let rows: Vec<_> = counts
        .iter()
        .map(|count| {
            let step = count.step.as_str();
            html! {
                th scope="row" { (step) }
                (cell(step, "", count.waiting))
                (cell(step, "retrying", count.retrying))
                (cell(step, "given-up", count.dead))
            }
        })
        .collect();
    html! {
        section aria-labelledby="waits" {
            h2 #waits { "What waits" }
            @if rows.is_empty() { p { "Nothing waits." } }
            @else { (table("Open marks by step", &["Step", "Open", "Of these failed before", "Given up"], &rows)) }
            @if n_quarantined > 0 {
                p { a href="/jobs#quarantine" { (number(n_quarantined as u64)) " lines or files cannot be read" } "." }
            }
        }
    }
}

/// How many rows say what, each state with its look; what nobody says is a zero.
fn states(tallies: &[Tally]) -> Markup {
    let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
    let mut advisories: BTreeMap<AdvisoryState, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<AdvisoryKind, u64> = BTreeMap::new();
    let mut archives: BTreeMap<ChecksumState, u64> = BTreeMap::new();
    for tally in tallies {
        *verdicts.entry(tally.verdict).or_default() += tally.rows;
        *advisories.entry(tally.advisories).or_default() += tally.rows;
        *archives.entry(tally.checksum).or_default() += tally.rows;
        if let Some(kind) = tally.worst_kind {
            *kinds.entry(kind).or_default() += tally.rows;
        }
    }
    html! {
        div.columns {
            (list("Archive", "checksum", ChecksumState::ALL.iter().map(|one| {
                let (look, words) = checksum_words(*one);
                (one.as_str(), chip(look, words), archives.get(one))
            })))
            (list("Source check", "verdict", Verdict::ALL.iter().map(|one| {
                let (look, words) = verdict_words(*one);
                (one.as_str(), chip(look, words), verdicts.get(one))
            })))
            (list("Advisories", "advisory", AdvisoryState::ALL.iter().map(|one| {
                let (look, words) = advisory_words(*one);
                (one.as_str(), chip(look, words), advisories.get(one))
            })))
            (list("Worst kind", "kind", AdvisoryKind::ALL.iter().map(|one| {
                (one.as_str(), super::words::kind(*one), kinds.get(one))
            })))
        }
    }
}

fn list<'a>(
    heading: &str,
    filter: &str,
    rows: impl Iterator<Item = (&'static str, Markup, Option<&'a u64>)>,
) -> Markup {
    let rows: Vec<_> = rows
        .map(|(code, look, n)| {
            let n = n.copied().unwrap_or_default();
            html! {
                th scope="row" { (look) }
                td.n { @if n == 0 { "0" } @else { a href=(address("/search", &[(filter, code)])) { (number(n)) } } }
            }
        })
        .collect();
    html! { section { h2 { (heading) } (table(&format!("Rows by {}", heading.to_lowercase()), &["State", "Releases"], &rows)) } }
}

fn happenings(from: Timestamp, until: Timestamp) -> Vec<(&'static str, String, String)> {
    let (from, until) = (from.to_string(), until.to_string());
    let link = |kind: &str| address("/changes", &[("from", &from), ("to", &until), ("kind", kind)]);
    let kinds = ChangeKind::ALL.iter().map(|kind| (kind.as_str(), spaced(kind.as_str()), link(kind.as_str())));
    std::iter::once(("signal", "signal: worth a look".to_owned(), link("signal"))).chain(kinds).collect()
}

fn verdicts() -> Vec<(&'static str, String, String)> {
    let all = Verdict::ALL.iter();
    all.map(|verdict| {
        let (_, words) = verdict_words(*verdict);
        (verdict.as_str(), words.to_owned(), address("/search", &[("verdict", verdict.as_str())]))
    })
    .collect()
}
