//! `provenance export`: every crate's answer as files, brought up to date from where the last export ended.
//!
//! A crate's files are written from what the tables say when they are written; the list of crates comes after the crates,
//! `index.json` after the list, and how far the export is comes last of all. So whatever is killed is done again, and a
//! reader never meets a list that promises what is not there.

use std::collections::{BTreeMap, BTreeSet};

use download::{Files, Place};
use export::{ExportedFile, INDEX, shard};
use queue::Progress;
use schema::{AsOf, CanonicalName, Step};
use serde_json::json;
use store::Store;

use crate::args::ExportArgs;
use crate::settings::Settings;
use crate::text::{count, say, shown};
use crate::{Exit, document, opening, progress};

mod changed;
mod files;
mod list;
mod packages;
mod state;

use list::Parts;
use state::State;

/// Crates written between two notes of how far the export is.
const BATCH: usize = 500;

pub(crate) async fn run(args: &ExportArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let place = Place::parse(&args.place)?;
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let files = Files::open(&place, &settings.s3).await?;
    let progress = progress::for_stderr(settings.quiet());
    let state = State::load(&files, store, args).await?;
    let was_whole = state.whole_from.is_some();
    let as_of = document::as_of(store).await?;
    let mut export = Export {
        store,
        files,
        as_of,
        state,
        n_files: 0,
        krates: BTreeSet::new(),
        n_waiting: 0,
        progress: progress.as_ref(),
    };
    export.bring_up().await?;
    export.finish().await?;
    let n_waiting = export.n_waiting;
    if settings.json {
        document::print(json!({
            "place": place.to_string(), "whole": was_whole, "crates_written": export.krates.len(),
            "files_written": export.n_files, "crates": export.state.n_krates(), "seq": export.state.seq,
            "waiting_for_advisories": n_waiting, "as_of": export.as_of,
        }));
    } else {
        say(&format!(
            "{} of {} written to {}, which has {}",
            count(export.n_files, "file"),
            count(export.krates.len(), "crate"),
            shown(&place.to_string()),
            count(export.state.n_krates(), "crate"),
        ));
    }
    Ok(Exit::Done)
}

/// An export under way.
struct Export<'a> {
    store: &'a dyn Store,
    files: Files,
    /// What the files rest on; taken before the first is written, so that no file claims more than it has.
    as_of: AsOf,
    state: State,
    n_files: usize,
    /// The crates written in this run.
    krates: BTreeSet<CanonicalName>,
    /// Releases that waited for their advisories before the record of what happened was read for the last time: whatever they
    /// became since stands in no file.
    n_waiting: u64,
    progress: &'a dyn Progress,
}

