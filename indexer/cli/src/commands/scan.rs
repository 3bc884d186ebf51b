//! `provenance scan`: the registry at a glance. Advisories with the most stuck dependents, crates without a safe release,
//! malware that live crates still depend on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use graph::{Graph, Survey};
use schema::{AdvisoryFacts, AdvisoryId, AdvisoryKind, CanonicalName, ReleaseId, Step};
use serve::Known;
use store::{Store, StoredAdvisory};

use crate::args::ScanArgs;
use crate::settings::Settings;
use crate::text::complain;
use crate::{Exit, document, opening};

mod print;

pub(crate) async fn run(args: &ScanArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    if store.advisory_db().await?.is_none() {
        anyhow::bail!("no advisory database is loaded; `provenance index` loads one");
    }
    let known = Known::read(store).await?;
    let scan = Scan::read(store).await?;
    let context = print::Context {
        as_of: document::as_of_known(&known),
        whole_index: super::dependents::is_whole(&known),
        seconds: begun.elapsed().as_secs_f64(),
    };
    if settings.json {
        document::print(print::as_json(&scan, &context));
    } else if args.csv {
        print::csv(&scan);
    } else {
        print::tables(&scan, &context, args.limit, settings);
    }
    if scan.n_pending > 0 {
        complain(&format!("note: {} releases are not matched yet and count as not affected here", scan.n_pending));
    }
    if !context.whole_index {
        complain("note: only the crates indexed here were looked at, not the whole registry");
    }
    Ok(Exit::Done)
}

/// What was found, worst first.
struct Scan {
    stuck: Vec<Stuck>,
    unsafe_krates: Vec<UnsafeKrate>,
    malware: Vec<Malware>,
    n_pending: u64,
    n_releases: usize,
    n_edges: usize,
    graph_bytes: usize,
}

/// An advisory that live dependents take affected releases by.
struct Stuck {
    facts: AdvisoryFacts,
    /// Releases it covers, tombstones included.
    n_affected: usize,
    survey: Survey,
    /// Live releases that a build without a lock file exposes, directly or through others.
    n_exposed: usize,
    /// Further ones, through optional dependencies.
    n_exposed_optional: usize,
}

/// A crate whose every release on offer is covered.
struct UnsafeKrate {
    name: String,
    worst: AdvisoryKind,
    advisories: Vec<AdvisoryId>,
    n_dependents: usize,
}

/// A malware advisory with live crates that take what it covers, or find nothing else.
struct Malware {
    facts: AdvisoryFacts,
    dependents: Vec<String>,
}

impl Scan {
    async fn read(store: &dyn Store) -> anyhow::Result<Self> {
        let graph = queue::read_graph(store, None).await?;
        let advisories = store.advisories().await?;
        // In this order: what waits no more when it is counted has its matches by then.
        let counts = store.counts().await?;
        let to_match = counts.iter().filter(|count| count.step == Step::Match);
        let n_pending = to_match.map(|count| count.waiting + count.dead).sum();
        let matches = Matches::read(store).await?;
        Ok(tokio::task::block_in_place(|| Self::new(&graph, &advisories, &matches, n_pending)))
    }

    fn new(graph: &Graph, advisories: &[StoredAdvisory], matches: &Matches, n_pending: u64) -> Self {
        let standing = advisories.iter().map(|stored| &stored.facts).filter(|facts| facts.withdrawn.is_none());
        let standing: Vec<_> = standing.filter_map(|facts| Some((facts.krate.as_ref()?, facts))).collect();
        Self {
            stuck: stuck(graph, &standing, matches),
            unsafe_krates: unsafe_krates(graph, &standing, matches),
            malware: malware(graph, &standing, matches),
            n_pending,
            n_releases: graph.n_releases(),
            n_edges: graph.n_edges(),
            graph_bytes: graph.size_bytes(),
        }
    }
}

/// What stands between advisories and releases.
struct Matches {
    affected: HashMap<AdvisoryId, HashSet<ReleaseId>>,
    /// With the releases that are near, and those of which nothing can be said: nobody should be sent to either.
    covered: HashMap<ReleaseId, BTreeSet<AdvisoryId>>,
}

