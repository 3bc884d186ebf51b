//! `provenance show`: every column of the contract, for all releases of a crate or those of one number.

use std::collections::HashSet;

use publish::{DownloadState, Facts, MatchState, SourceState};
use schema::{Clock as _, ProvenanceRow, Release, ReleaseId, Step, Timestamp};
use serde_json::json;
use serve::Known;
use store::Store;

use super::subject::Subject;
use crate::Exit;
use crate::args::ShowArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell, toned};
use crate::text::{complain, count, say};
use crate::{document, opening};

mod past;

pub(crate) async fn run(args: &ShowArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let subject = Subject::parse(&args.subject)?;
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    let at = args.at.as_deref().map(Timestamp::parse).transpose()?;
    let known = Known::read(store).await?;
    let (as_of, complete) = (document::as_of_known(&known), document::is_complete(&known, at));
    let rows = match at {
        None => rows_of(store, &subject).await?,
        Some(at) => past::rows_at(store, &subject, at).await?,
    };
    if settings.json {
        let releases: Vec<_> =
            rows.iter().map(|row| if at.is_some() { past::as_told(row) } else { json!(row) }).collect();
        document::print(json!({ "at": at, "as_of": as_of, "complete": complete, "releases": releases }));
        return Ok(Exit::Done);
    }
    let mut table = table::table(settings.color, &["version", "published", "archive", "source", "advisories", "says"]);
    for row in &rows {
        table.add_row([
            cell(&number_words(row)),
            cell(&row.published_at.map(Timestamp::date).unwrap_or_default()),
            cell(row.checksum_state.as_str()),
            cell(row.source.verdict.as_str()),
            // Of a time in the past the state is known, and not by which advisories.
            cell(&if at.is_some() { row.advisories.state.to_string() } else { super::index::advisory_words(row) }),
            toned(&row.badge.message, row.badge.tone),
        ]);
    }
    say(&table.trim_fmt());
    let then = at.map(|at| format!(" at {at}")).unwrap_or_default();
    say(&format!("\n{} of {}{then}", count(rows.len(), "release"), subject.name));
    if !complete {
        complain("note: not every change since then was seen, so this answer may lack some");
    }
    say(&document::as_of_words(&as_of, SystemClock.now()));
    Ok(Exit::Done)
}

/// The rows of a subject; a release whose row is not written yet gets one that says so.
pub(crate) async fn rows_of(store: &dyn Store, subject: &Subject) -> anyhow::Result<Vec<ProvenanceRow>> {
    rows_of_releases(store, &subject.releases(store).await?).await
}

/// The rows of these releases, one for each. One that waits to be matched or published anew is not said to be without advisories.
pub(crate) async fn rows_of_releases(store: &dyn Store, releases: &[Release]) -> anyhow::Result<Vec<ProvenanceRow>> {
    Ok(rows_and_waiting(store, releases).await?.0)
}

/// The same, and which of them wait.
pub(crate) async fn rows_and_waiting(
    store: &dyn Store,
    releases: &[Release],
) -> anyhow::Result<(Vec<ProvenanceRow>, HashSet<ReleaseId>)> {
    let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
    // In this order: what waits no more when it is read has its row by then.
    let waiting = waiting(store, &ids).await?;
    let mut written: std::collections::HashMap<_, _> = store.rows_of(&ids).await?.into_iter().collect();
    let row = |release: &Release| match written.remove(&release.id) {
        Some(row) if waiting.contains(&release.id) => publish::awaiting_match(row),
        Some(row) => row,
        None => unwritten(release, SystemClock.now()),
    };
    let rows = releases.iter().map(row).collect();
    Ok((rows, waiting))
}

/// Which of these releases wait to be matched or published anew.
pub(crate) async fn waiting(store: &dyn Store, releases: &[ReleaseId]) -> anyhow::Result<HashSet<ReleaseId>> {
    let mut marks = store.open_marks(releases, Step::Match).await?;
    marks.extend(store.open_marks(releases, Step::Publish).await?);
    Ok(marks.into_iter().map(|mark| mark.release).collect())
}

/// The row of a release whose first one is not written yet.
pub(crate) fn unwritten(release: &Release, now: Timestamp) -> ProvenanceRow {
    let facts = Facts {
        release,
        index_commit: None,
        download: DownloadState::NotAsked,
        inspection: None,
        source: SourceState::NotAsked,
        advisories: MatchState::Waiting,
        now,
    };
    publish::publish(&facts, None).row
}

fn number_words(row: &ProvenanceRow) -> String {
    let mut words = row.num.to_string();
    if row.generation > schema::Generation::FIRST {
        words = format!("{words} #{}", row.generation);
    }
    match row.deleted_at {
        Some(at) => format!("{words} deleted {}", at.date()),
        None if row.yanked => format!("{words} yanked"),
        None => words,
    }
}
