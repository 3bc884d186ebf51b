//! What the graph is built from: plain rows, as the store has them.

use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};

/// One release, tombstones included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseNode {
    /// The release.
    pub id: ReleaseId,
    /// Its crate, in its published spelling.
    pub name: KrateName,
    /// Its number, SemVer or not.
    pub num: VersionNum,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// Since when it is gone from the index.
    pub deleted_at: Option<Timestamp>,
}

/// One dependency of one release on a crate of the same registry; those on another registry are to be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The release that has the dependency.
    pub from: ReleaseId,
    /// The crate it depends on, by its real name.
    pub to: CanonicalName,
    /// The requirement, as published.
    pub req: String,
    /// Normal, build or dev.
    pub kind: DependencyKind,
    /// Only with a feature that asks for it.
    pub optional: bool,
}
