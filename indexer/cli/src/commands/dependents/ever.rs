//! `provenance dependents NAME --ever`: every release that ever required a crate, with the time it did. An edited line or a
//! deleted version leaves the index without a trace; here it stays.

use anyhow::bail;
use serde_json::{Value, json};
use store::{PastDependency, Store};

use super::Asked;
use crate::args::DependentsArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{count, say};
use crate::{Exit, document, opening};
use schema::Clock as _;

pub(super) async fn run(args: &DependentsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (name, asked) = Asked::parse(&args.subject)?;
    if !matches!(asked, Asked::All) {
        bail!("--ever asks about a crate, not about some of its releases: give its name alone");
    }
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let as_of = document::as_of(store).await?;
    let found = store.dependencies_ever(&name.canonical()).await?;
    if found.is_empty() && store.releases(&name.canonical()).await?.is_none() {
        let [krates, ..] = store.totals().await?;
        bail!("crate {name} is not in the database, which knows {krates} crates, and nothing there ever required it");
    }
    if settings.json {
        let documents: Vec<_> = found.iter().map(as_json).collect();
        document::print(json!({
            "query": args.subject, "as_of": as_of, "total": documents.len(),
            "dependents": documents,
        }));
    } else if args.csv {
        say("name,num,req,kind,optional,from,until,yanked,deleted_at");
        for one in &found {
            say(&export::csv_row(cells(one).iter().map(String::as_str)));
        }
    } else {
        print(&found, settings);
        say(&document::as_of_words(&as_of, SystemClock.now()));
    }
    Ok(Exit::Done)
}

fn as_json(past: &PastDependency) -> Value {
    let PastDependency { release, dependency, from, until } = past;
    json!({
        "name": release.name, "num": release.num, "req": dependency.req, "kind": dependency.kind,
        "optional": dependency.optional, "from": from, "until": until, "yanked": release.yanked,
        "deleted_at": release.deleted_at,
    })
}

fn cells(past: &PastDependency) -> [String; 9] {
    let PastDependency { release, dependency, from, until } = past;
    let time = |at: &Option<schema::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    [
        release.name.to_string(),
        release.num.to_string(),
        dependency.req.clone(),
        dependency.kind.to_string(),
        dependency.optional.to_string(),
        time(from),
        time(until),
        release.yanked.to_string(),
        time(&release.deleted_at),
    ]
}

fn print(found: &[PastDependency], settings: &Settings) {
    let mut table = table::table(settings.color, &["release", "requires", "kind", "from", "edited away", "deleted"]);
    for one in found {
        let [name, num, req, kind, optional, from, until, _, deleted] = cells(one);
        let optional = if optional == "true" { " optional" } else { "" };
        table.add_row([
            cell(&format!("{name}@{num}")),
            cell(&req),
            cell(&format!("{kind}{optional}")),
            cell(&from),
            cell(&until),
            cell(&deleted),
        ]);
    }
    if !found.is_empty() {
        say(&table.trim_fmt());
    }
    say(&format!("\n{}, ever", count(found.len(), "dependent")));
}
