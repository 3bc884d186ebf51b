//! Targets as cargo finds them: what the manifest declares, and what lies where cargo looks by itself.

use std::collections::BTreeSet;

use cargo_toml::{Manifest, OptionalFile, Package, Product};
use schema::{Entry, EntryKind, TargetFacts, TargetKind};

use crate::path;

/// The archive's files by the paths they unpack to.
pub(crate) struct Files(BTreeSet<String>);

impl Files {
    pub(crate) fn new(entries: &[Entry]) -> Self {
        let files = entries.iter().filter(|entry| !matches!(entry.kind, EntryKind::Directory));
        // Only these places matter to cargo's search; a set of all paths would double our memory.
        let looked_at = |key: &String| {
            !key.contains('/') || ["src/", "examples/", "tests/", "benches/"].iter().any(|dir| key.starts_with(dir))
        };
        Self(files.map(|entry| path::key(&entry.path)).filter(looked_at).collect())
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// `dir/*.rs` and `dir/*/main.rs` as (name, path).
    fn roots_in(&self, dir: &str) -> Vec<(String, String)> {
        let below = format!("{dir}/");
        let inside = self.0.range(below.clone()..).take_while(|path| path.starts_with(&below));
        let roots = inside.filter_map(|path| {
            let rest = &path[below.len()..];
            let name = match rest.split_once('/') {
                Some((name, "main.rs")) => name,
                Some(_) => return None,
                None => rest.strip_suffix(".rs")?,
            };
            (!name.is_empty() && !name.starts_with('.')).then(|| (name.to_owned(), path.clone()))
        });
        roots.collect()
    }
}

/// Whether the manifest says `auto…` itself, and what.
pub(crate) struct Auto {
    pub(crate) bins: Option<bool>,
    pub(crate) examples: Option<bool>,
    pub(crate) tests: Option<bool>,
    pub(crate) benches: Option<bool>,
}

/// All targets: library, binaries, examples, tests, benches, build script.
pub(crate) fn all(manifest: &Manifest, package: &Package, auto: &Auto, files: &Files) -> Vec<TargetFacts> {
    let is_2015 = package.edition.get().is_ok_and(|edition| *edition == cargo_toml::Edition::E2015);
    let mut targets: Vec<TargetFacts> = library(manifest, package, files).into_iter().collect();
    let has_lib = !targets.is_empty();
    let mut add = |kind, products: &[Product], found: Vec<(String, String)>, auto: Option<bool>| {
        // Until edition 2018 a declared target switched the search for others off.
        let search = auto.unwrap_or(!is_2015 || products.is_empty());
        targets.extend(products.iter().filter_map(|product| declared(kind, product, &found, package, has_lib, files)));
        let new: Vec<_> = found
            .into_iter()
            .filter(|(name, path)| {
                search && !targets.iter().any(|t| t.kind == kind && (t.name == *name || t.path == *path))
            })
            .collect();
        targets.extend(new.into_iter().map(|(name, path)| TargetFacts { kind, name, path }));
    };
    let mut bins = files.roots_in("src/bin");
    if files.has("src/main.rs") {
        bins.insert(0, (package.name.clone(), "src/main.rs".to_owned()));
    }
    add(TargetKind::Bin, &manifest.bin, bins, auto.bins);
    add(TargetKind::Example, &manifest.example, files.roots_in("examples"), auto.examples);
    add(TargetKind::Test, &manifest.test, files.roots_in("tests"), auto.tests);
    add(TargetKind::Bench, &manifest.bench, files.roots_in("benches"), auto.benches);
    let script = build_script(package, files);
    targets.extend(script.map(|path| TargetFacts {
        kind: TargetKind::Build,
        name: "build-script-build".to_owned(),
        path,
    }));
    targets
}

fn library(manifest: &Manifest, package: &Package, files: &Files) -> Option<TargetFacts> {
    let named = manifest.lib.as_ref();
    if named.is_none() && !(package.autolib && files.has("src/lib.rs")) {
        return None;
    }
    let name = named.and_then(|lib| lib.name.clone()).unwrap_or_else(|| package.name.replace('-', "_"));
    let of_old = format!("src/{name}.rs");
    let path = match named.and_then(|lib| lib.path.clone()) {
        Some(path) => path,
        None if !files.has("src/lib.rs") && files.has(&of_old) => of_old,
        None => "src/lib.rs".to_owned(),
    };
    Some(TargetFacts { kind: TargetKind::Lib, name, path })
}

fn declared(
    kind: TargetKind,
    product: &Product,
    found: &[(String, String)],
    package: &Package,
    has_lib: bool,
    files: &Files,
) -> Option<TargetFacts> {
    let name = product.name.clone()?;
    let folder = match kind {
        TargetKind::Example => "examples",
        TargetKind::Test => "tests",
        TargetKind::Bench => "benches",
        _ => "src/bin",
    };
    let by_name = || found.iter().find(|(found, _)| *found == name).map(|(_, path)| path.clone());
    // The first edition let a lone binary of any name be src/main.rs.
    let of_old = || {
        let main = (kind == TargetKind::Bin && (!has_lib || name == package.name) && files.has("src/main.rs"))
            .then_some("src/main.rs");
        main.map(str::to_owned)
    };
    let path = product.path.clone().or_else(by_name).or_else(of_old).unwrap_or_else(|| format!("{folder}/{name}.rs"));
    Some(TargetFacts { kind, name, path })
}

fn build_script(package: &Package, files: &Files) -> Option<String> {
    match &package.build {
        Some(OptionalFile::Path(path)) => Some(path.to_string_lossy().into_owned()),
        Some(OptionalFile::Flag(false)) => None,
        Some(OptionalFile::Flag(true)) => Some("build.rs".to_owned()),
        None => files.has("build.rs").then(|| "build.rs".to_owned()),
    }
}
