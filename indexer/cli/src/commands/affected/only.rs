//! Which part of an answer is wanted: the filters of `affected`.

use std::collections::HashSet;

use advisories::Advisory;
use anyhow::Context as _;
use schema::{AdvisoryFacts, AdvisoryId, Release, SeverityWord, Timestamp};

use super::Answer;
use crate::args::OnlyArgs;

/// Leaves out what was not asked for.
pub(super) fn narrow(answer: &mut Answer, only: &OnlyArgs) -> anyhow::Result<()> {
    let day = |text: &Option<String>| text.as_deref().map(Timestamp::parse).transpose();
    let since = day(&only.since).context("read --since")?;
    let before = day(&only.before).context("read --before")?;
    let wanted = |facts: &AdvisoryFacts| {
        (only.kind.is_empty() || only.kind.contains(&facts.kind))
            && is_severe(facts.score.severity, only)
            && (!only.has_fix || !facts.patched.is_empty())
            && (since.is_none() && before.is_none() || is_dated(facts, since, before))
            && only.function.as_ref().is_none_or(|path| facts.functions.contains_key(path))
    };
    answer.advisories.retain(|stored| wanted(&stored.facts));
    let kept: HashSet<AdvisoryId> = answer.advisories.iter().map(|stored| stored.facts.id.clone()).collect();
    answer.rows.retain(|row| kept.contains(&row.found.advisory));
    answer.rows.retain(|row| has_state(&row.release, only));
    if let Some(path) = &only.function {
        keep_function(answer, path)?;
    }
    Ok(())
}

/// Of the states named any will do; a release may be both yanked and deleted.
fn has_state(release: &Release, only: &OnlyArgs) -> bool {
    let is_deleted = release.deleted_at.is_some();
    let none_named = !only.live && !only.yanked && !only.deleted;
    none_named
        || (only.live && !release.yanked && !is_deleted)
        || (only.yanked && release.yanked)
        || (only.deleted && is_deleted)
}

/// The words are declared from worst to mildest, and `unscored` is no severity.
fn is_severe(severity: SeverityWord, only: &OnlyArgs) -> bool {
    match only.severity {
        _ if severity == SeverityWord::Unscored => only.unscored || only.severity.is_none(),
        Some(mildest) => severity <= mildest,
        None => !only.unscored,
    }
}

fn is_dated(facts: &AdvisoryFacts, since: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    let dated = Timestamp::parse(&facts.date);
    dated.is_ok_and(|at| since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before))
}

/// A function's own requirements are cut to the version's verdict (`Advisory::affected_functions`).
fn keep_function(answer: &mut Answer, path: &str) -> anyhow::Result<()> {
    let advisories = answer.advisories.iter().map(queue::parsed).collect::<Result<Vec<Advisory>, _>>()?;
    answer.rows.retain(|row| {
        let version = row.release.key.num.semver();
        let advisory = advisories.iter().find(|advisory| advisory.facts.id == row.found.advisory);
        advisory.zip(version).is_some_and(|(advisory, version)| advisory.affected_functions(&version).contains(&path))
    });
    Ok(())
}
