//! The words and looks of states. Four answers stay apart: not checked, cannot be checked, nothing known, and what is known.

use maud::{Markup, html};
use schema::{
    AdvisoryKind, AdvisoryState, AdvisorySummary, ChangeKind, ChecksumState, MatchFlag, ProvenanceRow, Severity,
    SeverityWord, Timestamp, Verdict,
};

use super::text::{release_address, shown};

/// How a state looks: colour, border and sign together, so that none of them is needed alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Looked at, and it agrees.
    Agrees,
    /// Looked at, and nothing is known: no praise.
    NothingKnown,
    /// Looked at, and it differs, or it is affected.
    Bad,
    /// Worth a look of a person.
    Caution,
    /// Nobody asked.
    NotChecked,
    /// Asked for, and not there yet.
    Waiting,
    /// Asked for, and it cannot be said.
    Cannot,
    /// We failed.
    Ours,
}

impl Look {
    const fn class(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::NothingKnown => "nothing-known",
            Self::Bad => "bad",
            Self::Caution => "caution",
            Self::NotChecked => "not-checked",
            Self::Waiting => "waiting",
            Self::Cannot => "cannot",
            Self::Ours => "ours",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Agrees => "✓",
            Self::NothingKnown => "○",
            Self::Bad => "▲",
            Self::Caution => "?",
            Self::NotChecked => "–",
            Self::Waiting => "…",
            Self::Cannot => "⊘",
            Self::Ours => "!",
        }
    }
}

/// A state in its look.
pub(super) fn chip(look: Look, words: &str) -> Markup {
    html! { span.chip.(look.class()) { span aria-hidden="true" { (look.sign()) } "\u{a0}" (shown(words)) } }
}

/// The outcome of a source check in short.
pub(super) const fn verdict_words(verdict: Verdict) -> (Look, &'static str) {
    match verdict {
        Verdict::Verified => (Look::Agrees, "verified"),
        Verdict::VerifiedEquivalent => (Look::Agrees, "verified, other commit"),
        Verdict::VerifiedExceptNonbuild => (Look::Agrees, "verified except non-build files"),
        Verdict::NotVerifiable => (Look::Cannot, "cannot be verified"),
        Verdict::Mismatch => (Look::Bad, "differs from source"),
        Verdict::Review => (Look::Caution, "needs review"),
        Verdict::Unchecked => (Look::NotChecked, "not checked"),
        Verdict::Pending => (Look::Waiting, "check waiting"),
        Verdict::Error => (Look::Ours, "our check failed"),
    }
}

/// Whether the archive is the promised one, in short.
pub(super) const fn checksum_words(state: ChecksumState) -> (Look, &'static str) {
    match state {
        ChecksumState::Ok => (Look::Agrees, "as promised"),
        ChecksumState::Mismatch => (Look::Bad, "other bytes than promised"),
        ChecksumState::Gone => (Look::Cannot, "no longer served"),
        ChecksumState::NoAddress => (Look::Cannot, "no address"),
        ChecksumState::Unchecked => (Look::NotChecked, "not checked"),
        ChecksumState::Pending => (Look::Waiting, "download waiting"),
        ChecksumState::Error => (Look::Ours, "our download failed"),
    }
}

/// What the advisory database says, in short.
pub(super) const fn advisory_words(state: AdvisoryState) -> (Look, &'static str) {
    match state {
        AdvisoryState::Pending => (Look::Waiting, "not matched yet"),
        AdvisoryState::Unknown => (Look::Cannot, "cannot be said"),
        AdvisoryState::NoneKnown => (Look::NothingKnown, "none known"),
        AdvisoryState::Affected => (Look::Bad, "affected"),
    }
}

pub(super) fn verdict(verdict: Verdict) -> Markup {
    let (look, words) = verdict_words(verdict);
    chip(look, words)
}

pub(super) fn checksum(state: ChecksumState) -> Markup {
    let (look, words) = checksum_words(state);
    chip(look, words)
}

