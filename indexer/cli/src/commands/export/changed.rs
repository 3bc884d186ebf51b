//! Which crates something happened to after a number of the record.

use std::collections::BTreeSet;

use anyhow::Context as _;
use schema::{CanonicalName, KrateName, Timestamp};
use serde::Deserialize;
use store::{EventRow, FeedRow, Store};

/// Read at once.
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

/// What happened next.
pub(super) async fn after(store: &dyn Store, seq: i64) -> anyhow::Result<Changed> {
    let feed = store.feed(seq, PAGE).await?;
    let last = feed.last().map(|row| Last { seq: row.seq(), at: time(row) });
    let mut names = BTreeSet::new();
    for row in &feed {
        match row {
            FeedRow::Change(row) => names.extend(row.change.name.as_ref().map(KrateName::canonical)),
            FeedRow::Event(event) => names.extend(name_of(event)?),
        }
    }
    Ok(Changed { names, last })
}

/// What stands at a number; `None`: nothing does.
pub(super) async fn at(store: &dyn Store, seq: i64) -> anyhow::Result<Option<Timestamp>> {
    let row = store.feed(seq - 1, 1).await?.pop();
    Ok(row.filter(|row| row.seq() == seq).as_ref().map(time))
}

const fn time(row: &FeedRow) -> Timestamp {
    match row {
        FeedRow::Change(row) => row.change.at,
        FeedRow::Event(event) => event.at,
    }
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
