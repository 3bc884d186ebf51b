//! `provenance dependents`: who depends on a crate, what that means where releases of it are affected, and who is exposed
//! through others. It builds the graph of the whole index anew, now or as it was at a time.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, bail};
use graph::{Dependent, DependentState, Graph, KnownRelease};
use schema::{CanonicalName, Clock as _, DependencyKind, KrateName, ReleaseId, Timestamp, VersionNum};
use semver::{Version, VersionReq};
use serde_json::{Value, json};
use serve::Known;
use store::Store;

use super::attribution::attribution;
use crate::args::DependentsArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, count, say, shown};
use crate::{Exit, document, opening};

mod ever;

pub(crate) async fn run(args: &DependentsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if args.ever {
        return ever::run(args, settings).await;
    }
    let (name, asked) = Asked::parse(&args.subject)?;
    let at = args.at.as_deref().map(Timestamp::parse).transpose()?;
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let basis = Known::read(store).await?;
    let (as_of, complete) = (document::as_of_known(&basis), document::is_complete(&basis, at));
    let graph = queue::read_graph(store, at).await?;
    asked.must_be_known(&graph, &name, at)?;
    // In this order: what waits no more when it is counted has its matches by then.
    let n_pending = n_pending(store, &name).await?;
    let affected = affected(store, &graph, &name, &asked, args.advisory.as_deref()).await?;
    let rows = rows(&graph, &name.canonical(), &affected, args.transitive);
    let known = store.releases(&name.canonical()).await?.is_some();
    if !known && rows.is_empty() {
        let [krates, ..] = store.totals().await?;
        bail!("crate {name} is not in the database, which knows {krates} crates, and nothing there depends on it");
    }
    if !known {
        complain(&format!("note: no release of {name} is known here, so it cannot be said what its dependents take"));
    }
    let asked_words = asked.words(&name, args.advisory.as_deref());
    let whole_index = is_whole(&basis);
    if settings.json {
        let documents: Vec<_> = rows.iter().map(Row::as_json).collect();
        document::print(json!({
            "query": args.subject, "at": at, "as_of": as_of, "total": documents.len(), "complete": complete,
            "whole_index": whole_index, "pending": n_pending, "asked": asked_words,
            "affected": affected.len(), "counts": counts(&rows, DependentState::as_str), "dependents": documents,
        }));
    } else if args.csv {
        say("name,num,req,kind,optional,state,yanked,deleted_at,path");
        for row in &rows {
            say(&export::csv_row(row.cells().iter().map(String::as_str)));
        }
    } else {
        let is_any = matches!(asked, Asked::All) && args.advisory.is_none();
        print(&rows, is_any, settings);
        say(&format!("asked about: {}, {}", shown(&asked_words), count(affected.len(), "release")));
        say(&document::as_of_words(&as_of, SystemClock.now()));
    }
    if let (Some(id), false) = (&args.advisory, settings.json || args.csv) {
        for line in store.advisories_by_id(id).await?.iter().filter_map(|stored| attribution(&stored.facts)) {
            say(&line);
        }
    }
    if n_pending > 0 && args.advisory.is_some() {
        complain(&format!("note: {n_pending} releases of {name} are not matched yet and count as not affected here"));
    }
    if !whole_index {
        let [krates, ..] = store.totals().await?;
        complain(&format!("note: only the {krates} crates indexed here were looked at, not the whole registry"));
    }
    if !complete {
        complain("note: not every change since then was seen, so this answer may lack some");
    }
    Ok(Exit::Done)
}

/// Which releases of the crate are meant.
enum Asked {
    All,
    One(VersionNum),
    Within(VersionReq),
}

impl Asked {
    fn parse(text: &str) -> anyhow::Result<(KrateName, Self)> {
        let (name, rest) = text.split_once('@').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let name = KrateName::parse(name).with_context(|| format!("read {text:?} as NAME or NAME@REQ"))?;
        let asked = match rest {
            None => Self::All,
            // A whole version means that one, not what cargo would take for it in a manifest.
            Some(num) if Version::parse(num).is_ok() => Self::One(VersionNum::parse(num)?),
            Some(req) => {
                Self::Within(VersionReq::parse(req).with_context(|| format!("read {req:?} as a requirement"))?)
            }
        };
        Ok((name, asked))
    }

