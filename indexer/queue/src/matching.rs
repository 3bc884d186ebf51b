//! From advisories and releases to matches, for the step that stores them and for questions about another state.

use std::collections::BTreeMap;

use advisories::{Advisory, MatchCandidate, Matcher};
use schema::{AdvisoryMatch, CanonicalName, MatchFlag, Release};
use store::StoredAdvisory;

use crate::QueueError;

/// What these advisories say of these releases. Of a number that is no SemVer nothing can be said, which is a match of
/// its own kind ([`MatchFlag::Unmatchable`]).
#[must_use]
pub fn match_releases(advisories: &[Advisory], releases: &[Release]) -> Vec<AdvisoryMatch> {
    let matcher = Matcher::new(advisories);
    by_krate(releases).iter().flat_map(|(krate, candidates)| matches_of(&matcher, krate, candidates)).collect()
}

/// The advisory as it was when it was stored.
///
/// # Errors
/// It was good then, so a refusal is a fault of ours, and no silent gap must come of it.
pub fn parsed(stored: &StoredAdvisory) -> Result<Advisory, QueueError> {
    let advisory = Advisory::parse(&stored.path, &stored.text, &stored.changed_in);
    advisory
        .map_err(|reason| QueueError::Missing(format!("the stored advisory {} is unreadable: {reason}", stored.path)))
}

fn matches_of(matcher: &Matcher<'_>, krate: &CanonicalName, candidates: &[MatchCandidate]) -> Vec<AdvisoryMatch> {
    let outcome = matcher.matches(krate, candidates);
    let unmatchable = outcome.unmatchable.iter().flat_map(|release| {
        matcher.about(krate).iter().map(|advisory| AdvisoryMatch {
            release: *release,
            advisory: advisory.facts.id.clone(),
            flags: vec![MatchFlag::Unmatchable],
        })
    });
    let unmatchable: Vec<_> = unmatchable.collect();
    outcome.matches.into_iter().chain(unmatchable).collect()
}

fn by_krate(releases: &[Release]) -> BTreeMap<CanonicalName, Vec<MatchCandidate>> {
    let mut sorted: BTreeMap<CanonicalName, Vec<MatchCandidate>> = BTreeMap::new();
    for release in releases {
        sorted.entry(release.key.name.canonical()).or_default().push(MatchCandidate {
            release: release.id,
            num: release.key.num.clone(),
            generation: release.key.generation,
            published_at: release.published_at,
            first_seen_at: release.first_seen_at,
            deleted: release.deleted_at.is_some(),
        });
    }
    sorted
}
