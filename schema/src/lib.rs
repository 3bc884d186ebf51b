//! The nouns: what a crate, a release, a finding, a claim, a match and a provenance row *are*. No IO, no clock, no rules.
#![doc = include_str!("../README.md")]

mod access;
mod advisory;
mod change;
mod claim;
mod coded;
mod digest;
mod finding;
mod inspection;
mod line;
mod name;
mod past;
mod provenance;
mod random;
mod release;
mod secret;
mod source;
mod step;
mod time;
mod version;

pub use access::{CratePattern, PatternError, Scope, allows};
pub use advisory::{
    AdvisoryFacts, AdvisoryId, AdvisoryKind, AdvisoryMatch, DbCommit, Licence, MatchFlag, Score, SeverityWord,
};
pub use change::{Change, ChangeKind};
pub use claim::{Claim, ClaimError};
pub use digest::{DigestError, GitOid, Sha256};
pub use finding::{Finding, FindingCode, Findings, Severity};
pub use inspection::{
    ArchiveFacts, ArchiveFiles, DependencyFacts, Entry, EntryKind, FileUnreadable, Inspection, ManifestFacts,
    TargetFacts, TargetKind,
};
pub use line::{DependencyKind, IndexDependency, IndexLine, LineError};
pub use name::{CanonicalName, KrateName, NameError};
pub use past::Past;
pub use provenance::{AdvisoryState, AdvisorySummary, AsOf, Badge, ChecksumState, DbSummary, ProvenanceRow, Tone};
pub use random::Random;
pub use release::{Generation, Release, ReleaseId, ReleaseKey};
pub use secret::Secret;
pub use source::{Reason, SourceSummary, Verdict};
pub use step::{DueMark, Priority, Step};
pub use time::{Clock, FixedClock, TimeError, Timestamp};
pub use version::{VersionError, VersionNum, semver_ord};
