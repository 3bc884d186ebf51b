//! The row's advisory part: which of the four answers it is, and what exactly covers the release.

use std::collections::BTreeMap;

use schema::{AdvisoryId, AdvisoryState, AdvisorySummary, MatchFlag, SeverityWord};

use crate::facts::{KnownAdvisory, MatchState};

pub(crate) fn summary(state: &MatchState) -> AdvisorySummary {
    match state {
        MatchState::NoDatabase => nothing_said(AdvisoryState::Unknown),
        MatchState::Waiting => nothing_said(AdvisoryState::Pending),
        MatchState::Matched { db_commit, matches } => matched(db_commit, matches),
    }
}

fn nothing_said(state: AdvisoryState) -> AdvisorySummary {
    AdvisorySummary {
        state,
        worst_kind: None,
        worst_severity: None,
        counts: BTreeMap::new(),
        ids: Vec::new(),
        near: Vec::new(),
        db_commit: None,
    }
}

fn matched(db_commit: &str, matches: &[KnownAdvisory]) -> AdvisorySummary {
    // One entry per id: a match that was handed in twice is still one advisory.
    let by_id = |wanted: Cover| -> BTreeMap<&AdvisoryId, &KnownAdvisory> {
        let standing = matches.iter().filter(|known| !known.withdrawn && cover(known) == wanted);
        standing.map(|known| (&known.id, known)).collect()
    };
    let affecting = by_id(Cover::Affecting);
    let near = by_id(Cover::Near).into_keys().filter(|id| !affecting.contains_key(id)).cloned().collect();
    let mut counts = BTreeMap::new();
    for known in affecting.values() {
        *counts.entry(known.kind).or_insert(0) += 1;
    }
    let state = if !affecting.is_empty() {
        AdvisoryState::Affected
    } else if by_id(Cover::Unmatchable).is_empty() {
        AdvisoryState::NoneKnown
    } else {
        AdvisoryState::Unknown
    };
    AdvisorySummary {
        state,
        // Kinds are declared from worst to mildest.
        worst_kind: counts.keys().next().copied(),
        worst_severity: affecting.values().map(|known| severity(known)).max_by_key(|word| badness(*word)),
        counts,
        ids: affecting.into_keys().cloned().collect(),
        near,
        db_commit: Some(db_commit.to_owned()),
    }
}

/// How a match concerns the release.
#[derive(PartialEq)]
enum Cover {
    Affecting,
    /// The release it is a pre-release of is affected.
    Near,
    /// The number is no SemVer, so nothing can be said.
    Unmatchable,
}

fn cover(known: &KnownAdvisory) -> Cover {
    if known.flags.contains(&MatchFlag::Unmatchable) {
        Cover::Unmatchable
    } else if known.flags.contains(&MatchFlag::PrereleaseOfAffected) {
        Cover::Near
    } else {
        Cover::Affecting
    }
}

/// The word follows from the number alone, so that a missing number can never look harmless.
fn severity(known: &KnownAdvisory) -> SeverityWord {
    known.score.score_x10.map_or(SeverityWord::Unscored, SeverityWord::of_score_x10)
}

/// An unscored advisory may be anything, so it outweighs a low one: "low" is said only when all are known to be.
fn badness(word: SeverityWord) -> u8 {
    match word {
        SeverityWord::None => 0,
        SeverityWord::Low => 1,
        SeverityWord::Unscored => 2,
        SeverityWord::Medium => 3,
        SeverityWord::High => 4,
        SeverityWord::Critical => 5,
    }
}
