//! The arguments of who may act and who is told: `token` and `webhook`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use schema::{CratePattern, Scope};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and show it, once
    Create(TokenArgs),
    /// The tokens there are, without their secrets
    List,
    /// Take a token back
    Revoke {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenArgs {
    /// What it is for
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What it allows: read, recheck, advisory, yank or admin (may be given more than once)
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub(crate) scopes: Vec<Scope>,
    /// With which crates: NAME, or the beginning of names and a star (may be given more than once); none without it
    #[arg(long = "crate", value_name = "PATTERN")]
    pub(crate) crates: Vec<CratePattern>,
    /// Days until it expires
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) expires: u32,
    /// It does not expire
    #[arg(long, conflicts_with = "expires")]
    pub(crate) no_expiry: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Tell an address of events; the secret that its deliveries are signed with is shown, once
    Add(WebhookArgs),
    /// Who is told, how far each is, and what went wrong
    List,
    /// Tell an address no more
    Remove {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Go on with one that was given up, from where it was
    Resume {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WebhookArgs {
    /// Where to: an https address
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Only events of this type (may be given more than once)
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only events about these crates: NAME, or the beginning of names and a star (may be given more than once)
    #[arg(long = "crate", value_name = "PATTERN")]
    pub(crate) crates: Vec<CratePattern>,
    /// Only what happens after this number [default: from now on]
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<i64>,
    /// A file with the secret to sign with [default: a new one]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The address may be one that is not public, and http
    #[arg(long)]
    pub(crate) private: bool,
}
