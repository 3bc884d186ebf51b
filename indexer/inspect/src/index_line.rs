//! The index line against the manifest: until October 2023 the registry believed the publish request, not the archive.

use std::collections::{BTreeMap, BTreeSet};

use schema::{DependencyFacts, DependencyKind, Finding, FindingCode, IndexDependency, IndexLine, ManifestFacts};
use semver::VersionReq;
use serde_json::{Value, json};

use crate::facts::{high, shown};

/// How many differing items one finding names.
const SHOWN: usize = 20;

/// One finding per field in which line and manifest disagree: dependencies, features, links, `rust_version`.
///
/// What the line does not state is not compared: old lines know neither `links` nor `rust_version`. The spelling of a
/// requirement or of a `cfg(…)` carries no meaning, nor does any order.
#[must_use]
pub fn compare_with_line(line: &IndexLine, manifest: &ManifestFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    compare_dependencies(line, manifest, &mut findings);
    compare_features(line, manifest, &mut findings);
    let texts = [("links", &line.links, &manifest.links), ("rust_version", &line.rust_version, &manifest.rust_version)];
    for (field, stated, ours) in texts {
        if stated.is_some() && stated != ours {
            let detail = json!({
                "field": field, "index": stated.as_deref().map(shown), "manifest": ours.as_deref().map(shown),
            });
            findings.push(high(FindingCode::IndexDependencyDiffers, detail));
        }
    }
    findings
}

fn compare_dependencies(line: &IndexLine, manifest: &ManifestFacts, findings: &mut Vec<Finding>) {
    let mut counts: BTreeMap<Dependency, i64> = BTreeMap::new();
    for dependency in &line.dependencies {
        *counts.entry(of_line(dependency)).or_default() += 1;
    }
    for dependency in &manifest.dependencies {
        *counts.entry(of_manifest(dependency)).or_default() -= 1;
    }
    // Cargo leaves a dev-dependency without a version out of what it publishes.
    let is_left_out = |dependency: &Dependency| dependency.kind == DependencyKind::Dev && dependency.req == "*";
    let only_index: Vec<Value> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .take(SHOWN)
        .map(|(dependency, _)| dependency.to_json())
        .collect();
    let only_manifest: Vec<Value> = counts
        .iter()
        .filter(|(dependency, count)| **count < 0 && !is_left_out(dependency))
        .take(SHOWN)
        .map(|(dependency, _)| dependency.to_json())
        .collect();
    if !only_index.is_empty() || !only_manifest.is_empty() {
        let detail = json!({ "field": "dependencies", "only_in_index": only_index, "only_in_manifest": only_manifest });
        findings.push(high(FindingCode::IndexDependencyDiffers, detail));
    }
}

fn compare_features(line: &IndexLine, manifest: &ManifestFacts, findings: &mut Vec<Finding>) {
    let names: BTreeSet<&String> = line.features.keys().chain(manifest.features.keys()).collect();
    let differing = names.into_iter().filter(|name| match (line.features.get(*name), manifest.features.get(*name)) {
        (Some(index), Some(ours)) => as_set(index) != as_set(ours),
        (Some(index), None) => !is_implicit(name, index, manifest),
        _ => true,
    });
    let differing: Vec<Value> = differing
        .take(SHOWN)
        .map(|name| {
            json!({ "feature": shown(name), "index": cut(line.features.get(name)), "manifest": cut(manifest.features.get(name)) })
        })
        .collect();
    if !differing.is_empty() {
        let detail = json!({ "field": "features", "differing": differing });
        findings.push(high(FindingCode::IndexDependencyDiffers, detail));
    }
}

/// Some packagers spell out the feature that every optional dependency brings along.
fn is_implicit(name: &str, values: &[String], manifest: &ManifestFacts) -> bool {
    let is_optional = manifest.dependencies.iter().any(|dependency| dependency.name == name && dependency.optional);
    is_optional && values.iter().all(|value| value.strip_prefix("dep:") == Some(name))
}

fn as_set(values: &[String]) -> BTreeSet<&str> {
    values.iter().map(String::as_str).collect()
}

fn cut(values: Option<&Vec<String>>) -> Option<Vec<String>> {
    values.map(|values| values.iter().take(SHOWN).map(|value| shown(value)).collect())
}

/// A dependency without its spelling.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Dependency {
    name: String,
    package: String,
    req: String,
    kind: DependencyKind,
    optional: bool,
    default_features: bool,
    features: BTreeSet<String>,
    target: Option<String>,
    registry: Option<String>,
}

impl Dependency {
    fn to_json(&self) -> Value {
        json!({
            "name": shown(&self.name), "package": shown(&self.package), "req": shown(&self.req), "kind": self.kind,
            "optional": self.optional, "default_features": self.default_features,
            "features": self.features.iter().take(SHOWN).map(|feature| shown(feature)).collect::<Vec<_>>(),
            "target": self.target.as_deref().map(shown), "registry": self.registry.as_deref().map(shown),
        })
    }
}

fn of_line(dependency: &IndexDependency) -> Dependency {
    Dependency {
        name: dependency.name.clone(),
        package: dependency.package_name().to_owned(),
        req: requirement(&dependency.req),
        kind: dependency.kind,
        optional: dependency.optional,
        default_features: dependency.default_features,
        features: dependency.features.iter().cloned().collect(),
        target: dependency.target.as_deref().map(platform),
        registry: dependency.registry.as_deref().and_then(registry),
    }
}

fn of_manifest(dependency: &DependencyFacts) -> Dependency {
    Dependency {
        name: dependency.name.clone(),
        package: dependency.package.as_ref().unwrap_or(&dependency.name).clone(),
        req: requirement(&dependency.req),
        kind: dependency.kind,
        optional: dependency.optional,
        default_features: dependency.default_features,
        features: dependency.features.iter().cloned().collect(),
        target: dependency.target.as_deref().map(platform),
        registry: dependency.registry_index.as_deref().and_then(registry),
    }
}

/// `1`, `^1` and ` ^ 1` are one requirement.
fn requirement(text: &str) -> String {
    VersionReq::parse(text).map_or_else(|_| text.trim().to_owned(), |req| req.to_string())
}

/// A platform without its spaces and last commas, those in quotes apart.
fn platform(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut is_quoted = false;
    for c in text.chars() {
        is_quoted ^= c == '"';
        if c == ')' && !is_quoted && plain.ends_with(',') {
            plain.pop();
        }
        if is_quoted || !c.is_whitespace() {
            plain.push(c);
        }
    }
    plain
}

/// Another registry. Cargo writes out the public one's repository when a manifest names it; the index says nothing then.
fn registry(url: &str) -> Option<String> {
    let is_public = url.trim_end_matches('/').rsplit('/').next() == Some("crates.io-index");
    (!is_public).then(|| url.to_owned())
}
