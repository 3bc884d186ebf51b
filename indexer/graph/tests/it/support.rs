//! A registry in a few words: `a 1.0.0` is a release, `yanked` or `deleted` after it; below it stand its dependencies.

use graph::{Edge, Graph, ReleaseNode};
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};

pub(crate) fn name(text: &str) -> CanonicalName {
    KrateName::parse(text).unwrap().canonical()
}

/// Rows of a text; ids count the releases from 1. A dependency is `> NAME REQ`, with `dev`, `build` or `optional` after it.
pub(crate) fn rows(text: &str) -> (Vec<ReleaseNode>, Vec<Edge>) {
    rows_from(text, 1)
}

/// The same with ids from `first`.
pub(crate) fn rows_from(text: &str, first: i64) -> (Vec<ReleaseNode>, Vec<Edge>) {
    let (mut releases, mut edges): (Vec<ReleaseNode>, Vec<Edge>) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |word: &str| words.contains(&word);
        match words.as_slice() {
            [] => {}
            [">", to, req, ..] => edges.push(Edge {
                from: releases.last().unwrap().id,
                to: name(to),
                req: (*req).to_owned(),
                kind: if has("dev") {
                    DependencyKind::Dev
                } else if has("build") {
                    DependencyKind::Build
                } else {
                    DependencyKind::Normal
                },
                optional: has("optional"),
            }),
            [krate, num, ..] => releases.push(ReleaseNode {
                id: ReleaseId(first + i64::try_from(releases.len()).unwrap()),
                name: KrateName::parse(krate).unwrap(),
                num: VersionNum::parse(num).unwrap(),
                yanked: has("yanked"),
                deleted_at: has("deleted").then_some(Timestamp::from_seconds(0)),
            }),
            odd => panic!("{odd:?}"),
        }
    }
    (releases, edges)
}

pub(crate) fn graph(text: &str) -> Graph {
    let (releases, edges) = rows(text);
    Graph::from_rows(releases, edges)
}

/// `name version` of a release.
pub(crate) fn shown(graph: &Graph, id: ReleaseId) -> String {
    let release = graph.release(id).unwrap();
    format!("{} {}", release.name, release.num)
}

/// The release behind `name version`.
pub(crate) fn id(graph: &Graph, text: &str) -> ReleaseId {
    let (krate, num) = text.split_once(' ').unwrap();
    graph.releases(&name(krate)).find(|(_, found)| found.as_str() == num).unwrap().0
}
