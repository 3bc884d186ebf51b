//! What happened between two times: changes of the index, signals, rows that say something else. Made for the day of an incident.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{ChangeKind, KrateName, Timestamp, VersionNum};
use serde::Deserialize;
use serde_json::Value;
use store::{EventRow, FeedRow, HappenedKind, Span};

use super::frame::{Section, View, short};
use super::search::cut_to;
use super::table::{choice, input, more, table};
use super::text::{address, detail, krate_link, release_address, shown, since, time};
use super::words::{Look, change, chip, spaced};
use crate::extract::Asked;
use crate::{ApiError, Service};

/// Entries of one page.
const PAGE: u32 = 100;
/// What is shown when no time is given: the last day.
const DEFAULT_SECONDS: i64 = 86_400;

#[derive(Deserialize)]
pub(super) struct ChangesQuery {
    from: Option<String>,
    to: Option<String>,
    kind: Option<String>,
    after: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Asked(asked): Asked<ChangesQuery>,
) -> Result<Response, ApiError> {
    let view = View::of(&service).await?;
    let span = asked.span(view.now)?;
    let mut found = service.store().happened(&span, PAGE + 1).await?;
    let next = cut_to(&mut found, PAGE).map(|last| format!("{}.{}", last.at().as_micros(), last.seq()));
    let rows: Vec<_> = found.iter().map(cells).collect();
    let here = |after: &str| asked.address(&span, after);
    let first = span.after.map(|_| here(""));
    let content = html! {
        h1 { "Changes" }
        (asked.form(&span))
        p { "From " (time(span.from)) " until before " (time(span.until)) ". " (completeness(&view, &span)) }
        @if rows.is_empty() { p { "Nothing of this kind is recorded for this span." } }
        @else { (table("What happened, the first first", &["When", "What", "Crate", "Version", "How", "Commit"], &rows)) }
        (more(first.as_deref(), next.as_deref().map(here).as_deref()))
    };
    Ok(view.page(Section::Changes, "Changes", &content))
}

fn completeness(view: &View, span: &Span) -> Markup {
    html! {
        @if view.is_complete(span.from, span.until) { (chip(Look::Agrees, "complete")) " Every change of the index in this span is recorded." }
        @else {
            (chip(Look::Caution, "not complete")) " The record of at least one index does not cover this span: what is not listed may still have happened."
            @for source in &view.sources {
                @match source.complete_since {
                    Some(at) => { " Recorded since " (since(at)) "." }
                    None => { " The record has not begun." }
                }
            }
        }
    }
}

impl ChangesQuery {
    fn span(&self, now: Timestamp) -> Result<Span, ApiError> {
        // The very last microsecond belongs to the span: what is stored now is of now.
        let until = given("to", self.to.as_ref())?.unwrap_or_else(|| now.plus_seconds(1));
        let from = given("from", self.from.as_ref())?.unwrap_or_else(|| until.plus_seconds(-DEFAULT_SECONDS));
        if from >= until {
            return Err(ApiError::BadRequest("from is not before to".to_owned()));
        }
        let kind = match self.kind.as_deref().filter(|text| !text.is_empty()) {
            None => HappenedKind::All,
            Some("change") => HappenedKind::Changes(None),
            Some("signal") => HappenedKind::Signals,
            Some("row") => HappenedKind::Rows,
            Some(text) => HappenedKind::Changes(Some(
                text.parse::<ChangeKind>().map_err(|why| ApiError::BadRequest(format!("kind: {why}")))?,
            )),
        };
        let after = match self.after.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(mark(text).ok_or_else(|| {
                ApiError::BadRequest(format!("after {text:?} is no place in this list; begin without it"))
            })?),
        };
        Ok(Span { from, until, kind, after })
    }

    fn form(&self, span: &Span) -> Markup {
        let kinds =
            [("change", "any change of the index"), ("signal", "signals: worth a look"), ("row", "rows that changed")];
        let kinds = kinds.into_iter().map(|(code, words)| (code, words.to_owned()));
        let kinds = kinds.chain(ChangeKind::ALL.iter().map(|kind| (kind.as_str(), spaced(kind.as_str()))));
        html! {
            form.filters method="get" action="/changes" {
                (input("from", "From (UTC)", "text", &minute(span.from), "2026-08-20T07:00"))
                (input("to", "Until before (UTC)", "text", &minute(span.until), "2026-08-20T10:00"))
                (choice("kind", "What", self.kind.as_deref().filter(|text| !text.is_empty()), kinds))
                button type="submit" { "Show" }
            }
        }
    }

    fn address(&self, span: &Span, after: &str) -> String {
        let (from, to) = (span.from.to_string(), span.until.to_string());
        let kind = self.kind.as_deref().unwrap_or_default();
        address("/changes", &[("from", &from), ("to", &to), ("kind", kind), ("after", after)])
    }
}

