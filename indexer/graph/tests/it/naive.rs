//! The same answers by the slowest way there is, straight from the rows, on registries made up at random (but always alike).

use std::collections::BTreeSet;

use graph::{DependentState, Edge, Graph, ReleaseNode};
use schema::{CanonicalName, DependencyKind, ReleaseId};
use semver::{Version, VersionReq};

use crate::support::rows;

/// A generator of the simplest kind, so that every run sees the same registries.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

fn registry(dice: &mut Dice) -> (Vec<ReleaseNode>, Vec<Edge>) {
    let mut text = String::new();
    for krate in ["a", "b", "c", "d", "e"] {
        for num in ["1.0.0", "1.1.0-rc.1", "1.1.0", "1.2.0+x", "2.0.0"] {
            let mark = dice.pick(&["", "", "", "yanked", "deleted"]);
            text.push_str(&["\n", krate, " ", num, " ", mark].concat());
            for _ in 0..dice.below(3) {
                let to = dice.pick(&["a", "b", "c", "d", "e"]);
                let req = dice.pick(&["^1", "~1.1", "=1.0.0", ">=1.1.0-rc.0", "*", "^3", "odd!"]);
                let kind = dice.pick(&["", "", "optional", "dev", "build"]);
                text.push_str(&["\n> ", to, " ", req, " ", kind].concat());
            }
        }
    }
    rows(&text)
}

/// Ids of a crate's releases that a requirement allows, lowest version first, and whether each is offered.
fn allowed(releases: &[ReleaseNode], to: &CanonicalName, req: &str) -> Option<Vec<(ReleaseId, bool)>> {
    let req = VersionReq::parse(req).ok()?;
    let of_krate = releases.iter().filter(|node| node.name.canonical() == *to);
    let mut found: Vec<(Version, ReleaseId, bool)> =
        of_krate.map(|node| (node.num.semver().unwrap(), node.id, !node.yanked && node.deleted_at.is_none())).collect();
    found.retain(|(version, ..)| req.matches(version));
    found.sort();
    Some(found.into_iter().map(|(_, id, offered)| (id, offered)).collect())
}

/// Exposed releases by going over all edges until nothing is new.
fn exposed(releases: &[ReleaseNode], edges: &[Edge], of: &[ReleaseId], optional: bool) -> BTreeSet<ReleaseId> {
    let mut reached: BTreeSet<ReleaseId> = of.iter().copied().collect();
    loop {
        let before = reached.len();
        for edge in edges.iter().filter(|edge| edge.kind != DependencyKind::Dev && (optional || !edge.optional)) {
            let taken = allowed(releases, &edge.to, &edge.req).unwrap_or_default();
            let taken = taken.iter().rev().find(|(_, offered)| *offered);
            if taken.is_some_and(|(id, _)| reached.contains(id)) {
                reached.insert(edge.from);
            }
        }
        if reached.len() == before {
            return reached.into_iter().filter(|id| !of.contains(id)).collect();
        }
    }
}

fn state(allowed: Option<&Vec<(ReleaseId, bool)>>, affected: &BTreeSet<ReleaseId>) -> Option<DependentState> {
    let allowed = allowed?;
    let offered: Vec<_> = allowed.iter().filter(|(_, offered)| *offered).map(|(id, _)| affected.contains(id)).collect();
    Some(if !allowed.iter().any(|(id, _)| affected.contains(id)) {
        DependentState::Never
    } else if offered.last() != Some(&true) {
        DependentState::OnlyOldLocks
    } else if offered.contains(&false) {
        DependentState::FreshAffected
    } else {
        DependentState::Stuck
    })
}

#[test]
fn random_registries_are_answered_as_the_slow_way_does() {
    let mut dice = Dice(20_260_820);
    let mut states_seen = BTreeSet::new();
    for _ in 0..100 {
        let (releases, edges) = registry(&mut dice);
        let graph = Graph::from_rows(releases.clone(), edges.clone());
        let affected: BTreeSet<ReleaseId> =
            releases.iter().map(|node| node.id).filter(|_| dice.below(4) == 0).collect();
        let of: Vec<ReleaseId> = affected.iter().copied().take(3).collect();

        let closure = graph.resolved().closure(&of);
        let hits = |optional: bool| closure.hits().iter().filter(move |hit| optional || !hit.optional);
        let plain: BTreeSet<_> = hits(false).map(|hit| hit.release).collect();
        let all: BTreeSet<_> = hits(true).map(|hit| hit.release).collect();
        assert_eq!(plain, exposed(&releases, &edges, &of, false));
        assert_eq!(all, exposed(&releases, &edges, &of, true));
        for hit in closure.hits() {
            let path = closure.path(hit.release);
            assert!(path.len() >= 2 && of.contains(path.last().unwrap()));
        }

        let krates: BTreeSet<CanonicalName> = releases.iter().map(|node| node.name.canonical()).collect();
        for krate in &krates {
            let found = graph.dependents(krate, |id| affected.contains(&id));
            assert_eq!(found.len(), edges.iter().filter(|edge| edge.to == *krate).count());
            for dependent in found {
                let expected = state(allowed(&releases, krate, dependent.req).as_ref(), &affected);
                assert_eq!(dependent.state, expected, "{krate} {}", dependent.req);
                states_seen.insert(expected);
            }
        }
    }
    assert_eq!(states_seen.len(), 5, "a state, or the lack of one, never came up");
}
