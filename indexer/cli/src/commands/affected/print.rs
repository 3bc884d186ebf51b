//! The answer of `affected` as a table, as CSV and as the contract's document.

use std::collections::BTreeSet;

use schema::{AdvisoryFacts, Licence, VersionNum};
use serde_json::json;
use store::MatchRow;

use super::Answer;
use crate::settings::Settings;
use crate::table::{self, cell};
use crate::text::{complain, count, say, shown};

impl Answer {
    pub(super) fn as_json(&self) -> serde_json::Value {
        let advisories: Vec<_> = self
            .advisories
            .iter()
            .map(|stored| {
                let facts = &stored.facts;
                json!({
                    "id": facts.id, "package": facts.package, "kind": facts.kind,
                    "kind_derived": facts.kind_derived, "severity": facts.score.severity,
                    "score": facts.score.score_x10.map(|tenths| f64::from(tenths) / 10.0),
                    "cvss": facts.score.vector, "title": facts.title, "aliases": facts.aliases,
                    "withdrawn": facts.withdrawn, "date": facts.date, "patched": facts.patched,
                    "unaffected": facts.unaffected, "functions": facts.functions, "url": address(facts),
                    "license": facts.licence, "changed_in": stored.changed_in, "changed_at": stored.changed_at,
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

    pub(super) fn print_csv(&self) {
        say(
            "advisory,kind,severity,name,num,checksum,published_at,yanked,deleted_at,flags,next_compatible,next_any,license,url",
        );
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
                facts.map(|facts| facts.licence.to_string()).unwrap_or_default(),
                facts.and_then(address).unwrap_or_default().to_owned(),
            ];
            say(&export::csv_row(cells.iter().map(String::as_str)));
        }
    }

    pub(super) fn print(&self, settings: &Settings) {
        for stored in &self.advisories {
            say(&heading(&stored.facts));
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

/// Its address, when it is one that a reader may be led to.
fn address(facts: &AdvisoryFacts) -> Option<&str> {
    facts.url.as_deref().and_then(export::plain_address)
}

fn heading(facts: &AdvisoryFacts) -> String {
    let score = facts.score.score_x10.map(|tenths| format!(" {}.{}", tenths / 10, tenths % 10)).unwrap_or_default();
    let mut line = format!("{} {} in {}, {}{score}", facts.id, facts.kind, shown(&facts.package), facts.score.severity);
    if facts.title != facts.id.0 && facts.licence != Licence::Other {
        line = format!("{line}: {}", shown(&facts.title));
    }
    if let Some(day) = &facts.withdrawn {
        line = format!("{line} (withdrawn {})", shown(day));
    }
    let ranges = |reqs: &[String]| if reqs.is_empty() { "none".to_owned() } else { shown(&reqs.join(" or ")) };
    line = format!("{line}\n  patched: {}; never affected: {}", ranges(&facts.patched), ranges(&facts.unaffected));
    if facts.licence != Licence::Cc0 {
        let source = facts.url.as_deref().unwrap_or("the database");
        let licence = if facts.licence == Licence::CcBy { "CC-BY-4.0" } else { "a licence of its own" };
        line = format!("{line}\n  under {licence}, from {}", shown(source));
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
