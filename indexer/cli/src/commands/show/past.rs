//! A crate's rows as they stood at a time: the index's part rebuilt from the record of changes, the rest as it was told then.

use anyhow::Context as _;
use schema::{
    AdvisoryState, Badge, ChecksumState, Clock as _, IndexLine, Past, ProvenanceRow, Release, Timestamp, Verdict,
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{ChangeRow, Store};

use super::unwritten;
use crate::clock::SystemClock;
use crate::commands::subject::Subject;

/// Changes read at once.
const PAGE: u32 = 10_000;

/// What an event told of a row.
#[derive(Deserialize)]
struct Said {
    checksum_state: ChecksumState,
    verdict: Verdict,
    advisory_state: AdvisoryState,
    badge: Badge,
}

/// The rows of the releases that were there at `at`, deleted ones included. What nobody had looked at by then is
/// `unchecked` and `pending`, whatever is known of it now.
pub(super) async fn rows_at(store: &dyn Store, subject: &Subject, at: Timestamp) -> anyhow::Result<Vec<ProvenanceRow>> {
    let releases = subject.releases(store).await?;
    let changes = changes_of(store, subject).await?;
    let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
    let said: std::collections::HashMap<_, _> = store.said(&ids, at).await?.into_iter().collect();
    let mut rows = Vec::new();
    for release in &releases {
        let mine = changes.iter().filter(|row| row.release == Some(release.id));
        let mine: Vec<_> = mine.map(|row| row.change.clone()).collect();
        let Some(past) = Past::of(release, &mine, at) else { continue };
        let mut row = unwritten(&as_it_stood(release, past), SystemClock.now());
        if let Some(payload) = said.get(&release.id) {
            let said: Said = serde_json::from_str(payload).context("read what a row said then")?;
            row.checksum_state = said.checksum_state;
            row.source.verdict = said.verdict;
            row.advisories.state = said.advisory_state;
            row.badge = said.badge;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// A row of the past as JSON: what an event told of it, and `null` for what it did not tell, which is no fact of that time.
pub(super) fn as_told(row: &ProvenanceRow) -> Value {
    let mut row = json!(row);
    for field in ["checked_at", "changed_at", "finding_codes", "findings", "compressed_size"] {
        null(&mut row, field);
    }
    if let Some(Value::Object(source)) = row.get_mut("source") {
        source.iter_mut().filter(|(field, _)| *field != "verdict").for_each(|(_, value)| *value = Value::Null);
    }
    if let Some(Value::Object(advisories)) = row.get_mut("advisories") {
        advisories.iter_mut().filter(|(field, _)| *field != "state").for_each(|(_, value)| *value = Value::Null);
    }
    row
}

fn null(row: &mut Value, field: &str) {
    if let Some(value) = row.get_mut(field) {
        *value = Value::Null;
    }
}

async fn changes_of(store: &dyn Store, subject: &Subject) -> anyhow::Result<Vec<ChangeRow>> {
    let (mut changes, mut after) = (Vec::new(), 0);
    loop {
        let page = store.changes(after, Some(&subject.name.canonical()), PAGE).await?;
        let Some(last) = page.last() else { return Ok(changes) };
        after = last.seq;
        changes.extend(page);
    }
}

fn as_it_stood(release: &Release, past: Past) -> Release {
    let line = IndexLine::parse(&past.line).ok();
    Release {
        yanked: line.as_ref().map_or(release.yanked, |line| line.yanked),
        published_at: line.as_ref().map_or(release.published_at, |line| line.published_at),
        deleted_at: past.deleted_at,
        line: past.line,
        ..release.clone()
    }
}
