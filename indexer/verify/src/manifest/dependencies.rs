//! Dependencies as a multiset: read from either manifest with inheritance inlined, and compared.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{NotCompared, Part};

/// One dependency, as far as it can change a build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    /// `cfg(…)` or triple, white space removed; empty for every target.
    pub target: String,
    /// `normal`, `build` or `dev`.
    pub kind: &'static str,
    /// The name used in the code.
    pub name: String,
    /// The package's name.
    pub package: String,
    /// The requirement, in one spelling.
    pub req: String,
    /// Features asked for.
    pub features: BTreeSet<String>,
    /// Whether it is optional.
    pub optional: bool,
    /// Whether its default features are on.
    pub default_features: bool,
    /// Whatever else it says; where the source is taken from stands only in source manifests.
    pub other: Vec<String>,
    /// Another registry: its index, or `name:…` where only the name is known.
    pub registry: Option<String>,
}

/// What was read from one manifest.
pub(super) struct Read {
    pub(super) kept: Vec<Dependency>,
    /// Names of development dependencies without a version, which cargo leaves out.
    pub(super) removed: BTreeSet<String>,
}

const KINDS: [(&str, &str, &str); 3] = [
    ("normal", "dependencies", "dependencies"),
    ("build", "build-dependencies", "build_dependencies"),
    ("dev", "dev-dependencies", "dev_dependencies"),
];

pub(super) fn read(manifest: &Table, workspace: Option<&Table>, is_source: bool) -> Result<Read, NotCompared> {
    let mut read = Read { kept: Vec::new(), removed: BTreeSet::new() };
    read_tables(manifest, "", workspace, is_source, &mut read)?;
    for (target, tables) in manifest.get("target").and_then(Value::as_table).into_iter().flatten() {
        if let Some(tables) = tables.as_table() {
            read_tables(tables, &plain_target(target), workspace, is_source, &mut read)?;
        }
    }
    for dependency in &read.kept {
        read.removed.remove(&dependency.name);
    }
    read.kept.sort();
    Ok(read)
}

pub(super) fn compare(published: &[Dependency], source: &[Dependency], note: &mut impl FnMut(Part, String)) {
    let mut unmatched: Vec<&Dependency> = source.iter().collect();
    let mut left = Vec::new();
    for dependency in published {
        match unmatched.iter().position(|other| same(dependency, other)) {
            Some(at) => {
                unmatched.remove(at);
            }
            None => left.push(dependency),
        }
    }
    for dependency in left {
        let key = |other: &Dependency| (other.target.clone(), other.kind, other.name.clone());
        match unmatched.iter().position(|other| key(other) == key(dependency)) {
            Some(at) => {
                let other = unmatched.remove(at);
                let part = if same_registry(dependency, other) { Part::DependencyChanged } else { Part::Registry };
                note(part, format!("{} became {}", shown(other), shown(dependency)));
            }
            None => note(Part::DependencyAdded, format!("{} is not in the source manifest", shown(dependency))),
        }
    }
    for dependency in unmatched {
        note(Part::DependencyChanged, format!("{} is not in the published manifest", shown(dependency)));
    }
}

fn same(published: &Dependency, source: &Dependency) -> bool {
    let without = |dependency: &Dependency| Dependency { registry: None, ..dependency.clone() };
    without(published) == without(source) && same_registry(published, source)
}

/// A registry the source calls by a name has its index's address when published.
fn same_registry(published: &Dependency, source: &Dependency) -> bool {
    match (&published.registry, &source.registry) {
        (Some(_), Some(name)) if name.starts_with("name:") => true,
        (published, source) => published == source,
    }
}

fn shown(dependency: &Dependency) -> String {
    let Dependency { kind, name, package, req, target, .. } = dependency;
    let package = if package == name { String::new() } else { format!(" (package {package})") };
    let target = if target.is_empty() { String::new() } else { format!(" on {target}") };
    format!("{kind} dependency {name}{package} {req}{target}")
}

