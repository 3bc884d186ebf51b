//! What the rule is told about one release: the results of the steps before it, as values.

use schema::{
    AdvisoryId, AdvisoryKind, Claim, Findings, Inspection, MatchFlag, Release, Score, Sha256, SourceSummary, Timestamp,
};

/// Everything known about one release.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What the index says.
    pub release: &'a Release,
    /// The index commit at which it says so; `None` on a sparse index.
    pub index_commit: Option<&'a str>,
    /// How the download went.
    pub download: DownloadState,
    /// What is inside the archive; `None` until it was inspected.
    pub inspection: Option<&'a InspectionFacts>,
    /// How far the source check has come.
    pub source: SourceState<'a>,
    /// What the advisory database says.
    pub advisories: MatchState,
    /// The present instant.
    pub now: Timestamp,
}

/// How far the source check has come.
#[derive(Clone, Copy, Debug)]
pub enum SourceState<'a> {
    /// Nobody asked for it.
    NotAsked,
    /// Asked for; its turn comes.
    Waiting,
    /// Our own failure; it is tried again.
    Failed,
    /// Checked, and this is what came of it.
    Checked(&'a SourceSummary),
}

/// How far the archive has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadState {
    /// Nobody asked for it.
    NotAsked,
    /// Asked for; its turn comes.
    Waiting,
    /// Our own failure; it is tried again.
    Failed {
        /// What stood in the way, for the log; the row does not repeat it.
        reason: String,
    },
    /// It is here and is the promised one.
    Ok {
        /// Its length in bytes.
        compressed_size: u64,
    },
    /// It is another one than the index promises, after a second look at both.
    Mismatch {
        /// sha256 of what was served.
        found: Sha256,
    },
    /// The registry no longer serves it.
    Gone {
        /// The HTTP status that said so.
        status: u16,
    },
    /// The index names no address to download from.
    NoAddress,
}

/// What the row needs of an inspection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectionFacts {
    /// Bytes of the archive.
    pub compressed_size: u64,
    /// Bytes of its files.
    pub unpacked_size: u64,
    /// What was odd.
    pub findings: Findings,
    /// The manifest's `repository`, as written.
    pub repository: Option<String>,
    /// What the archive says it was made from.
    pub claim: Option<Claim>,
}

/// How far the matching has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchState {
    /// No advisory database was available: nothing can be said.
    NoDatabase,
    /// Not yet matched against the present database.
    Waiting,
    /// Matched, possibly with nothing found.
    Matched {
        /// Commit of the database that was asked.
        db_commit: String,
        /// Every match, the near ones and those of withdrawn advisories included.
        matches: Vec<KnownAdvisory>,
    },
}

/// One advisory matched to the release, as far as the row needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAdvisory {
    /// Its id.
    pub id: AdvisoryId,
    /// What it reports.
    pub kind: AdvisoryKind,
    /// How severe it is.
    pub score: Score,
    /// Taken back by the database: it counts for nothing any more.
    pub withdrawn: bool,
    /// What else is to be known about the match.
    pub flags: Vec<MatchFlag>,
}

impl From<&Inspection> for InspectionFacts {
    fn from(inspection: &Inspection) -> Self {
        Self {
            compressed_size: inspection.archive.compressed_size,
            unpacked_size: inspection.archive.unpacked_size,
            findings: inspection.findings.clone(),
            repository: inspection.manifest.as_ref().and_then(|manifest| manifest.repository.clone()),
            claim: inspection.claim.clone(),
        }
    }
}