impl Export<'_> {
    async fn bring_up(&mut self) -> anyhow::Result<()> {
        let mut waited: BTreeSet<_> = self.state.waiting_then().collect();
        if let Some(after) = self.state.whole_from.clone() {
            waited.clear();
            let mut names: Vec<_> =
                self.store.krate_revisions().await?.into_iter().map(|krate| krate.canonical).collect();
            names.sort();
            names.retain(|name| name.as_str() > after.as_str());
            self.progress.begin("Exporting", Some(names.len() as u64));
            let mut lines = Parts::Anew { begun: after.get(..2).unwrap_or(&after).to_owned() };
            for some in names.chunks(BATCH) {
                self.write(some, &lines).await?;
                if let Some(last) = some.last() {
                    lines = Parts::Anew { begun: shard(last).to_owned() };
                }
                self.state.whole_from = some.last().map(ToString::to_string);
                self.state.save(&self.files).await?;
            }
            self.progress.end();
        }
        self.write_advisories().await?;
        self.state.whole_from = None;
        self.write_changed(waited).await
    }

    /// The crates whose rows said something new since the last time, and those that waited for their advisories then and do
    /// so no more.
    async fn write_changed(&mut self, waited: BTreeSet<CanonicalName>) -> anyhow::Result<()> {
        let mut names = files::settled(self.store, &waited).await?;
        loop {
            let counts = self.store.counts().await?;
            let waiting = counts.iter().filter(|count| matches!(count.step, Step::Match | Step::Publish));
            self.n_waiting = waiting.map(|count| count.waiting + count.dead).sum();
            let changed = changed::after(self.store, self.state.seq).await?;
            let is_last = changed.last.is_none();
            names.extend(changed.names);
            let names: Vec<_> = std::mem::take(&mut names).into_iter().collect();
            if !names.is_empty() {
                self.progress.begin("Exporting changes", Some(names.len() as u64));
                for some in names.chunks(BATCH) {
                    self.write(some, &Parts::Kept).await?;
                    self.write_packages(some).await?;
                }
                self.progress.end();
            }
            if let Some(last) = changed.last {
                self.state.seq = last.seq;
                self.state.at = Some(last.at);
                self.state.save(&self.files).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn write(&mut self, names: &[CanonicalName], lines: &Parts) -> anyhow::Result<()> {
        let (mut written, mut summaries) = (Vec::new(), BTreeMap::new());
        for some in names.chunks(files::AT_ONCE) {
            let krates = files::of_krates(self.store, some, &self.as_of, self.state.version_badges).await?;
            for (name, krate) in some.iter().zip(krates) {
                self.state.note_waiting(name, krate.is_waiting);
                if let Some(summary) = krate.summary {
                    summaries.insert(name.clone(), summary);
                    written.extend(krate.files);
                }
            }
        }
        self.put(written).await?;
        let lists = list::brought_up(&self.files, summaries, lines).await?;
        self.put(lists.files).await?;
        self.state.parts.extend(lists.sizes);
        self.krates.extend(names.iter().cloned());
        let last = names.last().map(ToString::to_string).unwrap_or_default();
        self.progress.advance(names.len() as u64, &last);
        Ok(())
    }

    /// The advisories by crate, where any is different from the state that was exported last; all of them the first time.
    async fn write_advisories(&mut self) -> anyhow::Result<()> {
        let present = self.store.advisory_states().await?.pop();
        if present.as_ref().map(|state| state.seq) == self.state.advisory_seq && self.state.whole_from.is_none() {
            return Ok(());
        }
        let concerned =
            packages::concerned(self.store, self.state.advisory_seq, self.state.whole_from.is_some()).await?;
        for some in concerned.chunks(BATCH) {
            self.write_packages(some).await?;
        }
        self.state.advisory_seq = present.map(|state| state.seq);
        self.state.save(&self.files).await
    }

    async fn write_packages(&mut self, names: &[CanonicalName]) -> anyhow::Result<()> {
        let mut written = Vec::new();
        for name in names {
            let before = self.state.packages.get(name.as_str());
            if let Some(package) = packages::of_krate(self.store, name, before).await? {
                written.extend(package.paths.iter().map(|path| (path.clone(), package.bytes.clone())));
                self.state.packages.insert(name.to_string(), package.paths);
                if package.is_waiting {
                    self.state.note_waiting(name, true);
                }
            }
        }
        self.put(written).await
    }

    async fn put(&mut self, files: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
        self.n_files += files.len();
        Ok(self.files.put(files).await?)
    }

    /// Writes what the whole rests on, and then how far it is.
    async fn finish(&mut self) -> anyhow::Result<()> {
        let index = json!({
            "schema_version": 1,
            "as_of": self.as_of,
            "seq": self.state.seq,
            "crates": self.state.n_krates(),
            "releases_waiting_for_advisories": self.n_waiting,
            "lists": "index/{first two characters of the canonical name}.json",
            "paths": {
                "crate": ExportedFile::Krate(&example()?).path(),
                "badge": ExportedFile::BadgeSvg(&example()?).path(),
                "shields": ExportedFile::BadgeJson(&example()?).path(),
                "osv": ExportedFile::Package(&example()?).path(),
            },
        });
        self.put(vec![(INDEX.to_owned(), index.to_string().into_bytes())]).await?;
        self.state.save(&self.files).await
    }
}

/// The crate by which `index.json` shows where files stand.
fn example() -> anyhow::Result<CanonicalName> {
    Ok(schema::KrateName::parse("serde-json")?.canonical())
}
