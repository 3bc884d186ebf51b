//! Who depends on a crate directly, and what that means when some of its releases are affected.

use std::collections::HashMap;

use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};

use crate::Graph;
use crate::registry::Krate;
use crate::requirements::Requirement;

/// One dependency of one release on the crate asked about. A release may have several, of different kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent<'a> {
    /// The release that depends on it.
    pub release: ReleaseId,
    /// Its crate, in its published spelling.
    pub name: &'a KrateName,
    /// Its number.
    pub num: &'a VersionNum,
    /// The requirement, as published.
    pub req: &'a str,
    /// Normal, build or dev.
    pub kind: DependencyKind,
    /// Only with a feature that asks for it.
    pub optional: bool,
    /// The dependent itself is withdrawn from resolution.
    pub yanked: bool,
    /// Since when the dependent itself is gone from the index.
    pub deleted_at: Option<Timestamp>,
    /// What it means; `None` when the requirement is none that cargo reads.
    pub state: Option<DependentState>,
}

/// What a requirement on a crate with affected releases means. Declared from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependentState {
    /// It allows no affected release.
    Never,
    /// It allows one, and without a lock file cargo takes another release, or finds none at all.
    OnlyOldLocks,
    /// Without a lock file cargo takes an affected one, although it allows others.
    FreshAffected,
    /// Every release offered that it allows is affected.
    Stuck,
}

impl DependentState {
    /// The published word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnlyOldLocks => "only-old-locks",
            Self::FreshAffected => "fresh-affected",
            Self::Stuck => "stuck",
        }
    }

    /// The same in words where every version was asked about, so that none of them is called affected.
    #[must_use]
    pub const fn of_any_version(self) -> &'static str {
        match self {
            Self::Never => "allows no release known here",
            Self::OnlyOldLocks => "only old lock files hold one",
            Self::FreshAffected | Self::Stuck => "takes one",
        }
    }
}

impl Graph {
    /// Every direct dependency on a crate, by crate and version of the dependent, tombstones included.
    ///
    /// `is_affected` is asked of the crate's own releases, yanked and deleted ones too: a lock file may still hold them.
    pub fn dependents(&self, canonical: &CanonicalName, is_affected: impl Fn(ReleaseId) -> bool) -> Vec<Dependent<'_>> {
        let Some(target) = self.names.number(canonical) else {
            return Vec::new();
        };
        let krate = self.krate(target);
        let affected: Vec<bool> = krate.releases.iter().map(|release| is_affected(release.id)).collect();
        let mut states: HashMap<u32, Option<DependentState>> = HashMap::new();
        let mut found = Vec::new();
        for dependent in &krate.dependents {
            let Krate { name: Some(name), releases, .. } = self.krate(*dependent) else { continue };
            for release in releases {
                for edge in release.edges.iter().filter(|edge| edge.to == target) {
                    let requirement = self.requirements.get(edge.req);
                    let state = states.entry(edge.req).or_insert_with(|| state(krate, &affected, requirement));
                    found.push(Dependent {
                        release: release.id,
                        name,
                        num: &release.num,
                        req: &requirement.text,
                        kind: edge.kind,
                        optional: edge.optional,
                        yanked: release.yanked,
                        deleted_at: self.deleted_at(release.id),
                        state: *state,
                    });
                }
            }
        }
        // By name for people; within a crate the order of versions stands already.
        found.sort_by_cached_key(|dependent| dependent.name.canonical());
        found
    }
}

pub(crate) fn state(krate: &Krate, affected: &[bool], requirement: &Requirement) -> Option<DependentState> {
    requirement.parsed.as_ref()?;
    let allowed = || {
        let pairs = krate.releases.iter().zip(affected);
        pairs.filter(|(release, _)| release.version.as_ref().is_some_and(|version| requirement.allows(version)))
    };
    if !allowed().any(|(_, affected)| *affected) {
        return Some(DependentState::Never);
    }
    let mut offered = allowed().filter(|(release, _)| release.is_offered()).map(|(_, affected)| *affected);
    Some(match offered.clone().next_back() {
        None | Some(false) => DependentState::OnlyOldLocks,
        Some(true) if offered.all(|affected| affected) => DependentState::Stuck,
        Some(true) => DependentState::FreshAffected,
    })
}
