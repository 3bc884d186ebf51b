//! The row's advisory part: which of the four answers it is, and what exactly covers the release.

use std::collections::BTreeMap;

use schema::{AdvisoryId, AdvisoryState, AdvisorySummary, SeverityWord};

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
    let by_id = |near: bool| -> BTreeMap<&AdvisoryId, &KnownAdvisory> {
        let standing = matches.iter().filter(|known| !known.withdrawn && known.is_near() == near);
        standing.map(|known| (&known.id, known)).collect()
    };
    let affecting = by_id(false);
    let near = by_id(true).into_keys().filter(|id| !affecting.contains_key(id)).cloned().collect();
    let mut counts = BTreeMap::new();
    for known in affecting.values() {
        *counts.entry(known.kind).or_insert(0) += 1;
    }
    AdvisorySummary {
        state: if affecting.is_empty() { AdvisoryState::NoneKnown } else { AdvisoryState::Affected },
        // Kinds are declared from worst to mildest.
        worst_kind: counts.keys().next().copied(),
        worst_severity: affecting.values().map(|known| severity(known)).max_by_key(|word| badness(*word)),
        counts,
        ids: affecting.into_keys().cloned().collect(),
        near,
        db_commit: Some(db_commit.to_owned()),
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
