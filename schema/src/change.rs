//! One thing that happened to the index; the append-only record from which everything else about it can be rebuilt.

use serde::{Deserialize, Serialize};

use crate::coded::coded;
use crate::{KrateName, Sha256, Timestamp, VersionNum};

coded! {
    /// What happened, in the words of design 02.
    pub enum ChangeKind {
        /// A version that was not there before.
        Added = "added",
        /// The same, yanked from the start.
        AddedYanked = "added_yanked",
        /// A deleted version is back with the same checksum: the old release lives again.
        ReAdded = "re_added",
        /// Withdrawn from resolution.
        Yanked = "yanked",
        /// Offered again.
        Unyanked = "unyanked",
        /// The line was edited in place: dependencies, features, times.
        MetadataChanged = "metadata_changed",
        /// The same number with another checksum: a new generation begins.
        ChecksumChanged = "checksum_changed",
        /// The line is gone while the crate stays.
        VersionDeleted = "version_deleted",
        /// The crate's file is gone, and this version with it.
        CrateDeleted = "crate_deleted",
        /// Two live lines of one number; the last one counts, as in cargo, this is the other.
        DuplicateLine = "duplicate_line",
        /// The index's `config.json` says something else.
        ConfigChanged = "config_changed",
        /// The index's history was replaced by one commit.
        Squash = "squash",
    }
}

/// One change of one version (or, for the last two kinds, of the whole index).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// The crate, in its published spelling; absent for a change of the whole index.
    pub name: Option<KrateName>,
    /// The version; absent for a change of the whole index.
    pub num: Option<VersionNum>,
    /// The checksum after the change (before it, for a deletion).
    pub checksum: Option<Sha256>,
    /// For an edit, the index's names of the fields that differ.
    pub fields: Vec<String>,
    /// The index commit that made it; absent on a sparse index.
    pub commit: Option<String>,
    /// Commit time on a git index, time of observation on a sparse one.
    pub at: Timestamp,
    /// The raw line before, byte for byte.
    pub line_before: Option<String>,
    /// The raw line after, byte for byte.
    pub line_after: Option<String>,
}

impl Change {
    /// Whether what a line says of its archive is different by it, which is compared with the archive; a yank says nothing of it.
    #[must_use]
    pub fn edits_metadata(&self) -> bool {
        match self.kind {
            ChangeKind::MetadataChanged => true,
            // What came back with another line than it went with.
            ChangeKind::ReAdded => self.fields.iter().any(|field| field != "yanked"),
            _ => false,
        }
    }
}
