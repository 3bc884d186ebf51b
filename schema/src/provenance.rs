//! The published row: one honest summary per release, written by `publish` alone. Its JSON Schema is `contract/`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::coded::coded;
use crate::{
    AdvisoryId, AdvisoryKind, CanonicalName, DbCommit, Generation, KrateName, Severity, SeverityWord, Sha256,
    SourceSummary, Timestamp, VersionNum,
};

coded! {
    /// Whether the archive is the one the index promises.
    pub enum ChecksumState {
        /// Its sha256 is the promised one.
        Ok = "ok",
        /// It is not, even after a second look at both.
        Mismatch = "mismatch",
        /// The registry no longer serves it.
        Gone = "gone",
        /// The index names no address to download from.
        NoAddress = "no-address",
        /// Not asked for.
        Unchecked = "unchecked",
        /// Asked for and waiting.
        Pending = "pending",
        /// Our own failure; it is tried again.
        Error = "error",
    }
}

coded! {
    /// What the advisory database says of a release: four different answers, never confused.
    pub enum AdvisoryState {
        /// Not yet matched against the present database.
        Pending = "pending",
        /// Nothing can be said: no database was available, or the number is none that an advisory can name.
        Unknown = "unknown",
        /// Nothing is known as of the database's commit.
        NoneKnown = "none-known",
        /// At least one advisory that is not withdrawn covers it.
        Affected = "affected",
    }
}

coded! {
    /// The colour family of a badge; the page chooses the colour.
    pub enum Tone {
        /// Agreement.
        Good = "good",
        /// Neither good nor bad: not checked, cannot be checked.
        Neutral = "neutral",
        /// Worth a look.
        Caution = "caution",
        /// Known to be affected, or different.
        Bad = "bad",
    }
}

/// The words a page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Badge {
    /// The left side.
    pub label: String,
    /// The right side.
    pub message: String,
    /// Its colour family.
    pub tone: Tone,
}

/// What is known against a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdvisorySummary {
    /// Which of the four answers this is.
    pub state: AdvisoryState,
    /// The worst kind that covers it.
    pub worst_kind: Option<AdvisoryKind>,
    /// The worst severity among those of any kind; `unscored` counts above `none` and is never taken for low.
    pub worst_severity: Option<SeverityWord>,
    /// How many of each kind cover it.
    pub counts: BTreeMap<AdvisoryKind, u32>,
    /// Those that cover it, in order.
    pub ids: Vec<AdvisoryId>,
    /// Those whose fixed release this pre-release precedes: not affected by the official rule, to be read with care.
    pub near: Vec<AdvisoryId>,
    /// Commit of the advisory database that last changed this part of the row; `null` while it was never matched.
    pub db_commit: Option<String>,
}

/// One row of `provenance`. Columns are added, never changed or removed (contract/README.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProvenanceRow {
    /// The crate in its published spelling.
    pub name: KrateName,
    /// The name that identifies it: lower case, `-` folded to `_`.
    pub canonical: CanonicalName,
    /// The version, build metadata included.
    pub num: VersionNum,
    /// Which archive of that number, from 1.
    pub generation: Generation,
    /// sha256 the index promises, hex.
    pub checksum: Sha256,
    /// When it was published; `null` when the index does not say.
    pub published_at: Option<Timestamp>,
    /// When this system first saw it.
    pub first_seen_at: Timestamp,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// When it was seen to be gone from the index; a deleted release keeps its row.
    pub deleted_at: Option<Timestamp>,
    /// Whether the archive is the promised one.
    pub checksum_state: ChecksumState,
    /// Bytes of the archive; `null` until it was read.
    pub compressed_size: Option<u64>,
    /// Bytes of its files; `null` until it was read.
    pub unpacked_size: Option<u64>,
    /// Findings inside the archive, by severity; `null` until it was inspected.
    pub findings: Option<BTreeMap<Severity, u32>>,
    /// Codes of those findings, worst first.
    pub finding_codes: Vec<String>,
    /// The source check.
    pub source: SourceSummary,
    /// What is known against it.
    pub advisories: AdvisorySummary,
    /// The words a page shows.
    pub badge: Badge,
    /// Version of the rule that wrote this row.
    pub rules: String,
    /// Index commit that last changed this row; `null` on a sparse index.
    pub index_commit: Option<String>,
    /// When the facts were last looked at.
    pub checked_at: Timestamp,
    /// When the row last changed.
    pub changed_at: Timestamp,
}

/// What an answer rests on; every document has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsOf {
    /// State of the advisory database; `null` when none is loaded.
    pub advisory_db: Option<DbCommit>,
    /// State of the index.
    pub index: Option<DbSummary>,
    /// Version of the rule that wrote the rows.
    pub rules: String,
}

/// How far the index was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DbSummary {
    /// Where it was read from.
    pub source: String,
    /// Its commit; `null` on a sparse index.
    pub commit: Option<String>,
    /// When it was last read with success.
    pub at: Timestamp,
}
