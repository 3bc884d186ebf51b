//! `provenance status`: how far everything is, what waits, what was given up and why.

use schema::Clock as _;
use serde_json::json;
use store::{Index as _, Rows as _, Work as _};

use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::table::{self, cell, number};
use crate::text::{say, shown};
use crate::{Exit, document, opening};

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    let as_of = document::as_of(store).await?;
    let [krates, releases, live, dependencies] = store.totals().await?;
    let (sources, work, dead) = (store.sources().await?, store.counts().await?, store.dead().await?);
    let (quarantined, rows) = (store.quarantined().await?, store.row_counts().await?);
    if settings.json {
        let sources: Vec<_> = sources
            .iter()
            .map(|source| {
                json!({
                    "address": source.address, "download": source.download, "commit": source.cursor_commit,
                    "last_success_at": source.last_success_at, "last_error": source.last_error,
                })
            })
            .collect();
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
            "as_of": as_of, "crates": krates, "releases": releases, "live_releases": live,
            "dependencies": dependencies, "sources": sources, "work": work, "dead": dead, "rows": rows,
            "quarantined": quarantined.len(),
        }));
        return Ok(Exit::Done);
    }
    say(&format!("{krates} crates, {releases} releases ({live} live), {dependencies} dependencies"));
    for source in &sources {
        let read = source.last_success_at.map_or_else(|| "never read to its end".to_owned(), |at| format!("read {at}"));
        let error = source.last_error.as_ref().map(|error| format!("; last failure: {}", shown(error)));
        say(&format!("index {}: {read}{}", shown(&source.address), error.unwrap_or_default()));
    }
    say(&document::as_of_words(&as_of, SystemClock.now()));
    let mut table = table::table(settings.color, &["step", "waiting", "of these failed before", "given up"]);
    for count in &work {
        table.add_row([cell(count.step.as_str()), number(count.waiting), number(count.retrying), number(count.dead)]);
    }
    say(&if work.is_empty() { "nothing is due".to_owned() } else { format!("\n{}", table.trim_fmt()) });
    for mark in &dead {
        let error = shown(mark.error.as_deref().unwrap_or("no reason recorded"));
        say(&format!("given up: {} of {} after {} tries: {error}", mark.step, mark.key, mark.tries));
    }
    if !quarantined.is_empty() {
        say(&format!("{} lines or files cannot be read; see `provenance doctor`", quarantined.len()));
    }
    Ok(Exit::Done)
}
