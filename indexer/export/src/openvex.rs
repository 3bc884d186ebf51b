//! OpenVEX 0.2.0: one statement per advisory and affected release, each with what to do.

use schema::Licence;
use serde_json::{Value, json};

use crate::Report;
use crate::report::{AffectedRelease, ReportedAdvisory, name_of, purl};

/// One OpenVEX document.
///
/// It says `affected` and nothing else: that a release is *not* affected depends on a database that may not know yet.
/// Without an affected release there is no statement to make, and the format has no document without one: `None`.
#[must_use]
pub fn openvex(report: &Report) -> Option<Value> {
    let statements: Vec<_> = report
        .advisories
        .iter()
        .flat_map(|advisory| advisory.releases.iter().map(move |affected| statement(advisory, affected)))
        .collect();
    if statements.is_empty() {
        return None;
    }
    let commit = report.as_of.advisory_db.as_ref().map_or("none", |commit| commit.commit.as_str());
    let ids: Vec<_> = report.advisories.iter().map(|advisory| advisory.facts.id.0.as_str()).collect();
    Some(json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:provenance:openvex:{commit}:{}", ids.join(":")),
        "author": "Provenance Indexer",
        "timestamp": report.at,
        "version": 1,
        "tooling": format!("provenance {}", report.tool_version),
        "statements": statements,
    }))
}

fn statement(advisory: &ReportedAdvisory, affected: &AffectedRelease) -> Value {
    let release = &affected.release;
    let facts = &advisory.facts;
    let mut vulnerability = json!({ "name": facts.id });
    let aliases: std::collections::BTreeSet<_> = facts.aliases.iter().collect();
    if !aliases.is_empty() {
        vulnerability["aliases"] = json!(aliases);
    }
    if let Some(url) = advisory.url() {
        vulnerability["@id"] = json!(url);
    }
    let mut statement = json!({
        "vulnerability": vulnerability,
        "products": [{
            "@id": purl(name_of(release).as_str(), Some(&release.key.num)),
            "hashes": { "sha-256": release.checksum },
        }],
        "status": "affected",
        "action_statement": affected.way_out.words(),
    });
    if facts.licence != Licence::Cc0 {
        let source = advisory.url().unwrap_or("the advisory database");
        statement["status_notes"] = json!(format!("Facts of {} under {}, from {source}.", facts.id, facts.licence));
    }
    statement
}
