//! A crate replaced in place gives what building anew gives.

use graph::{Dependent, Graph};
use schema::ReleaseId;

use crate::support::{graph, name, rows, rows_from, shown};

/// All that can be asked, in words.
fn everything(graph: &Graph) -> Vec<String> {
    let mut lines = vec![format!("{} releases, {} edges", graph.n_releases(), graph.n_edges())];
    let resolved = graph.resolved();
    for krate in ["a", "b", "c", "d"].map(name) {
        let edge = |d: &Dependent<'_>| format!("{krate} < {} {} {} {:?}", d.name, d.num, d.req, d.state);
        lines.extend(graph.dependents(&krate, |_| true).iter().map(edge));
        let ids: Vec<ReleaseId> = graph.releases(&krate).map(|(id, _)| id).collect();
        lines.extend(ids.iter().map(|id| shown(graph, *id)));
        let closure = resolved.closure(&ids);
        lines.extend(closure.hits().iter().map(|hit| format!("{krate} << {}", shown(graph, hit.release))));
    }
    lines
}

const BEFORE: &str = "a 1.0.0\nb 1.0.0\n> a ^1\nc 1.0.0\n> b ^1\n> a ^1 dev";

#[test]
fn a_new_version_an_edit_a_yank_and_a_deletion() {
    for (krate, after) in [
        ("a", "a 1.0.0\na 1.1.0\n> d ^1"),
        ("a", "a 1.0.0 yanked"),
        ("b", "b 1.0.0\n> c ^1"),
        ("b", "b 1.0.0 deleted\n> a ^1"),
        ("b", ""),
        ("d", "d 1.0.0\n> a ^1\nd 1.0.0-rc.1\n> b ^1"),
    ] {
        let mut updated = graph(BEFORE);
        let (releases, edges) = rows_from(after, 100);
        updated.replace_krate(&name(krate), releases.clone(), &edges);

        let (old_releases, old_edges) = rows(BEFORE);
        let gone: Vec<_> =
            old_releases.iter().filter(|node| node.name.canonical() == name(krate)).map(|node| node.id).collect();
        let kept = old_releases.into_iter().filter(|node| node.name.canonical() != name(krate));
        let kept_edges = old_edges.into_iter().filter(|edge| !gone.contains(&edge.from));
        let anew = Graph::from_rows(kept.chain(releases), kept_edges.chain(edges));
        assert_eq!(everything(&updated), everything(&anew), "{krate}: {after}");
    }
}

#[test]
fn replacing_a_crate_by_itself_changes_nothing_and_leaks_nothing() {
    let mut updated = graph(BEFORE);
    let (releases, edges) = rows_from("c 1.0.0\n> b ^1\n> a ^1 dev", 3);
    let before = everything(&updated);
    updated.replace_krate(&name("c"), releases.clone(), &edges);
    assert_eq!(everything(&updated), before);
    let size = updated.size_bytes();
    for _ in 0..100 {
        updated.replace_krate(&name("c"), releases.clone(), &edges);
    }
    assert_eq!(updated.size_bytes(), size);
}

#[test]
fn the_size_grows_with_what_is_held() {
    let small = graph(BEFORE).size_bytes();
    let many: Vec<String> = (0..1000).map(|patch| format!("a 1.0.{patch}\n> b ^1")).collect();
    let large = graph(&many.join("\n")).size_bytes();
    // A release takes a hundred bytes or so, an edge twelve.
    assert!(large > small + 1000 * 12 && large < small + 1000 * 1000, "{small} {large}");
}
