//! OSV records: what the official export of the database says, and the list of versions that it leaves empty.

use schema::{AdvisoryKind, SeverityWord, Timestamp};
use serde_json::{Map, Value, json};

use crate::report::{Interval, ReportedAdvisory, plain_address, purl};

/// The version of the format that is written.
const SCHEMA_VERSION: &str = "1.7.3";

/// One OSV record. Advisories of the toolchain name no crate, so their record names no package.
#[must_use]
pub fn osv(advisory: &ReportedAdvisory) -> Value {
    let facts = &advisory.facts;
    let mut record = Map::new();
    record.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
    record.insert("id".to_owned(), json!(facts.id));
    record.insert("modified".to_owned(), json!(advisory.modified));
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(field.to_owned(), value);
        }
    };
    put("published", instant(&facts.date));
    put("withdrawn", facts.withdrawn.as_deref().and_then(instant));
    put("aliases", unique(&facts.aliases));
    put("related", unique(&advisory.related));
    put("summary", (advisory.title() != facts.id.0).then(|| json!(advisory.title())));
    put("severity", severity(advisory));
    put("affected", facts.krate.is_some().then(|| json!([affected(advisory)])));
    put("references", references(advisory));
    put(
        "database_specific",
        Some(json!({ "license": facts.licence, "kind": facts.kind, "kind_derived": facts.kind_derived })),
    );
    Value::Object(record)
}

fn affected(advisory: &ReportedAdvisory) -> Value {
    let facts = &advisory.facts;
    let mut versions: Vec<&str> = Vec::with_capacity(advisory.releases.len());
    for affected in &advisory.releases {
        // Generations of one number are one version here.
        if versions.last() != Some(&affected.release.key.num.as_str()) {
            versions.push(affected.release.key.num.as_str());
        }
    }
    let ranges: Vec<_> =
        advisory.intervals.iter().map(|interval| json!({ "type": "SEMVER", "events": events(interval) })).collect();
    let mut affected = json!({
        "package": { "ecosystem": "crates.io", "name": facts.package, "purl": purl(&facts.package, None) },
        "versions": versions,
        "ecosystem_specific": { "affected_functions": facts.functions.keys().collect::<Vec<_>>() },
        "database_specific": {
            "categories": advisory.categories, "cvss": facts.score.vector, "informational": informational(facts.kind),
        },
    });
    if !ranges.is_empty() {
        affected["ranges"] = json!(ranges);
    }
    affected
}

/// `0.0.0-0` is the lowest version there is.
fn events(interval: &Interval) -> Vec<Value> {
    let introduced = interval.introduced.as_deref().unwrap_or("0.0.0-0");
    let mut events = vec![json!({ "introduced": introduced })];
    events.extend(interval.fixed.as_ref().map(|fixed| json!({ "fixed": fixed })));
    events
}

fn severity(advisory: &ReportedAdvisory) -> Option<Value> {
    let score = &advisory.facts.score;
    let vector = score.vector.as_deref().filter(|_| score.severity != SeverityWord::Unscored)?;
    let kind = if vector.starts_with("CVSS:4") { "CVSS_V4" } else { "CVSS_V3" };
    Some(json!([{ "type": kind, "score": vector }]))
}

fn references(advisory: &ReportedAdvisory) -> Option<Value> {
    let own = advisory.url().map(|url| json!({ "type": "ADVISORY", "url": url }));
    let further = advisory.references.iter().filter_map(|url| plain_address(url));
    let all: Vec<_> = own.into_iter().chain(further.map(|url| json!({ "type": "WEB", "url": url }))).collect();
    (!all.is_empty()).then(|| json!(all))
}

const fn informational(kind: AdvisoryKind) -> Option<&'static str> {
    match kind {
        AdvisoryKind::Malicious | AdvisoryKind::Vulnerability => None,
        other => Some(other.as_str()),
    }
}

/// The first instant of a day.
fn instant(day: &str) -> Option<Value> {
    Timestamp::parse(day).ok().map(|at| json!(at))
}

/// A list the format wants without duplicates, and left out when empty.
fn unique(ids: &[String]) -> Option<Value> {
    let ids: std::collections::BTreeSet<_> = ids.iter().collect();
    (!ids.is_empty()).then(|| json!(ids))
}
