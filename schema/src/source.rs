//! The outcome of comparing an archive with the repository it names. The comparison itself is verify's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Severity;
use crate::coded::coded;

coded! {
    /// What a source check concluded, or why there is none (design 04). `verified` means *same text*, not *good text*.
    pub enum Verdict {
        /// The recorded commit is reachable, and every file and the manifest agree with it.
        Verified = "verified",
        /// As above for another reachable commit, found by content.
        VerifiedEquivalent = "verified-equivalent",
        /// Everything the build reads agrees; other files differ.
        VerifiedExceptNonbuild = "verified-except-nonbuild",
        /// There is nothing to compare with, and the reason says why.
        NotVerifiable = "not-verifiable",
        /// A file the build reads differs from the best candidate.
        Mismatch = "mismatch",
        /// Something else asks for a person.
        Review = "review",
        /// Not asked for.
        Unchecked = "unchecked",
        /// Asked for and waiting.
        Pending = "pending",
        /// Our own failure; it is tried again.
        Error = "error",
    }
}

/// A coded cause of a verdict, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// One of the codes of design 04, or a finding's code.
    pub code: String,
    /// How much attention it asks for.
    pub severity: Severity,
    /// The evidence. Hostile text, to be escaped where it is shown.
    pub detail: Map<String, Value>,
}

/// What the published row says about the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceSummary {
    /// The outcome.
    pub verdict: Verdict,
    /// The outcome in words, as on the badge.
    pub words: String,
    /// The repository the manifest names, as written.
    pub repository_claimed: Option<String>,
    /// The same, normalised to a clone address; `null` when it was not checked or cannot be one.
    pub repository: Option<String>,
    /// Where a person can look at the matched commit.
    pub browse_url: Option<String>,
    /// The commit the archive claims.
    pub commit_claimed: Option<String>,
    /// The commit that matches.
    pub commit_matched: Option<String>,
    /// A tag at the matched commit.
    pub tag: Option<String>,
    /// The reasons, worst first.
    pub reasons: Vec<Reason>,
    /// Version of the rule that judged; `null` when nothing was judged.
    pub rules: Option<String>,
}
