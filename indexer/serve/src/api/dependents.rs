//! Who depends on a crate, directly or through others, now or at a time, and what that means where releases are affected.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use graph::{Dependent, Graph, KnownRelease};
use schema::{CanonicalName, DependencyKind, KrateName, ReleaseId, Step, Timestamp, VersionNum};
use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use store::SourceState;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Asked, Segments, krate_name};
use crate::listing::{Meta, PageQuery};
use crate::openapi::described;
use crate::{ApiError, Service, Standing, answer};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default().routes(routes!(dependents))
}

/// Which dependents are meant.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct DependentsQuery {
    /// Only what concerns these releases of the crate counts as affected: a version, or a requirement.
    req: Option<String>,
    /// Only the releases this advisory covers count as affected.
    advisory: Option<String>,
    /// `true`: those exposed through others as well, each with a path that explains it.
    #[param(value_type = Option<bool>)]
    transitive: Option<String>,
    /// As the index was at this time (RFC 3339, or a date).
    at: Option<String>,
    /// Entries of one page, 1 to 100; 10 when not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    per_page: Option<String>,
    /// The mark of another page's `next_page` or `prev_page`.
    seek: Option<String>,
}

/// Dependents of a crate.
#[derive(Serialize, JsonSchema)]
struct DependentsAnswer {
    /// The crate, in its published spelling where it is known.
    name: String,
    /// The time asked about; `null`: now.
    at: Option<Timestamp>,
    /// A page of dependents: direct ones first, then those exposed through others.
    dependents: Vec<DependentEntry>,
    /// Dependents of each kind (`normal`, `build`, `dev`, each also ` optional`; `transitive`) in each state.
    counts: BTreeMap<String, BTreeMap<String, usize>>,
    /// What was asked about, in words: its releases are the ones that count as affected here.
    asked: String,
    /// Releases that were asked about; without `req` and `advisory` every release of the crate.
    affected: usize,
    /// Releases of the crate that are not matched against advisories yet.
    pending: usize,
    /// Whether every change up to the time asked about was seen.
    complete: bool,
    /// Whether a whole index is followed, and not a list of crates alone.
    whole_index: bool,
    /// The other pages.
    meta: Meta,
    /// What this rests on.
    as_of: Standing,
}

/// One dependency on the crate, or one release exposed through others.
#[derive(Serialize, JsonSchema)]
struct DependentEntry {
    /// The dependent's crate, in its published spelling.
    name: KrateName,
    /// Its number.
    num: VersionNum,
    /// What it requires; `null` for one exposed through others.
    req: Option<String>,
    /// normal, build or dev; `null` for one exposed through others.
    kind: Option<DependencyKind>,
    /// Only with a feature that asks for it.
    optional: bool,
    /// What its requirement means: never, only-old-locks, fresh-affected, stuck; `null` when it cannot be said.
    state: Option<String>,
    /// Whether it depends on the crate itself.
    direct: bool,
    /// The dependent is withdrawn from resolution.
    yanked: bool,
    /// When the dependent was seen to be gone from the index.
    deleted_at: Option<Timestamp>,
    /// From the dependent to what it takes of the crate.
    path: Vec<String>,
    #[serde(skip)]
    release: ReleaseId,
}

described!(DependentsAnswer as Serialize);

