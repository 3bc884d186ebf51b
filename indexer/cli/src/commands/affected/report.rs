//! The answer of `affected` in the formats of others: it gathers, `export` writes.

use advisories::Advisory;
use export::{AffectedRelease, Interval, Report, ReportedAdvisory, WayOut};
use schema::{AsOf, Clock as _, Timestamp};
use store::StoredAdvisory;

use super::Answer;
use crate::args::AffectedArgs;
use crate::clock::SystemClock;
use crate::text::{complain, say};

/// Prints the one format that was asked for.
pub(super) fn print(args: &AffectedArgs, answer: &Answer, as_of: AsOf) {
    let report = report(answer, as_of);
    if args.osv {
        for advisory in &report.advisories {
            say(&export::osv(advisory).to_string());
        }
    } else if args.sarif {
        say(&export::sarif(&report).to_string());
    } else {
        match export::openvex(&report) {
            Some(document) => say(&document.to_string()),
            None => complain("nothing is affected, and an OpenVEX document cannot be empty"),
        }
    }
}

fn report(answer: &Answer, as_of: AsOf) -> Report {
    let now = SystemClock.now();
    // The state that brought a text is at most as old as the state the answer rests on; of the two only this one is dated here.
    let modified = as_of.advisory_db.as_ref().map_or(now, |commit| commit.at);
    let advisories = answer.stored.iter().map(|stored| reported(answer, stored, modified)).collect();
    let tool_version = env!("CARGO_PKG_VERSION").to_owned();
    Report { query: answer.query.clone(), as_of, at: now, tool_version, advisories }
}

fn reported(answer: &Answer, stored: &StoredAdvisory, modified: Timestamp) -> ReportedAdvisory {
    let parsed = Advisory::parse(&stored.path, &stored.text, &stored.db_commit).ok();
    let ranges = parsed.as_ref().map(Advisory::ranges).unwrap_or_default();
    let intervals = ranges.into_iter().map(|range| Interval {
        introduced: range.introduced.map(|version| version.to_string()),
        fixed: range.fixed.map(|version| version.to_string()),
    });
    let of_this = answer.affected().filter(|row| row.found.advisory == stored.facts.id);
    let releases = of_this.map(|row| {
        let next = answer.next_of(row);
        let way_out = WayOut { compatible: next.compatible, any: next.any };
        AffectedRelease { release: row.release.clone(), way_out }
    });
    let (related, references, categories) =
        parsed.as_ref().map(|a| (a.related.clone(), a.references.clone(), a.categories.clone())).unwrap_or_default();
    ReportedAdvisory {
        facts: stored.facts.clone(),
        modified,
        intervals: intervals.collect(),
        related,
        references,
        categories,
        releases: releases.collect(),
    }
}
