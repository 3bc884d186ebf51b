//! `provenance demo`: a small registry in a temporary folder, two of its days through the real pipeline, every state shown.

use std::path::Path;

use fixtures::World;
use schema::{Clock as _, KrateName, Priority, Step};

use crate::Exit;
use crate::args::{IndexArgs, ServeArgs};
use crate::clock::SystemClock;
use crate::database::DatabaseAddress;
use crate::settings::{Origin, Setting, Settings};
use crate::table::{self, cell, toned};
use crate::text::{complain, say};
use crate::{document, opening};

pub(crate) async fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let foreign = foreign(settings);
    if !foreign.is_empty() {
        let flags = foreign.join(", ");
        complain(&format!("error: the demo makes all of its own and leaves yours alone, so it takes no {flags}"));
        return Ok(Exit::Misused);
    }
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let sources = root.join("sources");
    let first = fixtures::demo::first_day(&sources)?;
    let second = fixtures::demo::today(first.clone())?;
    std::fs::write(root.join("mirrors.toml"), fixtures::demo::mirrors(&sources))?;
    let server = tokio::task::block_in_place(|| first.serve())?;
    let settings = demo_settings(settings, root);
    let selected: Vec<_> = fixtures::demo::SELECTED.iter().map(|(name, num)| format!("{name}@{num}")).collect();

    complain("demo: the first day");
    day(&first, &server.download_url(), root, &selected, &settings).await?;
    complain("demo: today (one crate is gone, one number has another archive, one crate lost its address)");
    server.set_world(second.clone());
    day(&second, &server.download_url(), root, &selected, &settings).await?;
    wait_for_source(&settings).await?;
    // Once more, without an address in the index: what was not fetched before has nowhere to come from.
    write_index(&second, root, None)?;
    index(&["demo-user@1.0.0".to_owned()], &settings, Sources::LeftAlone).await?;
    let exit = print(&second, &settings).await?;
    if args.listen.listen.is_some() {
        // The folder lives as long as somebody looks at it.
        return super::serve::run(args, &settings).await;
    }
    Ok(exit)
}

async fn day(
    world: &World,
    download: &str,
    root: &Path,
    selected: &[String],
    settings: &Settings,
) -> anyhow::Result<()> {
    write_index(world, root, Some(download))?;
    world.write_advisories(&root.join("advisory-db"))?;
    index(selected, settings, Sources::Checked).await
}

/// Leaves one release as a sweep finds it: inspected, marked for its source check, and not checked yet.
async fn wait_for_source(settings: &Settings) -> anyhow::Result<()> {
    let (name, num) = fixtures::demo::WAITING;
    let selected = [format!("{name}@{num}")];
    index(&selected, settings, Sources::LeftAlone).await?;
    let opened = opening::to_write(settings).await?;
    let releases = opened.store.releases(&KrateName::parse(name)?.canonical()).await?.unwrap_or_default();
    let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
    for step in [Step::Verify, Step::Publish] {
        opened.store.mark(&ids, step, Priority::FRESH, SystemClock.now()).await?;
    }
    opened.close().await;
    drop(opened);
    index(&selected, settings, Sources::LeftAlone).await
}

/// Written anew as a whole, so that what is gone is gone.
fn write_index(world: &World, root: &Path, download: Option<&str>) -> anyhow::Result<()> {
    let folder = root.join("index");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(world.write_index(&folder, download)?)
}

/// Whether a round looks at sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sources {
    Checked,
    LeftAlone,
}

async fn index(selected: &[String], settings: &Settings, sources: Sources) -> anyhow::Result<()> {
    let no_source = sources == Sources::LeftAlone;
    let args = IndexArgs { lockfile: None, krates: selected.to_vec(), all_versions: false, no_source };
    // Its exit is about the failures the demo shows on purpose.
    super::index::run_quietly(&args, settings).await?;
    Ok(())
}

async fn print(world: &World, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let mut rows = Vec::new();
    for name in world.names().chain(["demo-deleted"]) {
        rows.extend(opened.store.rows(&KrateName::parse(name)?.canonical()).await?);
    }
    rows.sort_by(|a, b| a.canonical.cmp(&b.canonical));
    rows.dedup();
    let as_of = document::as_of(opened.store.as_ref()).await?;
    if settings.json {
        document::print(serde_json::json!({ "as_of": as_of, "releases": rows }));
        return Ok(Exit::Done);
    }
    let mut table =
        table::table(settings.color, &["crate", "version", "#", "archive", "source", "advisories", "badge"]);
    for row in &rows {
        let mut num = row.num.to_string();
        if row.yanked {
            num.push_str(" yanked");
        }
        if row.deleted_at.is_some() {
            num.push_str(" deleted");
        }
        table.add_row([
            cell(row.name.as_str()),
            cell(&num),
            table::number(u64::from(row.generation.0)),
            cell(row.checksum_state.as_str()),
            cell(row.source.verdict.as_str()),
            cell(row.advisories.state.as_str()),
            toned(&row.badge.message, row.badge.tone),
        ]);
    }
    say(&table.trim_fmt());
    say(&format!("\n{}", document::as_of_words(&as_of, SystemClock.now())));
    Ok(Exit::Done)
}

/// Flags that name something of the person's, which the demo would have to pass over in silence. What the environment or a file
/// says is said of other commands as well, and is passed over.
fn foreign(settings: &Settings) -> Vec<&'static str> {
    let origins = [
        ("--database", settings.database.origin),
        ("--data-dir", settings.data_dir.origin),
        ("--blobs", settings.blobs.origin),
        ("--index", settings.index.origin),
        ("--archives", settings.archives.origin),
        ("--advisory-db", settings.advisory_db.origin),
        ("--mirrors", settings.mirrors.origin),
    ];
    origins.into_iter().filter(|(_, origin)| *origin == Origin::Flag).map(|(flag, _)| flag).collect()
}

/// The person's own manners, and nothing else of theirs: database, data, index and advisories are the demo's.
fn demo_settings(settings: &Settings, root: &Path) -> Settings {
    fn set<T>(value: T) -> Setting<T> {
        Setting { value, origin: Origin::Default }
    }
    Settings {
        database: set(DatabaseAddress::Sqlite(root.join("provenance.sqlite"))),
        data_dir: set(root.join("data")),
        blobs: set(None),
        index: set(root.join("index").display().to_string()),
        archives: set(Vec::new()),
        advisory_db: set(Some(root.join("advisory-db").display().to_string())),
        mirrors: set(Some(root.join("mirrors.toml"))),
        offline: set(false),
        verbosity: settings.verbosity.min(-1),
        ..settings.clone()
    }
}
