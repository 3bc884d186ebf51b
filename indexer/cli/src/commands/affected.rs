//! `provenance affected`: which releases an advisory covers, what covers a crate or release, and the way out.

use std::collections::{BTreeMap, BTreeSet};

use advisories::{Advisory, NextSafe, next_safe};
use anyhow::bail;
use schema::{AdvisoryFacts, AdvisoryId, CanonicalName, Clock as _, Release, Step, VersionNum};
use serde_json::json;
use store::{MatchRow, Store, StoredAdvisory};

use super::subject::Subject;
use crate::args::AffectedArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, count, say, shown};
use crate::{Exit, document, opening};

mod only;
mod report;

pub(crate) async fn run(args: &AffectedArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    if store::Advisories::advisory_db(store).await?.is_none() {
        bail!("no advisory database is loaded; `provenance index` loads one");
    }
    let mut answer = Answer::find(store, &args.query).await?;
    only::narrow(&mut answer, &args.only)?;
    let as_of = document::as_of(store).await?;
    if settings.json {
        let mut answer = answer.as_json();
        answer["as_of"] = serde_json::to_value(&as_of)?;
        document::print(answer);
    } else if args.csv {
        answer.print_csv();
    } else if args.osv || args.vex || args.sarif {
        report::print(args, &answer, as_of);
    } else {
        answer.print(settings);
        say(&document::as_of_words(&as_of, SystemClock.now()));
    }
    let denied = answer.affected().any(|row| answer.kind_of(row).is_some_and(|kind| args.deny.contains(&kind)));
    Ok(if denied { Exit::Denied } else { Exit::Done })
}

struct Answer {
    query: String,
    advisories: Vec<AdvisoryFacts>,
    stored: Vec<StoredAdvisory>,
    rows: Vec<MatchRow>,
    next: BTreeMap<i64, NextSafe>,
    /// Releases of the crates concerned that are not matched yet: the answer is not complete without them.
    n_pending: usize,
    /// Crates with advisories of which nothing is indexed: their versions are not known here.
    not_indexed: Vec<String>,
}

impl Answer {
    async fn find(store: &dyn Store, query: &str) -> anyhow::Result<Self> {
        let by_id = store.advisories_by_id(query).await?;
        let (advisories, only) = if by_id.is_empty() {
            let Ok(subject) = Subject::parse(query) else {
                bail!("{query:?} is neither an advisory's id nor NAME or NAME@VER");
            };
            let of_krate = store.advisories_of(&subject.name.canonical()).await?;
            if of_krate.is_empty() || subject.num.is_some() {
                // Names what is known instead when there is no such crate, so that "none known" is never said of it.
                unknown_is_an_error(store, &subject, query).await?;
            }
            (of_krate, subject.num)
        } else {
            (by_id, None)
        };
        let ids: Vec<_> = advisories.iter().map(|stored| stored.facts.id.clone()).collect();
        let mut rows = store.matched_by(&ids).await?;
        if let Some(num) = &only {
            rows.retain(|row| row.release.key.num == *num);
        }
        let mut answer = Self {
            query: query.to_owned(),
            advisories: advisories.iter().map(|stored| stored.facts.clone()).collect(),
            stored: Vec::new(),
            rows,
            next: BTreeMap::new(),
            n_pending: 0,
            not_indexed: Vec::new(),
        };
        answer.look_at_krates(store, &advisories).await?;
        answer.stored = advisories;
        Ok(answer)
    }

    async fn look_at_krates(&mut self, store: &dyn Store, advisories: &[StoredAdvisory]) -> anyhow::Result<()> {
        let krates: BTreeSet<&CanonicalName> =
            advisories.iter().filter_map(|stored| stored.facts.krate.as_ref()).collect();
        for krate in krates {
            let Some(releases) = store.releases(krate).await? else {
                self.not_indexed.push(krate.to_string());
                continue;
            };
            let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
            self.n_pending += store.open_marks(&ids, Step::Match).await?.len();
            let all = store.advisories_of(krate).await?;
            let parsed: Vec<Advisory> = all
                .iter()
                .filter(|stored| stored.facts.withdrawn.is_none())
                .filter_map(|stored| Advisory::parse(&stored.path, &stored.text, &stored.db_commit).ok())
                .collect();
            let live = offered(&releases);
            let covered = |version: &semver::Version| {
                parsed.iter().any(|advisory| advisory.affects(version) || advisory.nearly_affects(version))
            };
            for row in self.rows.iter().filter(|row| row.release.key.name.canonical() == *krate) {
                self.next.insert(row.release.id.0, next_safe(&row.release.key.num, &live, covered));
            }
        }
        Ok(())
    }

    fn affected(&self) -> impl Iterator<Item = &MatchRow> {
        self.rows.iter().filter(|row| row.found.is_affected())
    }

    fn near(&self) -> impl Iterator<Item = &MatchRow> {
        self.rows.iter().filter(|row| !row.found.is_affected())
    }

    fn facts(&self, id: &AdvisoryId) -> Option<&AdvisoryFacts> {
        self.advisories.iter().find(|facts| facts.id == *id)
    }

    fn kind_of(&self, row: &MatchRow) -> Option<schema::AdvisoryKind> {
        self.facts(&row.found.advisory).map(|facts| facts.kind)
    }

    fn next_of(&self, row: &MatchRow) -> NextSafe {
        self.next.get(&row.release.id.0).cloned().unwrap_or_default()
    }

