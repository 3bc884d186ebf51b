//! The registry in memory: crates, their releases in order of version, their edges. Questions stand in files beside it.

use std::collections::HashMap;

use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};
use semver::{Version, VersionReq};

use crate::names::{Names, index, position};
use crate::requirements::{Requirement, Requirements};
use crate::{Edge, ReleaseNode};

/// The dependency rows of a whole registry, compact.
#[derive(Debug, Default)]
pub struct Graph {
    pub(crate) names: Names,
    pub(crate) requirements: Requirements,
    /// By number of the name.
    krates: Vec<Krate>,
    places: HashMap<ReleaseId, Place>,
    /// Of tombstones, which are few.
    deleted_at: HashMap<ReleaseId, Timestamp>,
    n_edges: usize,
}

/// One crate. Both lists are sorted: releases by version, those that are not SemVer first; dependents by number.
#[derive(Debug, Default)]
pub(crate) struct Krate {
    /// The published spelling; `None` for a crate that others depend on and of which nothing is known.
    pub(crate) name: Option<KrateName>,
    pub(crate) releases: Vec<Release>,
    pub(crate) dependents: Vec<u32>,
}

/// One release.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) version: Option<Version>,
    pub(crate) num: VersionNum,
    pub(crate) id: ReleaseId,
    pub(crate) yanked: bool,
    pub(crate) deleted: bool,
    pub(crate) edges: Box<[PackedEdge]>,
}

/// A release as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRelease<'a> {
    /// Its crate, in its published spelling.
    pub name: &'a KrateName,
    /// Its number.
    pub num: &'a VersionNum,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// Since when it is gone from the index.
    pub deleted_at: Option<Timestamp>,
}

/// One dependency in twelve bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedEdge {
    pub(crate) to: u32,
    pub(crate) req: u32,
    pub(crate) kind: DependencyKind,
    pub(crate) optional: bool,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    krate: u32,
    release: u32,
}

impl Graph {
    /// Builds the graph; an edge of an unknown release is left out, one to an unknown crate is kept and resolves to nothing.
    #[must_use]
    pub fn from_rows(releases: impl IntoIterator<Item = ReleaseNode>, edges: impl IntoIterator<Item = Edge>) -> Self {
        let mut graph = Self::default();
        let mut edges_of: HashMap<ReleaseId, Vec<PackedEdge>> = HashMap::new();
        for edge in edges {
            let packed = graph.pack(&edge);
            edges_of.entry(edge.from).or_default().push(packed);
        }
        let mut by_krate: HashMap<u32, (KrateName, Vec<Release>)> = HashMap::new();
        for node in releases {
            let krate = graph.names.intern(&node.name.canonical());
            let edges = edges_of.remove(&node.id).unwrap_or_default();
            graph.deleted_at.extend(node.deleted_at.map(|at| (node.id, at)));
            let (_, releases) = by_krate.entry(krate).or_insert_with(|| (node.name.clone(), Vec::new()));
            releases.push(Release::new(node, edges));
        }
        graph.krates.resize_with(graph.names.len(), Krate::default);
        for (krate, (name, releases)) in by_krate {
            graph.put(krate, Some(name), releases);
        }
        graph
    }

    /// Puts these rows in the place of all that was known of a crate: what changed in the store is handed in by crate.
    ///
    /// Nodes of another crate and edges of another release are left out.
    pub fn replace_krate(&mut self, canonical: &CanonicalName, releases: Vec<ReleaseNode>, edges: &[Edge]) {
        let krate = self.names.intern(canonical);
        let mut edges_of: HashMap<ReleaseId, Vec<PackedEdge>> = HashMap::new();
        for edge in edges {
            let packed = self.pack(edge);
            edges_of.entry(edge.from).or_default().push(packed);
        }
        self.krates.resize_with(self.names.len(), Krate::default);
        self.take(krate);
        let of_this: Vec<_> = releases.into_iter().filter(|node| node.name.canonical() == *canonical).collect();
        let name = of_this.first().map(|node| node.name.clone());
        let mut releases = Vec::with_capacity(of_this.len());
        for node in of_this {
            self.deleted_at.extend(node.deleted_at.map(|at| (node.id, at)));
            let edges = edges_of.remove(&node.id).unwrap_or_default();
            releases.push(Release::new(node, edges));
        }
        self.put(krate, name, releases);
    }

    /// The release cargo would take without a lock file: the highest live, unyanked version that the requirement accepts.
    #[must_use]
    pub fn resolve(&self, canonical: &CanonicalName, requirement: &VersionReq) -> Option<ReleaseId> {
        let releases = &self.krate(self.names.number(canonical)?).releases;
        let accepted =
            |release: &&Release| release.version.as_ref().is_some_and(|version| requirement.matches(version));
        releases.iter().rev().filter(|release| release.is_offered()).find(accepted).map(|release| release.id)
    }

    /// The releases of a crate, lowest version first.
    pub fn releases(&self, canonical: &CanonicalName) -> impl Iterator<Item = (ReleaseId, &VersionNum)> {
        let krate = self.names.number(canonical).map(|number| self.krate(number));
        krate.into_iter().flat_map(|krate| &krate.releases).map(|release| (release.id, &release.num))
    }

