//! Advisories and their matches, as facts: what is known, how bad, and since which commit of the database.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::coded::coded;
use crate::{CanonicalName, ReleaseId, Timestamp};

/// An advisory's id in its database, e.g. `RUSTSEC-2026-0082`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct AdvisoryId(pub String);

coded! {
    /// What kind of thing an advisory reports; declared from worst to mildest, which is also the order.
    pub enum AdvisoryKind {
        /// Published to do harm. RustSec has no such kind: it is derived from the category or from `expect-deleted`.
        Malicious = "malicious",
        /// A security vulnerability.
        Vulnerability = "vulnerability",
        /// Undefined behaviour reachable from safe code.
        Unsound = "unsound",
        /// A notice of the maintainers or the database.
        Notice = "notice",
        /// No longer maintained.
        Unmaintained = "unmaintained",
        /// A kind this version does not know.
        Other = "other",
    }
}

coded! {
    /// CVSS's word for a score. `unscored` is its own value and never low.
    pub enum SeverityWord {
        /// 9.0–10.0
        Critical = "critical",
        /// 7.0–8.9
        High = "high",
        /// 4.0–6.9
        Medium = "medium",
        /// 0.1–3.9
        Low = "low",
        /// 0.0
        None = "none",
        /// The database gives no score.
        Unscored = "unscored",
    }
}

/// How severe an advisory is, when its database says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// The word.
    pub severity: SeverityWord,
    /// Ten times the score, an integer; `null` when unscored.
    pub score_x10: Option<u8>,
    /// CVSS version, `3.0`, `3.1` or `4.0`.
    pub cvss: Option<String>,
    /// The vector, as written.
    pub vector: Option<String>,
}

coded! {
    /// Under which licence the database gives an advisory's text.
    pub enum Licence {
        /// Public domain.
        Cc0 = "CC0-1.0",
        /// Attribution: show licence and source.
        CcBy = "CC-BY-4.0",
        /// Another one, named in the advisory's file: show its link, not its text.
        Other = "other",
    }
}

/// One advisory without its prose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryFacts {
    /// Its id.
    pub id: AdvisoryId,
    /// The package's name as the database spells it.
    pub package: String,
    /// The crate's identity; `None` for the toolchain's own (`rust/`), which are never matched to crates.
    pub krate: Option<CanonicalName>,
    /// What it reports.
    pub kind: AdvisoryKind,
    /// Whether the kind was derived by us, because the database has no such kind.
    pub kind_derived: bool,
    /// How severe.
    pub score: Score,
    /// The heading, or the id in the facts-only snapshot. Hostile text.
    pub title: String,
    /// Ids of the same thing elsewhere, and ids in `related` are not among them.
    pub aliases: Vec<String>,
    /// Day of the report.
    pub date: String,
    /// Day of withdrawal.
    pub withdrawn: Option<String>,
    /// Requirements of the versions with a fix, as written.
    pub patched: Vec<String>,
    /// Requirements of the versions never affected, as written.
    pub unaffected: Vec<String>,
    /// Affected functions with their requirements, as written: path → requirements.
    pub functions: std::collections::BTreeMap<String, Vec<String>>,
    /// Where to read on. Hostile text.
    pub url: Option<String>,
    /// Licence of the text.
    pub licence: Licence,
}

coded! {
    /// What else is to be known about a match (design 05).
    pub enum MatchFlag {
        /// A pre-release whose release is affected while it is not, by the official rule: listed apart, never among the affected.
        PrereleaseOfAffected = "prerelease-of-affected",
        /// Published after a malware advisory that names no end.
        OpenEndedPublishedAfter = "open-ended-published-after",
        /// The advisory is older than this generation of the number.
        PriorGeneration = "prior-generation",
        /// The release is deleted from the index.
        Deleted = "deleted",
        /// The kind was derived, the database does not state it.
        DerivedKind = "derived-kind",
        /// The version is no SemVer: neither affected nor free of this advisory, nothing can be said.
        Unmatchable = "unmatchable",
    }
}

/// An advisory that covers a release (or, with [`MatchFlag::PrereleaseOfAffected`], nearly).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryMatch {
    /// The release.
    pub release: ReleaseId,
    /// The advisory.
    pub advisory: AdvisoryId,
    /// What else is to be known, in order.
    pub flags: Vec<MatchFlag>,
}

/// A state of the advisory database: what an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DbCommit {
    /// The git commit, or a digest of the files when they come without a history.
    pub commit: String,
    /// When that state was made.
    pub at: Timestamp,
    /// Where it came from: an address, a folder, or `snapshot`.
    pub source: String,
}

impl fmt::Display for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl SeverityWord {
    /// CVSS's own scale, in tenths.
    #[must_use]
    pub const fn of_score_x10(score_x10: u8) -> Self {
        match score_x10 {
            0 => Self::None,
            1..=39 => Self::Low,
            40..=69 => Self::Medium,
            70..=89 => Self::High,
            90.. => Self::Critical,
        }
    }
}

impl AdvisoryMatch {
    /// Whether the release itself is affected, and not only its neighbour.
    #[must_use]
    pub fn is_affected(&self) -> bool {
        !self.flags.contains(&MatchFlag::PrereleaseOfAffected) && !self.flags.contains(&MatchFlag::Unmatchable)
    }
}
