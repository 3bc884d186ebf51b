//! Findings inside an archive and reasons of a verdict, each with its numbers.

use maud::{Markup, html};
use schema::{Reason, Severity};
use store::InspectionRow;

use super::table::{facts, table};
use super::text::{detail, number, outside, shown, time};
use super::words;

/// So many are shown; how many there are is said.
const SHOWN: usize = 100;

/// The reasons of a verdict, worst first.
pub(super) fn reasons(reasons: &[Reason]) -> Markup {
    let rows: Vec<_> = reasons
        .iter()
        .take(SHOWN)
        .map(|reason| {
            html! {
                th scope="row" { code { (shown(&reason.code)) } }
                td { (words::severity(reason.severity)) }
                td { (detail(&reason.detail)) }
            }
        })
        .collect();
    html! {
        @if rows.is_empty() { p.muted { "No reasons are noted." } }
        @else { (table("Reasons of the verdict", &["Reason", "Attention", "Evidence"], &rows)) }
        @if reasons.len() > SHOWN { p.muted { "The first " (SHOWN) " of " (number(reasons.len() as u64)) "." } }
    }
}

/// What was found inside.
pub(super) fn section(inspection: Option<&InspectionRow>) -> Markup {
    let Some(inspection) = inspection else {
        return html! { h2 { "Inside the archive" } p { "Nobody looked inside yet." } };
    };
    let kept = inspection.findings.kept();
    let total: u64 = inspection.findings.totals().values().sum();
    let mut ordered: Vec<_> = kept.iter().collect();
    ordered.sort_by_key(|finding| (rank(finding.severity), finding.code));
    let rows: Vec<_> = ordered
        .iter()
        .take(SHOWN)
        .map(|finding| {
            html! {
                th scope="row" { code { (finding.code.as_str()) } }
                td { (words::severity(finding.severity)) }
                td { (detail(&finding.detail)) }
            }
        })
        .collect();
    html! {
        h2 { "Inside the archive" }
        (inside(inspection))
        h3 { "Findings" }
        @if rows.is_empty() { p { "Nothing odd was found." } }
        @else { (table("Findings, those that ask for most attention first", &["Finding", "Attention", "Evidence"], &rows)) }
        @if total > rows.len() as u64 { p.muted { (rows.len()) " of " (number(total)) " are shown." } }
    }
}

const fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::High => 0,
        Severity::Medium => 1,
        Severity::Low => 2,
        Severity::Info => 3,
    }
}

fn inside(inspection: &InspectionRow) -> Markup {
    let mut rows = vec![
        ("Looked at", time(inspection.at)),
        ("Entries", html! { (number(inspection.n_files)) " with " (number(inspection.unpacked_size)) " bytes" }),
    ];
    rows.push(("Says of its source", match &inspection.claim {
        None => html! { span.muted { "nothing: there is no readable .cargo_vcs_info.json" } },
        Some(claim) => html! {
            "commit " code { (shown(&claim.sha1)) }
            @if claim.dirty { ", with uncommitted files" }
            @if let Some(path) = claim.path_in_vcs.as_ref().filter(|path| !path.is_empty()) { ", in folder " code { (shown(path)) } }
        },
    }));
    let Some(manifest) = &inspection.manifest else {
        rows.push(("Manifest", html! { span.muted { "there is no readable one" } }));
        return facts(&rows);
    };
    let optional = [
        ("Licence", &manifest.license),
        ("Licence file", &manifest.license_file),
        ("Edition", &manifest.edition),
        ("Oldest Rust", &manifest.rust_version),
        ("Native library", &manifest.links),
        ("Build script", &manifest.build),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            rows.push((name, shown(value)));
        }
    }
    for (name, value) in [("Homepage", &manifest.homepage), ("Documentation", &manifest.documentation)] {
        if let Some(value) = value {
            rows.push((name, outside(value)));
        }
    }
    rows.push((
        "Builds",
        html! {
            @if manifest.has_lib { @if manifest.proc_macro { "a procedural macro " } @else { "a library " } }
            @if !manifest.bin_names.is_empty() { "binaries: " (shown(&manifest.bin_names.join(", "))) }
        },
    ));
    facts(&rows)
}
