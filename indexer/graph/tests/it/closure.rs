//! Transitive exposure with its explaining paths.

use graph::{Closure, Graph};

use crate::support::{graph, id, shown};

fn closure(graph: &Graph, of: &str) -> Closure {
    graph.resolved().closure(&[id(graph, of)])
}

/// Each hit as its path, `?` before those that need an optional edge.
fn paths(graph: &Graph, of: &str) -> Vec<String> {
    let closure = closure(graph, of);
    let path = |release| closure.path(release).into_iter().map(|id| shown(graph, id)).collect::<Vec<_>>().join(" > ");
    closure.hits().iter().map(|hit| format!("{}{}", if hit.optional { "? " } else { "" }, path(hit.release))).collect()
}

#[test]
fn each_hit_has_one_shortest_path() {
    let graph = graph("a 1.0.0\nb 1.0.0\n> a ^1\nc 1.0.0\n> b ^1\nd 1.0.0\n> c ^1\n> b ^1\ne 1.0.0");
    assert_eq!(
        paths(&graph, "a 1.0.0"),
        ["b 1.0.0 > a 1.0.0", "c 1.0.0 > b 1.0.0 > a 1.0.0", "d 1.0.0 > b 1.0.0 > a 1.0.0"]
    );
}

#[test]
fn only_what_a_fresh_build_takes_exposes() {
    // b 1.0.0 depends on the affected one, but a fresh build of c takes b 1.1.0.
    let graph = graph("a 1.0.0\na 2.0.0\nb 1.0.0\n> a ^1\nb 1.1.0\n> a ^2\nc 1.0.0\n> b ^1\nd 1.0.0\n> b =1.0.0");
    assert_eq!(paths(&graph, "a 1.0.0"), ["b 1.0.0 > a 1.0.0", "d 1.0.0 > b 1.0.0 > a 1.0.0"]);
}

#[test]
fn optional_edges_come_after_and_are_marked_all_the_way_up() {
    let graph = graph("a 1.0.0\nb 1.0.0\n> a ^1 optional\nc 1.0.0\n> b ^1\nd 1.0.0\n> a ^1\ne 1.0.0\n> d ^1\n> c ^1");
    assert_eq!(
        paths(&graph, "a 1.0.0"),
        ["d 1.0.0 > a 1.0.0", "e 1.0.0 > d 1.0.0 > a 1.0.0", "? b 1.0.0 > a 1.0.0", "? c 1.0.0 > b 1.0.0 > a 1.0.0"]
    );
}

#[test]
fn of_two_edges_between_the_same_releases_the_plain_one_counts() {
    let graph = graph("a 1.0.0\nb 1.0.0\n> a ^1 optional\n> a =1.0.0 build");
    assert_eq!(paths(&graph, "a 1.0.0"), ["b 1.0.0 > a 1.0.0"]);
}

#[test]
fn tests_of_a_dependency_are_not_built() {
    assert_eq!(paths(&graph("a 1.0.0\nb 1.0.0\n> a ^1 dev\nc 1.0.0\n> b ^1"), "a 1.0.0"), Vec::<String>::new());
}

#[test]
fn circles_end_and_the_asked_one_is_no_hit() {
    let graph = graph("a 1.0.0\n> c ^1\nb 1.0.0\n> a ^1\nc 1.0.0\n> b ^1");
    assert_eq!(paths(&graph, "a 1.0.0"), ["b 1.0.0 > a 1.0.0", "c 1.0.0 > b 1.0.0 > a 1.0.0"]);
    assert!(closure(&graph, "a 1.0.0").path(id(&graph, "a 1.0.0")).is_empty());
}

#[test]
fn a_deleted_release_exposes_no_fresh_build_and_dependents_that_are_gone_stay_listed() {
    let graph = graph("a 1.0.0 deleted\na 1.1.0\nb 1.0.0\n> a ^1\nc 1.0.0 deleted\n> a ^1");
    assert_eq!(paths(&graph, "a 1.0.0"), Vec::<String>::new());
    assert_eq!(paths(&graph, "a 1.1.0"), ["b 1.0.0 > a 1.1.0", "c 1.0.0 > a 1.1.0"]);
}

#[test]
fn several_releases_are_asked_about_at_once() {
    let graph = graph("a 1.0.0\na 2.0.0\nb 1.0.0\n> a ^1\nc 1.0.0\n> a ^2\n> b ^1");
    let asked = [id(&graph, "a 1.0.0"), id(&graph, "a 2.0.0")];
    let closure = graph.resolved().closure(&asked);
    let hits: Vec<_> =
        closure.hits().iter().map(|hit| (shown(&graph, hit.release), shown(&graph, hit.through))).collect();
    assert_eq!(hits, [("b 1.0.0".into(), "a 1.0.0".into()), ("c 1.0.0".into(), "a 2.0.0".into())]);
}