/// Who depends on a crate
#[utoipa::path(
    get, path = "/api/v1/crates/{name}/dependents", operation_id = "dependents", tag = "crates",
    params(("name" = String, Path, description = "The crate, in any spelling.", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"), DependentsQuery),
    responses((status = 200, description = "Its dependents.", body = DependentsAnswer)),
)]
async fn dependents(
    State(service): State<Arc<Service>>,
    Segments(text): Segments<String>,
    Asked(asked): Asked<DependentsQuery>,
) -> Result<Response, ApiError> {
    let name = krate_name(&text)?;
    let wanted = Wanted::parse(&asked)?;
    let page = PageQuery { per_page: asked.per_page, seek: asked.seek };
    page.per_page()?;
    let moment = service.moment().await?;
    let (as_of, sources) = (moment.standing.clone(), &moment.known.sources);
    let canonical = name.canonical();
    let waiting = service.waiting(&canonical).await?;
    let covered = match &asked.advisory {
        Some(id) => Some(service.covered_by(id, &name).await?),
        None => None,
    };
    let Ok(_turn) = service.graph_questions.acquire().await else { return Err(ApiError::Busy) };
    let graph = service.graphs.graph(wanted.at).await?;
    // The graph is walked on this thread; the others go on.
    let (entries, affected, spelling, is_known, pending) = tokio::task::block_in_place(|| {
        let is_known = graph.releases(&canonical).any(|(_, num)| wanted.means(num));
        let releases = graph.releases(&canonical).filter(|(_, num)| wanted.means(num)).map(|(id, _)| id);
        let affected: HashSet<_> =
            releases.filter(|id| covered.as_ref().is_none_or(|covered| covered.contains(id))).collect();
        let entries = entries(&graph, &canonical, &affected, wanted.transitive);
        let pending = waiting.among(graph.releases(&canonical).map(|(id, _)| id));
        (entries, affected, graph.name(&canonical).cloned(), is_known, pending)
    });
    drop(graph);
    if !waiting.is_indexed && entries.is_empty() {
        return Err(service.unknown_krate(&text).await);
    }
    let spelling = spelling.unwrap_or_else(|| name.clone());
    if let (Of::One(num), false) = (&wanted.of, is_known) {
        return Err(wanted.unknown_version(spelling, num, as_of));
    }
    let counts = counts(&entries);
    let marked: Vec<_> = entries.into_iter().enumerate().collect();
    let (dependents, meta) = page.cut(marked, |(number, entry)| format!("{}.{number}", entry.release.0))?;
    answer::json(&DependentsAnswer {
        asked: wanted.words(&spelling, asked.advisory.as_deref()),
        name: spelling.to_string(),
        at: wanted.at,
        dependents: dependents.into_iter().map(|(_, entry)| entry).collect(),
        counts,
        affected: affected.len(),
        pending,
        complete: wanted.at.is_none_or(|at| !sources.is_empty() && sources.iter().all(|source| knows(source, at))),
        whole_index: sources.iter().any(|source| source.cursor_commit.is_some()),
        meta,
        as_of,
    })
}

/// The query, understood.
struct Wanted {
    of: Of,
    transitive: bool,
    at: Option<Timestamp>,
}

/// Which releases of the crate are meant.
enum Of {
    All,
    One(VersionNum),
    Within(VersionReq),
}

impl Wanted {
    fn parse(asked: &DependentsQuery) -> Result<Self, ApiError> {
        let of = match &asked.req {
            None => Of::All,
            // A whole version means that one, not what cargo would take for it in a manifest.
            Some(text) if Version::parse(text).is_ok() => Of::One(crate::extract::version_num(text)?),
            Some(text) => Of::Within(
                VersionReq::parse(text)
                    .map_err(|why| ApiError::BadRequest(format!("{text:?} is no version and no requirement: {why}")))?,
            ),
        };
        let transitive = match asked.transitive.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(ApiError::BadRequest(format!("transitive is true or false, not {other:?}"))),
        };
        let at = asked.at.as_deref().map(Timestamp::parse).transpose();
        Ok(Self { of, transitive, at: at.map_err(|why| ApiError::BadRequest(why.to_string()))? })
    }

    fn means(&self, num: &VersionNum) -> bool {
        match &self.of {
            Of::All => true,
            Of::One(one) => one == num,
            Of::Within(req) => num.semver().is_some_and(|version| req.matches(&version)),
        }
    }

    fn words(&self, name: &KrateName, advisory: Option<&str>) -> String {
        let releases = match &self.of {
            Of::All => format!("any version of {name}"),
            Of::One(num) => format!("{name} {num}"),
            Of::Within(req) => format!("any version of {name} within {req}"),
        };
        advisory.map_or_else(|| releases.clone(), |id| format!("{releases} that {id} covers"))
    }

    /// Of a version that never was, nobody can say who takes it: "never" would be an answer about nothing.
    fn unknown_version(&self, name: KrateName, num: &VersionNum, as_of: Standing) -> ApiError {
        match self.at {
            None => ApiError::UnknownVersion { name, num: num.clone(), standing: Box::new(as_of) },
            Some(at) => ApiError::NotFound(format!("crate `{name}` has no release {num} that was seen here by {at}")),
        }
    }
}

/// Which releases of a crate wait to be matched. It is read before what covers them, so that what waits no more has its
/// matches by then.
pub(crate) struct Waiting {
    /// Whether the crate is known at all.
    is_indexed: bool,
    /// Its releases.
    known: HashSet<ReleaseId>,
    /// Those that wait.
    n: usize,
}

impl Waiting {
    /// How many of a crate's releases are not matched yet, with those that came after the others were counted.
    pub(crate) fn among(&self, releases: impl Iterator<Item = ReleaseId>) -> usize {
        self.n + releases.filter(|release| !self.known.contains(release)).count()
    }
}