    fn as_json(&self) -> serde_json::Value {
        let advisories: Vec<_> = self
            .advisories
            .iter()
            .map(|facts| {
                json!({
                    "id": facts.id, "package": facts.package, "kind": facts.kind,
                    "kind_derived": facts.kind_derived, "severity": facts.score.severity,
                    "score": facts.score.score_x10.map(|tenths| f64::from(tenths) / 10.0),
                    "cvss": facts.score.vector, "title": facts.title, "aliases": facts.aliases,
                    "withdrawn": facts.withdrawn, "date": facts.date, "patched": facts.patched,
                    "unaffected": facts.unaffected, "functions": facts.functions, "url": facts.url,
                    "license": facts.licence,
                })
            })
            .collect();
        let version = |row: &MatchRow| {
            let next = self.next_of(row);
            json!({
                "name": row.release.key.name, "num": row.release.key.num, "generation": row.release.key.generation,
                "checksum": row.release.checksum, "advisory": row.found.advisory, "flags": row.found.flags,
                "yanked": row.release.yanked, "deleted_at": row.release.deleted_at,
                "published_at": row.release.published_at,
                "next_safe": { "compatible": next.compatible, "any": next.any },
            })
        };
        let versions: Vec<_> = self.affected().map(version).collect();
        json!({
            "query": self.query, "advisories": advisories, "total": versions.len(), "versions": versions,
            "near": self.near().map(version).collect::<Vec<_>>(),
            "pending": self.n_pending, "not_indexed": self.not_indexed,
        })
    }

    fn print_csv(&self) {
        say("advisory,kind,severity,name,num,checksum,published_at,yanked,deleted_at,flags,next_compatible,next_any");
        for row in &self.rows {
            let next = self.next_of(row);
            let facts = self.facts(&row.found.advisory);
            let flags: Vec<_> = row.found.flags.iter().map(|flag| flag.as_str()).collect();
            let num = |num: Option<VersionNum>| num.map(|num| num.to_string()).unwrap_or_default();
            let at = |at: Option<schema::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
            let cells = [
                row.found.advisory.to_string(),
                facts.map(|facts| facts.kind.to_string()).unwrap_or_default(),
                facts.map(|facts| facts.score.severity.to_string()).unwrap_or_default(),
                row.release.key.name.to_string(),
                row.release.key.num.to_string(),
                row.release.checksum.to_string(),
                at(row.release.published_at),
                row.release.yanked.to_string(),
                at(row.release.deleted_at),
                flags.join(" "),
                num(next.compatible),
                num(next.any),
            ];
            say(&export::csv_row(cells.iter().map(String::as_str)));
        }
    }

    fn print(&self, settings: &Settings) {
        for facts in &self.advisories {
            say(&heading(facts));
        }
        let mut table =
            table::table(settings.color, &["release", "advisory", "published", "state", "compatible fix", "any fix"]);
        for row in &self.rows {
            let next = self.next_of(row);
            let num = |num: Option<VersionNum>| num.map_or_else(|| "none".to_owned(), |num| num.to_string());
            table.add_row([
                cell(&row.release.key.to_string()),
                cell(&row.found.advisory.0),
                cell(&row.release.published_at.map(schema::Timestamp::date).unwrap_or_default()),
                cell(&state_words(row)),
                cell(&num(next.compatible)),
                cell(&num(next.any)),
            ]);
        }
        if !self.rows.is_empty() {
            say(&table.trim_fmt());
        }
        if self.rows.is_empty() && !self.not_indexed.is_empty() {
            say(&format!(
                "\nwhich releases are affected cannot be said: {} not indexed here",
                self.not_indexed.join(", ")
            ));
        } else {
            let distinct = |rows: &mut dyn Iterator<Item = &MatchRow>| {
                rows.map(|row| row.release.id).collect::<BTreeSet<_>>().len()
            };
            let (affected, near) = (distinct(&mut self.affected()), distinct(&mut self.near()));
            say(&format!("\n{} affected, {near} near", count(affected, "release")));
        }
        if self.n_pending > 0 {
            complain(&format!("note: {} not matched yet", count(self.n_pending, "release")));
        }
        for name in &self.not_indexed {
            complain(&format!("note: `provenance index --crate {name}` reads the releases of {name}"));
        }
    }
}

/// The versions somebody can be sent to.
fn offered(releases: &[Release]) -> Vec<VersionNum> {
    let is_offered = |release: &&Release| !release.yanked && release.deleted_at.is_none();
    releases.iter().filter(is_offered).map(|release| release.key.num.clone()).collect()
}

async fn unknown_is_an_error(store: &dyn Store, subject: &Subject, query: &str) -> anyhow::Result<()> {
    match subject.releases(store).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.context(format!("no advisory has the id {query:?}"))),
    }
}

fn heading(facts: &AdvisoryFacts) -> String {
    let score = facts.score.score_x10.map(|tenths| format!(" {}.{}", tenths / 10, tenths % 10)).unwrap_or_default();
    let mut line = format!("{} {} in {}, {}{score}", facts.id, facts.kind, shown(&facts.package), facts.score.severity);
    if facts.title != facts.id.0 {
        line = format!("{line}: {}", shown(&facts.title));
    }
    if let Some(day) = &facts.withdrawn {
        line = format!("{line} (withdrawn {})", shown(day));
    }
    let ranges = |reqs: &[String]| if reqs.is_empty() { "none".to_owned() } else { shown(&reqs.join(" or ")) };
    line = format!("{line}\n  patched: {}; never affected: {}", ranges(&facts.patched), ranges(&facts.unaffected));
    if facts.licence == schema::Licence::CcBy {
        let source = facts.url.as_deref().unwrap_or("the database");
        line = format!("{line}\n  text under {}, from {}", facts.licence, shown(source));
    }
    line
}

fn state_words(row: &MatchRow) -> String {
    let mut words: Vec<String> = row.found.flags.iter().map(ToString::to_string).collect();
    if row.release.yanked {
        words.push("yanked".to_owned());
    }
    words.join(", ")
}
