//! `provenance events`: changes of the index and events of the rows as one feed, by the number they share.

use anyhow::Context as _;
use serde_json::{Value, json};
use store::{EventRow, FeedRow};

use super::changes::as_json;
use crate::settings::Settings;
use crate::text::say;
use crate::{Exit, opening};

/// Read at once; a list may be long.
const PAGE: u32 = 1000;

pub(crate) async fn run(after: i64, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let mut after = after;
    loop {
        let feed = opened.store.feed(after, PAGE).await?;
        let Some(last) = feed.last() else { return Ok(Exit::Done) };
        after = last.seq();
        for row in &feed {
            let document = match row {
                FeedRow::Change(change) => as_json(change),
                FeedRow::Event(event) => event_json(event)?,
            };
            say(&document.to_string());
        }
    }
}

fn event_json(event: &EventRow) -> anyhow::Result<Value> {
    let payload: Value =
        serde_json::from_str(&event.payload).with_context(|| format!("read the stored event {}", event.seq))?;
    let mut document = json!({ "seq": event.seq, "type": event.kind, "at": event.at });
    if let (Some(document), Value::Object(payload)) = (document.as_object_mut(), payload) {
        for (key, value) in payload {
            document.entry(key).or_insert(value);
        }
    }
    Ok(document)
}