/// A time of a query; an empty one is none.
pub(super) fn given(name: &str, text: Option<&String>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.map(|text| text.trim()).filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = || format!("{name} is a time in UTC such as 2026-08-20T07:15 or a date, not {text:?}");
    instant(text).map(Some).ok_or_else(|| ApiError::BadRequest(refused()))
}

/// A time as people write it: a date, with minutes, with seconds, with or without `Z`. All of it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.replacen(' ', "T", 1);
    let complete = match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text,
    };
    Timestamp::parse(&complete).ok()
}

/// A time as it stands in the form, to the second.
pub(super) fn minute(at: Timestamp) -> String {
    at.to_string().split(['.', 'Z']).next().unwrap_or_default().to_owned()
}

fn mark(text: &str) -> Option<(Timestamp, i64)> {
    let (at, seq) = text.split_once('.')?;
    Some((Timestamp::from_micros(at.parse().ok()?), seq.parse().ok()?))
}

fn cells(row: &FeedRow) -> Markup {
    match row {
        FeedRow::Change(row) => {
            let change_of = &row.change;
            html! {
                th scope="row" { (time(change_of.at)) }
                td { (change(change_of.kind)) }
                (subject(change_of.name.as_ref(), change_of.num.as_ref()))
                td { @if !change_of.fields.is_empty() { "fields: " (shown(&change_of.fields.join(", "))) } }
                td { @if let Some(commit) = &change_of.commit { code { (shown(&short(commit))) } } }
            }
        }
        FeedRow::Event(row) => event_cells(row),
    }
}

fn subject(name: Option<&KrateName>, num: Option<&VersionNum>) -> Markup {
    html! {
        td { @if let Some(name) = name { (krate_link(name)) } }
        td {
            @match (name, num) {
                (Some(name), Some(num)) => { a href=(release_address(name, num, None)) { (shown(num.as_str())) } }
                (None, Some(num)) => { (shown(num.as_str())) }
                _ => {}
            }
        }
    }
}

fn event_cells(row: &EventRow) -> Markup {
    let payload: Value = serde_json::from_str(&row.payload).unwrap_or_default();
    let text = |keys: &[&str]| keys.iter().find_map(|key| payload[*key].as_str());
    let name = text(&["name"]).and_then(|name| KrateName::parse(name).ok());
    let num = text(&["vers", "num"]).and_then(|num| VersionNum::parse(num).ok());
    let is_signal = row.kind == "signal";
    let mut rest = payload.as_object().cloned().unwrap_or_default();
    for key in ["name", "vers", "num", "signal", "at"] {
        rest.remove(key);
    }
    html! {
        th scope="row" { (time(row.at)) }
        td {
            @if is_signal { (chip(Look::Caution, &format!("signal: {}", spaced(text(&["signal"]).unwrap_or("worth a look"))))) }
            @else if row.kind == "provenance_changed" { (chip(Look::NothingKnown, "row changed")) }
            @else { (chip(Look::NothingKnown, &spaced(&row.kind))) }
        }
        (subject(name.as_ref(), num.as_ref()))
        td {
            @if is_signal { (detail(&rest)) }
            @else if let Some(message) = payload["badge"]["message"].as_str() { "badge: " (shown(message)) }
        }
        td {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_as_people_write_it() {
        let at = |text| Timestamp::parse(text).unwrap();
        for (text, expected) in [
            ("2026-08-20", "2026-08-20T00:00:00Z"),
            ("2026-08-20T07:15", "2026-08-20T07:15:00Z"),
            ("2026-08-20 07:15", "2026-08-20T07:15:00Z"),
            ("2026-08-20T07:15:01", "2026-08-20T07:15:01Z"),
            ("2026-08-20T07:15:01Z", "2026-08-20T07:15:01Z"),
            ("2026-08-20T07:15:01.5Z", "2026-08-20T07:15:01.5Z"),
        ] {
            assert_eq!(instant(text), Some(at(expected)), "{text}");
        }
        assert_eq!([instant("yesterday"), instant("07:15"), instant("")], [None, None, None]);
    }
}