    fn means(&self, num: &VersionNum) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == num,
            Self::Within(req) => num.semver().is_some_and(|version| req.matches(&version)),
        }
    }

    /// Of a version that never was, nobody can say who takes it: "never" would be an answer about nothing.
    fn must_be_known(&self, graph: &Graph, name: &KrateName, at: Option<Timestamp>) -> anyhow::Result<()> {
        let Self::One(num) = self else { return Ok(()) };
        if graph.releases(&name.canonical()).any(|(_, known)| known == num) {
            return Ok(());
        }
        let when = at.map_or_else(|| "ever seen here".to_owned(), |at| format!("seen here by {at}"));
        bail!("crate `{name}` has no release {num} that was {when}; `provenance show {name}` lists those it has")
    }

    /// What was asked about, in words.
    fn words(&self, name: &KrateName, advisory: Option<&str>) -> String {
        let releases = match self {
            Self::All => format!("any version of {name}"),
            Self::One(num) => format!("{name} {num}"),
            Self::Within(req) => format!("any version of {name} within {req}"),
        };
        advisory.map_or_else(|| releases.clone(), |id| format!("{releases} that {id} covers"))
    }
}

/// The releases asked about; tombstones, too.
async fn affected(
    store: &dyn Store,
    graph: &Graph,
    name: &KrateName,
    asked: &Asked,
    advisory: Option<&str>,
) -> anyhow::Result<HashSet<ReleaseId>> {
    let canonical = name.canonical();
    let of_krate = graph.releases(&canonical);
    let mut meant: HashSet<ReleaseId> = of_krate.filter(|(_, num)| asked.means(num)).map(|(id, _)| id).collect();
    if let Some(id) = advisory {
        let mut advisories = store.advisories_by_id(id).await?;
        if advisories.is_empty() {
            bail!("no advisory has the id {id:?}");
        }
        advisories.retain(|stored| stored.facts.krate.as_ref() == Some(&canonical));
        if advisories.is_empty() {
            bail!("advisory {id} is not about crate `{name}`; `provenance affected {id}` says what it is about");
        }
        let ids: Vec<_> = advisories.into_iter().map(|stored| stored.facts.id).collect();
        let rows = store.matched_by(&ids).await?;
        let covered: HashSet<_> = rows.iter().filter(|row| row.found.is_affected()).map(|row| row.release.id).collect();
        meant.retain(|release| covered.contains(release));
    }
    Ok(meant)
}

/// Releases of the crate of which it is not known yet whether an advisory covers them.
async fn n_pending(store: &dyn Store, name: &KrateName) -> anyhow::Result<usize> {
    let releases = store.releases(&name.canonical()).await?.unwrap_or_default();
    let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
    Ok(store.open_marks(&ids, schema::Step::Match).await?.len())
}

/// Whether a whole index is followed, by its commits, and not a list of crates alone.
pub(super) fn is_whole(known: &Known) -> bool {
    known.sources.iter().any(|source| source.cursor_commit.is_some())
}

/// Direct dependents, and after them those exposed through others.
fn rows(graph: &Graph, krate: &CanonicalName, affected: &HashSet<ReleaseId>, transitive: bool) -> Vec<Row> {
    let known = graph.name(krate).is_some();
    let direct = graph.dependents(krate, |release| affected.contains(&release));
    let mut rows: Vec<Row> = direct.iter().map(|dependent| Row::direct(graph, krate, dependent, known)).collect();
    if transitive {
        let asked: Vec<_> = affected.iter().copied().collect();
        let closure = tokio::task::block_in_place(|| graph.resolved().closure(&asked));
        // What leads to an affected release at once stands among the direct ones; a direct dependent that takes another
        // release may still be exposed by a longer way.
        let others = closure.hits().iter().filter(|hit| !affected.contains(&hit.through));
        rows.extend(others.filter_map(|hit| {
            let path = closure.path(hit.release).into_iter().map(|release| words(graph, release)).collect();
            Some(Row::through_others(graph.release(hit.release)?, path, hit.optional))
        }));
    }
    rows
}

