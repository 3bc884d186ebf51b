//! `provenance diff NAME@A NAME@B`: what differs between two releases, as far as it is known; what is not known is said so.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use schema::{Clock as _, IndexDependency, IndexLine, ProvenanceRow, Release};
use serde_json::{Value, json};
use store::Store;

use super::show::rows_of;
use super::subject::Subject;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{say, shown};
use crate::{Exit, document, opening};

pub(crate) async fn run(before: &str, after: &str, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let as_of = document::as_of(store).await?;
    let (before, after) = (Side::read(store, before).await?, Side::read(store, after).await?);
    let facts = facts(&before, &after);
    let dependencies = dependencies(&before.line, &after.line);
    if settings.json {
        let facts: BTreeMap<_, _> =
            facts.iter().map(|fact| (fact.what, json!({ "before": fact.before, "after": fact.after }))).collect();
        document::print(json!({
            "before": before.identity(), "after": after.identity(), "facts": facts,
            "dependencies": dependencies.iter().map(DependencyChange::as_json).collect::<Vec<_>>(),
            // The index does not say who published; a feed that does is not read yet.
            "publisher": { "before": null, "after": null, "known": false },
            "as_of": as_of,
        }));
        return Ok(Exit::Done);
    }
    say(&format!("{} → {}\n", shown(&before.words()), shown(&after.words())));
    let mut table = table::table(settings.color, &["what", "before", "after"]);
    for fact in &facts {
        table.add_row([cell(fact.what), cell(&words(&fact.before)), cell(&words(&fact.after))]);
    }
    for change in &dependencies {
        table.add_row([cell("dependency"), cell(&side(&change.before)), cell(&side(&change.after))]);
    }
    table.add_row([cell("publisher"), cell("not known"), cell("not known")]);
    say(&table.trim_fmt());
    say(&format!("\n{}", document::as_of_words(&as_of, SystemClock.now())));
    Ok(Exit::Done)
}

/// One of the two releases.
struct Side {
    release: Release,
    line: IndexLine,
    row: ProvenanceRow,
}

impl Side {
    /// The last archive that bore the number.
    async fn read(store: &dyn Store, text: &str) -> anyhow::Result<Self> {
        let subject = Subject::parse(text)?;
        if subject.num.is_none() {
            bail!("{text:?} names no version: diff compares two releases, NAME@A and NAME@B");
        }
        let release = subject.releases(store).await?.pop().context("find the release")?;
        let row = rows_of(store, &subject).await?.pop().context("find the release's row")?;
        let line =
            IndexLine::parse(&release.line).with_context(|| format!("read the index line of {}", release.key))?;
        Ok(Self { release, line, row })
    }

    fn identity(&self) -> Value {
        let key = &self.release.key;
        json!({ "name": key.name, "num": key.num, "generation": key.generation, "checksum": self.release.checksum })
    }

    fn words(&self) -> String {
        self.release.key.to_string()
    }
}

/// Something that differs.
struct Fact {
    what: &'static str,
    before: Value,
    after: Value,
}

/// What differs beside the dependencies; of both releases the same question is asked.
fn facts(before: &Side, after: &Side) -> Vec<Fact> {
    let of = |side: &Side| {
        let (release, line, row) = (&side.release, &side.line, &side.row);
        [
            ("checksum", json!(release.checksum)),
            ("published_at", json!(release.published_at)),
            ("yanked", json!(release.yanked)),
            ("deleted_at", json!(release.deleted_at)),
            ("features", json!(line.features)),
            ("links", json!(line.links)),
            ("rust_version", json!(line.rust_version)),
            ("archive", json!(row.checksum_state)),
            ("unpacked_size", json!(row.unpacked_size)),
            ("findings", json!(row.finding_codes)),
            ("verdict", json!(row.source.verdict)),
            ("repository", json!(row.source.repository_claimed)),
            ("commit_claimed", json!(row.source.commit_claimed)),
            ("commit_matched", json!(row.source.commit_matched)),
            ("tag", json!(row.source.tag)),
            ("advisories", json!(row.advisories.state)),
            ("advisory_ids", json!(row.advisories.ids)),
        ]
    };
    let both = of(before).into_iter().zip(of(after));
    let differing = both.filter(|((_, before), (_, after))| before != after);
    differing.map(|((what, before), (_, after))| Fact { what, before, after }).collect()
}

/// A dependency that is not the same on both sides. What a crate is called, for what and for which target make it the same.
struct DependencyChange {
    before: Vec<IndexDependency>,
    after: Vec<IndexDependency>,
}

fn dependencies(before: &IndexLine, after: &IndexLine) -> Vec<DependencyChange> {
    let mut by_key: BTreeMap<_, DependencyChange> = BTreeMap::new();
    let key = |dependency: &IndexDependency| {
        (dependency.package_name().to_owned(), dependency.kind.as_str(), dependency.target.clone())
    };
    let nothing = || DependencyChange { before: Vec::new(), after: Vec::new() };
    for dependency in &before.dependencies {
        by_key.entry(key(dependency)).or_insert_with(nothing).before.push(dependency.clone());
    }
    for dependency in &after.dependencies {
        by_key.entry(key(dependency)).or_insert_with(nothing).after.push(dependency.clone());
    }
    by_key.into_values().filter(|change| change.before != change.after).collect()
}

impl DependencyChange {
    fn as_json(&self) -> Value {
        let named = self.after.first().or(self.before.first());
        let change = match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => "added",
            (_, true) => "removed",
            _ => "changed",
        };
        json!({
            "change": change, "name": named.map(IndexDependency::package_name), "kind": named.map(|one| one.kind),
            "target": named.and_then(|one| one.target.as_deref()),
            "before": self.before.iter().map(requirement).collect::<Vec<_>>(),
            "after": self.after.iter().map(requirement).collect::<Vec<_>>(),
        })
    }
}

/// The dependencies of one side in words.
fn side(dependencies: &[IndexDependency]) -> String {
    let one = |dependency: &IndexDependency| {
        let kind = if dependency.kind == schema::DependencyKind::Normal { "" } else { dependency.kind.as_str() };
        let optional = if dependency.optional { "optional" } else { "" };
        let target = dependency.target.as_deref().unwrap_or_default();
        let words = [dependency.package_name(), dependency.req.as_str(), kind, optional, target];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    dependencies.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn requirement(dependency: &IndexDependency) -> Value {
    json!({
        "req": dependency.req, "optional": dependency.optional, "default_features": dependency.default_features,
        "features": dependency.features, "as": dependency.name, "registry": dependency.registry,
    })
}

/// A JSON value as a person reads it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
