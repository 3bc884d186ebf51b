//! When a failed step is tried again, and when it is given up.

use schema::{Timestamp, Verdict};
use store::{Mark, Postponed};
use verify::{RepositoryStatus, SourceCheck};

/// How often and how soon a step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// After so many failed tries a mark is dead.
    pub tries: u32,
    /// Seconds before the second try; doubled with every further one.
    pub first_pause: u32,
    /// Never longer than this, in seconds.
    pub longest_pause: u32,
    /// A job started so often without any outcome is taken to kill its process, and is given up.
    pub starts: u32,
}

impl Default for Retries {
    /// 30 s, 1 min, 2 min … 1 h: eight tries span about two hours, longer than most outages of a registry.
    fn default() -> Self {
        Self { tries: 8, first_pause: 30, longest_pause: 3600, starts: 25 }
    }
}

/// When a source is looked at again, in seconds after the check: commits that are not pushed yet are the commonest benign
/// cause of a disagreement, so soon at first; then monthly, because tags move and repositories vanish (design 04, step 13).
const RECHECKS: [i64; 4] = [10 * 60, 3600, 86_400, 7 * 86_400];
const MONTHLY: i64 = 30 * 86_400;

/// A server that did not answer is asked again soon, however often its repository was looked at before.
const UNANSWERED: i64 = 3600;

/// When a release's source is looked at again after its check number `n_before` (from 0).
#[must_use]
pub(crate) fn recheck_at(n_before: usize, check: &SourceCheck, now: Timestamp) -> Timestamp {
    use Verdict::{Verified, VerifiedEquivalent, VerifiedExceptNonbuild};
    let agrees = matches!(check.verdict, Verified | VerifiedEquivalent | VerifiedExceptNonbuild);
    let is_unanswered = check.facts.repository.status == RepositoryStatus::Timeout;
    let later = if is_unanswered { UNANSWERED } else { MONTHLY };
    now.plus_seconds(RECHECKS.get(n_before).copied().filter(|_| !agrees).unwrap_or(later))
}

impl Retries {
    /// What follows from one more failed try.
    #[must_use]
    pub fn after_failure(&self, mark: Mark, error: String, now: Timestamp) -> Postponed {
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(mark.tries).unwrap_or(u32::MAX));
        let pause = doubled.min(self.longest_pause);
        Postponed { at: now.plus_seconds(i64::from(pause)), error, dead: mark.tries + 1 >= self.tries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::ReleaseId;

    #[test]
    fn pauses_double_up_to_the_longest_and_the_last_try_is_final() {
        let retries = Retries::default();
        let now = Timestamp::from_seconds(0);
        let pauses: Vec<_> = (0..8)
            .map(|tries| {
                let mark = Mark { release: ReleaseId(1), token: 1, tries };
                let postponed = retries.after_failure(mark, "no".to_owned(), now);
                (postponed.at.as_micros() / 1_000_000, postponed.dead)
            })
            .collect();
        let expected = [30, 60, 120, 240, 480, 960, 1920, 3600];
        assert_eq!(pauses.iter().map(|(pause, _)| *pause).collect::<Vec<_>>(), expected);
        assert_eq!(pauses.iter().filter(|(_, dead)| *dead).count(), 1);
        assert!(pauses[7].1);
    }
}
