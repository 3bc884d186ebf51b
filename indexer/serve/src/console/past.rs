//! A crate as the index had it at a time: which releases were there, which were withdrawn, what they required.

use std::collections::HashMap;

use maud::{Markup, html};
use schema::{Change, IndexLine, Past, Release, ReleaseId, Timestamp};
use store::ChangeRow;

use super::frame::View;
use super::table::table;
use super::text::{count, number, release_address, shown, time};
use super::words::{Look, chip};

/// So many releases are shown, and so many requirements of each; how many there are is said.
const SHOWN: usize = 200;
const REQUIREMENTS: usize = 20;

/// The releases of a crate at `at`, highest version first.
pub(super) fn section(releases: &[Release], changes: &[ChangeRow], at: Timestamp, view: &View) -> Markup {
    let mut of_release: HashMap<ReleaseId, Vec<Change>> = HashMap::new();
    for row in changes {
        if let Some(release) = row.release {
            of_release.entry(release).or_default().push(row.change.clone());
        }
    }
    let nothing = Vec::new();
    let then: Vec<_> = releases
        .iter()
        .rev()
        .filter_map(|release| {
            let changes = of_release.get(&release.id).unwrap_or(&nothing);
            Past::of(release, changes, at).map(|past| (release, past))
        })
        .collect();
    let n_gone = then.iter().filter(|(_, past)| past.deleted_at.is_some()).count();
    let rows: Vec<_> = then.iter().take(SHOWN).map(|(release, past)| cells(release, past)).collect();
    html! {
        h2 { "Releases at " (time(at)) }
        p { @if view.is_complete(at, at) { (chip(Look::Agrees, "complete")) } @else { (chip(Look::Caution, "not complete")) " The record does not cover that time: this is what is known of it." } }
        @if rows.is_empty() { p { "No release that is known here was published by then." } }
        @else {
            p.muted { (count((then.len() - n_gone) as u64, "release")) " were in the index, " (number(n_gone as u64)) " had been there and were gone." }
            (table("Releases at that time", &["Version", "State then", "Required then"], &rows))
            @if then.len() > SHOWN { p.muted { "The highest " (SHOWN) " are shown." } }
        }
    }
}

fn cells(release: &Release, past: &Past) -> Markup {
    let key = &release.key;
    let line = IndexLine::parse(&past.line);
    html! {
        th scope="row" { a href=(release_address(&key.name, &key.num, Some(key.generation))) { (shown(key.num.as_str())) } }
        td {
            @match (past.deleted_at, &line) {
                (Some(at), _) => { (chip(Look::Bad, "deleted")) " since " (time(at)) }
                (None, Ok(line)) if line.yanked => { (chip(Look::Caution, "yanked")) }
                (None, Ok(_)) => { (chip(Look::NothingKnown, "offered")) }
                (None, Err(_)) => { (chip(Look::Cannot, "the line cannot be read")) }
            }
        }
        td.long {
            @if let Ok(line) = &line {
                @if line.dependencies.is_empty() { span.muted { "nothing" } }
                @for (at, one) in line.dependencies.iter().take(REQUIREMENTS).enumerate() {
                    @if at > 0 { ", " } (shown(one.package_name())) " " code { (shown(&one.req)) }
                }
                @if line.dependencies.len() > REQUIREMENTS { " and " (line.dependencies.len() - REQUIREMENTS) " more" }
            }
        }
    }
}