impl Service {
    pub(crate) async fn waiting(&self, krate: &CanonicalName) -> Result<Waiting, ApiError> {
        let versions = self.store.versions(krate).await?;
        let ids: Vec<_> = versions.iter().flatten().map(|version| version.id).collect();
        let n = self.store.open_marks(&ids, Step::Match).await?.len();
        Ok(Waiting { is_indexed: versions.is_some(), known: ids.into_iter().collect(), n })
    }

    /// The releases of a crate that the advisories of an id cover; 404 for an id that is none, or none of this crate's.
    pub(crate) async fn covered_by(&self, id: &str, name: &KrateName) -> Result<HashSet<ReleaseId>, ApiError> {
        self.with_advisories().await?;
        let mut advisories = self.store.advisories_by_id(id).await?;
        if advisories.is_empty() {
            return Err(ApiError::NotFound(format!("no advisory has the id {id:?}")));
        }
        let canonical = name.canonical();
        advisories.retain(|stored| stored.facts.krate.as_ref() == Some(&canonical));
        if advisories.is_empty() {
            return Err(ApiError::NotFound(format!("advisory {id:?} is not about crate `{name}`")));
        }
        let ids: Vec<_> = advisories.into_iter().map(|stored| stored.facts.id).collect();
        let rows = self.store.matched_by(&ids).await?;
        Ok(rows.into_iter().filter(|row| row.found.is_affected()).map(|row| row.release.id).collect())
    }
}

/// Whether everything a source said up to a time is known: the record must have begun by then, and must reach to it.
fn knows(source: &SourceState, at: Timestamp) -> bool {
    let is_current = source.behind_since.is_none() && source.last_error.is_none();
    let until = if is_current { source.last_success_at } else { source.cursor_at };
    source.complete_since.is_some_and(|since| since <= at) && until.is_some_and(|until| at <= until)
}

fn entries(
    graph: &Graph,
    krate: &CanonicalName,
    affected: &HashSet<ReleaseId>,
    transitive: bool,
) -> Vec<DependentEntry> {
    let known = graph.name(krate).is_some();
    let direct = graph.dependents(krate, |release| affected.contains(&release));
    let mut entries: Vec<_> = direct.iter().map(|one| direct_entry(graph, krate, one, known)).collect();
    if transitive {
        let asked: Vec<_> = affected.iter().copied().collect();
        let closure = graph.resolved().closure(&asked);
        // What leads to an affected release at once stands among the direct ones already.
        let others = closure.hits().iter().filter(|hit| !affected.contains(&hit.through));
        entries.extend(others.filter_map(|hit| {
            let path = closure.path(hit.release).into_iter().map(|release| words(graph, release)).collect();
            Some(distant_entry(hit.release, graph.release(hit.release)?, path, hit.optional))
        }));
    }
    entries
}

fn direct_entry(graph: &Graph, krate: &CanonicalName, one: &Dependent<'_>, known: bool) -> DependentEntry {
    let taken = VersionReq::parse(one.req).ok().and_then(|req| graph.resolve(krate, &req));
    let end = taken.map_or_else(
        || graph.name(krate).map_or_else(|| krate.to_string(), ToString::to_string),
        |release| words(graph, release),
    );
    DependentEntry {
        name: one.name.clone(),
        num: one.num.clone(),
        req: Some(one.req.to_owned()),
        kind: Some(one.kind),
        optional: one.optional,
        // Where no release of the crate is known, nobody can say what its dependents take.
        state: one.state.filter(|_| known).map(|state| state.as_str().to_owned()),
        direct: true,
        yanked: one.yanked,
        deleted_at: one.deleted_at,
        path: vec![words(graph, one.release), end],
        release: one.release,
    }
}

fn distant_entry(release: ReleaseId, known: KnownRelease<'_>, path: Vec<String>, optional: bool) -> DependentEntry {
    DependentEntry {
        name: known.name.clone(),
        num: known.num.clone(),
        req: None,
        kind: None,
        optional,
        state: None,
        direct: false,
        yanked: known.yanked,
        deleted_at: known.deleted_at,
        path,
        release,
    }
}

fn counts(entries: &[DependentEntry]) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for entry in entries {
        let kind = entry.kind.map_or_else(|| "transitive".to_owned(), |kind| kind.to_string());
        let kind = if entry.optional { format!("{kind} optional") } else { kind };
        let unsaid = if entry.direct { "not known" } else { "exposed" };
        let state = entry.state.as_deref().unwrap_or(unsaid);
        *counts.entry(kind).or_default().entry(state.to_owned()).or_default() += 1;
    }
    counts
}

/// `name@num`
fn words(graph: &Graph, release: ReleaseId) -> String {
    match graph.release(release) {
        Some(known) => format!("{}@{}", known.name, known.num),
        None => format!("release {}", release.0),
    }
}
