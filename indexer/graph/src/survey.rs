//! Counts over a crate's dependents and releases: what a look at the whole registry is made of.

use std::collections::BTreeMap;

use schema::{CanonicalName, DependencyKind, ReleaseId};

use crate::dependents::{DependentState, state};
use crate::{Graph, Hit};

/// Live dependents of a crate by what its affected releases mean to them; edges of tests do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Every release offered that they allow is affected.
    pub stuck: Tally,
    /// They take an affected one without a lock file, and could take another.
    pub fresh_affected: Tally,
    /// Old lock files alone may hold an affected one.
    pub only_old_locks: Tally,
}

/// How many releases, and of how many crates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Releases that depend on it whatever is switched on.
    pub releases: usize,
    /// Crates of these releases.
    pub krates: usize,
    /// Further releases, which do so only with a feature.
    pub optional_releases: usize,
}

impl Graph {
    /// Surveys the dependents of a crate that are neither yanked nor deleted. Each release counts once, with its worst
    /// edge; an edge that is not optional goes before one that is.
    pub fn survey(&self, canonical: &CanonicalName, is_affected: impl Fn(ReleaseId) -> bool) -> Survey {
        let mut survey = Survey::default();
        let Some(target) = self.names.number(canonical) else { return survey };
        let krate = self.krate(target);
        let affected: Vec<bool> = krate.releases.iter().map(|release| is_affected(release.id)).collect();
        let mut states: BTreeMap<u32, Option<DependentState>> = BTreeMap::new();
        for dependent in &krate.dependents {
            let mut of_krate = BTreeMap::new();
            for release in self.krate(*dependent).releases.iter().filter(|release| release.is_offered()) {
                let edges = release.edges.iter().filter(|edge| edge.to == target && edge.kind != DependencyKind::Dev);
                let worst = edges.filter_map(|edge| {
                    let requirement = self.requirements.get(edge.req);
                    let state = states.entry(edge.req).or_insert_with(|| state(krate, &affected, requirement));
                    Some((!edge.optional, (*state)?)).filter(|(_, state)| *state != DependentState::Never)
                });
                if let Some((required, state)) = worst.max() {
                    let counted: &mut (usize, usize) = of_krate.entry(state).or_default();
                    if required { counted.0 += 1 } else { counted.1 += 1 }
                }
            }
            for (state, (required, optional)) in of_krate {
                survey.of(state).add(required, optional);
            }
        }
        survey
    }

    /// Whether some release offered is free of what covers others; `None`: none is offered.
    pub fn offers_a_free_one(&self, canonical: &CanonicalName, is_covered: impl Fn(ReleaseId) -> bool) -> Option<bool> {
        let krate = self.krate(self.names.number(canonical)?);
        let mut offered = krate.releases.iter().filter(|release| release.is_offered()).peekable();
        offered.peek()?;
        Some(offered.any(|release| !is_covered(release.id)))
    }

    /// The crates with a live release that depends on this one, whatever it requires; those of tests alone do not count.
    #[must_use]
    pub fn live_dependents(&self, canonical: &CanonicalName) -> Vec<&schema::KrateName> {
        let Some(target) = self.names.number(canonical) else { return Vec::new() };
        let depends = |number: &&u32| {
            let mut live = self.krate(**number).releases.iter().filter(|release| release.is_offered());
            live.any(|release| release.edges.iter().any(|edge| edge.to == target && edge.kind != DependencyKind::Dev))
        };
        let dependents = self.krate(target).dependents.iter().filter(depends);
        dependents.filter_map(|number| self.krate(*number).name.as_ref()).collect()
    }

    /// The crates with a live release that takes an affected release of this crate, or finds none although it allows an
    /// affected one; those of tests alone do not count. Of a crate of which nothing is known every dependent is one.
    pub fn surviving_dependents(
        &self,
        canonical: &CanonicalName,
        is_affected: impl Fn(ReleaseId) -> bool,
    ) -> Vec<&schema::KrateName> {
        let Some(target) = self.names.number(canonical) else { return Vec::new() };
        let krate = self.krate(target);
        if krate.releases.is_empty() {
            return self.live_dependents(canonical);
        }
        let survives = |edge: &crate::registry::PackedEdge| {
            let requirement = self.requirements.get(edge.req);
            let mut allowed = krate
                .releases
                .iter()
                .filter(|release| release.version.as_ref().is_some_and(|version| requirement.allows(version)));
            let takes = krate.resolve(requirement).map(|at| krate.releases[at].id);
            allowed.any(|release| is_affected(release.id)) && takes.is_none_or(&is_affected)
        };
        let is_dependent = |number: &&u32| {
            let mut live = self.krate(**number).releases.iter().filter(|release| release.is_offered());
            live.any(|release| {
                let mut edges = release.edges.iter().filter(|edge| edge.to == target);
                edges.any(|edge| edge.kind != DependencyKind::Dev && survives(edge))
            })
        };
        let dependents = krate.dependents.iter().filter(is_dependent);
        dependents.filter_map(|number| self.krate(*number).name.as_ref()).collect()
    }

    /// Whether a build may take the release of a hit today.
    #[must_use]
    pub fn is_live(&self, hit: &Hit) -> bool {
        self.release(hit.release).is_some_and(|release| !release.yanked && release.deleted_at.is_none())
    }
}

impl Survey {
    /// `Never` is not surveyed and counts nowhere.
    fn of(&mut self, state: DependentState) -> &mut Tally {
        match state {
            DependentState::Stuck => &mut self.stuck,
            DependentState::FreshAffected => &mut self.fresh_affected,
            DependentState::OnlyOldLocks | DependentState::Never => &mut self.only_old_locks,
        }
    }
}

impl Tally {
    fn add(&mut self, required: usize, optional: usize) {
        self.releases += required;
        self.optional_releases += optional;
        self.krates += usize::from(required > 0);
    }
}
