//! Direct dependents and their four states.

use graph::DependentState;
use schema::DependencyKind;

use crate::support::{graph, id, name};

/// The word of the only dependent's state, when the given releases of `a` are affected.
fn state(releases: &str, affected: &[&str], requirement: &str) -> String {
    let graph = graph(&format!("{releases}\nuser 1.0.0\n> a {requirement}"));
    let affected: Vec<_> = affected.iter().map(|num| id(&graph, &format!("a {num}"))).collect();
    let found = graph.dependents(&name("a"), |release| affected.contains(&release));
    let [dependent] = found.as_slice() else { panic!("{found:?}") };
    dependent.state.map_or("unreadable", DependentState::as_str).to_owned()
}

#[test]
fn the_four_states() {
    let releases = "a 1.0.0\na 1.1.0\na 1.2.0\na 2.0.0";
    assert_eq!(state(releases, &["1.0.0", "1.1.0"], "^2"), "never");
    assert_eq!(state(releases, &["1.0.0", "1.1.0"], "^1"), "only-old-locks");
    assert_eq!(state(releases, &["1.1.0", "1.2.0"], "^1"), "fresh-affected");
    assert_eq!(state(releases, &["1.0.0", "1.1.0", "1.2.0"], "^1"), "stuck");
    assert_eq!(state(releases, &["1.1.0"], "=1.1.0"), "stuck");
}

#[test]
fn what_is_yanked_or_deleted_lives_on_in_locks_only() {
    assert_eq!(state("a 1.0.0\na 1.1.0 yanked", &["1.1.0"], "^1"), "only-old-locks");
    // arrayref 0.3.10: deleted, and the requirement asks for exactly that.
    assert_eq!(state("a 0.3.9\na 0.3.10 deleted", &["0.3.10"], "=0.3.10"), "only-old-locks");
    // The good ones are yanked by the attacker, the bad one is offered: nothing else can be taken.
    assert_eq!(state("a 0.3.8 yanked\na 0.3.9 yanked\na 0.3.10", &["0.3.10"], "^0.3"), "stuck");
    assert_eq!(state("a 1.0.0 yanked", &[], "^1"), "never");
}

#[test]
fn an_affected_pre_release_that_the_requirement_does_not_allow_counts_for_nothing() {
    assert_eq!(state("a 1.0.0\na 1.1.0-rc.1", &["1.1.0-rc.1"], "^1"), "never");
    assert_eq!(state("a 1.1.0-rc.1\na 1.1.0", &["1.1.0-rc.1"], "^1.1.0-rc.1"), "only-old-locks");
}

#[test]
fn a_requirement_cargo_cannot_read_has_no_state() {
    assert_eq!(state("a 1.0.0", &["1.0.0"], "1.x.y.z"), "unreadable");
    assert_eq!(graph("user 1.0.0\n> a 1.x.y.z\n> b ^1").n_unreadable_requirements(), 1);
}

#[test]
fn normal_build_dev_and_optional_edges_stay_apart() {
    let graph = graph("a 1.0.0\nuser 1.0.0\n> a ^1\n> a ^1 dev\n> a =1.0.0 build\n> a ~1 optional");
    let found = graph.dependents(&name("a"), |_| false);
    let edges: Vec<_> = found.iter().map(|dependent| (dependent.req, dependent.kind, dependent.optional)).collect();
    let expected = [
        ("^1", DependencyKind::Normal, false),
        ("^1", DependencyKind::Dev, false),
        ("=1.0.0", DependencyKind::Build, false),
        ("~1", DependencyKind::Normal, true),
    ];
    assert_eq!(edges, expected);
}

#[test]
fn tombstones_are_dependents_and_marked() {
    let graph = graph("z 1.0.0 deleted\n> a ^1\nb 1.0.0 yanked\n> a ^1\nb 0.9.0\n> a ^1\na 1.0.0");
    let found = graph.dependents(&name("a"), |_| true);
    let shown: Vec<_> =
        found.iter().map(|d| (d.name.as_str(), d.num.as_str(), d.yanked, d.deleted_at.is_some())).collect();
    assert_eq!(shown, [("b", "0.9.0", false, false), ("b", "1.0.0", true, false), ("z", "1.0.0", false, true)]);
}
