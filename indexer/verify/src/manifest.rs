//! Does the published manifest follow from the source manifest? cargo's own rules, compared by meaning, without cargo (step 10).

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

mod dependencies;
mod rest;
mod targets;
#[cfg(test)]
mod tests;

pub(crate) use dependencies::Dependency;

/// Which part of a manifest a difference is in; each has its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A dependency the source does not have.
    DependencyAdded,
    /// A dependency that says something else, or is gone.
    DependencyChanged,
    /// A dependency from another registry than the source says.
    Registry,
    /// Features.
    Features,
    /// `links`.
    Links,
    /// A build script the source does not have.
    BuildAdded,
    /// Library, binaries, procedural macro, build script paths.
    Targets,
    /// The name or version.
    Identity,
    /// Edition or rust-version.
    Edition,
    /// Anything else that cargo copies.
    Other,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where.
    pub part: Part,
    /// What, in words.
    pub note: String,
}

/// What the comparison needs beside the two manifests.
pub(crate) struct Context<'a> {
    /// The manifest whose `[workspace]` the package inherits from.
    pub workspace: Option<&'a Table>,
    /// Whether the archive has a file, for cargo's guesses at targets.
    pub has_file: &'a dyn Fn(&str) -> bool,
    /// Files directly below a folder, and folders with a `main.rs`, for the same.
    pub sources: &'a BTreeSet<String>,
}

/// The comparison could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotCompared {
    /// One of the two is no manifest.
    Unreadable(String),
    /// It inherits a value, and there is no workspace that gives it.
    WorkspaceUnresolved(String),
}

impl Part {
    /// The code of its reason.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DependencyAdded => "manifest.dependency-added",
            Self::DependencyChanged => "manifest.dependency-changed",
            Self::Registry => "manifest.registry-changed",
            Self::Features => "manifest.features-changed",
            Self::Links => "manifest.links-changed",
            Self::BuildAdded => "manifest.build-added",
            Self::Targets => "manifest.targets-changed",
            Self::Identity => "manifest.version-differs",
            Self::Edition => "manifest.edition-changed",
            Self::Other => "manifest.other-changed",
        }
    }
}

/// The differences between the published manifest and what follows from the source manifest; none when it is derived.
///
/// # Errors
/// When one of them is no manifest, or inherits what no workspace gives.
pub(crate) fn differences(
    published: &str,
    original: &str,
    context: &Context<'_>,
) -> Result<Vec<Difference>, NotCompared> {
    let parse = |text: &str, which: &str| {
        let text = text.trim_start_matches('\u{feff}');
        text.parse::<Table>().map_err(|error| NotCompared::Unreadable(format!("{which}: {}", error.message())))
    };
    let published = Meaning::of(&parse(published, "Cargo.toml")?, context, false)?;
    let original = Meaning::of(&parse(original, "Cargo.toml.orig")?, context, true)?;
    Ok(published.against(&original))
}

/// What a manifest means to a build.
struct Meaning {
    name: String,
    version: String,
    edition: String,
    rust_version: Option<String>,
    links: Option<String>,
    build: BTreeSet<String>,
    targets: targets::Targets,
    dependencies: Vec<Dependency>,
    features: BTreeMap<String, BTreeSet<String>>,
    rest: BTreeMap<String, String>,
    /// Sections cargo would have left out.
    redirecting: Vec<&'static str>,
}

