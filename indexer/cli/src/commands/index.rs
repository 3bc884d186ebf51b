//! `provenance index`: read the crates' lines, fetch and inspect what was selected, match, write rows, print them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use follow::FollowError;
use queue::{IndexReader, KrateOutcome, Progress, QueueError, ReadReport};
use schema::{Clock as _, KrateName, Priority, Release, ReleaseId, Sha256, Step, VersionNum};
use store::{ArchiveState, Store};

use super::subject::Subject;
use crate::Exit;
use crate::args::IndexArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{complain, count, shown};
use crate::{opening, progress};

mod report;

pub(crate) use report::advisory_words;

/// Which releases of a crate are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This one; with the checksum a lock file gives for it.
    Release(VersionNum, Option<Sha256>),
    /// The newest that is neither yanked nor deleted.
    Newest,
    /// Every live one.
    All,
}

/// What is to be done, as read from the arguments.
pub(super) type Selection = BTreeMap<KrateName, Vec<Wanted>>;

pub(crate) async fn run(args: &IndexArgs, settings: &Settings) -> anyhow::Result<Exit> {
    run_and(args, settings, true).await
}

/// The same without its table; for `demo`, which has its own.
pub(crate) async fn run_quietly(args: &IndexArgs, settings: &Settings) -> anyhow::Result<Exit> {
    run_and(args, settings, false).await
}

async fn run_and(args: &IndexArgs, settings: &Settings, prints: bool) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let progress = progress::for_stderr(settings.quiet());
    let selection = selection(args, progress.as_ref())?;
    let opened = opening::to_write(settings).await?;
    let store = Arc::clone(&opened.store);
    let stop = opening::stop_signal();

    for note in opening::advisory_database(settings, store.as_ref()).await? {
        progress.note(&format!("note: {note}"));
    }
    let agent = opening::agent(settings)?;
    let (index, address) = opening::index(settings, &agent)?;
    let (reader, answered) = IndexReader::open(index, &address, Arc::clone(&store)).await?;
    if let Err(error) = answered {
        progress.note(&format!("warning: the index does not answer ({error}); what is known of it is used"));
    }
    let names: Vec<_> = selection.keys().cloned().collect();
    let read = reader.read(names, SystemClock.now(), progress.as_ref(), &stop).await?;
    let mut trouble = report_reading(&read, progress.as_ref());

    let selected = select(store.as_ref(), &selection, &mut trouble).await?;
    mark_missing(store.as_ref(), &selected).await?;
    let sources = if args.no_source { None } else { Some(opening::sources(settings)?) };
    if sources.is_some() {
        mark_unchecked(store.as_ref(), &selected).await?;
    }
    let engine =
        opening::engine_reading(settings, Arc::clone(&store), agent, Arc::new(reader), progress, sources).await?;
    match engine.run_until_idle(&stop).await {
        Err(QueueError::Interrupted) => bail!("{}", QueueError::Interrupted),
        other => other?,
    }

    // Lines edited while archives were fetched have other releases by now.
    let selected = select(store.as_ref(), &selection, &mut Vec::new()).await?;
    let summary = report::summary(store.as_ref(), &selected, started.elapsed()).await?;
    if prints {
        report::print(&summary, settings)?;
    }
    for line in &trouble {
        complain(&format!("error: {}", shown(line)));
    }
    opened.close().await;
    let failed = !trouble.is_empty() || summary.n_failed() > 0;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn selection(args: &IndexArgs, progress: &dyn Progress) -> anyhow::Result<Selection> {
    let mut selection = Selection::new();
    if let Some(path) = &args.lockfile {
        add_lockfile(path, &mut selection, progress)?;
    }
    for text in &args.krates {
        let Subject { name, num } = Subject::parse(text)?;
        let wanted = match num {
            Some(num) => Wanted::Release(num, None),
            None if args.all_versions => Wanted::All,
            None => Wanted::Newest,
        };
        selection.entry(name).or_default().push(wanted);
    }
    if args.all_versions {
        for wanted in selection.values_mut() {
            *wanted = vec![Wanted::All];
        }
    }
    if selection.is_empty() {
        bail!("there is nothing to index; name --lockfile FILE or --crate NAME[@VER]");
    }
    Ok(selection)
}

