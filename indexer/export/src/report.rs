//! What every format is written from, and the few readings of it that more than one format needs.

use schema::{AdvisoryFacts, AsOf, KrateName, Licence, Release, Timestamp, VersionNum};

/// An answer: advisories, each with the releases it covers.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked, in the asker's words.
    pub query: String,
    /// What the answer rests on.
    pub as_of: AsOf,
    /// When the document is made.
    pub at: Timestamp,
    /// Version of the program that makes it.
    pub tool_version: String,
    /// The advisories.
    pub advisories: Vec<ReportedAdvisory>,
}

/// One advisory with what it covers.
#[derive(Clone, Debug)]
pub struct ReportedAdvisory {
    /// Its facts.
    pub facts: AdvisoryFacts,
    /// When the state of the database that brought this text was made.
    pub modified: Timestamp,
    /// The affected intervals of `SemVer` precedence.
    pub intervals: Vec<Interval>,
    /// Ids of other things that have to do with it.
    pub related: Vec<String>,
    /// Addresses to read on. Hostile text.
    pub references: Vec<String>,
    /// The database's own categories.
    pub categories: Vec<String>,
    /// The releases affected, near ones left out, in version order.
    pub releases: Vec<AffectedRelease>,
}

/// An affected interval; a missing bound is infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first version affected.
    pub introduced: Option<String>,
    /// The first version that is not affected any more.
    pub fixed: Option<String>,
}

/// An affected release and the way out of it.
#[derive(Clone, Debug)]
pub struct AffectedRelease {
    /// The release.
    pub release: Release,
    /// Where to go from it.
    pub way_out: WayOut,
}

/// The nearest safe versions above an affected one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayOut {
    /// Within the same caret range.
    pub compatible: Option<VersionNum>,
    /// Of any range.
    pub any: Option<VersionNum>,
}

impl WayOut {
    /// What to do, as a sentence.
    pub(crate) fn words(&self) -> String {
        match (&self.compatible, &self.any) {
            (Some(num), _) => format!("Update to {num}."),
            (None, Some(num)) => format!("Update to {num}, which is not in the same compatible range."),
            (None, None) => "No version above it is known to be free of this advisory.".to_owned(),
        }
    }
}

impl ReportedAdvisory {
    /// The title, or the id where the facts-only snapshot has none, or where the licence lets us show none.
    pub(crate) fn title(&self) -> &str {
        if self.facts.licence == Licence::Other { &self.facts.id.0 } else { &self.facts.title }
    }

    /// The address to read on, when it is one that can be passed on.
    pub(crate) fn url(&self) -> Option<&str> {
        self.facts.url.as_deref().and_then(plain_address)
    }
}

/// The package URL of a crate, and of one of its versions: build metadata begins with a `+`, which must be escaped there.
pub(crate) fn purl(name: &str, num: Option<&VersionNum>) -> String {
    match num {
        None => format!("pkg:cargo/{name}"),
        Some(num) => format!("pkg:cargo/{name}@{}", num.as_str().replace('+', "%2B")),
    }
}

/// The published spelling of a release's crate.
pub(crate) fn name_of(release: &Release) -> &KrateName {
    &release.key.name
}

/// Hostile text as an address that may stand where a reader follows it: `https`, ASCII, nothing odd inside; else `None`.
#[must_use]
pub fn plain_address(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    (text.starts_with("https://") && text.bytes().all(is_plain)).then_some(text)
}
