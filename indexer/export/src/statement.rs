//! In-toto Statements v1 about a release. They say what its row says: nothing unchecked and nothing unverifiable is ever
//! attested as verified.

use schema::{ChecksumState, ProvenanceRow, SourceSummary, Verdict};
use serde_json::{Map, Value, json};

use crate::report::purl;

/// The type of every statement, <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// Our predicate: how an archive corresponds to the repository it names. Its schema stands in `schema/contract`.
pub const SOURCE_CORRESPONDENCE: &str = "urn:provenance:source-correspondence/v0.1";
/// in-toto's Simple Verification Result, version 0.2.
pub const SIMPLE_VERIFICATION_RESULT: &str = "https://in-toto.io/attestation/svr/v0.2";

/// The statements that can be made about a release: none while nothing was judged, our own for every verdict, and a Simple
/// Verification Result as well where the source is verified.
///
/// `verifier` is who answers for it, a URI; the version of the rule that judged is added, as the specification recommends.
/// The same row gives the same statements, byte for byte.
#[must_use]
pub fn statements(row: &ProvenanceRow, verifier: &str) -> Vec<Value> {
    // Of bytes that are not the promised ones the subject's digest would be a lie.
    if row.checksum_state != ChecksumState::Ok || !is_judged(&row.source) {
        return Vec::new();
    }
    let own = statement(row, SOURCE_CORRESPONDENCE, &source_correspondence(row));
    let result = verified_property(row.source.verdict).map(|property| {
        statement(row, SIMPLE_VERIFICATION_RESULT, &simple_verification_result(row, verifier, property))
    });
    std::iter::once(own).chain(result).collect()
}

/// The reason of a repository that gave no answer: perhaps its own failure, perhaps ours. It is asked again.
const NO_ANSWER: &str = "repo.timeout";

/// Whether a verdict is one, and not the absence of one: a server that could not be reached says nothing about a release.
fn is_judged(source: &SourceSummary) -> bool {
    match source.verdict {
        Verdict::Verified
        | Verdict::VerifiedEquivalent
        | Verdict::VerifiedExceptNonbuild
        | Verdict::Mismatch
        | Verdict::Review => true,
        Verdict::NotVerifiable => !source.reasons.iter().any(|reason| reason.code == NO_ANSWER),
        Verdict::Unchecked | Verdict::Pending | Verdict::Error => false,
    }
}

const fn verified_property(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Verified => Some("PROVENANCE_SOURCE_VERIFIED"),
        Verdict::VerifiedEquivalent => Some("PROVENANCE_SOURCE_VERIFIED_EQUIVALENT"),
        Verdict::VerifiedExceptNonbuild => Some("PROVENANCE_SOURCE_VERIFIED_EXCEPT_NONBUILD"),
        Verdict::NotVerifiable
        | Verdict::Mismatch
        | Verdict::Review
        | Verdict::Unchecked
        | Verdict::Pending
        | Verdict::Error => None,
    }
}