fn read_tables(
    tables: &Table,
    target: &str,
    workspace: Option<&Table>,
    is_source: bool,
    read: &mut Read,
) -> Result<(), NotCompared> {
    for (kind, name, old_name) in KINDS {
        let table = tables.get(name).or_else(|| tables.get(old_name)).and_then(Value::as_table);
        for (name, value) in table.into_iter().flatten() {
            let value = resolve(name, value, workspace)?;
            let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
            let has_source = value.contains_key("path") || value.contains_key("git");
            if is_source && kind == "dev" && !value.contains_key("version") && has_source {
                read.removed.insert(name.clone());
                continue;
            }
            let default_features = value.get("default-features").or_else(|| value.get("default_features"));
            let features = value.get("features").and_then(Value::as_array).into_iter().flatten();
            read.kept.push(Dependency {
                target: target.to_owned(),
                kind,
                name: name.clone(),
                package: text("package").unwrap_or_else(|| name.clone()),
                req: plain_req(&text("version").unwrap_or_else(|| "*".to_owned())),
                features: features.filter_map(Value::as_str).map(str::to_owned).collect(),
                optional: value.get("optional").and_then(Value::as_bool).unwrap_or(false),
                default_features: default_features.and_then(Value::as_bool).unwrap_or(true),
                other: other(&value, is_source),
                registry: text("registry-index").or_else(|| text("registry").map(|name| format!("name:{name}"))),
            });
        }
    }
    Ok(())
}

/// What is said of a dependency beyond what is compared by meaning. In a published manifest a path would be one inside
/// the archive.
fn other(value: &Table, is_source: bool) -> Vec<String> {
    const KNOWN: [&str; 10] = [
        "version",
        "package",
        "features",
        "optional",
        "default-features",
        "default_features",
        "registry",
        "registry-index",
        "workspace",
        "public",
    ];
    const PLACES: [&str; 6] = ["path", "git", "branch", "tag", "rev", "base"];
    let is_known = |name: &str| KNOWN.contains(&name) || (is_source && PLACES.contains(&name));
    let left = value.iter().filter(|(name, _)| !is_known(name));
    left.map(|(name, value)| format!("{name} = {value}")).collect()
}

/// The dependency as one table, what it inherits inlined by cargo's rules.
fn resolve(name: &str, value: &Value, workspace: Option<&Table>) -> Result<Table, NotCompared> {
    let own = as_table(value);
    if own.get("workspace").and_then(Value::as_bool) != Some(true) {
        return Ok(own);
    }
    let shared = workspace.and_then(|root| root.get("workspace")?.get("dependencies")?.get(name));
    let shared = shared.ok_or_else(|| NotCompared::WorkspaceUnresolved(format!("dependency {name}")))?;
    let mut merged = as_table(shared);
    let mut features = merged.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
    features.extend(own.get("features").and_then(Value::as_array).cloned().unwrap_or_default());
    if !features.is_empty() {
        merged.insert("features".to_owned(), Value::Array(features));
    }
    if let Some(optional) = own.get("optional") {
        merged.insert("optional".to_owned(), optional.clone());
    }
    // A member can turn default features on, never off.
    let turned_on = |table: &Table| {
        table.get("default-features").or_else(|| table.get("default_features")).and_then(Value::as_bool)
    };
    if turned_on(&own) == Some(true) && turned_on(&merged) == Some(false) {
        merged.remove("default_features");
        merged.insert("default-features".to_owned(), Value::Boolean(true));
    }
    Ok(merged)
}

fn as_table(value: &Value) -> Table {
    match value {
        Value::Table(table) => table.clone(),
        other => Table::from_iter([("version".to_owned(), other.clone())]),
    }
}

/// One spelling for requirements that mean the same.
fn plain_req(req: &str) -> String {
    semver::VersionReq::parse(req).map_or_else(|_| req.trim().to_owned(), |req| req.to_string())
}

/// `cfg` expressions are printed anew by some versions of cargo: white space and trailing commas carry no meaning.
fn plain_target(target: &str) -> String {
    let text: String = target.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace(",)", ")")
}
