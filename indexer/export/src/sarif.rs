//! SARIF 2.1.0: an advisory is a rule, an affected release a result at a logical location.

use schema::{AdvisoryKind, SeverityWord};
use serde_json::{Value, json};

use crate::Report;
use crate::report::{AffectedRelease, ReportedAdvisory, name_of, purl};

/// One SARIF log with one run.
#[must_use]
pub fn sarif(report: &Report) -> Value {
    let rules: Vec<_> = report.advisories.iter().map(rule).collect();
    let results: Vec<_> = report
        .advisories
        .iter()
        .enumerate()
        .flat_map(|(index, advisory)| advisory.releases.iter().map(move |affected| result(index, advisory, affected)))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "provenance", "version": report.tool_version, "rules": rules } },
            "results": results,
            "properties": { "query": report.query, "as_of": report.as_of },
        }],
    })
}

fn rule(advisory: &ReportedAdvisory) -> Value {
    let facts = &advisory.facts;
    let mut rule = json!({
        "id": facts.id,
        "shortDescription": { "text": advisory.title() },
        "defaultConfiguration": { "level": level(advisory) },
        "properties": { "kind": facts.kind, "severity": facts.score.severity, "aliases": facts.aliases,
                        "license": facts.licence },
    });
    if let Some(url) = advisory.url() {
        rule["helpUri"] = json!(url);
    }
    if let Some(tenths) = facts.score.score_x10 {
        rule["properties"]["security-severity"] = json!(format!("{}.{}", tenths / 10, tenths % 10));
    }
    rule
}

fn result(index: usize, advisory: &ReportedAdvisory, affected: &AffectedRelease) -> Value {
    let release = &affected.release;
    let purl = purl(name_of(release).as_str(), Some(&release.key.num));
    let text = format!("{} covers {}. {}", advisory.facts.id, release.key, affected.way_out.words());
    json!({
        "ruleId": advisory.facts.id,
        "ruleIndex": index,
        "level": level(advisory),
        "message": { "text": text },
        "locations": [{ "logicalLocations": [{
            "name": release.key.to_string(), "fullyQualifiedName": purl, "kind": "package",
        }] }],
        "partialFingerprints": { "advisoryAndChecksum/v1": format!("{}:{}", advisory.facts.id, release.checksum) },
    })
}

/// Malware and whatever is scored high or worse is an error; what has no score is no less than a warning.
fn level(advisory: &ReportedAdvisory) -> &'static str {
    let facts = &advisory.facts;
    match (facts.kind, facts.score.severity) {
        (AdvisoryKind::Malicious, _) | (_, SeverityWord::Critical | SeverityWord::High) => "error",
        (AdvisoryKind::Notice | AdvisoryKind::Unmaintained, _) => "note",
        _ => "warning",
    }
}