fn statement(row: &ProvenanceRow, predicate_type: &str, predicate: &Value) -> Value {
    json!({
        "_type": STATEMENT,
        "subject": [{
            "name": format!("{}-{}.crate", row.name, row.num),
            "uri": purl(row.name.as_str(), Some(&row.num)),
            "digest": { "sha256": row.checksum },
        }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

fn source_correspondence(row: &ProvenanceRow) -> Value {
    let source = &row.source;
    let mut predicate = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            predicate.insert(field.to_owned(), value);
        }
    };
    put("verdict", Some(json!(source.verdict)));
    put("reasons", Some(json!(source.reasons.iter().map(|reason| &reason.code).collect::<Vec<_>>())));
    put("source", source.commit_matched.as_ref().zip(source.repository.as_ref()).map(|(commit, repository)| {
        json!({ "uri": format!("git+{repository}"), "digest": { "gitCommit": commit }, "tag": source.tag })
    }));
    put("claimed", Some(json!({ "repository": source.repository_claimed, "commit": source.commit_claimed })));
    put(
        "release",
        Some(json!({
            "name": row.name, "version": row.num, "generation": row.generation, "publishedAt": row.published_at,
            "yanked": row.yanked, "deletedAt": row.deleted_at,
        })),
    );
    put("rules", source.rules.as_ref().map(|rules| json!(rules)));
    put("indexCommit", row.index_commit.as_ref().map(|commit| json!(commit)));
    put("checkedAt", Some(json!(row.checked_at)));
    Value::Object(predicate)
}

fn simple_verification_result(row: &ProvenanceRow, verifier: &str, property: &str) -> Value {
    let id = match &row.source.rules {
        Some(rules) => format!("{verifier}/{rules}"),
        None => verifier.to_owned(),
    };
    json!({
        // Our rules are code and no policy document; the specification wants the list all the same.
        "verifier": { "id": id, "policies": [] },
        "timeCreated": row.checked_at,
        // What is known of advisories ages by the hour and is left to the row.
        "properties": ["PROVENANCE_ARCHIVE_MATCHES_INDEX", property],
    })
}

#[cfg(test)]
mod tests {
    use schema::{Reason, Severity};

    use super::*;
    use crate::testing::row;

    fn types(change: impl Fn(&mut ProvenanceRow)) -> Vec<String> {
        let mut row = row("Serde-Json", "1.0.0+b");
        change(&mut row);
        let of = |statement: &Value| statement["predicateType"].as_str().unwrap().to_owned();
        statements(&row, "urn:test").iter().map(of).collect()
    }

    #[test]
    fn only_what_is_verified_is_attested_as_verified() {
        for verdict in Verdict::ALL {
            let expected: &[&str] = match verdict.as_str() {
                "verified" | "verified-equivalent" | "verified-except-nonbuild" => {
                    &[SOURCE_CORRESPONDENCE, SIMPLE_VERIFICATION_RESULT]
                }
                "not-verifiable" | "mismatch" | "review" => &[SOURCE_CORRESPONDENCE],
                _ => &[],
            };
            assert_eq!(types(|row| row.source.verdict = *verdict), expected, "{verdict}");
        }
        for state in ChecksumState::ALL.iter().filter(|state| **state != ChecksumState::Ok) {
            assert_eq!(types(|row| row.checksum_state = *state), [""; 0], "{state}");
        }
    }

    #[test]
    fn a_repository_that_did_not_answer_is_no_judgement() {
        let with = |code: &str| {
            let reason = Reason { code: code.to_owned(), severity: Severity::Medium, detail: Map::new() };
            types(|row| {
                row.source.verdict = Verdict::NotVerifiable;
                row.source.reasons = vec![reason.clone()];
            })
        };
        assert_eq!(with("repo.timeout"), [""; 0]);
        assert_eq!(with("repo.gone"), [SOURCE_CORRESPONDENCE]);
    }

    #[test]
    fn a_statement_says_what_the_row_says() {
        let all = statements(&row("Serde-Json", "1.0.0+b"), "urn:test");
        let digest = "ab".repeat(32);
        for statement in &all {
            assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
            let subject = json!([{
                "name": "Serde-Json-1.0.0+b.crate", "uri": "pkg:cargo/Serde-Json@1.0.0%2Bb", "digest": { "sha256": digest },
            }]);
            assert_eq!(statement["subject"], subject);
        }
        let own = &all[0]["predicate"];
        assert_eq!(own["verdict"], "verified");
        assert_eq!(own["source"]["uri"], "git+https://example.org/o/r.git");
        assert_eq!(own["source"]["digest"]["gitCommit"], "c".repeat(40));
        // The schema of SVR v0.2: these three, and `policies` is never left out.
        let result = json!({
            "verifier": { "id": "urn:test/verify/1", "policies": [] },
            "timeCreated": "2026-08-20T00:00:00Z",
            "properties": ["PROVENANCE_ARCHIVE_MATCHES_INDEX", "PROVENANCE_SOURCE_VERIFIED"],
        });
        assert_eq!(all[1]["predicate"], result);
    }
}
