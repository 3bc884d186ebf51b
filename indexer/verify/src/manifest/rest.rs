//! What is left of a manifest once dependencies, features and targets are apart: copied as it is, or left out by cargo.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::NotCompared;

/// Fields of `[package]` that cargo copies, and that the build or a page may show or read.
const FIELDS: [&str; 9] = [
    "authors",
    "categories",
    "description",
    "documentation",
    "homepage",
    "keywords",
    "license",
    "metadata",
    "repository",
];
/// Sections that cargo copies. Lints are not among them: they change no code, and cargo spells them anew.
const SECTIONS: [&str; 2] = ["cargo-features", "profile"];
/// Sections cargo leaves out: in a published manifest they would redirect what the build takes.
pub(super) const LEFT_OUT: [&str; 3] = ["workspace", "patch", "replace"];

/// Name and value of each; what is inherited is inlined.
pub(super) fn read(
    manifest: &Table,
    package: &Table,
    workspace: Option<&Table>,
) -> Result<BTreeMap<String, String>, NotCompared> {
    let mut found = BTreeMap::new();
    for name in FIELDS {
        let Some(value) = package.get(name) else { continue };
        let shared = || workspace?.get("workspace")?.get("package")?.get(name);
        let inherits = name != "metadata" && value.get("workspace").and_then(Value::as_bool) == Some(true);
        let value = if inherits {
            shared().ok_or_else(|| NotCompared::WorkspaceUnresolved(format!("package.{name}")))?
        } else {
            value
        };
        found.insert(format!("package.{name}"), plain(value, &[]).to_string());
    }
    for name in SECTIONS {
        found.extend(manifest.get(name).map(|value| (name.to_owned(), plain(value, &["debug"]).to_string())));
    }
    // An empty value and none are the same.
    found.retain(|_, value| !value.chars().all(|c| c.is_whitespace() || "{}[]\"".contains(c)));
    Ok(found)
}

/// One spelling for values that mean the same: line ends of a checkout apart, and what cargo spells anew (`debug`) left out.
fn plain(value: &Value, left_out: &[&str]) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("\r\n", "\n")),
        Value::Array(values) => Value::Array(values.iter().map(|value| plain(value, left_out)).collect()),
        Value::Table(table) => {
            let kept = table.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), plain(value, left_out)));
            Value::Table(kept.filter(|(_, value)| !is_empty(value)).collect())
        }
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_table().is_some_and(Table::is_empty)
}
