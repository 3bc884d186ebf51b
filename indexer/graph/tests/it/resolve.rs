//! What cargo takes without a lock file.

use semver::VersionReq;

use crate::support::{graph, name, shown};

/// `name version` of what is taken, empty when there is nothing to take.
fn taken(registry: &str, requirement: &str) -> String {
    let graph = graph(registry);
    graph.resolve(&name("a"), &VersionReq::parse(requirement).unwrap()).map(|id| shown(&graph, id)).unwrap_or_default()
}

#[test]
fn the_highest_match_is_taken_whatever_the_order_of_publishing() {
    let registry = "a 1.2.0\na 1.10.0\na 1.9.0\na 2.0.0";
    assert_eq!(taken(registry, "^1.0"), "a 1.10.0");
    assert_eq!(taken(registry, "=1.9.0"), "a 1.9.0");
    assert_eq!(taken(registry, "*"), "a 2.0.0");
    assert_eq!(taken(registry, "^3"), "");
}

#[test]
fn yanked_and_deleted_releases_are_not_taken() {
    assert_eq!(taken("a 1.0.0\na 1.1.0 yanked\na 1.2.0 deleted", "^1"), "a 1.0.0");
    assert_eq!(taken("a 1.0.0 yanked", "=1.0.0"), "");
}

#[test]
fn a_pre_release_is_taken_only_where_the_requirement_names_one_of_the_same_release() {
    let registry = "a 1.0.0\na 1.1.0-rc.1\na 2.0.0-rc.1";
    assert_eq!(taken(registry, "^1"), "a 1.0.0");
    assert_eq!(taken(registry, "*"), "a 1.0.0");
    assert_eq!(taken(registry, "^1.1.0-rc.0"), "a 1.1.0-rc.1");
    assert_eq!(taken(registry, ">=2.0.0-rc.0"), "a 2.0.0-rc.1");
    assert_eq!(taken(registry, ">=1.2.0-rc.0"), "");
}

#[test]
fn a_number_that_is_no_semver_is_never_taken_and_still_there() {
    let graph = graph("a 0.0.1-001\na 0.0.1");
    assert_eq!(taken("a 0.0.1-001\na 0.0.1", "*"), "a 0.0.1");
    assert_eq!(graph.releases(&name("a")).count(), 2);
}

#[test]
fn a_crate_nobody_knows_resolves_to_nothing() {
    let graph = graph("a 1.0.0\n> ghost ^1");
    assert_eq!(graph.resolve(&name("ghost"), &VersionReq::STAR), None);
    assert_eq!(graph.resolve(&name("nowhere"), &VersionReq::STAR), None);
    assert_eq!(graph.dependents(&name("ghost"), |_| true).len(), 1);
}