/// How many rows of each kind and state there are; those by optional edges are a kind of their own, as are the
/// transitive ones, of which there is no state.
fn counts(
    rows: &[Row],
    in_words: impl Fn(DependentState) -> &'static str,
) -> BTreeMap<String, BTreeMap<&'static str, usize>> {
    let mut counts: BTreeMap<String, BTreeMap<&'static str, usize>> = BTreeMap::new();
    for row in rows {
        let kind = row.kind.map_or_else(|| "transitive".to_owned(), |kind| kind.to_string());
        let kind = if row.optional { format!("{kind} optional") } else { kind };
        let state = row.state.map_or("not known", &in_words);
        let state = if row.kind.is_none() { "exposed" } else { state };
        *counts.entry(kind).or_default().entry(state).or_default() += 1;
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

/// One line of the answer.
struct Row {
    name: String,
    num: VersionNum,
    req: Option<String>,
    kind: Option<DependencyKind>,
    optional: bool,
    state: Option<DependentState>,
    yanked: bool,
    deleted_at: Option<Timestamp>,
    path: Vec<String>,
}

impl Row {
    fn direct(graph: &Graph, krate: &CanonicalName, dependent: &Dependent<'_>, known: bool) -> Self {
        let taken = VersionReq::parse(dependent.req).ok().and_then(|req| graph.resolve(krate, &req));
        let end = taken.map_or_else(
            || graph.name(krate).map_or_else(|| krate.to_string(), ToString::to_string),
            |release| words(graph, release),
        );
        Self {
            name: dependent.name.to_string(),
            num: dependent.num.clone(),
            req: Some(dependent.req.to_owned()),
            kind: Some(dependent.kind),
            optional: dependent.optional,
            state: dependent.state.filter(|_| known),
            yanked: dependent.yanked,
            deleted_at: dependent.deleted_at,
            path: vec![words(graph, dependent.release), end],
        }
    }

    /// A hit through others: the requirement that exposes it is the one of the next crate on its path.
    fn through_others(release: KnownRelease<'_>, path: Vec<String>, optional: bool) -> Self {
        Self {
            name: release.name.to_string(),
            num: release.num.clone(),
            req: None,
            kind: None,
            optional,
            state: None,
            yanked: release.yanked,
            deleted_at: release.deleted_at,
            path,
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "name": self.name, "num": self.num, "req": self.req, "kind": self.kind, "optional": self.optional,
            "state": self.state.map(DependentState::as_str), "direct": self.kind.is_some(), "yanked": self.yanked,
            "deleted_at": self.deleted_at, "path": self.path,
        })
    }

    fn cells(&self) -> [String; 9] {
        [
            self.name.clone(),
            self.num.to_string(),
            self.req.clone().unwrap_or_default(),
            self.kind.map(|kind| kind.to_string()).unwrap_or_default(),
            self.optional.to_string(),
            self.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            self.yanked.to_string(),
            self.deleted_at.map(|at| at.to_string()).unwrap_or_default(),
            self.path.join(" > "),
        ]
    }
}

fn print(rows: &[Row], is_any: bool, settings: &Settings) {
    let in_words = |state: DependentState| if is_any { state.of_any_version() } else { state.as_str() };
    let mut table = table::table(settings.color, &["release", "requires", "kind", "state", "path"]);
    for row in rows {
        let [name, num, req, kind, .., path] = row.cells();
        let optional = if row.optional { " optional" } else { "" };
        let gone = match row.deleted_at {
            Some(at) => format!(" deleted {}", at.date()),
            None if row.yanked => " yanked".to_owned(),
            None => String::new(),
        };
        let state = row.state.map_or("", in_words);
        table.add_row([
            cell(&format!("{name}@{num}{gone}")),
            cell(&req),
            cell(&format!("{kind}{optional}")),
            cell(state),
            cell(&path),
        ]);
    }
    if !rows.is_empty() {
        say(&table.trim_fmt());
    }
    say(&format!("\n{}", count(rows.len(), "dependent")));
    for (kind, states) in counts(rows, in_words) {
        let states: Vec<_> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        say(&format!("  {kind}: {}", states.join(", ")));
    }
}
