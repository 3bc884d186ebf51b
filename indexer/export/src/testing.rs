//! A row for the tests of this room.

use std::collections::BTreeMap;

use schema::{
    AdvisoryState, AdvisorySummary, Badge, ChecksumState, Generation, KrateName, ProvenanceRow, Sha256, SourceSummary,
    Timestamp, Tone, Verdict, VersionNum,
};

/// A release whose archive is the promised one and whose source is verified.
pub(crate) fn row(name: &str, num: &str) -> ProvenanceRow {
    let name = KrateName::parse(name).unwrap();
    let at = Timestamp::from_seconds(1_787_184_000);
    ProvenanceRow {
        canonical: name.canonical(),
        name,
        num: VersionNum::parse(num).unwrap(),
        generation: Generation::FIRST,
        checksum: Sha256::from_bytes([0xab; 32]),
        published_at: Some(at),
        first_seen_at: at,
        yanked: false,
        deleted_at: None,
        checksum_state: ChecksumState::Ok,
        compressed_size: Some(10),
        unpacked_size: Some(20),
        findings: None,
        finding_codes: Vec::new(),
        source: SourceSummary {
            verdict: Verdict::Verified,
            words: "verified".to_owned(),
            repository_claimed: Some("https://example.org/o/r".to_owned()),
            repository: Some("https://example.org/o/r.git".to_owned()),
            browse_url: None,
            commit_claimed: Some("c".repeat(40)),
            commit_matched: Some("c".repeat(40)),
            tag: Some("v1.0.0".to_owned()),
            reasons: Vec::new(),
            rules: Some("verify/1".to_owned()),
        },
        advisories: AdvisorySummary {
            state: AdvisoryState::NoneKnown,
            worst_kind: None,
            worst_severity: None,
            counts: BTreeMap::new(),
            ids: Vec::new(),
            near: Vec::new(),
            db_commit: Some("d".repeat(40)),
        },
        badge: Badge { label: "provenance".to_owned(), message: "verified".to_owned(), tone: Tone::Good },
        rules: "publish/1".to_owned(),
        index_commit: None,
        checked_at: at,
        changed_at: at,
    }
}
