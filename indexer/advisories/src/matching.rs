//! Which releases an advisory covers, by `rustsec`'s verdict, with the flags of design 05. It knows no store and no clock.

use std::collections::HashMap;

use schema::{AdvisoryKind, AdvisoryMatch, CanonicalName, Generation, MatchFlag, ReleaseId, Timestamp, VersionNum};
use semver::Version;

use crate::Advisory;

const SECONDS_PER_DAY: i64 = 86_400;

/// What matching needs to know of a release.
#[derive(Clone, Debug)]
pub struct MatchCandidate {
    /// The release.
    pub release: ReleaseId,
    /// Its number, SemVer or not.
    pub num: VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
    /// `pubtime`, when the index says it.
    pub published_at: Option<Timestamp>,
    /// When this system first saw it.
    pub first_seen_at: Timestamp,
    /// Gone from the index.
    pub deleted: bool,
}

/// What matching some releases gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchOutcome {
    /// The matches, near ones included ([`AdvisoryMatch::is_affected`] tells them apart).
    pub matches: Vec<AdvisoryMatch>,
    /// Releases of which nothing can be said, because there is an advisory and their number is not SemVer.
    ///
    /// They are neither affected nor free of advisories, and must not be shown as either.
    pub unmatchable: Vec<ReleaseId>,
}

/// All advisories by the crate they are about: what a full re-match runs on.
#[derive(Debug)]
pub struct Matcher<'a> {
    by_krate: HashMap<&'a CanonicalName, Vec<&'a Advisory>>,
}

/// Matches one advisory against releases of its crate. A withdrawn advisory, and one of the toolchain's own, covers none.
#[must_use]
pub fn matches(advisory: &Advisory, releases: &[MatchCandidate]) -> MatchOutcome {
    if is_matchable(advisory) { match_all(&[advisory], releases) } else { MatchOutcome::default() }
}

impl<'a> Matcher<'a> {
    /// Sorts advisories by crate; withdrawn ones and those of the toolchain are left out.
    #[must_use]
    pub fn new(advisories: impl IntoIterator<Item = &'a Advisory>) -> Self {
        let mut by_krate: HashMap<_, Vec<_>> = HashMap::new();
        for advisory in advisories.into_iter().filter(|advisory| is_matchable(advisory)) {
            if let Some(krate) = &advisory.facts.krate {
                by_krate.entry(krate).or_default().push(advisory);
            }
        }
        Self { by_krate }
    }

    /// The advisories about a crate.
    #[must_use]
    pub fn about(&self, krate: &CanonicalName) -> &[&'a Advisory] {
        self.by_krate.get(krate).map_or(&[], Vec::as_slice)
    }

    /// The crates there is an advisory about.
    pub fn krates(&self) -> impl Iterator<Item = &'a CanonicalName> {
        self.by_krate.keys().copied()
    }

    /// Matches every advisory about a crate against releases of it.
    #[must_use]
    pub fn matches(&self, krate: &CanonicalName, releases: &[MatchCandidate]) -> MatchOutcome {
        match_all(self.about(krate), releases)
    }
}

fn is_matchable(advisory: &Advisory) -> bool {
    advisory.facts.krate.is_some() && advisory.facts.withdrawn.is_none()
}

fn match_all(advisories: &[&Advisory], releases: &[MatchCandidate]) -> MatchOutcome {
    let mut outcome = MatchOutcome::default();
    if advisories.is_empty() {
        return outcome;
    }
    for candidate in releases {
        match candidate.num.semver() {
            Some(version) => {
                let covering = advisories.iter().filter_map(|advisory| match_one(advisory, candidate, &version));
                outcome.matches.extend(covering);
            }
            None => outcome.unmatchable.push(candidate.release),
        }
    }
    outcome
}

fn match_one(advisory: &Advisory, candidate: &MatchCandidate, version: &Version) -> Option<AdvisoryMatch> {
    let affected = advisory.affects(version);
    let near = !affected && advisory.nearly_affects(version);
    if !affected && !near {
        return None;
    }
    let flags = [
        (MatchFlag::PrereleaseOfAffected, near),
        (MatchFlag::OpenEndedPublishedAfter, is_later_under_open_end(advisory, candidate)),
        (MatchFlag::PriorGeneration, is_about_prior_generation(advisory, candidate)),
        (MatchFlag::Deleted, candidate.deleted),
        (MatchFlag::DerivedKind, advisory.facts.kind_derived),
    ];
    let flags = flags.into_iter().filter(|(_, raised)| *raised).map(|(flag, _)| flag).collect();
    Some(AdvisoryMatch { release: candidate.release, advisory: advisory.facts.id.clone(), flags })
}

/// Only `pubtime` will do: a release first seen late may have been published early.
fn is_later_under_open_end(advisory: &Advisory, candidate: &MatchCandidate) -> bool {
    advisory.facts.kind == AdvisoryKind::Malicious
        && advisory.is_open_ended()
        && candidate.published_at.is_some_and(|published| is_after_its_day(advisory, published))
}

/// A later generation was seen to replace an earlier one, so here the time of first sight will do.
fn is_about_prior_generation(advisory: &Advisory, candidate: &MatchCandidate) -> bool {
    candidate.generation > Generation::FIRST
        && is_after_its_day(advisory, candidate.published_at.unwrap_or(candidate.first_seen_at))
}

/// Whether the instant is later than the whole day an advisory is dated: on the day itself nothing can be said.
fn is_after_its_day(advisory: &Advisory, instant: Timestamp) -> bool {
    Timestamp::parse(&advisory.facts.date).is_ok_and(|midnight| instant >= midnight.plus_seconds(SECONDS_PER_DAY))
}
