//! One file per command: ask the rooms, print the answer.

mod advisories;
mod affected;
mod attest;
mod attribution;
mod changes;
mod demo;
mod dependents;
mod diff;
mod doctor;
mod events;
mod explain;
mod export;
mod follow;
mod followed;
mod index;
mod inspect;
mod migrate;
mod quarantine;
mod retry;
mod run;
mod scan;
mod serve;
mod show;
mod state;
mod status;
mod subject;
mod token;
mod verify;
mod webhook;
mod work;

use crate::Exit;
use crate::args::Command;
use crate::settings::Settings;

/// Runs a command.
pub(crate) async fn dispatch(command: Command, settings: Settings) -> anyhow::Result<Exit> {
    match command {
        Command::Index(args) => index::run(&args, &settings).await,
        Command::Show(args) => show::run(&args, &settings).await,
        Command::Explain { subject } => explain::run(&subject, &settings).await,
        Command::Affected(args) => affected::run(&args, &settings).await,
        Command::Dependents(args) => dependents::run(&args, &settings).await,
        Command::Scan(args) => scan::run(&args, &settings).await,
        Command::Inspect(args) => inspect::run(&args, &settings),
        Command::Verify(args) => verify::run(&args, &settings).await,
        Command::Follow(args) => follow::run(&args, &settings).await,
        Command::Run(args) => run::run(args, &settings).await,
        Command::Serve(args) => serve::run(&args, &settings).await,
        Command::Work { until_idle, no_source } => work::run(until_idle, no_source, &settings).await,
        Command::Diff { before, after } => diff::run(&before, &after, &settings).await,
        Command::Events { after, .. } => events::run(after, &settings).await,
        Command::Changes(args) => changes::run(&args, &settings).await,
        Command::Export(args) => export::run(&args, &settings).await,
        Command::Attest(args) => attest::run(&args, &settings).await,
        Command::Token { command } => token::run(&command, &settings).await,
        Command::Webhook { command } => webhook::run(&command, &settings).await,
        Command::Status { check } => status::run(check, &settings).await,
        Command::Doctor => doctor::run(&settings).await,
        Command::Migrate { check, grant_worker, grant_reader } => {
            migrate::run(check, grant_worker.as_deref(), grant_reader.as_deref(), &settings).await
        }
        Command::Retry { subject } => retry::run(subject.as_deref(), &settings).await,
        Command::Advisories { command } => advisories::run(&command, &settings).await,
        Command::Demo => demo::run(&settings).await,
    }
}
