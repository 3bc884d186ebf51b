//! The answer of `affected` in the formats of others: it gathers, `export` writes.

use export::{AffectedRelease, Interval, Report, ReportedAdvisory, WayOut};
use schema::{AsOf, Clock as _};
use store::StoredAdvisory;

use super::Answer;
use crate::args::AffectedArgs;
use crate::clock::SystemClock;
use crate::text::{complain, say};

/// Prints the one format that was asked for.
pub(super) fn print(args: &AffectedArgs, answer: &Answer, as_of: AsOf) -> anyhow::Result<()> {
    let report = report(answer, as_of)?;
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
    Ok(())
}

fn report(answer: &Answer, as_of: AsOf) -> anyhow::Result<Report> {
    let advisories = answer.advisories.iter().map(|stored| reported(answer, stored)).collect::<Result<_, _>>()?;
    let tool_version = env!("CARGO_PKG_VERSION").to_owned();
    let query = answer.query.clone().unwrap_or_default();
    Ok(Report { query, as_of, at: SystemClock.now(), tool_version, advisories })
}

pub(super) fn reported(answer: &Answer, stored: &StoredAdvisory) -> anyhow::Result<ReportedAdvisory> {
    let parsed = queue::parsed(stored)?;
    let ranges = parsed.ranges();
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
    Ok(ReportedAdvisory {
        facts: stored.facts.clone(),
        modified: stored.changed_at,
        intervals: intervals.collect(),
        related: parsed.related,
        references: parsed.references,
        categories: parsed.categories,
        releases: releases.collect(),
    })
}
