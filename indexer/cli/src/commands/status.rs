//! `provenance status`: how far everything is, what waits, what was given up and why.

use schema::{Clock as _, Timestamp};
use serde_json::{Value, json};
use serve::{Known, ServeOptions, Troubles};
use store::SourceState;

use super::{quarantine, webhook};
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell, number};
use crate::text::{complain, count, say, shown};
use crate::{Exit, document, opening};

mod latency;

/// So much of the quarantine is shown here.
const SHOWN: usize = 5;

pub(crate) async fn run(check: bool, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    // Read first, and judged as it is shown: what is said to be read has everything that came of it in the counts below.
    let known = Known::read(store).await?;
    let (sources, as_of) = (&known.sources, document::as_of_known(&known));
    let [krates, releases, live, dependencies] = store.totals().await?;
    let (work, dead) = (store.counts().await?, store.dead().await?);
    let (quarantined, rows) = (store.quarantined().await?, store.row_counts().await?);
    let webhooks = store.webhooks().await?;
    let now = SystemClock.now();
    let latency = latency::measured(store, now).await?;
    let troubles = Troubles::judge(&known, ServeOptions::default().advisories_stale, now);
    let exit = if check && !troubles.is_ready() { Exit::Failed } else { Exit::Done };
    if settings.json {
        let sources: Vec<_> = sources.iter().map(|source| source_json(source, now)).collect();
        let work: Vec<_> = work
            .iter()
            .map(|count| json!({ "step": count.step, "waiting": count.waiting, "retrying": count.retrying, "dead": count.dead }))
            .collect();
        let dead: Vec<_> = dead
            .iter()
            .map(|mark| json!({ "name": mark.key.name, "num": mark.key.num, "step": mark.step, "tries": mark.tries, "error": mark.error }))
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|(verdict, state, n)| json!({ "verdict": verdict, "advisory_state": state, "rows": n }))
            .collect();
        document::print(json!({
            "as_of": as_of, "ready": troubles.is_ready(), "stale": !troubles.all().is_empty(), "troubles": troubles.all(), "latency": latency.as_json(),
            "crates": krates, "releases": releases, "live_releases": live, "dependencies": dependencies,
            "sources": sources, "work": work, "dead": dead, "rows": rows, "quarantined": quarantined.len(),
            "quarantine": quarantined.iter().map(quarantine::as_json).collect::<Vec<_>>(),
            "webhooks": webhooks.iter().map(webhook::as_json).collect::<Vec<_>>(),
        }));
        return Ok(exit);
    }
    say(&format!("{krates} crates, {releases} releases ({live} live), {dependencies} dependencies"));
    for source in sources {
        say(&source_words(source, now));
    }
    if let Some(words) = latency.words() {
        say(&words);
    }
    say(&document::as_of_words(&as_of, now));
    let mut table = table::table(settings.color, &["step", "waiting", "of these failed before", "given up"]);
    for count in &work {
        table.add_row([cell(count.step.as_str()), number(count.waiting), number(count.retrying), number(count.dead)]);
    }
    say(&if work.is_empty() { "nothing is due".to_owned() } else { format!("\n{}", table.trim_fmt()) });
    for mark in &dead {
        let error = shown(mark.error.as_deref().unwrap_or("no reason recorded"));
        say(&format!("given up: {} of {} after {} tries: {error}", mark.step, mark.key, mark.tries));
    }
    for row in webhooks.iter().filter(|row| row.progress.last_error.is_some()) {
        say(&format!("webhook {} to {}: {}", row.id, shown(&row.webhook.url), webhook::state_words(row)));
    }
    if !quarantined.is_empty() {
        say(&format!("{} cannot be read:", count(quarantined.len(), "line or file")));
        for bad in quarantined.iter().take(SHOWN) {
            say(&quarantine::words(bad));
        }
        if quarantined.len() > SHOWN {
            say("       … and more; `provenance doctor` lists them all");
        }
    }
    for trouble in &troubles.index {
        complain(&format!("not ready: {}", shown(trouble)));
    }
    for trouble in &troubles.advisories {
        complain(&format!("stale: {}", shown(trouble)));
    }
    Ok(exit)
}

fn source_json(source: &SourceState, now: Timestamp) -> Value {
    json!({
        "address": source.address, "download": source.download, "commit": source.cursor_commit,
        "commit_at": source.cursor_at, "head": source.head_commit, "looked_at": source.looked_at,
        "behind_since": source.behind_since, "lag_seconds": lag_seconds(source, now),
        "complete_since": source.complete_since, "compared_at": source.compared_at, "drift": source.drift,
        "last_success_at": source.last_success_at, "last_error": source.last_error,
    })
}

/// How old the answers are at the least: since the cursor is behind, or else since the last look that succeeded.
fn lag_seconds(source: &SourceState, now: Timestamp) -> Option<i64> {
    let since = source.behind_since.or(source.last_success_at)?;
    Some((now.as_micros() - since.as_micros()).max(0) / 1_000_000)
}

fn source_words(source: &SourceState, now: Timestamp) -> String {
    let place = match (source.last_success_at, source.behind_since) {
        (None, _) => "never read to its end".to_owned(),
        (Some(at), None) => format!("at its head, read {at}"),
        (Some(at), Some(since)) => format!("behind its head since {since}, read to its end {at}"),
    };
    let lag = lag_seconds(source, now).map(|lag| format!(" ({lag} s ago)")).unwrap_or_default();
    let compared = match (source.compared_at, source.drift) {
        (Some(at), Some(0)) => format!("; compared as a whole {at}, nothing was missed"),
        (Some(at), Some(drift)) => format!("; compared as a whole {at}: {drift} changes had been missed"),
        _ => String::new(),
    };
    let error = source.last_error.as_ref().map(|error| format!("; last failure: {}", shown(error)));
    format!("index {}: {place}{lag}{compared}{}", shown(&source.address), error.unwrap_or_default())
}
