//! Writing some hundred rows: facts from the store, the rule from `publish`, rows and events back.

use std::collections::HashMap;

use ::publish::{DownloadState, Facts, InspectionFacts, KnownAdvisory, MatchState, SourceState};
use schema::{ReleaseId, Step};
use store::{ArchiveState, Mark, PublishFacts, RowWrite};

use crate::database::Known;
use crate::{Engine, QueueError};

pub(crate) async fn publish(engine: &Engine, marks: &[Mark]) -> Result<(), QueueError> {
    let by_release: HashMap<ReleaseId, Mark> = marks.iter().map(|mark| (mark.release, *mark)).collect();
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let known = engine.known().await?;
    let now = engine.clock.now();
    let (mut writes, mut too_early) = (Vec::with_capacity(marks.len()), Vec::new());
    for facts in engine.store.publish_facts(&ids).await? {
        let Some(mark) = by_release.get(&facts.release.id) else { continue };
        // Matched with a later state of the advisories than is known here: not to be left out of the row.
        let Some(advisories) = match_state(&facts, known.as_deref()) else {
            too_early.push(*mark);
            continue;
        };
        let inspection = facts.inspection.as_ref().map(inspection_facts);
        let published = ::publish::publish(
            &Facts {
                release: &facts.release,
                index_commit: facts.index_commit.as_deref(),
                download: download_state(&facts),
                inspection: inspection.as_ref(),
                source: source_state(&facts),
                advisories,
                now,
            },
            facts.previous.as_ref(),
        );
        writes.push(RowWrite { mark: *mark, row: published.row, changed: published.changed });
    }
    engine.store.finish_rows(&writes, now).await?;
    if !too_early.is_empty() {
        engine.store.give_back(&too_early, Step::Publish, now).await?;
    }
    Ok(())
}

/// An outcome stands until another one takes its place: a second fetch that waits or fails makes nothing unknown.
fn download_state(facts: &PublishFacts) -> DownloadState {
    let Some(archive) = &facts.archive else {
        return match facts.open.iter().find(|open| open.step == Step::Download) {
            None => DownloadState::NotAsked,
            Some(open) => match &open.error {
                Some(reason) => DownloadState::Failed { reason: reason.clone() },
                None => DownloadState::Waiting,
            },
        };
    };
    match archive.state {
        ArchiveState::Ok => DownloadState::Ok { compressed_size: archive.size.unwrap_or_default() },
        ArchiveState::Mismatch => match archive.found {
            Some(found) => DownloadState::Mismatch { found },
            None => DownloadState::Failed { reason: "the mismatching checksum was not recorded".to_owned() },
        },
        ArchiveState::Gone => DownloadState::Gone { status: archive.http_status.unwrap_or_default() },
        ArchiveState::NoAddress => DownloadState::NoAddress,
    }
}

/// A check that was made stands while the next one waits for its day.
fn source_state(facts: &PublishFacts) -> SourceState<'_> {
    if let Some(summary) = &facts.source {
        return SourceState::Checked(summary);
    }
    match facts.open.iter().find(|open| open.step == Step::Verify) {
        None => SourceState::NotAsked,
        Some(open) if open.error.is_some() => SourceState::Failed,
        Some(_) => SourceState::Waiting,
    }
}

fn inspection_facts(row: &store::InspectionRow) -> InspectionFacts {
    InspectionFacts {
        compressed_size: row.compressed_size,
        unpacked_size: row.unpacked_size,
        findings: row.findings.clone(),
        repository: row.manifest.as_ref().and_then(|manifest| manifest.repository.clone()),
        claim: row.claim.clone(),
    }
}

/// `None`: a match that stands is of an advisory not known here. While another match is due, matches may be of one that is gone.
fn match_state(facts: &PublishFacts, known: Option<&Known>) -> Option<MatchState> {
    if facts.open.iter().any(|open| open.step == Step::Match) {
        return Some(MatchState::Waiting);
    }
    let Some(known) = known else { return facts.matches.is_empty().then_some(MatchState::NoDatabase) };
    let matches = facts.matches.iter().map(|found| {
        let advisory = known.by_id.get(&found.advisory).and_then(|at| known.advisories.get(*at))?;
        Some(KnownAdvisory {
            id: found.advisory.clone(),
            kind: advisory.facts.kind,
            score: advisory.facts.score.clone(),
            withdrawn: advisory.facts.withdrawn.is_some(),
            flags: found.flags.clone(),
        })
    });
    let matches = matches.collect::<Option<_>>()?;
    Some(MatchState::Matched { db_commit: known.state.commit.commit.clone(), matches })
}
