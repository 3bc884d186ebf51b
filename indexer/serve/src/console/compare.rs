//! What differs between two versions of a crate, as far as it is known; what is not known is said so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schema::{Entry, IndexDependency, IndexLine, ManifestFacts, ProvenanceRow, Release};
use serde::Deserialize;
use serde_json::{Value, json};

use super::files;
use super::frame::{Section, View};
use super::krate::{Known, compare, to};
use super::table::table;
use super::text::{address, krate_address, release_address, shown, value_text};
use crate::extract::{Asked, Segments, version_num};
use crate::{ApiError, Service};

#[derive(Deserialize)]
pub(super) struct CompareQuery {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn page(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
    Asked(asked): Asked<CompareQuery>,
) -> Result<Response, ApiError> {
    let known = Known::read(&service, &text).await?;
    let name = known.name.as_str();
    let view = View::of(&service).await?;
    let (Some(from), Some(until)) = (&asked.from, &asked.to) else {
        let content = html! { h1 { "Compare two versions of " a href=(krate_address(&known.name)) { (name) } } (compare(&known.versions, name, ["", ""])) };
        return Ok(view.page(Section::Elsewhere, &format!("Compare {name}"), &content));
    };
    if text != name {
        return Ok(to(&address(&format!("/crates/{name}/diff"), &[("from", from), ("to", until)])));
    }
    let (before, after) = (Side::read(&service, &known, from).await?, Side::read(&service, &known, until).await?);
    let link = |side: &Side| {
        let key = &side.release.key;
        html! { a href=(release_address(&key.name, &key.num, Some(key.generation))) { (shown(key.num.as_str())) } (super::words::standing(side.release.yanked, side.release.deleted_at, key.generation)) }
    };
    let content = html! {
        h1 { a href=(krate_address(&known.name)) { (name) } ": " (link(&before)) " → " (link(&after)) }
        (facts(&before, &after))
        h2 { "Dependencies" }
        (dependencies(&before.line, &after.line))
        h2 { "Publisher" }
        p { span.muted { "Not known." } " The index does not say who published." }
        h2 { "Files" }
        (files::difference(before.entries.as_deref(), after.entries.as_deref()))
        (compare(&known.versions, name, [from, until]))
    };
    Ok(view.page(Section::Elsewhere, &format!("{name} {from} → {until}"), &content))
}

/// One of the two releases: the last archive that bore the number.
struct Side {
    release: Release,
    line: IndexLine,
    row: ProvenanceRow,
    manifest: Option<ManifestFacts>,
    entries: Option<Vec<Entry>>,
}

impl Side {
    async fn read(service: &Service, known: &Known, text: &str) -> Result<Self, ApiError> {
        let num = version_num(text)?;
        let page = service.store().pages(&known.name.canonical(), &num).await?.pop();
        let Some(page) = page else { return Err(service.unknown_version(&known.name, num).await) };
        let release = page.release.clone();
        let line = IndexLine::parse(&release.line).map_err(|error| {
            tracing::error!(release = release.id.0, error = error.to_string(), "a stored index line cannot be read");
            ApiError::Internal
        })?;
        let manifest = service.store().inspection(release.id).await?.and_then(|inspection| inspection.manifest);
        let entries = files::read(service, release.checksum).await?;
        Ok(Self { release, line, row: service.row_of(page), manifest, entries })
    }