/// What is known against a release, with the worst kind.
pub(super) fn advisories(summary: &AdvisorySummary) -> Markup {
    let (look, words) = advisory_words(summary.state);
    let words = summary.worst_kind.map_or_else(|| words.to_owned(), |kind| format!("{words}: {kind}"));
    html! {
        (chip(look, &words))
        @if !summary.near.is_empty() { " " (chip(Look::Caution, "pre-release of an affected version")) }
    }
}

/// What an advisory reports.
pub(super) fn kind(kind: AdvisoryKind) -> Markup {
    let look = match kind {
        AdvisoryKind::Malicious | AdvisoryKind::Vulnerability => Look::Bad,
        AdvisoryKind::Unsound => Look::Caution,
        AdvisoryKind::Notice | AdvisoryKind::Unmaintained | AdvisoryKind::Other => Look::NothingKnown,
    };
    chip(look, kind.as_str())
}

/// How severe an advisory is; unscored is never low.
pub(super) fn score(severity: SeverityWord) -> Markup {
    let look = match severity {
        SeverityWord::Critical | SeverityWord::High => Look::Bad,
        SeverityWord::Medium => Look::Caution,
        SeverityWord::Low | SeverityWord::None => Look::NothingKnown,
        SeverityWord::Unscored => Look::NotChecked,
    };
    chip(look, severity.as_str())
}

/// How much attention a finding or a reason asks for.
pub(super) fn severity(severity: Severity) -> Markup {
    let look = match severity {
        Severity::High => Look::Bad,
        Severity::Medium => Look::Caution,
        Severity::Low | Severity::Info => Look::NothingKnown,
    };
    chip(look, severity.as_str())
}

/// What happened to the index.
pub(super) fn change(kind: ChangeKind) -> Markup {
    let look = match kind {
        ChangeKind::ChecksumChanged | ChangeKind::VersionDeleted | ChangeKind::CrateDeleted => Look::Bad,
        ChangeKind::Yanked
        | ChangeKind::AddedYanked
        | ChangeKind::MetadataChanged
        | ChangeKind::DuplicateLine
        | ChangeKind::ConfigChanged => Look::Caution,
        ChangeKind::Added | ChangeKind::ReAdded | ChangeKind::Unyanked | ChangeKind::Squash => Look::NothingKnown,
    };
    chip(look, &spaced(kind.as_str()))
}

/// What else is to be known of a match.
pub(super) const fn flag_words(flag: MatchFlag) -> &'static str {
    match flag {
        MatchFlag::PrereleaseOfAffected => "pre-release of an affected version, not affected by the official rule",
        MatchFlag::OpenEndedPublishedAfter => "published after a malware advisory that names no end",
        MatchFlag::PriorGeneration => "the advisory is older than this archive of the number",
        MatchFlag::Deleted => "gone from the index",
        MatchFlag::DerivedKind => "the kind is derived, the database does not state it",
        MatchFlag::Unmatchable => "the version is no SemVer: nothing can be said",
    }
}

/// A code as words.
pub(super) fn spaced(code: &str) -> String {
    code.replace(['_', '-'], " ")
}

/// Yanked, deleted, and which archive of the number.
pub(super) fn standing(yanked: bool, deleted_at: Option<Timestamp>, generation: schema::Generation) -> Markup {
    html! {
        @if yanked { " " (chip(Look::Caution, "yanked")) }
        @if deleted_at.is_some() { " " (chip(Look::Bad, "deleted")) }
        @if generation > schema::Generation::FIRST { " " span.chip.plain { "archive " (generation) " of this number" } }
    }
}

/// A release's number as a link, with what became of it.
pub(super) fn release_cell(row: &ProvenanceRow) -> Markup {
    html! {
        a href=(release_address(&row.name, &row.num, Some(row.generation))) { (shown(row.num.as_str())) }
        (standing(row.yanked, row.deleted_at, row.generation))
    }
}
