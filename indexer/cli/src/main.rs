//! The program `provenance`: arguments, environment, clock, log set-up, wiring. What it does is done in the other rooms.
#![doc = include_str!("../README.md")]

mod args;
mod clock;
mod commands;
mod database;
mod document;
mod opening;
mod progress;
mod random;
mod settings;
mod table;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::Args;
use crate::settings::Settings;
use crate::text::complain;

/// What a command ended with; the numbers are the contract's (design 08).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; findings are data.
    Done,
    /// Could not do all of it.
    Failed,
    /// Asked for what cannot be, as the parser of arguments says of what it knows itself.
    Misused,
    /// `verify`: a file differs, or something asks for a person.
    Differs,
    /// `verify`: there is nothing to compare with.
    NotVerifiable,
    /// `affected --deny`: something matches.
    Denied,
}

fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    net::install_crypto_provider();
    git_transport::init();
    let exit = Settings::resolve(&args, &matches).and_then(|settings| run(args, settings));
    match exit {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::from(1),
        Ok(Exit::Misused) => ExitCode::from(2),
        Ok(Exit::Differs) => ExitCode::from(3),
        Ok(Exit::NotVerifiable) => ExitCode::from(4),
        Ok(Exit::Denied) => ExitCode::from(5),
        Err(error) => {
            complain(&format!("error: {}", text::chain(&error)));
            ExitCode::from(1)
        }
    }
}

fn run(args: Args, settings: Settings) -> anyhow::Result<Exit> {
    start_log(&settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(commands::dispatch(args.command, settings));
    // Blocking work that hangs (a stalled disk) must not keep a finished program alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit
}

fn start_log(settings: &Settings) {
    let level = match settings.verbosity {
        ..0 => "error",
        0 => "warn",
        1 => "info,sqlx=warn",
        2.. => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(level);
    let colored = settings.color && text::stderr_is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(colored).with_target(false).init();
}