/// The registry packages of a lock file.
pub(super) fn locked(path: &Path, progress: &dyn Progress) -> anyhow::Result<Selection> {
    let mut selection = Selection::new();
    add_lockfile(path, &mut selection, progress)?;
    Ok(selection)
}

fn add_lockfile(path: &Path, selection: &mut Selection, progress: &dyn Progress) -> anyhow::Result<()> {
    let lockfile =
        cargo_lock::Lockfile::load(path).with_context(|| format!("read the lock file {}", path.display()))?;
    let mut n_elsewhere = 0;
    for package in &lockfile.packages {
        match &package.source {
            Some(source) if source.is_default_registry() => {}
            // The workspace's own packages have no source at all.
            None => continue,
            Some(_) => {
                n_elsewhere += 1;
                continue;
            }
        }
        let name = KrateName::parse(package.name.as_str())?;
        let num = VersionNum::parse(&package.version.to_string())?;
        let checksum = package.checksum.as_ref().and_then(|checksum| Sha256::parse(&checksum.to_string()).ok());
        selection.entry(name).or_default().push(Wanted::Release(num, checksum));
    }
    if n_elsewhere > 0 {
        progress
            .note(&format!("note: {} from other registries or repositories left out", count(n_elsewhere, "package")));
    }
    if selection.is_empty() {
        bail!("the lock file {} names no package of the registry", path.display());
    }
    Ok(())
}

/// Says what went wrong while reading; the lines returned make the command fail.
fn report_reading(read: &ReadReport, progress: &dyn Progress) -> Vec<String> {
    let mut trouble = Vec::new();
    let mut failures: BTreeMap<String, Vec<Failure<'_>>> = BTreeMap::new();
    for (name, outcome) in &read.krates {
        match outcome {
            KrateOutcome::Unknown { tried } => {
                trouble.push(format!("there is no crate {name} in the index (tried {})", tried.join(", ")));
            }
            KrateOutcome::Failed { error, is_held } => {
                // Errors of one kind differ in the address alone; one line with an example is enough for all.
                let failure = Failure { name, error, is_held: *is_held };
                failures.entry(error.kind().to_owned()).or_default().push(failure);
            }
            KrateOutcome::Doubtful { since } => progress.note(&format!(
                "note: the index lacks versions of {name} that are known, since {since}; it may be an old copy, and is \
                 believed when it says so again an hour later"
            )),
            KrateOutcome::Read { quarantined, .. } if *quarantined > 0 => progress.note(&format!(
                "note: {} of {name} cannot be read; see `provenance doctor`",
                count(*quarantined, "line")
            )),
            KrateOutcome::Read { .. } | KrateOutcome::NotModified => {}
        }
    }
    for of_one_kind in failures.values() {
        let line = failure_line(of_one_kind);
        let is_wanted = of_one_kind.iter().all(|failure| failure.is_held && failure.error.is_offline());
        if is_wanted { progress.note(&format!("note: {line}")) } else { trouble.push(line) }
    }
    trouble
}

/// A crate that could not be read.
struct Failure<'r> {
    name: &'r KrateName,
    error: &'r FollowError,
    is_held: bool,
}

