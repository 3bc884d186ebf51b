//! The evidence of the last source check: the five facts, the files that differ, and how. The document is verify's, read as JSON.

use maud::{Markup, html};
use serde_json::{Map, Value};
use store::CheckRow;

use super::table::{facts, table};
use super::text::{lines, number, shown, value_text};
use super::words::spaced;

/// So many files of a kind are shown; how many there are is said.
const SHOWN: usize = 200;

/// What was compared, and with what outcome.
pub(super) fn section(last: Option<&CheckRow>) -> Markup {
    let Some(check) = last else { return html! {} };
    let document: Value = serde_json::from_str(&check.document).unwrap_or_default();
    let Value::Object(document) = &document else {
        return html! { h2 { "Evidence" } p { "The stored evidence cannot be read; the next check makes it anew." } };
    };
    let files = &document.get("files").cloned().unwrap_or_default();
    html! {
        h2 { "Evidence of the last source check" }
        div.columns.wide {
            (fact("Repository", document.get("repository")))
            (fact("Commit", document.get("commit")))
            (fact("Manifest", document.get("manifest")))
            (fact("Files", Some(&counts(files))))
        }
        (differing(files))
        (listed("Files the commit does not have", files.get("extra")))
        (listed("Files that could not be looked at", files.get("unverified")))
        (missing(files.get("missing")))
    }
}

fn fact(heading: &str, value: Option<&Value>) -> Markup {
    let rows: Vec<(String, Markup)> = match value {
        Some(Value::Object(fact)) => fact.iter().map(|(key, value)| (spaced(key), value_text(value))).collect(),
        _ => Vec::new(),
    };
    let rows: Vec<_> = rows.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    html! {
        section {
            h3 { (heading) }
            @if rows.is_empty() { p.muted { "There was nothing to look at." } } @else { (facts(&rows)) }
        }
    }
}

/// The numbers of a comparison, without the lists.
fn counts(files: &Value) -> Value {
    let mut counts = Map::new();
    for key in ["status", "total", "identical", "explained"] {
        if let Some(value) = files.get(key) {
            counts.insert(key.to_owned(), value.clone());
        }
    }
    for key in ["differing", "extra", "missing", "unverified"] {
        let n = files.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        counts.insert(key.to_owned(), n.into());
    }
    Value::Object(counts)
}

fn differing(files: &Value) -> Markup {
    let list = files.get("differing").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !list.is_empty() {
            h3 { "Files that differ" }
            @for file in list.iter().take(SHOWN) {
                details open[list.len() <= 3] {
                    summary { code { (text(file, "path")) } " (" (text(file, "class")) ")" }
                    p.muted {
                        "sha256 of the archive's " code { (text(file, "sha256")) } ". "
                        @match file.get("seen").and_then(Value::as_bool) {
                            Some(true) => { "The archive's bytes stand elsewhere in the history." }
                            Some(false) => { "The archive's bytes stand nowhere in the history." }
                            None => { "Whether the archive's bytes stand in the history was not looked at." }
                        }
                    }
                    @match file.get("diff").and_then(Value::as_str) {
                        Some(diff) => { (shown_diff(diff)) }
                        None => { p { "No text that could be shown: the digests must do." } }
                    }
                }
            }
            (rest(list.len()))
        }
    }
}

/// A unified diff; the sign at the beginning of a line tells what the colour tells.
fn shown_diff(diff: &str) -> Markup {
    html! {
        pre tabindex="0" {
            @for (at, line) in diff.lines().enumerate() {
                @match line.as_bytes().first() {
                    // The names of the two sides.
                    _ if at < 2 => { (lines(line)) }
                    Some(b'+') => { span.plus { (lines(line)) } }
                    Some(b'-') => { span.minus { (lines(line)) } }
                    _ => { (lines(line)) }
                }
                "\n"
            }
        }
    }
}

fn listed(heading: &str, value: Option<&Value>) -> Markup {
    let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<_> = list
        .iter()
        .take(SHOWN)
        .map(|file| {
            let yes = |key: &str| file.get(key).and_then(Value::as_bool).unwrap_or_default();
            html! {
                th scope="row" { code { (text(file, "path")) } }
                td { (text(file, "class")) }
                td {
                    @match file.get("seen").and_then(Value::as_bool) { Some(true) => { "in the history" } Some(false) => { "nowhere in the history" } None => { "not looked for" } }
                    @if yes("binary") { ", compiled" }
                    @if yes("generated") { ", generated or ignored" }
                }
                td { code { (text(file, "sha256")) } }
            }
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h3 { (heading) }
            (table(heading, &["Path", "What it is for", "Seen", "sha256"], &rows))
            (rest(list.len()))
        }
    }
}

fn missing(value: Option<&Value>) -> Markup {
    let list = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !list.is_empty() {
            h3 { "Files cargo would have packaged, and the archive does not have" }
            ul { @for path in list.iter().take(SHOWN) { li { code { (shown(path.as_str().unwrap_or_default())) } } } }
            (rest(list.len()))
        }
    }
}

fn rest(n: usize) -> Markup {
    html! { @if n > SHOWN { p.muted { "The first " (SHOWN) " of " (number(n as u64)) "." } } }
}

fn text(file: &Value, key: &str) -> Markup {
    shown(file.get(key).and_then(Value::as_str).unwrap_or_default())
}
