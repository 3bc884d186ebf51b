//! `provenance advisories …`: the advisory database itself, its states and what lies between them.

use std::sync::Arc;

use serde_json::json;

use super::state;
use crate::args::AdvisoriesCommand;
use crate::settings::Settings;
use crate::text::{count, say, shown};
use crate::{Exit, document, opening, progress};

mod diff;
mod snapshot;

pub(crate) async fn run(command: &AdvisoriesCommand, settings: &Settings) -> anyhow::Result<Exit> {
    match command {
        AdvisoriesCommand::Follow { from } => follow(from, settings).await,
        AdvisoriesCommand::States => states(settings).await,
        AdvisoriesCommand::Diff { range } => diff::run(range, settings).await,
        AdvisoriesCommand::Snapshot(args) => snapshot::run(args),
    }
}

async fn follow(from: &str, settings: &Settings) -> anyhow::Result<Exit> {
    let first = match from {
        "now" => queue::FirstState::Now,
        "start" => queue::FirstState::Beginning,
        date => queue::FirstState::At(state::moment(date)?),
    };
    let progress = progress::for_stderr(settings.quiet());
    let opened = opening::to_write(settings).await?;
    let (loaded, notes) = opening::follow_advisories(settings, opened.store.as_ref(), first).await?;
    for note in notes {
        progress.note(&format!("note: {note}"));
    }
    let agent = opening::agent(settings)?;
    let engine = opening::engine(settings, Arc::clone(&opened.store), agent, None, progress, None).await?;
    engine.run_rows_until_idle(&opening::stop_signal()).await?;
    let as_of = document::as_of(opened.store.as_ref()).await?;
    if settings.json {
        document::print(json!({
            "as_of": as_of, "states": loaded.states, "advisories": loaded.advisories, "changed": loaded.changed,
            "removed": loaded.removed, "quarantined": loaded.quarantined, "compared_as_a_whole": loaded.restart.is_some(),
        }));
    } else {
        say(&format!(
            "{} read: {} advisories stand, {} changed, {} removed; {} cannot be read",
            count(loaded.states, "state"),
            loaded.advisories,
            loaded.changed,
            loaded.removed,
            count(loaded.quarantined, "file"),
        ));
    }
    opened.close().await;
    Ok(Exit::Done)
}

async fn states(settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let states = opened.store.advisory_states().await?;
    if settings.json {
        let states: Vec<_> = states.iter().map(|state| &state.commit).collect();
        document::print(json!({ "states": states, "total": states.len() }));
    } else {
        for state in &states {
            say(&format!("{} {} {}", state.commit.at, state.commit.commit, shown(&state.commit.source)));
        }
    }
    Ok(Exit::Done)
}

/// Words for a moment of the database: a commit, shortened, with its day.
fn words(commit: &schema::DbCommit) -> String {
    format!("{} of {}", commit.commit.chars().take(13).collect::<String>(), commit.at.date())
}