    /// A release's crate, as published, and its number: what a path of ids is shown with.
    #[must_use]
    pub fn release(&self, release: ReleaseId) -> Option<KnownRelease<'_>> {
        let place = self.places.get(&release)?;
        let krate = self.krate(place.krate);
        let held = &krate.releases[index(place.release)];
        Some(KnownRelease {
            name: krate.name.as_ref()?,
            num: &held.num,
            yanked: held.yanked,
            deleted_at: self.deleted_at(release),
        })
    }

    /// The published spelling of a crate of which a release is known.
    #[must_use]
    pub fn name(&self, canonical: &CanonicalName) -> Option<&KrateName> {
        self.krate(self.names.number(canonical)?).name.as_ref()
    }

    /// How many releases are held.
    #[must_use]
    pub fn n_releases(&self) -> usize {
        self.places.len()
    }

    /// How many edges are held.
    #[must_use]
    pub const fn n_edges(&self) -> usize {
        self.n_edges
    }

    /// How many different requirements cargo's parser does not read; their edges resolve to nothing and have no state.
    #[must_use]
    pub fn n_unreadable_requirements(&self) -> usize {
        self.requirements.n_unreadable()
    }

    /// What the graph holds in memory, counted from its parts; the allocator's own overhead is not in it.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let places = self.places.capacity() * (size_of::<(ReleaseId, Place)>() + 1);
        let krates = self.krates.capacity() * size_of::<Krate>();
        let held: usize = self.krates.iter().map(Krate::size_bytes).sum();
        let tombstones = self.deleted_at.capacity() * (size_of::<(ReleaseId, Timestamp)>() + 1);
        self.names.size_bytes() + self.requirements.size_bytes() + places + krates + held + tombstones
    }

    pub(crate) fn krate(&self, number: u32) -> &Krate {
        &self.krates[index(number)]
    }

    pub(crate) fn krates(&self) -> &[Krate] {
        &self.krates
    }

    fn pack(&mut self, edge: &Edge) -> PackedEdge {
        PackedEdge {
            to: self.names.intern(&edge.to),
            req: self.requirements.intern(&edge.req),
            kind: edge.kind,
            optional: edge.optional,
        }
    }

    pub(crate) fn deleted_at(&self, release: ReleaseId) -> Option<Timestamp> {
        self.deleted_at.get(&release).copied()
    }

    fn put(&mut self, krate: u32, name: Option<KrateName>, mut releases: Vec<Release>) {
        releases.sort_by(|a, b| a.version.cmp(&b.version).then(a.id.cmp(&b.id)));
        for (at, release) in releases.iter().enumerate() {
            self.places.insert(release.id, Place { krate, release: position(at) });
            self.n_edges += release.edges.len();
        }
        for target in targets(&releases) {
            let dependents = &mut self.krates[index(target)].dependents;
            if let Err(at) = dependents.binary_search(&krate) {
                dependents.insert(at, krate);
            }
        }
        releases.shrink_to_fit();
        let held = &mut self.krates[index(krate)];
        (held.name, held.releases) = (name, releases);
    }

    fn take(&mut self, krate: u32) {
        let releases = std::mem::take(&mut self.krates[index(krate)].releases);
        for release in &releases {
            self.places.remove(&release.id);
            self.deleted_at.remove(&release.id);
            self.n_edges -= release.edges.len();
        }
        for target in targets(&releases) {
            let dependents = &mut self.krates[index(target)].dependents;
            if let Ok(at) = dependents.binary_search(&krate) {
                dependents.remove(at);
            }
        }
    }
}

/// The crates that some releases depend on, each once.
fn targets(releases: &[Release]) -> Vec<u32> {
    let mut targets: Vec<u32> = releases.iter().flat_map(|release| &release.edges).map(|edge| edge.to).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

impl Krate {
    /// The position of the release a requirement resolves to.
    pub(crate) fn resolve(&self, requirement: &Requirement) -> Option<usize> {
        let accepted = |release: &Release| {
            release.is_offered() && release.version.as_ref().is_some_and(|version| requirement.allows(version))
        };
        self.releases.iter().rposition(accepted)
    }

    fn size_bytes(&self) -> usize {
        let held = |release: &Release| release.num.as_str().len() + release.edges.len() * size_of::<PackedEdge>();
        let lists = self.releases.capacity() * size_of::<Release>() + self.dependents.capacity() * size_of::<u32>();
        let name = self.name.as_ref().map_or(0, |name| name.as_str().len());
        name + lists + self.releases.iter().map(held).sum::<usize>()
    }
}

impl Release {
    fn new(node: ReleaseNode, edges: Vec<PackedEdge>) -> Self {
        Self {
            version: node.num.semver(),
            num: node.num,
            id: node.id,
            yanked: node.yanked,
            deleted: node.deleted_at.is_some(),
            edges: edges.into_boxed_slice(),
        }
    }

    /// Whether a resolution without a lock file may take it.
    pub(crate) const fn is_offered(&self) -> bool {
        !self.yanked && !self.deleted
    }
}