impl Matches {
    async fn read(store: &dyn Store) -> anyhow::Result<Self> {
        let mut matches = Self { affected: HashMap::new(), covered: HashMap::new() };
        for found in store.all_matches().await? {
            if found.is_affected() {
                matches.affected.entry(found.advisory.clone()).or_default().insert(found.release);
            }
            matches.covered.entry(found.release).or_default().insert(found.advisory);
        }
        Ok(matches)
    }
}

type Standing<'a> = (&'a CanonicalName, &'a AdvisoryFacts);

fn stuck(graph: &Graph, standing: &[Standing<'_>], matches: &Matches) -> Vec<Stuck> {
    let resolved = graph.resolved();
    let mut stuck = Vec::new();
    for (krate, facts) in standing {
        let Some(affected) = matches.affected.get(&facts.id) else { continue };
        let survey = graph.survey(krate, |release| affected.contains(&release));
        let asked: Vec<_> = affected.iter().copied().collect();
        let closure = resolved.closure(&asked);
        let live = closure.hits().iter().filter(|hit| graph.is_live(hit));
        let (optional, required): (Vec<&graph::Hit>, Vec<&graph::Hit>) = live.partition(|hit| hit.optional);
        let one = Stuck {
            facts: (*facts).clone(),
            n_affected: affected.len(),
            survey,
            n_exposed: required.len(),
            n_exposed_optional: optional.len(),
        };
        let is_harmless = one.survey == Survey::default() && closure.hits().is_empty();
        stuck.extend((!is_harmless).then_some(one));
    }
    stuck.sort_by_key(|one| {
        let (stuck, kind) = (one.survey.stuck, one.facts.kind);
        (
            std::cmp::Reverse((stuck.krates, stuck.releases, stuck.optional_releases, one.n_exposed)),
            kind,
            one.facts.id.clone(),
        )
    });
    stuck
}

fn unsafe_krates(graph: &Graph, standing: &[Standing<'_>], matches: &Matches) -> Vec<UnsafeKrate> {
    let mut by_krate: BTreeMap<&CanonicalName, Vec<&AdvisoryFacts>> = BTreeMap::new();
    for (krate, facts) in standing {
        by_krate.entry(krate).or_default().push(facts);
    }
    let mut found = Vec::new();
    for (krate, about) in by_krate {
        if graph.offers_a_free_one(krate, |release| matches.covered.contains_key(&release)) != Some(false) {
            continue;
        }
        let worst = about.iter().filter(|facts| matches.affected.contains_key(&facts.id)).map(|facts| facts.kind).min();
        let Some(worst) = worst else { continue };
        found.push(UnsafeKrate {
            name: graph.name(krate).map_or_else(|| krate.to_string(), ToString::to_string),
            worst,
            advisories: about.iter().map(|facts| facts.id.clone()).collect(),
            n_dependents: graph.live_dependents(krate).len(),
        });
    }
    found.sort_by(|a, b| (a.worst, b.n_dependents, &a.name).cmp(&(b.worst, a.n_dependents, &b.name)));
    found
}

/// Malware is deleted from the index, often before anybody saw it there: a requirement that finds nothing else survives it.
fn malware(graph: &Graph, standing: &[Standing<'_>], matches: &Matches) -> Vec<Malware> {
    let malicious = standing.iter().filter(|(_, facts)| facts.kind == AdvisoryKind::Malicious);
    let mut found: Vec<_> = malicious
        .map(|(krate, facts)| {
            let affected = matches.affected.get(&facts.id);
            let is_affected = |release| affected.is_some_and(|affected| affected.contains(&release));
            let dependents = graph.surviving_dependents(krate, is_affected);
            Malware { facts: (*facts).clone(), dependents: dependents.into_iter().map(ToString::to_string).collect() }
        })
        .filter(|malware| !malware.dependents.is_empty())
        .collect();
    found.sort_by(|a, b| (b.dependents.len(), &a.facts.id).cmp(&(a.dependents.len(), &b.facts.id)));
    found
}
