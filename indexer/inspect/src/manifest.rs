//! The root manifest: read by a library that knows cargo's schema, fenced against its panics and its appetite.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cargo_toml::{Inheritable, Manifest, OptionalFile};
use schema::{DependencyFacts, DependencyKind, Entry, FindingCode, Findings, ManifestFacts, TargetKind};
use serde_json::json;
use toml::{Table, Value};

use crate::facts::{high, medium, shown};
use crate::targets::{self, Auto, Files};
use crate::{Expected, path};

/// More marks than this can stand in no manifest a person or cargo wrote; each may cost the parser a hundred bytes.
const MARKS: usize = 100_000;

/// Reads the facts, or says why there are none.
pub(crate) fn read(bytes: &[u8], entries: &[Entry]) -> Result<ManifestFacts, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let n_marks = text.bytes().filter(|byte| b",.=[{".contains(byte)).count();
    if n_marks > MARKS {
        return Err(format!("{n_marks} TOML marks, more than {MARKS}"));
    }
    // The libraries are tried ones, but the text is hostile: a panic of theirs is a fact about the manifest.
    catch_unwind(AssertUnwindSafe(|| facts(text, entries))).unwrap_or_else(|_| Err("the reader panicked".to_owned()))
}

/// What the facts say against the caller's expectation, and where they point.
pub(crate) fn check(facts: &ManifestFacts, expected: &Expected, findings: &mut Findings) {
    let pair = |manifest: &str, expected: &str| json!({ "manifest": shown(manifest), "expected": expected });
    if facts.name != expected.name.as_str() {
        findings.push(high(FindingCode::ManifestNameMismatch, pair(&facts.name, expected.name.as_str())));
    }
    if facts.version != expected.num.as_str() {
        findings.push(high(FindingCode::ManifestVersionMismatch, pair(&facts.version, expected.num.as_str())));
    }
    let targets = facts
        .targets
        .iter()
        .filter(|target| matches!(target.kind, TargetKind::Build | TargetKind::Lib | TargetKind::Bin));
    let targets = targets.map(|target| (target.kind.as_str(), target.path.as_str()));
    let licence = facts.license_file.as_deref().map(|path| ("license-file", path));
    for (what, target) in targets.chain(licence).filter(|(_, target)| points_outside(target)) {
        findings.push(medium(FindingCode::ManifestPointsOutside, json!({ "what": what, "path": shown(target) })));
    }
}

/// Whether a path leaves the package; `..` that comes back in is allowed here.
fn points_outside(target: &str) -> bool {
    if !target.split(['/', '\\']).any(|part| part == "..") {
        return path::leaves(target);
    }
    let mut depth = 0_i64;
    let leaves = target.split(['/', '\\']).any(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    });
    leaves || target.starts_with(['/', '\\'])
}

fn facts(text: &str, entries: &[Entry]) -> Result<ManifestFacts, String> {
    // The text is parsed once: it is the dearest part of an inspection after the hashes.
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let manifest: Manifest = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    let package = manifest.package.as_ref().ok_or("no [package]")?;
    let raw = ["package", "project"].iter().find_map(|key| table.get(*key)?.as_table()).ok_or("no [package]")?;
    let targets = targets::all(&manifest, package, &auto(raw), &Files::new(entries));
    let lib = manifest.lib.as_ref();
    let is_macro = |lib: &cargo_toml::Product| lib.proc_macro || lib.crate_type.iter().any(|kind| kind == "proc-macro");
    Ok(ManifestFacts {
        name: package.name.clone(),
        version: text_of(raw, "version").unwrap_or_else(|| "0.0.0".to_owned()),
        repository: set(package.repository.as_ref()),
        homepage: set(package.homepage.as_ref()),
        documentation: set(package.documentation.as_ref()),
        license: set(package.license.as_ref()),
        license_file: text_of(raw, "license-file"),
        readme: match package.readme.get() {
            Ok(OptionalFile::Path(path)) => Some(path.to_string_lossy().into_owned()),
            _ => None,
        },
        edition: text_of(raw, "edition"),
        rust_version: set(package.rust_version.as_ref()),
        links: package.links.clone(),
        build: targets.iter().find(|target| target.kind == TargetKind::Build).map(|target| target.path.clone()),
        proc_macro: lib.is_some_and(is_macro),
        has_lib: targets.iter().any(|target| target.kind == TargetKind::Lib),
        bin_names: targets.iter().filter(|t| t.kind == TargetKind::Bin).map(|t| t.name.clone()).collect(),
        targets,
        dependencies: dependencies(&table),
        features: manifest.features.into_iter().collect(),
    })
}

fn set(value: Option<&Inheritable<String>>) -> Option<String> {
    value?.get().ok().cloned()
}

fn text_of(table: &Table, key: &str) -> Option<String> {
    table.get(key)?.as_str().map(str::to_owned)
}

fn auto(package: &Table) -> Auto {
    let flag = |key: &str| package.get(key).and_then(Value::as_bool);
    Auto {
        bins: flag("autobins"),
        examples: flag("autoexamples"),
        tests: flag("autotests"),
        benches: flag("autobenches"),
    }
}

/// The dependencies of every table, from the text itself: requirements stay as written.
fn dependencies(table: &Table) -> Vec<DependencyFacts> {
    let mut all = Vec::new();
    add_tables(table, None, &mut all);
    for (target, tables) in table.get("target").and_then(Value::as_table).into_iter().flatten() {
        if let Some(tables) = tables.as_table() {
            add_tables(tables, Some(target), &mut all);
        }
    }
    all
}

fn add_tables(table: &Table, target: Option<&str>, all: &mut Vec<DependencyFacts>) {
    // The spellings with `_` are cargo's own aliases of old.
    for (key, old_key, kind) in [
        ("dependencies", "", DependencyKind::Normal),
        ("build-dependencies", "build_dependencies", DependencyKind::Build),
        ("dev-dependencies", "dev_dependencies", DependencyKind::Dev),
    ] {
        let found = table.get(key).or_else(|| table.get(old_key)).and_then(Value::as_table);
        all.extend(found.into_iter().flatten().map(|(name, value)| dependency(name, value, kind, target)));
    }
}

fn dependency(name: &str, value: &Value, kind: DependencyKind, target: Option<&str>) -> DependencyFacts {
    let empty = Table::new();
    let table = value.as_table().unwrap_or(&empty);
    let flag = |keys: [&str; 2]| keys.iter().find_map(|key| table.get(*key)?.as_bool());
    let features = table.get("features").and_then(Value::as_array).into_iter().flatten();
    DependencyFacts {
        name: name.to_owned(),
        package: text_of(table, "package"),
        req: value.as_str().map(str::to_owned).or_else(|| text_of(table, "version")).unwrap_or_else(|| "*".to_owned()),
        kind,
        optional: flag(["optional", "optional"]).unwrap_or(false),
        default_features: flag(["default-features", "default_features"]).unwrap_or(true),
        features: features.filter_map(|feature| feature.as_str().map(str::to_owned)).collect(),
        target: target.map(str::to_owned),
        registry_index: text_of(table, "registry-index"),
    }
}
