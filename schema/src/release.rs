//! A release: one generation of one version, with what the index said of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{KrateName, Sha256, Timestamp, VersionNum};

/// The database's number of a release; jobs carry these and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub i64);

/// Which of several archives that bore one number this is, counted from 1: A, then B, then A again are 1, 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    /// The first archive of a number.
    pub const FIRST: Self = Self(1);

    /// The one that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What identifies a release outside the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseKey {
    /// The crate, in its published spelling.
    pub name: KrateName,
    /// The version, build metadata included.
    pub num: VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
}

/// A release as the database keeps it. A deleted one stays, with everything below: a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The database's number.
    pub id: ReleaseId,
    /// Name, version, generation.
    pub key: ReleaseKey,
    /// The sha256 the index promises.
    pub checksum: Sha256,
    /// `pubtime`, when the index says it.
    pub published_at: Option<Timestamp>,
    /// When this system first saw the line.
    pub first_seen_at: Timestamp,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// When the line was seen to be gone.
    pub deleted_at: Option<Timestamp>,
    /// The index line, byte for byte, as last seen.
    pub line: String,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.num)?;
        if self.generation > Generation::FIRST {
            write!(f, " (generation {})", self.generation)?;
        }
        Ok(())
    }
}