impl Meaning {
    fn of(manifest: &Table, context: &Context<'_>, is_source: bool) -> Result<Self, NotCompared> {
        let package = manifest.get("package").or_else(|| manifest.get("project")).and_then(Value::as_table);
        let package = package.ok_or_else(|| NotCompared::Unreadable("no [package]".to_owned()))?;
        let field = |name: &str| inherited(package, name, context.workspace);
        let name = package.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let edition = field("edition")?.unwrap_or_else(|| "2015".to_owned());
        let read = dependencies::read(manifest, context.workspace, is_source)?;
        let targets = targets::read(manifest, package, &name, &edition, context);
        Ok(Self {
            version: plain_version(&field("version")?.unwrap_or_default()),
            rust_version: field("rust-version")?,
            links: package.get("links").and_then(Value::as_str).map(str::to_owned),
            build: targets::build_scripts(package, context),
            features: features(manifest, &read),
            rest: rest::read(manifest, package, context.workspace)?,
            redirecting: rest::LEFT_OUT.into_iter().filter(|name| !is_source && manifest.contains_key(*name)).collect(),
            dependencies: read.kept,
            targets,
            name,
            edition,
        })
    }

    fn against(&self, original: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut note = |part, note: String| found.push(Difference { part, note });
        let mut differ = |part, what: &str, published: &str, source: &str| {
            if published != source {
                note(part, format!("{what}: {source:?} became {published:?}"));
            }
        };
        let optional = |value: &Option<String>| value.clone().unwrap_or_default();
        differ(Part::Identity, "name", &self.name, &original.name);
        differ(Part::Identity, "version", &self.version, &original.version);
        differ(Part::Edition, "edition", &self.edition, &original.edition);
        differ(Part::Edition, "rust-version", &optional(&self.rust_version), &optional(&original.rust_version));
        differ(Part::Links, "links", &optional(&self.links), &optional(&original.links));
        for (what, published, source) in self.targets.pairs(&original.targets) {
            differ(Part::Targets, what, &published, &source);
        }
        for script in self.build.symmetric_difference(&original.build) {
            match (self.build.contains(script), original.build.is_empty()) {
                (true, true) => {
                    note(Part::BuildAdded, format!("build script {script:?} is not in the source manifest"));
                }
                _ => note(Part::Targets, format!("build script {script:?} stands on one side only")),
            }
        }
        for name in self.features.keys().chain(original.features.keys()).collect::<BTreeSet<_>>() {
            if self.features.get(name) != original.features.get(name) {
                note(Part::Features, format!("feature {name:?} differs"));
            }
        }
        for name in self.rest.keys().chain(original.rest.keys()).collect::<BTreeSet<_>>() {
            if self.rest.get(name) != original.rest.get(name) {
                note(Part::Other, format!("{name} differs"));
            }
        }
        for name in &self.redirecting {
            note(Part::Registry, format!("[{name}] is in the published manifest"));
        }
        dependencies::compare(&self.dependencies, &original.dependencies, &mut note);
        found
    }
}

/// A field of `[package]`, taken from the workspace where it says so.
fn inherited(package: &Table, name: &str, workspace: Option<&Table>) -> Result<Option<String>, NotCompared> {
    match package.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Table(table)) if table.get("workspace").and_then(Value::as_bool) == Some(true) => {
            let value = workspace.and_then(|root| root.get("workspace")?.get("package")?.get(name)?.as_str());
            let value = value.ok_or_else(|| NotCompared::WorkspaceUnresolved(format!("package.{name}")))?;
            Ok(Some(value.to_owned()))
        }
        Some(other) => Ok(Some(other.to_string())),
    }
}

/// cargo trims a version when it reads it.
fn plain_version(version: &str) -> String {
    version.trim().to_owned()
}

/// Features; values that named a dependency cargo removes go with it.
fn features(manifest: &Table, read: &dependencies::Read) -> BTreeMap<String, BTreeSet<String>> {
    let table = manifest.get("features").and_then(Value::as_table);
    let gone = |value: &str| {
        let name = value.strip_prefix("dep:").unwrap_or(value).split('/').next().unwrap_or(value);
        let name = name.trim_end_matches('?');
        let names_feature_only = !value.contains('/') && !value.starts_with("dep:");
        read.removed.contains(name) && !names_feature_only
    };
    let entries = table.into_iter().flatten().map(|(name, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        (name.clone(), values.filter(|value| !gone(value)).map(str::to_owned).collect())
    });
    entries.collect()
}
