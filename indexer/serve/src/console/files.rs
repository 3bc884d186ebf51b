//! Which files of two archives are not the same. Paths are other people's text.

use std::collections::BTreeMap;

use maud::{Markup, html};
use schema::{Entry, EntryKind, Sha256};

use super::table::table;
use super::text::{number, shown};
use crate::{ApiError, Service};

/// So many are shown; how many there are is said.
const SHOWN: usize = 300;

/// The files of an archive; `None` when nobody looked inside.
pub(super) async fn read(service: &Service, checksum: Sha256) -> Result<Option<Vec<Entry>>, ApiError> {
    let Some(packed) = service.store().entries(checksum).await? else { return Ok(None) };
    Ok(Some(service.rules.entries(&packed)?))
}

/// What differs between the files of two archives.
pub(super) fn difference(before: Option<&[Entry]>, after: Option<&[Entry]>) -> Markup {
    let (Some(before), Some(after)) = (before, after) else {
        return html! { p { span.muted { "Not known." } " Nobody looked inside of both archives." } };
    };
    let mut by_path: BTreeMap<&str, [Vec<&Entry>; 2]> = BTreeMap::new();
    for (side, entries) in [before, after].into_iter().enumerate() {
        for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Directory) {
            by_path.entry(&entry.path).or_default()[side].push(entry);
        }
    }
    let same = |entries: &[&Entry]| -> Vec<_> {
        entries.iter().map(|entry| (entry.kind, entry.mode, entry.sha256, entry.link_target.clone())).collect()
    };
    let n_files = by_path.len();
    let differing: Vec<_> = by_path.into_iter().filter(|(_, [a, b])| same(a) != same(b)).collect();
    let rows: Vec<_> = differing
        .iter()
        .take(SHOWN)
        .map(|(path, [before, after])| {
            let change = match (before.is_empty(), after.is_empty()) {
                (true, _) => "added",
                (_, true) => "removed",
                _ => "changed",
            };
            html! {
                th scope="row" { code { (shown(path)) } }
                td { (change) }
                td { (side(before)) }
                td { (side(after)) }
            }
        })
        .collect();
    html! {
        @if rows.is_empty() { p { "The same " (number(n_files as u64)) " files on both sides." } }
        @else {
            p.muted { (number(differing.len() as u64)) " of " (number(n_files as u64)) " paths are not the same." }
            (table("Files that differ", &["Path", "Change", "Before", "After"], &rows))
            @if differing.len() > SHOWN { p.muted { "The first " (SHOWN) " are shown." } }
        }
    }
}

fn side(entries: &[&Entry]) -> Markup {
    html! {
        @if entries.is_empty() { span.muted { "none" } }
        @for (at, entry) in entries.iter().enumerate() {
            @if at > 0 { "; " }
            @if entry.kind != EntryKind::File { (entry.kind) " " }
            (number(entry.size)) " bytes, sha256 " code { (super::frame::short(&entry.sha256.to_string())) }
            @if entry.mode & 0o111 != 0 && entry.kind == EntryKind::File { ", executable" }
            @if let Some(target) = &entry.link_target { " to " code { (shown(target)) } }
        }
    }
}