    /// What is asked of both: where it comes from, its name, its value. `None` is what was not looked at.
    fn facts(&self) -> Vec<(&'static str, &'static str, Option<Value>)> {
        let (release, line, row) = (&self.release, &self.line, &self.row);
        let of_manifest = |value: fn(&ManifestFacts) -> Value| self.manifest.as_ref().map(value);
        vec![
            ("Index", "checksum", Some(json!(release.checksum))),
            ("Index", "published at", Some(json!(release.published_at))),
            ("Index", "yanked", Some(json!(release.yanked))),
            ("Index", "deleted at", Some(json!(release.deleted_at))),
            ("Index", "features", Some(json!(line.features))),
            ("Index", "links", Some(json!(line.links))),
            ("Index", "rust version", Some(json!(line.rust_version))),
            ("Archive", "state", Some(json!(row.checksum_state))),
            ("Archive", "bytes unpacked", row.unpacked_size.map(Value::from)),
            ("Archive", "findings", row.findings.as_ref().map(|_| json!(row.finding_codes))),
            ("Manifest", "licence", of_manifest(|manifest| json!(manifest.license))),
            ("Manifest", "edition", of_manifest(|manifest| json!(manifest.edition))),
            ("Manifest", "build script", of_manifest(|manifest| json!(manifest.build))),
            ("Manifest", "procedural macro", of_manifest(|manifest| json!(manifest.proc_macro))),
            ("Manifest", "binaries", of_manifest(|manifest| json!(manifest.bin_names))),
            ("Manifest", "homepage", of_manifest(|manifest| json!(manifest.homepage))),
            ("Source", "repository", self.manifest.as_ref().map(|manifest| json!(manifest.repository))),
            ("Source", "verdict", Some(json!(row.source.verdict))),
            ("Source", "commit claimed", Some(json!(row.source.commit_claimed))),
            ("Source", "commit that matches", Some(json!(row.source.commit_matched))),
            ("Source", "tag", Some(json!(row.source.tag))),
            ("Advisories", "state", Some(json!(row.advisories.state))),
            ("Advisories", "ids", Some(json!(row.advisories.ids))),
        ]
    }
}

fn facts(before: &Side, after: &Side) -> Markup {
    let both: Vec<_> = before.facts().into_iter().zip(after.facts()).collect();
    let differ = |(a, b): &&((_, _, Option<Value>), (_, _, Option<Value>))| a.2 != b.2;
    let rows: Vec<_> = both
        .iter()
        .filter(differ)
        .map(|((of, name, a), (_, _, b))| {
            html! { th scope="row" { (of) ": " (name) } td { (value(a.as_ref())) } td { (value(b.as_ref())) } }
        })
        .collect();
    let same: Vec<_> =
        both.iter().filter(|pair| !differ(pair)).map(|((of, name, _), _)| format!("{of}: {name}")).collect();
    html! {
        h2 { "What differs" }
        @if rows.is_empty() { p { "Nothing that is known." } }
        @else { (table("What differs", &["What", "Before", "After"], &rows)) }
        @if !same.is_empty() { p.muted { "The same on both sides, or looked at on neither: " (same.join(", ")) "." } }
    }
}

fn value(value: Option<&Value>) -> Markup {
    match value {
        None => html! { span.muted { "not looked at" } },
        Some(value) => value_text(value),
    }
}

/// Dependencies that are not the same. What a crate is called, for what and for which target make it the same.
fn dependencies(before: &IndexLine, after: &IndexLine) -> Markup {
    let mut by_key: BTreeMap<_, [Vec<&IndexDependency>; 2]> = BTreeMap::new();
    for (side, line) in [before, after].into_iter().enumerate() {
        for dependency in &line.dependencies {
            let key = (dependency.package_name(), dependency.kind, dependency.target.as_deref());
            by_key.entry(key).or_default()[side].push(dependency);
        }
    }
    let rows: Vec<_> = by_key
        .into_iter()
        .filter(|(_, [before, after])| before != after)
        .map(|((name, kind, target), [before, after])| {
            let change = match (before.is_empty(), after.is_empty()) {
                (true, _) => "added",
                (_, true) => "removed",
                _ => "changed",
            };
            html! {
                th scope="row" { (shown(name)) }
                td { (change) }
                td { (kind.as_str()) @if let Some(target) = target { " for " code { (shown(target)) } } }
                td { (requirements(&before)) }
                td { (requirements(&after)) }
            }
        })
        .collect();
    html! {
        @if rows.is_empty() { p { "The same on both sides." } }
        @else { (table("Dependencies that differ", &["Crate", "Change", "For", "Before", "After"], &rows)) }
    }
}

fn requirements(dependencies: &[&IndexDependency]) -> Markup {
    html! {
        @if dependencies.is_empty() { span.muted { "none" } }
        @for (at, one) in dependencies.iter().enumerate() {
            @if at > 0 { ", " }
            code { (shown(&one.req)) }
            @if one.optional { " optional" }
            @if !one.default_features { " without default features" }
            @if !one.features.is_empty() { " with " (shown(&one.features.join(", "))) }
            @if one.package.is_some() { " as " (shown(&one.name)) }
            @if let Some(registry) = &one.registry { " from " span.raw { (shown(registry)) } }
        }
    }
}
