//! What a job carries: ids, a version, and nothing that could grow stale.

use schema::{ReleaseId, Step};
use serde::{Deserialize, Serialize};
use store::Mark;

/// One delivery: a step of one release, or of some hundred where the step is quick.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Version of this envelope.
    pub(crate) v: u32,
    /// Which step.
    pub(crate) step: Step,
    /// What the process that made it knows it by.
    pub(crate) ticket: u64,
    /// Release, token and tries of each mark.
    pub(crate) marks: Vec<(i64, i64, u32)>,
}

impl Job {
    const VERSION: u32 = 2;

    pub(crate) fn new(step: Step, ticket: u64, marks: &[Mark]) -> Self {
        let marks = marks.iter().map(|mark| (mark.release.0, mark.token, mark.tries)).collect();
        Self { v: Self::VERSION, step, ticket, marks }
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mark = |(release, token, tries): &(i64, i64, u32)| Mark {
            release: ReleaseId(*release),
            token: *token,
            tries: *tries,
        };
        self.marks.iter().map(mark).collect()
    }
}
