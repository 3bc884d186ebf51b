//! Which crates something happened to after a number of the record.

use std::collections::BTreeSet;

use anyhow::Context as _;
use schema::{CanonicalName, KrateName, Timestamp};
use serde::Deserialize;
use store::{EventRow, Store};

/// Read at once from each of the two.
const PAGE: u32 = 5_000;

/// Crates something happened to.
pub(super) struct Changed {
    pub(super) names: BTreeSet<CanonicalName>,
    /// The last thing read; `None` when there was nothing.
    pub(super) last: Option<Last>,
}

/// By what a record is known again.
#[derive(Clone, Copy)]
pub(super) struct Last {
    pub(super) seq: i64,
    pub(super) at: Timestamp,
}

/// Changes of the index and events of the rows share their numbers. A full page of the one may be followed by more of its
/// kind, so beyond its end the other must wait.
pub(super) async fn after(store: &dyn Store, seq: i64) -> anyhow::Result<Changed> {
    let changes = store.changes(seq, None, PAGE).await?;
    let events = store.events(seq, PAGE).await?;
    let full_changes = changes.last().filter(|_| changes.len() == PAGE as usize).map(|row| row.seq);
    let full_events = events.last().filter(|_| events.len() == PAGE as usize).map(|row| row.seq);
    let until = full_changes.into_iter().chain(full_events).min().unwrap_or(i64::MAX);
    let mut names = BTreeSet::new();
    let mut last: Option<Last> = None;
    let mut note = |seq: i64, at: Timestamp| {
        if last.is_none_or(|last| last.seq < seq) {
            last = Some(Last { seq, at });
        }
    };
    for row in changes.iter().filter(|row| row.seq <= until) {
        names.extend(row.change.name.as_ref().map(KrateName::canonical));
        note(row.seq, row.change.at);
    }
    for event in events.iter().filter(|event| event.seq <= until) {
        names.extend(name_of(event)?);
        note(event.seq, event.at);
    }
    Ok(Changed { names, last })
}

/// The last number there is, and what stands there; `None` before anything happened.
pub(super) async fn head(store: &dyn Store, from: i64) -> anyhow::Result<Option<Last>> {
    let (mut head, mut seq) = (None, from);
    while let Some(last) = after(store, seq).await?.last {
        (head, seq) = (Some(last), last.seq);
    }
    Ok(head)
}

/// What stands at a number.
pub(super) async fn at(store: &dyn Store, seq: i64) -> anyhow::Result<Option<Timestamp>> {
    let change = store.changes(seq - 1, None, 1).await?.pop().filter(|row| row.seq == seq).map(|row| row.change.at);
    if change.is_some() {
        return Ok(change);
    }
    Ok(store.events(seq - 1, 1).await?.pop().filter(|event| event.seq == seq).map(|event| event.at))
}

fn name_of(event: &EventRow) -> anyhow::Result<Option<CanonicalName>> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
    }
    let named: Named =
        serde_json::from_str(&event.payload).with_context(|| format!("read the stored event {}", event.seq))?;
    Ok(named.name.and_then(|name| KrateName::parse(&name).ok()).map(|name| name.canonical()))
}
