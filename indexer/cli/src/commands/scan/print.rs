//! The three reports of `scan` as tables, as one CSV and as one document.

use schema::{AdvisoryFacts, AsOf, Clock as _, Licence};
use serde_json::{Value, json};

use super::Scan;
use crate::clock::SystemClock;
use crate::commands::attribution::attribution;
use crate::document;
use crate::settings::Settings;
use crate::table::{self, cell, number};
use crate::text::say;

/// What the reports rest on.
pub(super) struct Context {
    pub(super) as_of: AsOf,
    pub(super) whole_index: bool,
    pub(super) seconds: f64,
}

pub(super) fn as_json(scan: &Scan, context: &Context) -> Value {
    let stuck = scan.stuck.iter().map(|one| {
        let survey = &one.survey;
        let mut line = facts(&one.facts);
        line["affected_releases"] = json!(one.n_affected);
        for (name, tally) in [
            ("stuck", survey.stuck),
            ("fresh_affected", survey.fresh_affected),
            ("only_old_locks", survey.only_old_locks),
        ] {
            line[name] = json!({
                "releases": tally.releases, "crates": tally.krates, "optional_releases": tally.optional_releases,
            });
        }
        line["exposed_releases"] = json!(one.n_exposed);
        line["exposed_optional_releases"] = json!(one.n_exposed_optional);
        line
    });
    let unsafe_krates = scan.unsafe_krates.iter().map(|krate| {
        json!({
            "name": krate.name, "kind": krate.worst, "advisories": krate.advisories,
            "dependent_crates": krate.n_dependents,
        })
    });
    let malware = scan.malware.iter().map(|one| {
        let mut line = facts(&one.facts);
        line["dependent_crates"] = json!(one.dependents);
        line
    });
    json!({
        "as_of": context.as_of, "whole_index": context.whole_index, "pending": scan.n_pending,
        "graph": { "releases": scan.n_releases, "edges": scan.n_edges, "bytes": scan.graph_bytes },
        "duration_ms": (context.seconds * 1000.0).round(),
        "stuck": stuck.collect::<Vec<_>>(),
        "no_safe_version": unsafe_krates.collect::<Vec<_>>(),
        "malware": malware.collect::<Vec<_>>(),
    })
}

fn facts(facts: &AdvisoryFacts) -> Value {
    json!({
        "advisory": facts.id, "package": facts.package, "kind": facts.kind, "severity": facts.score.severity,
        "score": facts.score.score_x10.map(|tenths| f64::from(tenths) / 10.0), "date": facts.date,
        "license": facts.licence, "url": address(facts),
    })
}

fn address(facts: &AdvisoryFacts) -> Option<&str> {
    facts.url.as_deref().and_then(export::plain_address)
}

/// One table for all three: `report` says which.
pub(super) fn csv(scan: &Scan) {
    say("report,name,kind,severity,advisories,releases,crates,optional_releases,exposed_releases,license,url");
    for one in &scan.stuck {
        let stuck = one.survey.stuck;
        let counts = [stuck.releases, stuck.krates, stuck.optional_releases, one.n_exposed].map(|n| n.to_string());
        advisory_row("stuck", &one.facts, &counts);
    }
    for krate in &scan.unsafe_krates {
        let ids: Vec<_> = krate.advisories.iter().map(|id| id.0.as_str()).collect();
        let (ids, n_dependents) = (ids.join(" "), krate.n_dependents.to_string());
        let cells = ["no-safe-version", &krate.name, krate.worst.as_str(), "", &ids, "", &n_dependents, "", "", "", ""];
        say(&export::csv_row(cells));
    }
    for one in &scan.malware {
        let n_dependents = one.dependents.len().to_string();
        advisory_row("malware", &one.facts, &[String::new(), n_dependents, String::new(), String::new()]);
    }
}

/// `counts` are the cells from `releases` to `exposed_releases`.
fn advisory_row(report: &str, facts: &AdvisoryFacts, counts: &[String; 4]) {
    let head = [report, &facts.package, facts.kind.as_str(), facts.score.severity.as_str(), &facts.id.0];
    let tail = [facts.licence.as_str(), address(facts).unwrap_or_default()];
    say(&export::csv_row(head.into_iter().chain(counts.iter().map(String::as_str)).chain(tail)));
}

pub(super) fn tables(scan: &Scan, context: &Context, limit: usize, settings: &Settings) {
    say("Advisories by their stuck dependents: crates whose releases allow no release that is not affected\n");
    let heads = ["advisory", "crate", "kind", "severity", "stuck crates", "releases", "fresh", "exposed in all"];
    let mut table = table::table(settings.color, &heads);
    for one in scan.stuck.iter().take(limit) {
        table.add_row([
            cell(&id_words(&one.facts)),
            cell(&one.facts.package),
            cell(one.facts.kind.as_str()),
            cell(one.facts.score.severity.as_str()),
            number(one.survey.stuck.krates as u64),
            number(one.survey.stuck.releases as u64),
            number(one.survey.fresh_affected.releases as u64),
            number(one.n_exposed as u64),
        ]);
    }
    end(&table.trim_fmt(), scan.stuck.len(), limit);

    say("\nCrates without a safe version: everything on offer is covered\n");
    let mut table = table::table(settings.color, &["crate", "worst kind", "advisories", "dependent crates"]);
    for krate in scan.unsafe_krates.iter().take(limit) {
        let ids: Vec<_> = krate.advisories.iter().map(|id| id.0.as_str()).collect();
        let (name, ids) = (cell(&krate.name), cell(&ids.join(" ")));
        table.add_row([name, cell(krate.worst.as_str()), ids, number(krate.n_dependents as u64)]);
    }
    end(&table.trim_fmt(), scan.unsafe_krates.len(), limit);

    say("\nMalware that live crates still depend on\n");
    let mut table = table::table(settings.color, &["advisory", "crate", "dependent crates", "for instance"]);
    for one in scan.malware.iter().take(limit) {
        let some: Vec<_> = one.dependents.iter().take(5).map(String::as_str).collect();
        let n = number(one.dependents.len() as u64);
        table.add_row([cell(&id_words(&one.facts)), cell(&one.facts.package), n, cell(&some.join(" "))]);
    }
    end(&table.trim_fmt(), scan.malware.len(), limit);
    foot(scan, context, limit);
}

fn foot(scan: &Scan, context: &Context, limit: usize) {
    let named = scan.stuck.iter().take(limit).map(|one| &one.facts);
    let named = named.chain(scan.malware.iter().take(limit).map(|one| &one.facts));
    for line in named.filter_map(attribution) {
        say(&format!("* {line}"));
    }
    say(&format!(
        "\nlooked at {} releases and {} dependencies in {:.1} s; their graph takes {} MiB",
        scan.n_releases,
        scan.n_edges,
        context.seconds,
        scan.graph_bytes.div_ceil(1 << 20),
    ));
    say(&document::as_of_words(&context.as_of, SystemClock.now()));
}

/// An id whose advisory is under a licence that asks to be named has its star, explained at the foot.
fn id_words(facts: &AdvisoryFacts) -> String {
    if facts.licence == Licence::Cc0 { facts.id.0.clone() } else { format!("{} *", facts.id) }
}

fn end(table: &str, n: usize, limit: usize) {
    say(if n == 0 { "none" } else { table });
    if n > limit {
        say(&format!("… and {} more; --limit shows them, --csv and --json have all", n - limit));
    }
}
