//! The graph of the index of July 2020: time to build, size, and the closures of all crates that have an advisory.
//!
//! `PROVENANCE_TEST_DATA=…/data cargo bench -p provenance-graph --bench registry`. Goals: built in less than 5 s, less
//! than 1 GiB, all closures in less than 3 s. Each closure starts from every release of a crate: more than an advisory covers.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use graph::{Edge, Graph, ReleaseNode};
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, VersionNum};
use serde_json::Value;

/// Named by its paths, `==> crates/NAME/ID.md <==`; the advisories' room itself is none of this room's business.
const SNAPSHOT: &str = include_str!("../../advisories/snapshot/advisories.txt");

fn main() {
    let Some(index) = index() else {
        println!("skipped: PROVENANCE_TEST_DATA has no index-2020.jsonl.zst");
        return;
    };
    let (releases, edges) = read(&index);
    let advised = advised();

    let begun = Instant::now();
    let graph = Graph::from_rows(releases, edges);
    println!(
        "built in {:.2} s: {} releases, {} edges, {} unreadable requirements, {:.0} MiB",
        begun.elapsed().as_secs_f64(),
        graph.n_releases(),
        graph.n_edges(),
        graph.n_unreadable_requirements(),
        mebibytes(graph.size_bytes()),
    );

    let begun = Instant::now();
    let resolved = graph.resolved();
    println!("resolved in {:.2} s: {:.0} MiB", begun.elapsed().as_secs_f64(), mebibytes(resolved.size_bytes()));

    let begun = Instant::now();
    let (mut n_hits, mut n_optional) = (0, 0);
    for krate in &advised {
        let ids: Vec<_> = graph.releases(krate).map(|(id, _)| id).collect();
        let closure = resolved.closure(&ids);
        let optional = closure.hits().iter().filter(|hit| hit.optional).count();
        n_optional += optional;
        n_hits += closure.hits().len() - optional;
    }
    let spent = begun.elapsed().as_secs_f64();
    println!("{} closures in {spent:.2} s: {n_hits} hits, {n_optional} more through optional edges", advised.len());

    let begun = Instant::now();
    let n_edges: usize = advised.iter().map(|krate| graph.dependents(krate, |_| true).len()).sum();
    println!("direct dependents of all in {:.2} s: {n_edges} edges", begun.elapsed().as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment where its data is")]
fn index() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("PROVENANCE_TEST_DATA")?).join("index-2020.jsonl.zst");
    path.exists().then_some(path)
}

fn advised() -> BTreeSet<CanonicalName> {
    let names = SNAPSHOT.lines().filter_map(|line| line.strip_prefix("==> crates/")?.split('/').next());
    names.map(canonical).collect()
}

fn canonical(name: &str) -> CanonicalName {
    KrateName::parse(name).unwrap().canonical()
}

fn read(index: &Path) -> (Vec<ReleaseNode>, Vec<Edge>) {
    let mut zstd = Command::new("zstd").arg("-dc").arg(index).stdout(Stdio::piped()).spawn().unwrap();
    let (mut releases, mut edges) = (Vec::new(), Vec::new());
    for line in BufReader::new(zstd.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.trim().is_empty() {
            continue;
        }
        let line: Value = serde_json::from_str(&line).unwrap();
        let id = ReleaseId(i64::try_from(releases.len()).unwrap());
        for dependency in line["deps"].as_array().unwrap() {
            edges.push(Edge {
                from: id,
                to: canonical(dependency["package"].as_str().or(dependency["name"].as_str()).unwrap()),
                req: dependency["req"].as_str().unwrap().to_owned(),
                kind: dependency["kind"].as_str().and_then(DependencyKind::from_code).unwrap_or(DependencyKind::Normal),
                optional: dependency["optional"].as_bool().unwrap_or(false),
            });
        }
        releases.push(ReleaseNode {
            id,
            name: KrateName::parse(line["name"].as_str().unwrap()).unwrap(),
            num: VersionNum::parse(line["vers"].as_str().unwrap()).unwrap(),
            yanked: line["yanked"].as_bool().unwrap_or(false),
            deleted_at: None,
        });
    }
    assert!(zstd.wait().unwrap().success());
    (releases, edges)
}
