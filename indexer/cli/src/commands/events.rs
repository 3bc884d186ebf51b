//! `provenance events`: changes of the index and events of the rows as one feed, by the number they share.

use std::cmp::Ordering;

use anyhow::Context as _;
use serde_json::{Value, json};
use store::EventRow;

use super::changes::as_json;
use crate::settings::Settings;
use crate::text::say;
use crate::{Exit, opening};

/// Read at once from each of the two; a list may be long.
const PAGE: u32 = 1000;

pub(crate) async fn run(after: i64, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    let mut after = after;
    loop {
        let changes = store.changes(after, None, PAGE).await?;
        let events = store.events(after, PAGE).await?;
        // A full page may be followed by more of its kind: beyond its end the other kind must wait.
        let full_changes = changes.last().filter(|_| changes.len() == PAGE as usize).map(|row| row.seq);
        let full_events = events.last().filter(|_| events.len() == PAGE as usize).map(|row| row.seq);
        let until = full_changes.into_iter().chain(full_events).min().unwrap_or(i64::MAX);
        let (mut changes, mut events) = (changes.iter().peekable(), events.iter().peekable());
        let mut last = None;
        loop {
            let order = match (changes.peek(), events.peek()) {
                (Some(change), Some(event)) => change.seq.cmp(&event.seq),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let (seq, document) = match (order, changes.peek(), events.peek()) {
                (Ordering::Less, Some(change), _) => (change.seq, as_json(change)),
                (_, _, Some(event)) => (event.seq, event_json(event)?),
                _ => break,
            };
            if seq > until {
                break;
            }
            if order == Ordering::Less {
                changes.next().map(|_| ())
            } else {
                events.next().map(|_| ())
            };
            say(&document.to_string());
            last = Some(seq);
        }
        match last {
            Some(seq) => after = seq,
            None => return Ok(Exit::Done),
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
