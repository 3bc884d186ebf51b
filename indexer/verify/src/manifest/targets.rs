//! Targets: library, binaries and build script, with cargo's guesses where a manifest is silent; the same guesses on both sides.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::Context;
use crate::classify::tidy;

/// The targets that other packages or users build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Targets {
    library: Option<String>,
    library_name: String,
    crate_types: BTreeSet<String>,
    is_proc_macro: bool,
    binaries: BTreeMap<String, String>,
}

impl Targets {
    /// What is compared, with its name: (what, published, source).
    pub(super) fn pairs(&self, source: &Self) -> Vec<(&'static str, String, String)> {
        let library = |targets: &Self| targets.library.clone().unwrap_or_default();
        vec![
            ("library", library(self), library(source)),
            ("library's name", self.library_name.clone(), source.library_name.clone()),
            ("crate types", format!("{:?}", self.crate_types), format!("{:?}", source.crate_types)),
            ("proc-macro", self.is_proc_macro.to_string(), source.is_proc_macro.to_string()),
            ("binaries", format!("{:?}", self.binaries), format!("{:?}", source.binaries)),
        ]
    }
}

pub(super) fn read(manifest: &Table, package: &Table, name: &str, edition: &str, context: &Context<'_>) -> Targets {
    let lib = manifest.get("lib").and_then(Value::as_table);
    let path = lib.and_then(|lib| lib.get("path")).and_then(Value::as_str).unwrap_or("src/lib.rs");
    // The old place of a library whose path is not given.
    let path = tidy(path).filter(|path| lib.is_some() || (context.has_file)(path));
    let flag = |key: &str| lib.and_then(|lib| lib.get(key)).and_then(Value::as_bool) == Some(true);
    let crate_types =
        lib.and_then(|lib| lib.get("crate-type").or_else(|| lib.get("crate_type"))).and_then(Value::as_array);
    let crate_types: BTreeSet<String> =
        crate_types.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let typed = crate_types.contains("proc-macro");
    let named = lib.and_then(|lib| lib.get("name")).and_then(Value::as_str);
    let library = path.filter(|path| (context.has_file)(path));
    Targets {
        library_name: library.as_ref().map_or_else(String::new, |_| named.unwrap_or(name).replace('-', "_")),
        library,
        is_proc_macro: flag("proc-macro") || flag("proc_macro") || typed,
        crate_types: crate_types.into_iter().filter(|kind| kind != "lib" && kind != "proc-macro").collect(),
        binaries: binaries(manifest, package, name, edition, context),
    }
}

/// The build scripts: named, or `build.rs` when the manifest is silent and the file is there.
pub(super) fn build_scripts(package: &Table, context: &Context<'_>) -> BTreeSet<String> {
    let guess = || (context.has_file)("build.rs").then(|| "build.rs".to_owned());
    match package.get("build") {
        None | Some(Value::Boolean(true)) => guess().into_iter().collect(),
        Some(Value::String(path)) => tidy(path).into_iter().collect(),
        Some(Value::Array(paths)) => paths.iter().filter_map(Value::as_str).filter_map(tidy).collect(),
        Some(_) => BTreeSet::new(),
    }
}

/// Binaries whose source is in the archive; cargo leaves out those whose source is not packaged.
fn binaries(
    manifest: &Table,
    package: &Table,
    name: &str,
    edition: &str,
    context: &Context<'_>,
) -> BTreeMap<String, String> {
    let declared: Vec<&Table> =
        manifest.get("bin").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect();
    let automatic = package.get("autobins").and_then(Value::as_bool);
    let automatic = automatic.unwrap_or(edition != "2015" || declared.is_empty());
    let guessed = guesses(name, context);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for binary in declared {
        let name = binary.get("name").and_then(Value::as_str).unwrap_or(name).to_owned();
        let path = binary.get("path").and_then(Value::as_str).and_then(tidy);
        let path = path.or_else(|| guessed.get(&name).cloned());
        let path = path.or_else(|| (context.has_file)("src/main.rs").then(|| "src/main.rs".to_owned()));
        if let Some(path) = path.filter(|path| (context.has_file)(path)) {
            taken.insert(path.clone());
            found.insert(name, path);
        }
    }
    if automatic {
        for (name, path) in guessed {
            if !taken.contains(&path) {
                found.entry(name).or_insert(path);
            }
        }
    }
    found
}

/// `src/main.rs`, `src/bin/*.rs`, `src/bin/*/main.rs`.
fn guesses(name: &str, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if (context.has_file)("src/main.rs") {
        found.insert(name.to_owned(), "src/main.rs".to_owned());
    }
    for path in context.sources.iter().filter_map(|path| Some((path, path.strip_prefix("src/bin/")?))) {
        let (path, rest) = path;
        let name = match rest.split_once('/') {
            None => rest.strip_suffix(".rs"),
            Some((name, "main.rs")) => Some(name),
            Some(_) => None,
        };
        found.extend(name.map(|name| (name.to_owned(), path.clone())));
    }
    found
}
