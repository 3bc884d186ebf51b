//! Judging stored facts again when the rule of source checks is newer than the one that judged them: nothing is fetched.

use schema::ReleaseId;
use store::{CheckRow, HeldCheck, JudgingCursor, JudgingWrite};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use verify::{RULES, SourceCheck, is_outdated, judge_again};

use crate::blocking::blocking;
use crate::steps::summary;
use crate::{Engine, QueueError};

/// Checks judged in one transaction.
const BATCH: u32 = 200;

impl Engine {
    /// Goes through the last check of every release, from where an earlier start was interrupted. One row of the store
    /// says that there is nothing to do, which is so but for the first start of a program with a newer rule.
    pub(crate) async fn judge_stored_facts(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let Some(mut after) = starting_point(self.store.judging().await?) else { return Ok(()) };
        let mut n_judged = 0;
        while !stop.is_cancelled() {
            let held = self.store.last_checks(after, BATCH).await?;
            after = held.last().map_or(after, |last| last.release);
            let is_finished = held.len() < BATCH as usize;
            let cursor = JudgingCursor { version: RULES.to_owned(), after, is_finished };
            let now = self.clock.now();
            let write = blocking("judging stored facts", move || judged(held, cursor, now)).await?;
            n_judged += write.judged.len();
            self.store.finish_judging(&write, now).await?;
            if is_finished {
                info!(rules = RULES, judged = n_judged, "stored facts were judged again");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// `None` when the rule, or a newer one of a later program, went through everything.
fn starting_point(cursor: Option<JudgingCursor>) -> Option<ReleaseId> {
    match cursor {
        Some(cursor) if cursor.version == RULES => (!cursor.is_finished).then_some(cursor.after),
        Some(cursor) if !is_outdated(&cursor.version) => None,
        _ => Some(ReleaseId(0)),
    }
}

fn judged(held: Vec<HeldCheck>, cursor: JudgingCursor, now: schema::Timestamp) -> JudgingWrite {
    let mut write = JudgingWrite { cursor, judged: Vec::new(), unreadable: Vec::new() };
    for check in held {
        if !check.row.summary.rules.as_deref().is_none_or(is_outdated) {
            continue;
        }
        match again(&check.row, now) {
            Ok(row) => write.judged.push(HeldCheck { row, ..check }),
            Err(error) => {
                warn!(release = check.release.0, %error, "stored facts are unreadable; the source is looked at anew");
                write.unreadable.push(check.release);
            }
        }
    }
    write
}

fn again(row: &CheckRow, now: schema::Timestamp) -> Result<CheckRow, serde_json::Error> {
    let check = judge_again(serde_json::from_str::<SourceCheck>(&row.document)?);
    Ok(CheckRow {
        at: now,
        cause: "rules".to_owned(),
        repository: row.repository.clone(),
        summary: summary(&check),
        document: serde_json::to_string(&check)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_rule_starts_a_round_and_an_interrupted_one_goes_on() {
        let cursor = |version: &str, is_finished| {
            Some(JudgingCursor { version: version.to_owned(), after: ReleaseId(7), is_finished })
        };
        assert_eq!(starting_point(None), Some(ReleaseId(0)));
        assert_eq!(starting_point(cursor("verify-0", true)), Some(ReleaseId(0)));
        assert_eq!(starting_point(cursor(RULES, false)), Some(ReleaseId(7)));
        assert_eq!(starting_point(cursor(RULES, true)), None);
        assert_eq!(starting_point(cursor("verify-999", false)), None);
    }
}
