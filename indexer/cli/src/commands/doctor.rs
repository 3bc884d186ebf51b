//! `provenance doctor`: the effective settings with their origin, and a try of everything this program depends on.

use std::path::Path;

use anyhow::Context as _;
use follow::{CargoSettings, GitSource, IndexAddress, Start};
use schema::{Clock as _, KrateName};
use serde_json::{Value, json};
use store::{Quarantined, Store};

use super::quarantine;
use crate::clock::SystemClock;
use crate::database::DatabaseAddress;
use crate::settings::{Setting, Settings};
use crate::text::{chain, say, shown};
use crate::{Exit, document, opening};

/// One thing tried.
struct Check {
    what: &'static str,
    outcome: Result<String, String>,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let mut checks = vec![data_dir(&settings.data_dir.value)];
    let (database, quarantined) = database(settings).await;
    checks.extend(database);
    checks.push(index(settings).await);
    let n_bad = checks.iter().filter(|check| check.outcome.is_err()).count();
    if settings.json {
        let checks: Vec<_> = checks
            .iter()
            .map(|check| {
                let (ok, says) = match &check.outcome {
                    Ok(says) => (true, says),
                    Err(says) => (false, says),
                };
                json!({ "check": check.what, "ok": ok, "says": says })
            })
            .collect();
        let quarantine: Vec<_> = quarantined.iter().map(quarantine::as_json).collect();
        document::print(json!({ "settings": effective(settings), "checks": checks, "quarantine": quarantine }));
    } else {
        for (name, value) in effective(settings).as_object().into_iter().flatten() {
            say(&format!(
                "{name:>17}  {}  ({})",
                in_words(&value["value"]),
                value["origin"].as_str().unwrap_or_default()
            ));
        }
        say("");
        for check in &checks {
            match &check.outcome {
                Ok(says) => say(&format!("   ok  {}: {}", check.what, shown(says))),
                Err(says) => say(&format!(" FAIL  {}: {}", check.what, shown(says))),
            }
        }
        for bad in &quarantined {
            say(&quarantine::words(bad));
        }
    }
    Ok(if n_bad == 0 { Exit::Done } else { Exit::Failed })
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => shown(text),
        Value::Array(all) if all.is_empty() => "none".to_owned(),
        other => shown(&other.to_string()),
    }
}

fn effective(settings: &Settings) -> Value {
    fn one<T: serde::Serialize>(setting: &Setting<T>) -> Value {
        json!({ "value": setting.value, "origin": setting.origin.to_string() })
    }
    json!({
        "config": { "value": settings.config, "origin": if settings.config.is_some() { "read" } else { "default" } },
        "database": one(&settings.database),
        "data-dir": one(&settings.data_dir),
        "blobs": one(&settings.blobs),
        "index": one(&settings.index),
        "archives": one(&settings.archives),
        "advisory-db": one(&settings.advisory_db),
        "mirrors": one(&settings.mirrors),
        "user-agent": one(&settings.user_agent),
        "max-archive-size": one(&settings.max_archive_size),
        "max-repositories-size": one(&settings.max_repositories_size),
        "offline": one(&settings.offline),
    })
}

fn data_dir(path: &Path) -> Check {
    let tried = std::fs::create_dir_all(path).and_then(|()| tempfile::NamedTempFile::new_in(path));
    let outcome = match tried {
        Ok(_) => Ok(format!("{} can be written", path.display())),
        Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
    };
    Check { what: "data directory", outcome }
}

async fn database(settings: &Settings) -> (Vec<Check>, Vec<Quarantined>) {
    let address = &settings.database.value;
    if matches!(address, DatabaseAddress::Sqlite(path) if !path.exists()) {
        let says = format!("{address} does not exist yet; `provenance index` makes it");
        return (vec![Check { what: "database", outcome: Ok(says) }], Vec::new());
    }
    let found = match opening::to_read(settings).await {
        Err(error) => Err(error),
        Ok(opened) => contents(opened.store.as_ref(), address).await,
    };
    found.unwrap_or_else(|error| (vec![Check { what: "database", outcome: Err(chain(&error)) }], Vec::new()))
}

async fn contents(store: &dyn Store, address: &DatabaseAddress) -> anyhow::Result<(Vec<Check>, Vec<Quarantined>)> {
    let [krates, releases, ..] = store.totals().await?;
    let fine = format!("{address} holds {releases} releases of {krates} crates");
    let advisories = match store.advisory_db().await? {
        Some(commit) => Ok(opening::described(&commit, SystemClock.now())),
        None => Err("none is loaded; `provenance index` loads one".to_owned()),
    };
    let dead = store.dead().await?.len();
    let queue = if dead == 0 {
        Ok("nothing given up".to_owned())
    } else {
        Err(format!("{dead} steps given up; see `provenance status`"))
    };
    let quarantined = store.quarantined().await?;
    let quarantine = match quarantined.len() {
        0 => Ok("empty".to_owned()),
        n => Err(format!("{n} lines or files cannot be read and keep their last good state:")),
    };
    let checks = vec![
        Check { what: "database", outcome: Ok(fine) },
        Check { what: "advisory database", outcome: advisories },
        Check { what: "queue", outcome: queue },
        Check { what: "quarantine", outcome: quarantine },
    ];
    Ok((checks, quarantined))
}

async fn index(settings: &Settings) -> Check {
    let outcome = try_index(settings).await.map_err(|error| chain(&error));
    Check { what: "index", outcome }
}

/// Asks for `config.json` and for one crate that every index of the public registry has.
async fn try_index(settings: &Settings) -> anyhow::Result<String> {
    match IndexAddress::parse(&settings.index.value, &CargoSettings::default())? {
        IndexAddress::Repository(path) => return git_index(GitSource::here(&path), &path.display().to_string()),
        IndexAddress::Git(url) => return git_url(url.as_str(), settings),
        IndexAddress::Sparse(_) | IndexAddress::Directory(_) => {}
    }
    let agent = opening::agent(settings)?;
    let (index, address) = opening::index(settings, &agent)?;
    let config = index.config().await?;
    let download = match config {
        Some(config) => format!("archives from {}", config.dl),
        None => "no config.json, so archives have no address".to_owned(),
    };
    let probe = KrateName::parse("serde")?;
    let has = match index.fetch(&probe, None).await? {
        follow::Fetched::Missing { .. } => "it answers",
        follow::Fetched::File { .. } | follow::Fetched::NotModified => "it answers and has crates",
    };
    Ok(format!("{address}: {has}; {download}"))
}

fn git_index(mut source: GitSource, address: &str) -> anyhow::Result<String> {
    let head = tokio::task::block_in_place(|| source.look(Start::Now, None))?;
    let head = head.with_context(|| format!("{address} is a repository without a commit"))?;
    Ok(format!("{address}: a git index, its head is {head}"))
}

/// Lists the refs; nothing is fetched for the sake of a check.
fn git_url(url: &str, settings: &Settings) -> anyhow::Result<String> {
    let options = git_transport::GitOptions {
        addresses: net::Addresses::Any,
        allow_file: true,
        agent: Some(net::BlockingAgent::new(opening::agent_options(settings))?),
        ..git_transport::GitOptions::default()
    };
    let listing = tokio::task::block_in_place(|| git_transport::list_refs(url, &options))?;
    Ok(format!("{url}: a git index, it answers with {}", crate::text::count(listing.refs.len(), "ref")))
}
