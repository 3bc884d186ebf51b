//! Matching some hundred releases against the advisories known now.

use std::collections::{BTreeMap, HashMap};

use advisories::{MatchCandidate, Matcher};
use schema::{AdvisoryMatch, CanonicalName, MatchFlag, Release, ReleaseId};
use store::{Mark, MatchWrite};

use crate::{Engine, QueueError};

pub(crate) async fn match_advisories(engine: &Engine, marks: &[Mark]) -> Result<(), QueueError> {
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let releases = engine.store.releases_of(&ids).await?;
    let known = engine.known().await?;
    let mut found: HashMap<ReleaseId, Vec<AdvisoryMatch>> = HashMap::new();
    if let Some(known) = &known {
        let matcher = Matcher::new(&known.advisories);
        for (krate, candidates) in by_krate(&releases) {
            collect(&matcher, &krate, &candidates, &mut found);
        }
    }
    let writes: Vec<_> = marks
        .iter()
        .map(|mark| MatchWrite { mark: *mark, matches: found.remove(&mark.release).unwrap_or_default() })
        .collect();
    engine.store.finish_matches(&writes, engine.clock.now()).await?;
    Ok(())
}

/// The matches of one crate; of a number that is no SemVer nothing can be said, which is a match of its own kind.
fn collect(
    matcher: &Matcher<'_>,
    krate: &CanonicalName,
    candidates: &[MatchCandidate],
    found: &mut HashMap<ReleaseId, Vec<AdvisoryMatch>>,
) {
    let outcome = matcher.matches(krate, candidates);
    for matched in outcome.matches {
        found.entry(matched.release).or_default().push(matched);
    }
    for release in outcome.unmatchable {
        let unmatchable = |advisory: &&advisories::Advisory| AdvisoryMatch {
            release,
            advisory: advisory.facts.id.clone(),
            flags: vec![MatchFlag::Unmatchable],
        };
        found.entry(release).or_default().extend(matcher.about(krate).iter().map(unmatchable));
    }
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
