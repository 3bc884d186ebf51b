//! The graph of the registry, built from the store in one place and kept current: only crates that changed are read again.

use std::collections::HashMap;

use graph::{Edge, Graph, ReleaseNode};
use schema::{CanonicalName, ReleaseId, Timestamp};
use store::{DependencyRow, ExposurePage, ReleaseRow, Store};
use tracing::info;

use crate::QueueError;
use crate::blocking::blocking;

/// Releases read at once.
const PAGE: u32 = 20_000;

/// Crates replaced at once.
const KRATES: usize = 500;

/// Reads the whole graph: as it is now, or as the index was at a time.
///
/// # Errors
/// When the store fails.
pub async fn read_graph(store: &dyn Store, at: Option<Timestamp>) -> Result<Graph, QueueError> {
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let mut after = ReleaseId(i64::MIN);
    loop {
        let page = store.exposure_page(after, PAGE, at).await?;
        let Some(last) = page.last else { break };
        after = last;
        nodes.extend(page.releases.into_iter().map(node));
        edges.extend(page.dependencies.into_iter().map(edge));
    }
    let graph = blocking("building the graph of the registry", move || Graph::from_rows(nodes, edges)).await?;
    info!(
        releases = graph.n_releases(),
        edges = graph.n_edges(),
        bytes = graph.size_bytes(),
        "graph of the registry built"
    );
    Ok(graph)
}

/// The graph as it is now, to be held by a process that lives long.
#[derive(Debug)]
pub struct LiveGraph {
    graph: Graph,
    revisions: HashMap<i64, i64>,
}

impl LiveGraph {
    /// Reads the whole graph; what is stored meanwhile is taken over at the end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &dyn Store) -> Result<Self, QueueError> {
        // The revisions first: a crate that changes while the pages are read is newer than its revision here.
        let revisions = store.krate_revisions().await?.into_iter().map(|krate| (krate.krate, krate.revision)).collect();
        let mut live = Self { graph: read_graph(store, None).await?, revisions };
        live.refresh(store).await?;
        Ok(live)
    }

    /// Reads again the crates that changed since the last time, and no others. Gives their number.
    ///
    /// # Errors
    /// When the store fails; the crates not yet read are read the next time.
    pub async fn refresh(&mut self, store: &dyn Store) -> Result<usize, QueueError> {
        let mut changed = store.krate_revisions().await?;
        changed.retain(|krate| self.revisions.get(&krate.krate) != Some(&krate.revision));
        for some in changed.chunks(KRATES) {
            let ids: Vec<_> = some.iter().map(|krate| krate.krate).collect();
            let mut rows = by_krate(store.exposure_of(&ids).await?);
            for krate in some {
                let (nodes, edges) = rows.remove(&krate.canonical).unwrap_or_default();
                self.graph.replace_krate(&krate.canonical, nodes, &edges);
                self.revisions.insert(krate.krate, krate.revision);
            }
        }
        Ok(changed.len())
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }
}

type Rows = (Vec<ReleaseNode>, Vec<Edge>);

fn by_krate(page: ExposurePage) -> HashMap<CanonicalName, Rows> {
    let mut krates: HashMap<CanonicalName, Rows> = HashMap::new();
    let mut krate_of: HashMap<ReleaseId, CanonicalName> = HashMap::new();
    for release in page.releases {
        let canonical = release.name.canonical();
        krate_of.insert(release.id, canonical.clone());
        krates.entry(canonical).or_default().0.push(node(release));
    }
    for dependency in page.dependencies {
        if let Some(krate) = krate_of.get(&dependency.release) {
            krates.entry(krate.clone()).or_default().1.push(edge(dependency));
        }
    }
    krates
}

fn node(row: ReleaseRow) -> ReleaseNode {
    ReleaseNode { id: row.id, name: row.name, num: row.num, yanked: row.yanked, deleted_at: row.deleted_at }
}

fn edge(row: DependencyRow) -> Edge {
    Edge { from: row.release, to: row.canonical, req: row.req, kind: row.kind, optional: row.optional }
}
