//! The advisories of a crate as OSV, where its page in the registry looks for them today.
//!
//! As on the site this stands in for, a crate that no advisory names has no file; one that had some keeps its file.

use std::collections::{BTreeMap, BTreeSet};

use export::ExportedFile;
use schema::{CanonicalName, KrateName};
use serde_json::Value;
use store::{Store, StoredAdvisory};

use crate::commands::serve::OurRules;

/// The crates whose advisories differ from an earlier state of the database; all crates that advisories name, when that
/// state is not known, or `all` are wanted.
pub(super) async fn concerned(store: &dyn Store, since: Option<i64>, all: bool) -> anyhow::Result<Vec<CanonicalName>> {
    let present = store.advisories().await?;
    let past = match since {
        Some(seq) if !all => store.advisories_at(seq).await?,
        _ => Vec::new(),
    };
    let (present, past) = (by_path(&present), by_path(&past));
    let is_same = |stored: &StoredAdvisory, other: &BTreeMap<&str, &StoredAdvisory>| {
        other.get(stored.path.as_str()).is_some_and(|other| other.text == stored.text && other.facts == stored.facts)
    };
    let changed = present.values().filter(|stored| !is_same(stored, &past));
    let gone = past.values().filter(|stored| !is_same(stored, &present));
    let names: BTreeSet<_> = changed.chain(gone).filter_map(|stored| stored.facts.krate.clone()).collect();
    Ok(names.into_iter().collect())
}

fn by_path(advisories: &[StoredAdvisory]) -> BTreeMap<&str, &StoredAdvisory> {
    advisories.iter().map(|stored| (stored.path.as_str(), stored)).collect()
}

/// A crate's advisories as a file.
pub(super) struct Package {
    /// Where it stands.
    pub(super) paths: BTreeSet<String>,
    pub(super) bytes: Vec<u8>,
    /// Whether it says of a release that it is not matched yet.
    pub(super) is_waiting: bool,
}

/// The file of a crate, and where it stands: under its canonical name, under every spelling that somebody may ask with, and
/// where it stood before. `None` for a crate that has none.
pub(super) async fn of_krate(
    store: &dyn Store,
    name: &CanonicalName,
    before: Option<&BTreeSet<String>>,
) -> anyhow::Result<Option<Package>> {
    let advisories = store.advisories_of(name).await?;
    if advisories.is_empty() && before.is_none() {
        return Ok(None);
    }
    let records = serve::package_records(store, &OurRules, name).await?.unwrap_or_default();
    let published = store.releases(name).await?.and_then(|releases| Some(releases.last()?.key.name.clone()));
    let by_database = advisories.iter().filter_map(|stored| KrateName::parse(&stored.facts.package).ok());
    let spellings = published.into_iter().chain(by_database).map(|name| ExportedFile::PackageAsPublished(&name).path());
    let mut paths: BTreeSet<_> = std::iter::once(ExportedFile::Package(name).path()).chain(spellings).collect();
    paths.extend(before.into_iter().flatten().cloned());
    let versions = |record: &Value| {
        let versions = record.pointer("/affected/0/database_specific/versions").and_then(Value::as_array);
        versions.is_some_and(|versions| versions.iter().any(|version| version["state"] == "pending"))
    };
    let is_waiting = records.iter().any(versions);
    Ok(Some(Package { paths, bytes: Value::Array(records).to_string().into_bytes(), is_waiting }))
}
