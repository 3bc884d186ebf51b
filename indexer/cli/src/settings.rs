//! What the arguments amount to: flags before environment before the configuration file before defaults, each with its origin.
//! The only place that reads the environment.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ArgMatches;
use clap::parser::ValueSource;
use download::S3Options;
use schema::Secret;
use serde::Deserialize;

use crate::args::{Args, Color};
use crate::database::DatabaseAddress;
use crate::text::stdout_is_terminal;

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    File,
    Default,
}

/// Everything a command needs to know about how it was called.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) database: Setting<DatabaseAddress>,
    pub(crate) data_dir: Setting<PathBuf>,
    pub(crate) blobs: Setting<Option<String>>,
    pub(crate) s3: S3Options,
    pub(crate) attest_key: Option<Secret>,
    pub(crate) registry_token: Option<Secret>,
    pub(crate) registry_api: Option<String>,
    pub(crate) index: Setting<String>,
    pub(crate) archives: Setting<Vec<PathBuf>>,
    pub(crate) advisory_db: Setting<Option<String>>,
    pub(crate) mirrors: Setting<Option<PathBuf>>,
    pub(crate) user_agent: Setting<Option<String>>,
    pub(crate) max_archive_size: Setting<u64>,
    pub(crate) max_repositories_size: Setting<u64>,
    pub(crate) offline: Setting<bool>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) color: bool,
    pub(crate) json: bool,
    pub(crate) verbosity: i16,
}

/// Higher than any archive the registry takes today.
const MAX_ARCHIVE_SIZE: u64 = 256 << 20;

/// The configuration file: the long flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ConfigFile {
    database: Option<String>,
    data_dir: Option<PathBuf>,
    blobs: Option<String>,
    index: Option<String>,
    archives: Option<Vec<PathBuf>>,
    advisory_db: Option<String>,
    mirrors: Option<PathBuf>,
    user_agent: Option<String>,
    max_archive_size: Option<u64>,
    max_repositories_size: Option<u64>,
    offline: Option<bool>,
}

impl Settings {
    /// Works out every setting.
    pub(crate) fn resolve(args: &Args, matches: &ArgMatches) -> anyhow::Result<Self> {
        let global = &args.global;
        let config = global.config.clone().or_else(default_config);
        let file = config.as_deref().map(read_config).transpose()?.unwrap_or_default();
        let origin = |name: &str| origin_of(matches, name);

        let data_dir = pick(global.data_dir.clone(), origin("data_dir"), file.data_dir, default_data_dir);
        let database = pick(global.database.clone(), origin("database"), file.database, || {
            format!("sqlite:{}", data_dir.value.join("provenance.sqlite").display())
        });
        let archives = Some(global.archives.clone()).filter(|archives| !archives.is_empty());
        let offline = Some(true).filter(|_| global.offline);
        Ok(Self {
            database: Setting { value: DatabaseAddress::parse(&database.value)?, origin: database.origin },
            data_dir,
            blobs: optional(global.blobs.clone(), origin("blobs"), file.blobs),
            s3: s3_options(),
            attest_key: secret("PROVENANCE_ATTEST_KEY"),
            registry_token: secret("PROVENANCE_REGISTRY_TOKEN"),
            registry_api: variable("PROVENANCE_REGISTRY_API").and_then(|value| value.into_string().ok()),
            index: pick(global.index.clone(), origin("index"), file.index, || "sparse".to_owned()),
            archives: pick(archives, origin("archives"), file.archives, Vec::new),
            advisory_db: optional(global.advisory_db.clone(), origin("advisory_db"), file.advisory_db),
            mirrors: optional(global.mirrors.clone(), origin("mirrors"), file.mirrors),
            user_agent: optional(global.user_agent.clone(), origin("user_agent"), file.user_agent),
            max_archive_size: pick(global.max_archive_size, origin("max_archive_size"), file.max_archive_size, || {
                MAX_ARCHIVE_SIZE
            }),
            max_repositories_size: pick(
                global.max_repositories_size,
                origin("max_repositories_size"),
                file.max_repositories_size,
                || verify::DEFAULT_MAX_BYTES,
            ),
            offline: pick(offline, origin("offline"), file.offline, || false),
            config,
            color: match global.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => stdout_is_terminal() && variable("NO_COLOR").is_none(),
            },
            json: global.json,
            verbosity: i16::from(global.verbose) - i16::from(global.quiet),
        })
    }

    pub(crate) fn quiet(&self) -> bool {
        self.verbosity < 0
    }
}

fn pick<T>(given: Option<T>, origin: Origin, in_file: Option<T>, default: impl FnOnce() -> T) -> Setting<T> {
    match (given, in_file) {
        (Some(value), _) => Setting { value, origin },
        (None, Some(value)) => Setting { value, origin: Origin::File },
        (None, None) => Setting { value: default(), origin: Origin::Default },
    }
}

fn optional<T>(given: Option<T>, origin: Origin, in_file: Option<T>) -> Setting<Option<T>> {
    pick(given.map(Some), origin, in_file.map(Some), || None)
}

/// Global flags stand before or after the command; clap keeps their source with whichever it was.
fn origin_of(matches: &ArgMatches, name: &str) -> Origin {
    let of = |matches: &ArgMatches| match matches.value_source(name) {
        Some(ValueSource::CommandLine) => Some(Origin::Flag),
        Some(ValueSource::EnvVariable) => Some(Origin::Environment),
        _ => None,
    };
    let in_command = matches.subcommand().and_then(|(_, matches)| of(matches));
    of(matches).or(in_command).unwrap_or(Origin::Default)
}

fn read_config(path: &Path) -> anyhow::Result<ConfigFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the configuration {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("read the configuration {}", path.display()))
}

fn default_config() -> Option<PathBuf> {
    Some(xdg("XDG_CONFIG_HOME", ".config")?.join("provenance/config.toml")).filter(|path| path.is_file())
}

fn default_data_dir() -> PathBuf {
    xdg("XDG_DATA_HOME", ".local/share").map_or_else(|| PathBuf::from(".provenance"), |base| base.join("provenance"))
}

/// A base directory by the XDG rule: the variable when it is an absolute path, else a folder in the home directory.
fn xdg(name: &str, in_home: &str) -> Option<PathBuf> {
    let named = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(PathBuf::from(variable("HOME")?).join(in_home)))
}

/// The variables that every S3 client reads.
fn s3_options() -> S3Options {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    S3Options {
        endpoint: text("AWS_ENDPOINT_URL_S3").or_else(|| text("AWS_ENDPOINT_URL")),
        region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
        access_key_id: text("AWS_ACCESS_KEY_ID"),
        secret_access_key: secret("AWS_SECRET_ACCESS_KEY"),
        session_token: secret("AWS_SESSION_TOKEN"),
    }
}

fn secret(name: &str) -> Option<Secret> {
    variable(name).and_then(|value| value.into_string().ok()).map(Secret::new)
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
    let value = std::env::var_os(name);
    value.filter(|value| !value.is_empty())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "configuration file",
            Self::Default => "default",
        })
    }
}
