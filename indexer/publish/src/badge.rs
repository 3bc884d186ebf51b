//! The words a page shows: every fact makes its statement, the worst are said first. Nothing here ever reads "safe".

use std::cmp::Reverse;

use schema::{
    AdvisoryKind, AdvisoryState, AdvisorySummary, Badge, ChecksumState, ProvenanceRow, Severity, Tone, Verdict,
};

/// How many statements fit on a badge.
const SAID: usize = 2;

struct Statement {
    tone: Tone,
    text: String,
}

pub(crate) fn badge(row: &ProvenanceRow) -> Badge {
    let mut statements = Vec::new();
    statements.extend(about_advisories(&row.advisories));
    statements.extend(about_archive(row.checksum_state));
    statements.extend(about_source(row));
    statements.extend(about_findings(row));
    statements.extend(about_index(row));
    // Stable: of one tone, the order above is the order of weight.
    statements.sort_by_key(|statement| Reverse(statement.tone));
    let tone = statements.first().map_or(Tone::Neutral, |worst| worst.tone);
    if tone >= Tone::Caution {
        statements.retain(|statement| statement.tone > Tone::Good);
    }
    let said: Vec<String> = statements.into_iter().take(SAID).map(|statement| statement.text).collect();
    Badge { label: "provenance".to_owned(), message: said.join("; "), tone }
}

fn about_advisories(summary: &AdvisorySummary) -> Vec<Statement> {
    let answer = match summary.state {
        AdvisoryState::Pending => say(Tone::Neutral, "advisories not checked yet"),
        // Asked, and still no answer: there are advisories, and the number is none that they could name.
        AdvisoryState::Unknown if summary.db_commit.is_some() => {
            say(Tone::Caution, "advisories cannot be matched, the number is not SemVer")
        }
        AdvisoryState::Unknown => say(Tone::Neutral, "advisories unknown, no database"),
        AdvisoryState::NoneKnown => say(Tone::Good, "no advisories known"),
        AdvisoryState::Affected => affected(summary),
    };
    let near = (!summary.near.is_empty())
        .then(|| say(Tone::Caution, format!("pre-release of an affected version ({})", listed(&summary.near))));
    std::iter::once(answer).chain(near).collect()
}

fn affected(summary: &AdvisorySummary) -> Statement {
    let (tone, reported) = match summary.worst_kind {
        Some(AdvisoryKind::Malicious) => (Tone::Bad, "reported as malicious"),
        Some(AdvisoryKind::Vulnerability) => (Tone::Bad, "known vulnerability"),
        Some(AdvisoryKind::Unsound) => (Tone::Bad, "reported as unsound"),
        Some(AdvisoryKind::Notice) => (Tone::Caution, "advisory notice"),
        Some(AdvisoryKind::Unmaintained) => (Tone::Caution, "reported as unmaintained"),
        Some(AdvisoryKind::Other) | None => (Tone::Caution, "advisory of an unknown kind"),
    };
    match summary.ids.as_slice() {
        [only] => say(tone, format!("{reported} ({only})")),
        // The first id need not be the one of the worst kind, so several are counted and not named.
        several => say(tone, format!("{reported}, {} advisories", several.len())),
    }
}

fn about_archive(state: ChecksumState) -> Option<Statement> {
    Some(match state {
        ChecksumState::Ok => return None,
        ChecksumState::Mismatch => say(Tone::Bad, "archive is not the one the index promises"),
        ChecksumState::Gone => say(Tone::Neutral, "archive is no longer served"),
        ChecksumState::NoAddress => say(Tone::Neutral, "archive has no address"),
        ChecksumState::Unchecked => say(Tone::Neutral, "not checked yet"),
        ChecksumState::Pending => say(Tone::Neutral, "waiting to be checked"),
        ChecksumState::Error => say(Tone::Neutral, "archive could not be fetched, it is tried again"),
    })
}

fn about_source(row: &ProvenanceRow) -> Option<Statement> {
    let tone = match row.source.verdict {
        Verdict::Verified | Verdict::VerifiedEquivalent | Verdict::VerifiedExceptNonbuild => Tone::Good,
        Verdict::NotVerifiable | Verdict::Pending | Verdict::Error => Tone::Neutral,
        Verdict::Review => Tone::Caution,
        Verdict::Mismatch => Tone::Bad,
        // Without an archive its own statement says enough.
        Verdict::Unchecked if row.checksum_state != ChecksumState::Ok => return None,
        Verdict::Unchecked => return Some(say(Tone::Neutral, "source not checked yet")),
    };
    Some(say(tone, row.source.words.clone()))
}

fn about_findings(row: &ProvenanceRow) -> Option<Statement> {
    let high = *row.findings.as_ref()?.get(&Severity::High)?;
    let noun = if high == 1 { "finding asks" } else { "findings ask" };
    (high > 0).then(|| say(Tone::Caution, format!("{high} {noun} for a look")))
}

fn about_index(row: &ProvenanceRow) -> Option<Statement> {
    if row.deleted_at.is_some() {
        return Some(say(Tone::Caution, "deleted from the index"));
    }
    row.yanked.then(|| say(Tone::Neutral, "yanked"))
}

fn listed(ids: &[schema::AdvisoryId]) -> String {
    match ids {
        [first, others @ ..] if !others.is_empty() => format!("{first} and {} more", others.len()),
        _ => ids.iter().map(ToString::to_string).collect(),
    }
}

fn say(tone: Tone, text: impl Into<String>) -> Statement {
    Statement { tone, text: text.into() }
}
