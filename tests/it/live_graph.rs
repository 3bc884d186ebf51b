//! The graph held by a long-running process, refreshed after every change, against one built anew.

use graph::Graph;
use queue::{LiveGraph, read_graph};
use schema::{CanonicalName, Change, ChangeKind, Generation, IndexLine, KrateName, ReleaseId, Timestamp};
use store::{KrateWrite, LineWrite, SourceState};

use crate::databases::Memory;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const KRATES: [&str; 5] = ["a", "B-b", "c", "d", "unheard-of"];

fn canonical(name: &str) -> CanonicalName {
    KrateName::parse(name).unwrap().canonical()
}

/// All that can be asked of a graph, in words; the order of crates in it is its own affair.
fn everything(graph: &Graph) -> Vec<String> {
    let mut lines = vec![format!("{} releases, {} edges", graph.n_releases(), graph.n_edges())];
    let resolved = graph.resolved();
    for krate in KRATES.map(canonical) {
        let ids: Vec<ReleaseId> = graph.releases(&krate).map(|(id, _)| id).collect();
        lines.extend(ids.iter().map(|id| format!("{:?}", graph.release(*id))));
        lines.extend(graph.dependents(&krate, |id| id.0 % 2 == 0).iter().map(|dependent| format!("{dependent:?}")));
        lines.extend(resolved.closure(&ids).hits().iter().map(|hit| format!("{krate} << {:?}", hit.release)));
    }
    lines.sort();
    lines
}

fn line(name: &str, num: &str, deps: &[(&str, &str)], yanked: bool) -> (Box<IndexLine>, String) {
    let line = fixtures::IndexLineBuilder::new(name, num)
        .cksum(&fixtures::sha256_hex(format!("{name}-{num}").as_bytes()))
        .yanked(yanked);
    let add = |line: fixtures::IndexLineBuilder, (to, req): &(&str, &str)| {
        line.dependency(fixtures::DependencyBuilder::new(to, req))
    };
    let raw = deps.iter().fold(line, add).build();
    (Box::new(IndexLine::parse(&raw).unwrap()), raw)
}

/// Inserts leave no change behind, as a baseline leaves none: the graph must not rely on changes.
fn insert(name: &str, num: &str, deps: &[(&str, &str)]) -> LineWrite {
    let (line, raw) = line(name, num, deps, false);
    LineWrite::Insert { generation: Generation::FIRST, line, raw, changes: Vec::new() }
}

fn update(release: ReleaseId, name: &str, num: &str, deps: &[(&str, &str)], yanked: bool) -> LineWrite {
    let (line, raw) = line(name, num, deps, yanked);
    // Rows that replace others are numbered by the change that brought them.
    let change = Change {
        kind: ChangeKind::MetadataChanged,
        name: Some(line.name.clone()),
        num: Some(line.num.clone()),
        checksum: None,
        fields: Vec::new(),
        commit: None,
        at: NOW,
        line_before: None,
        line_after: None,
    };
    LineWrite::Update { release, line, raw, dependencies_differ: true, changes: vec![change] }
}

#[test]
fn refreshed_after_every_change_it_is_the_graph_built_anew() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Memory::fresh(folder.path()).await;
        let state = SourceState { address: "test".to_owned(), ..SourceState::default() };
        let source = store.note_source(&state).await.unwrap();
        let apply = async |name: &str, lines: Vec<LineWrite>| {
            let held = store.krates(source, &[canonical(name)]).await.unwrap();
            let revision = held.first().map_or(0, |krate| krate.revision);
            let name = KrateName::parse(name).unwrap();
            let write = KrateWrite::new(name, revision, lines);
            store.apply(source, &[write], NOW).await.unwrap();
        };
        let id = async |name: &str, num: &str| {
            let releases = store.releases(&canonical(name)).await.unwrap().unwrap();
            releases.iter().find(|release| release.key.num.as_str() == num).unwrap().id
        };
        let mut live = LiveGraph::read(store.as_ref()).await.unwrap();
        assert_eq!(live.graph().n_releases(), 0);

        let (a, b, c, d) = ("a", "B-b", "c", "d");
        for step in 0..9 {
            match step {
                0 => apply(a, vec![insert(a, "1.0.0", &[]), insert(a, "1.1.0", &[("unheard-of", "^1")])]).await,
                1 => apply(b, vec![insert(b, "0.1.0", &[(a, "=1.0.0"), (c, "^1")])]).await,
                2 => apply(c, vec![insert(c, "1.0.0", &[("b_b", "^0.1"), (a, "^1")])]).await,
                3 => apply(a, vec![update(id(a, "1.1.0").await, a, "1.1.0", &[], true)]).await,
                4 => apply(c, vec![update(id(c, "1.0.0").await, c, "1.0.0", &[(d, "*")], false)]).await,
                5 => {
                    let release = id(b, "0.1.0").await;
                    apply(b, vec![LineWrite::Delete { release, at: NOW, changes: Vec::new() }]).await;
                }
                6 => apply(d, vec![insert(d, "2.0.0-rc.1", &[(a, "bad requirement")])]).await,
                7 => apply(b, vec![update(id(b, "0.1.0").await, b, "0.1.0", &[(d, "=2.0.0-rc.1")], false)]).await,
                _ => apply("b_B", vec![insert("b_B", "0.2.0", &[(a, "^1.1")])]).await,
            }
            assert_eq!(live.refresh(store.as_ref()).await.unwrap(), 1, "step {step} changed one crate");
            let anew = read_graph(store.as_ref(), None).await.unwrap();
            assert_eq!(everything(live.graph()), everything(&anew), "step {step}");
            assert_eq!(live.refresh(store.as_ref()).await.unwrap(), 0, "step {step}");
        }
        let read_late = LiveGraph::read(store.as_ref()).await.unwrap();
        assert_eq!(everything(live.graph()), everything(read_late.graph()));
    });
}
