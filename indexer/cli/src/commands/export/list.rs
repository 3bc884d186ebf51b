//! The list of crates, in parts small enough to be brought up to date: `index/se.json` for all whose name begins so.

use std::collections::BTreeMap;

use anyhow::Context as _;
use download::Files;
use export::{ExportedFile, shard};
use schema::CanonicalName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A part of the list, by canonical name.
#[derive(Default, Deserialize, Serialize)]
struct Part {
    schema_version: u32,
    crates: BTreeMap<String, Value>,
}

/// What becomes of the lines that a part has already.
#[derive(Clone, Debug)]
pub(super) enum Parts {
    /// They stay.
    Kept,
    /// Everything is written anew, in order of the names: only those of the part begun last stay.
    Anew {
        /// That part; empty at the beginning.
        begun: String,
    },
}

/// Parts as they should be.
pub(super) struct BroughtUp {
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Part → how many crates it has.
    pub(super) sizes: BTreeMap<String, usize>,
}

pub(super) async fn brought_up(
    files: &Files,
    summaries: BTreeMap<CanonicalName, Value>,
    lines: &Parts,
) -> anyhow::Result<BroughtUp> {
    let mut parts: BTreeMap<String, Vec<(CanonicalName, Value)>> = BTreeMap::new();
    for (name, summary) in summaries {
        parts.entry(shard(&name).to_owned()).or_default().push((name, summary));
    }
    let (mut written, mut sizes) = (Vec::new(), BTreeMap::new());
    for (name, entries) in parts {
        let Some((first, _)) = entries.first() else { continue };
        let path = ExportedFile::Shard(first).path();
        let is_kept = match lines {
            Parts::Kept => true,
            Parts::Anew { begun } => *begun == name,
        };
        let held = if is_kept { files.get(&path).await? } else { None };
        let mut part = match held {
            Some(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("read {path} of the export"))?,
            None => Part::default(),
        };
        part.schema_version = 1;
        part.crates.extend(entries.into_iter().map(|(name, summary)| (name.to_string(), summary)));
        sizes.insert(name, part.crates.len());
        written.push((path, serde_json::to_vec(&part)?));
    }
    Ok(BroughtUp { files: written, sizes })
}