fn failure_line(failures: &[Failure<'_>]) -> String {
    let names = failures.iter().take(3).map(|failure| failure.name.as_str()).collect::<Vec<_>>().join(", ");
    let more = if failures.len() > 3 { ", …" } else { "" };
    let example = failures.first().map(|failure| crate::text::causes(failure.error)).unwrap_or_default();
    let n_new = failures.iter().filter(|failure| !failure.is_held).count();
    let held = match (n_new, failures.len() - n_new) {
        (0, _) => "what is known of them is used".to_owned(),
        (_, 0) => "nothing is known of them".to_owned(),
        (n_new, n_held) => format!("what is known of {n_held} is used, of {n_new} nothing is known"),
    };
    format!("{} could not be read from the index ({names}{more}): {example}; {held}", count(failures.len(), "crate"))
}

/// The releases that were asked for, in the order of the table.
pub(super) async fn select(
    store: &dyn Store,
    selection: &Selection,
    trouble: &mut Vec<String>,
) -> anyhow::Result<Vec<Release>> {
    let mut selected = Vec::new();
    for (name, wanted) in selection {
        // A crate that could not be read and was never read before is in the report already.
        let Some(releases) = store.releases(&name.canonical()).await? else { continue };
        for wanted in wanted {
            let chosen = choose(&releases, wanted);
            if let Wanted::Release(num, checksum) = wanted {
                report_choice(name, num, *checksum, &chosen, trouble);
            }
            selected.extend(chosen.into_iter().cloned());
        }
    }
    selected.sort_by(|a: &Release, b: &Release| {
        let order = |release: &Release| (release.key.name.canonical(), release.key.num.semver_ord(), release.id);
        order(a).cmp(&order(b))
    });
    selected.dedup_by_key(|release| release.id);
    Ok(selected)
}

fn choose<'r>(releases: &'r [Release], wanted: &Wanted) -> Vec<&'r Release> {
    let live = || releases.iter().filter(|release| release.deleted_at.is_none());
    match wanted {
        Wanted::All => live().collect(),
        Wanted::Newest => {
            let offered = || live().filter(|release| !release.yanked);
            let is_stable = |release: &&Release| release.key.num.semver().is_some_and(|version| version.pre.is_empty());
            let newest = offered().rfind(is_stable).or_else(|| offered().next_back()).or_else(|| live().next_back());
            newest.or_else(|| releases.last()).into_iter().collect()
        }
        Wanted::Release(num, checksum) => {
            let of_num = || releases.iter().filter(|release| release.key.num == *num);
            let promised = of_num().rfind(|release| Some(release.checksum) == *checksum);
            promised.or_else(|| of_num().next_back()).into_iter().collect()
        }
    }
}

fn report_choice(
    name: &KrateName,
    num: &VersionNum,
    checksum: Option<Sha256>,
    chosen: &[&Release],
    trouble: &mut Vec<String>,
) {
    match (chosen.first(), checksum) {
        (None, _) => trouble.push(format!("crate {name} has no release {num} in the index")),
        (Some(release), Some(checksum)) if release.checksum != checksum => trouble.push(format!(
            "the lock file gives another checksum for {name}@{num} than the index ({checksum}, not {})",
            release.checksum
        )),
        _ => {}
    }
}

/// Marks what has no archive yet. What is waiting for a later try is tried now: a person asked for it. An archive that is
/// not the promised one was looked at twice and is here as evidence; it is not fetched again.
async fn mark_missing(store: &dyn Store, selected: &[Release]) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let ids: Vec<ReleaseId> = selected.iter().map(|release| release.id).collect();
    let states: BTreeMap<_, _> = store.archive_states(&ids).await?.into_iter().collect();
    let settled = |id: &&ReleaseId| matches!(states.get(id), Some(ArchiveState::Ok | ArchiveState::Mismatch));
    let missing: Vec<_> = ids.iter().filter(|id| !settled(id)).copied().collect();
    store.mark(&missing, Step::Download, Priority::FRESH, now).await?;
    store.revive(Some(&ids), now).await?;
    let held_up: Vec<_> = store.open_marks(&ids, Step::Inspect).await?.into_iter().map(|mark| mark.release).collect();
    store.mark(&held_up, Step::Inspect, Priority::FRESH, now).await?;
    // A download that was never asked for before is a state of its own: the row says `pending` at once.
    let new: Vec<_> = missing.into_iter().filter(|id| !states.contains_key(id)).collect();
    store.mark(&new, Step::Publish, Priority::FRESH, now).await?;
    Ok(())
}

/// Marks the sources of what was inspected before sources were asked for.
async fn mark_unchecked(store: &dyn Store, selected: &[Release]) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let ids: Vec<ReleaseId> = selected.iter().map(|release| release.id).collect();
    let unchecked = store.never_checked(&ids).await?;
    store.mark(&unchecked, Step::Verify, Priority::FRESH, now).await?;
    Ok(())
}
