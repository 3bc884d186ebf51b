//! How far an export is: a file beside what was exported, so that the next run writes only what is different.

use std::collections::{BTreeMap, BTreeSet};

use download::Files;
use schema::{CanonicalName, KrateName, Timestamp};
use serde::{Deserialize, Serialize};
use store::Store;

use super::changed;
use crate::args::ExportArgs;

const PATH: &str = "export-state.json";
/// Grows when the same tables would give other files: then everything is written anew.
const FORMAT: u32 = 1;

/// How far an export is.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct State {
    format: u32,
    /// Which columns the rows have, and what is said in them, depends on the program.
    program: String,
    pub(super) version_badges: bool,
    /// Everything that happened up to this number is in the files.
    pub(super) seq: i64,
    /// When that happened: in another database something else stands there.
    pub(super) at: Option<Timestamp>,
    /// The state of the advisory database that the OSV files are of.
    pub(super) advisory_seq: Option<i64>,
    /// How many crates each part of the list has.
    pub(super) parts: BTreeMap<String, usize>,
    /// While everything is written anew: the last crate that is. Empty at the beginning.
    pub(super) whole_from: Option<String>,
    /// Crates that waited for their advisories when they were written: they may be told otherwise without an event.
    waiting: BTreeSet<String>,
    /// Crates with an OSV file, and where each has it.
    pub(super) packages: BTreeMap<String, BTreeSet<String>>,
}

impl State {
    /// What the last run left, or the beginning of an export as a whole: on an empty place, for another database, by
    /// another program, or on request.
    pub(super) async fn load(files: &Files, store: &dyn Store, args: &ExportArgs) -> anyhow::Result<Self> {
        // A state that cannot be read is as good as none: everything is written anew.
        let left: Option<Self> = files.get(PATH).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(left) = left
            && !args.anew
            && left.format == FORMAT
            && left.program == program()
            && left.version_badges == args.version_badges
            && left.is_of(store).await?
        {
            return Ok(left);
        }
        let head = store.last_number().await?;
        let state = Self {
            format: FORMAT,
            program: program(),
            version_badges: args.version_badges,
            seq: head,
            at: changed::at(store, head).await?,
            advisory_seq: None,
            parts: BTreeMap::new(),
            whole_from: Some(String::new()),
            waiting: BTreeSet::new(),
            packages: BTreeMap::new(),
        };
        Ok(state)
    }

    /// Whether this database has at that number what the export ended with.
    async fn is_of(&self, store: &dyn Store) -> anyhow::Result<bool> {
        if self.seq == 0 {
            return Ok(true);
        }
        Ok(self.at.is_some() && changed::at(store, self.seq).await? == self.at)
    }

    pub(super) async fn save(&self, files: &Files) -> anyhow::Result<()> {
        Ok(files.put(vec![(PATH.to_owned(), serde_json::to_vec(self)?)]).await?)
    }

    pub(super) fn n_krates(&self) -> usize {
        self.parts.values().sum()
    }

    /// The crates that waited when this run began; each is written once more.
    pub(super) fn waiting_then(&self) -> impl Iterator<Item = CanonicalName> + use<> {
        let names: Vec<_> = self.waiting.iter().filter_map(|name| KrateName::parse(name).ok()).collect();
        names.into_iter().map(|name| name.canonical())
    }

    pub(super) fn note_waiting(&mut self, name: &CanonicalName, is_waiting: bool) {
        if is_waiting {
            self.waiting.insert(name.to_string());
        } else {
            self.waiting.remove(name.as_str());
        }
    }
}

fn program() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), publish::RULES)
}
