//! The row itself: every column from the facts, and what a new commit with an old answer leaves untouched.

use std::collections::BTreeMap;

use schema::{
    AdvisoryState, AdvisorySummary, Badge, ChecksumState, FindingCode, Findings, ProvenanceRow, Severity,
    SourceSummary, Tone, Verdict,
};

use crate::{DownloadState, Facts, InspectionFacts, RULES, SourceState, advisories, badge};

/// The row that should stand, and whether it says anything new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The row.
    pub row: ProvenanceRow,
    /// Whether it differs from the one before in more than the time of the check and the commits; only then is it an event.
    pub changed: bool,
}

/// Writes the row of one release.
///
/// Each part of the row keeps the commit that last changed it: a newer commit with an equal answer rewrites nothing but
/// `checked_at` (design 01, "As of").
#[must_use]
pub fn publish(facts: &Facts<'_>, previous: Option<&ProvenanceRow>) -> Published {
    let mut row = written_anew(facts);
    let Some(previous) = previous else {
        return Published { row, changed: true };
    };
    if row.advisories
        == (AdvisorySummary { db_commit: row.advisories.db_commit.clone(), ..previous.advisories.clone() })
    {
        row.advisories.db_commit.clone_from(&previous.advisories.db_commit);
    }
    if index_part(&row) == index_part(previous) {
        row.index_commit.clone_from(&previous.index_commit);
    }
    let unchanged = row == ProvenanceRow { checked_at: row.checked_at, changed_at: row.changed_at, ..previous.clone() };
    if unchanged {
        row.changed_at = previous.changed_at;
    }
    Published { row, changed: !unchanged }
}

/// The row as it must be shown while its release waits for another match: that nothing is known is then not known.
///
/// What covers it still stands; only an answer that might have changed for the worse becomes `pending`.
#[must_use]
pub fn awaiting_match(mut row: ProvenanceRow) -> ProvenanceRow {
    if row.advisories.state == AdvisoryState::NoneKnown {
        row.advisories.state = AdvisoryState::Pending;
        row.badge = badge::badge(&row);
    }
    row
}

fn written_anew(facts: &Facts<'_>) -> ProvenanceRow {
    let release = facts.release;
    let mut row = ProvenanceRow {
        name: release.key.name.clone(),
        canonical: release.key.name.canonical(),
        num: release.key.num.clone(),
        generation: release.key.generation,
        checksum: release.checksum,
        published_at: release.published_at,
        first_seen_at: release.first_seen_at,
        yanked: release.yanked,
        deleted_at: release.deleted_at,
        checksum_state: checksum_state(&facts.download),
        compressed_size: compressed_size(facts),
        unpacked_size: facts.inspection.map(|inspection| inspection.unpacked_size),
        findings: facts.inspection.map(|inspection| by_severity(&inspection.findings)),
        finding_codes: finding_codes(facts),
        source: source(facts),
        advisories: advisories::summary(&facts.advisories),
        badge: Badge { label: String::new(), message: String::new(), tone: Tone::Neutral },
        rules: RULES.to_owned(),
        index_commit: facts.index_commit.map(str::to_owned),
        checked_at: facts.now,
        changed_at: facts.now,
    };
    row.badge = badge::badge(&row);
    row
}

/// The columns that come from the index.
fn index_part(row: &ProvenanceRow) -> impl PartialEq {
    (
        (row.name.clone(), row.num.clone(), row.generation, row.checksum),
        (row.published_at, row.first_seen_at, row.yanked, row.deleted_at),
    )
}

fn checksum_state(download: &DownloadState) -> ChecksumState {
    match download {
        DownloadState::NotAsked => ChecksumState::Unchecked,
        DownloadState::Waiting => ChecksumState::Pending,
        DownloadState::Failed { .. } => ChecksumState::Error,
        DownloadState::Ok { .. } => ChecksumState::Ok,
        DownloadState::Mismatch { .. } => ChecksumState::Mismatch,
        DownloadState::Gone { .. } => ChecksumState::Gone,
        DownloadState::NoAddress => ChecksumState::NoAddress,
    }
}

fn compressed_size(facts: &Facts<'_>) -> Option<u64> {
    match facts.download {
        DownloadState::Ok { compressed_size } => Some(compressed_size),
        _ => facts.inspection.map(|inspection| inspection.compressed_size),
    }
}

/// Findings counted but not kept are taken to be as severe as the worst kept one of their code.
fn by_severity(findings: &Findings) -> BTreeMap<Severity, u32> {
    let mut counts: BTreeMap<Severity, u64> = BTreeMap::new();
    for finding in findings.kept() {
        *counts.entry(finding.severity).or_default() += 1;
    }
    for (code, severity) in worst_of_each_code(findings) {
        let kept = findings.kept().iter().filter(|finding| finding.code == code).count() as u64;
        let total = findings.totals().get(&code).copied().unwrap_or(kept);
        *counts.entry(severity).or_default() += total.saturating_sub(kept);
    }
    counts.into_iter().map(|(severity, n)| (severity, u32::try_from(n).unwrap_or(u32::MAX))).collect()
}

fn finding_codes(facts: &Facts<'_>) -> Vec<String> {
    let mut codes = facts.inspection.map(|inspection| worst_of_each_code(&inspection.findings)).unwrap_or_default();
    if let DownloadState::Mismatch { .. } = facts.download {
        codes.insert(FindingCode::CksumMismatch, Severity::High);
    }
    let mut codes: Vec<_> = codes.into_iter().map(|(code, severity)| (severity, code)).collect();
    codes.sort_unstable();
    codes.into_iter().map(|(_, code)| code.to_string()).collect()
}

/// Severities are declared from worst to mildest, so the least value is the worst.
fn worst_of_each_code(findings: &Findings) -> BTreeMap<FindingCode, Severity> {
    let mut worst = BTreeMap::new();
    for finding in findings.kept() {
        let severity = worst.entry(finding.code).or_insert(finding.severity);
        *severity = finding.severity.min(*severity);
    }
    worst
}

fn source(facts: &Facts<'_>) -> SourceSummary {
    match facts.source {
        SourceState::Checked(summary) => summary.clone(),
        SourceState::NotAsked => without_check(facts.inspection, Verdict::Unchecked, "Not checked yet"),
        SourceState::Waiting => without_check(facts.inspection, Verdict::Pending, "Waiting to be checked"),
        SourceState::Failed => {
            without_check(facts.inspection, Verdict::Error, "Could not be checked, it is tried again")
        }
    }
}

fn without_check(inspection: Option<&InspectionFacts>, verdict: Verdict, words: &str) -> SourceSummary {
    SourceSummary {
        verdict,
        words: words.to_owned(),
        repository_claimed: inspection.and_then(|inspection| inspection.repository.clone()),
        repository: None,
        browse_url: None,
        commit_claimed: inspection.and_then(|inspection| inspection.claim.as_ref()).map(|claim| claim.sha1.clone()),
        commit_matched: None,
        tag: None,
        reasons: Vec::new(),
        rules: None,
    }
}
