//! Who is exposed through others: every edge resolved once, then walked backwards from the releases asked about.

use std::collections::HashMap;

use schema::{DependencyKind, ReleaseId};

use crate::Graph;
use crate::names::{index, position};

/// The graph with every edge that is built for users (normal and build) resolved as cargo would without a lock file.
///
/// It is a picture of the graph at the moment it was made; make it anew when the graph has changed.
#[derive(Debug)]
pub struct ResolvedGraph {
    ids: Vec<ReleaseId>,
    numbers: HashMap<ReleaseId, u32>,
    /// The users of release `n` are `users[first_user[n]..first_user[n + 1]]`.
    first_user: Vec<u32>,
    users: Vec<User>,
}

/// One edge backwards.
#[derive(Clone, Copy, Debug)]
struct User {
    release: u32,
    optional: bool,
}

/// Everything that is exposed to some releases, nearest first; the part without optional edges comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    hits: Vec<Hit>,
    positions: HashMap<ReleaseId, usize>,
}

/// A release that is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The release.
    pub release: ReleaseId,
    /// Its dependency through which it is exposed: another hit, or one of the releases asked about.
    pub through: ReleaseId,
    /// Exposed only when some optional dependency on the way is switched on.
    pub optional: bool,
}

impl Graph {
    /// Resolves every normal and build edge, each pair of crate and requirement once.
    #[must_use]
    pub fn resolved(&self) -> ResolvedGraph {
        let mut first_of_krate = Vec::with_capacity(self.krates().len());
        let mut ids = Vec::with_capacity(self.n_releases());
        for krate in self.krates() {
            first_of_krate.push(position(ids.len()));
            ids.extend(krate.releases.iter().map(|release| release.id));
        }
        let mut resolved: HashMap<(u32, u32), Option<u32>> = HashMap::new();
        let mut edges: Vec<(u32, User)> = Vec::with_capacity(self.n_edges());
        let releases = self.krates().iter().flat_map(|krate| &krate.releases);
        for (number, release) in releases.enumerate() {
            for edge in release.edges.iter().filter(|edge| edge.kind != DependencyKind::Dev) {
                let target = *resolved.entry((edge.to, edge.req)).or_insert_with(|| {
                    let at = self.krate(edge.to).resolve(self.requirements.get(edge.req))?;
                    Some(first_of_krate[index(edge.to)] + position(at))
                });
                if let Some(target) = target {
                    edges.push((target, User { release: position(number), optional: edge.optional }));
                }
            }
        }
        ResolvedGraph::new(ids, edges)
    }
}

impl ResolvedGraph {
    fn new(ids: Vec<ReleaseId>, mut edges: Vec<(u32, User)>) -> Self {
        // By target; of two edges between the same releases the one that is not optional comes first and counts.
        edges.sort_unstable_by_key(|(target, user)| (*target, user.release, user.optional));
        edges.dedup_by_key(|(target, user)| (*target, user.release));
        let mut first_user = Vec::with_capacity(ids.len() + 1);
        let mut at = 0;
        for number in 0..=position(ids.len()) {
            while edges.get(at).is_some_and(|(target, _)| *target < number) {
                at += 1;
            }
            first_user.push(position(at));
        }
        let numbers = ids.iter().enumerate().map(|(number, id)| (*id, position(number))).collect();
        Self { ids, numbers, first_user, users: edges.into_iter().map(|(_, user)| user).collect() }
    }

    /// Everything that is exposed to these releases in a build without a lock file, each with one shortest path.
    ///
    /// A deleted or yanked release is taken by no such build. To follow what old lock files still hold, ask for the
    /// dependents that are [`crate::DependentState::OnlyOldLocks`] as well.
    #[must_use]
    pub fn closure(&self, of: &[ReleaseId]) -> Closure {
        let asked: Vec<u32> = of.iter().filter_map(|id| self.numbers.get(id).copied()).collect();
        let mut reached = vec![false; self.ids.len()];
        for number in &asked {
            reached[index(*number)] = true;
        }
        let mut walked = asked;
        let mut hits = Vec::new();
        // First without optional edges to the end; then on from all of that with them.
        for with_optional in [false, true] {
            let mut next = 0;
            while let Some(number) = walked.get(next).copied() {
                next += 1;
                for user in self.users_of(number).iter().filter(|user| with_optional || !user.optional) {
                    let reached = &mut reached[index(user.release)];
                    if !*reached {
                        *reached = true;
                        walked.push(user.release);
                        let (release, through) = (self.ids[index(user.release)], self.ids[index(number)]);
                        hits.push(Hit { release, through, optional: with_optional });
                    }
                }
            }
        }
        let positions = hits.iter().enumerate().map(|(at, hit)| (hit.release, at)).collect();
        Closure { hits, positions }
    }

    /// What it holds in memory, counted from its parts.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<ReleaseId>()
            + self.numbers.capacity() * (size_of::<(ReleaseId, u32)>() + 1)
            + self.first_user.capacity() * size_of::<u32>()
            + self.users.capacity() * size_of::<User>()
    }

    fn users_of(&self, number: u32) -> &[User] {
        let at = index(number);
        &self.users[index(self.first_user[at])..index(self.first_user[at + 1])]
    }
}

impl Closure {
    /// The hits, those without optional edges first, nearest first.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// From a hit to the release that was asked about, both included; empty when it is no hit.
    #[must_use]
    pub fn path(&self, release: ReleaseId) -> Vec<ReleaseId> {
        let mut path = Vec::new();
        let mut at = release;
        while let Some(hit) = self.positions.get(&at) {
            path.push(at);
            at = self.hits[*hit].through;
        }
        if !path.is_empty() {
            path.push(at);
        }
        path
    }
}
