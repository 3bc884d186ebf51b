//! The raw arguments, as typed. What they amount to, with environment and configuration, is `settings`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use schema::Secret;

mod actions;
mod export;

pub(crate) use actions::{TokenArgs, TokenCommand, WebhookArgs, WebhookCommand};
pub(crate) use export::{AttestArgs, ExportArgs};

/// Follows the crate registry, looks inside every release, and keeps one honest row per release.
#[derive(Debug, Parser)]
#[command(name = "provenance", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags every command understands.
#[derive(Debug, ClapArgs)]
pub(crate) struct GlobalArgs {
    /// Where the tables are: sqlite:PATH, or the postgres: URL of a server [default: provenance.sqlite in the data directory]
    #[arg(long, global = true, env = "PROVENANCE_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Where archives and copies of repositories are kept [default: the XDG data directory]
    #[arg(long, global = true, env = "PROVENANCE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A TOML file with the same names as the long flags
    #[arg(long, global = true, env = "PROVENANCE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder or the bucket in which archives are kept [default: blobs in the data directory]
    #[arg(long, global = true, env = "PROVENANCE_BLOBS", value_name = "DIR|s3://BUCKET/PREFIX")]
    pub(crate) blobs: Option<String>,
    /// The index: sparse | sparse+URL | git+URL | DIR [default: sparse, as cargo resolves it]
    #[arg(long, global = true, env = "PROVENANCE_INDEX", value_name = "INDEX")]
    pub(crate) index: Option<String>,
    /// Look here first for NAME-VERSION.crate (may be given more than once)
    #[arg(long, global = true, env = "PROVENANCE_ARCHIVES", value_name = "DIR")]
    pub(crate) archives: Vec<PathBuf>,
    /// The advisory database: URL | DIR | snapshot [default: what is loaded, else the snapshot]
    #[arg(long, global = true, env = "PROVENANCE_ADVISORY_DB", value_name = "DB")]
    pub(crate) advisory_db: Option<String>,
    /// Where copies of repositories are: a TOML file whose mirror tables say from and to
    #[arg(long, global = true, env = "PROVENANCE_MIRRORS", value_name = "FILE")]
    pub(crate) mirrors: Option<PathBuf>,
    /// Sent with every request; should name a contact
    #[arg(long, global = true, env = "PROVENANCE_USER_AGENT", value_name = "TEXT")]
    pub(crate) user_agent: Option<String>,
    /// The largest archive taken, in bytes [default: 268435456]
    #[arg(long, global = true, env = "PROVENANCE_MAX_ARCHIVE_SIZE", value_name = "BYTES")]
    pub(crate) max_archive_size: Option<u64>,
    /// What copies of repositories may take on disk, in bytes; those used longest ago go first [default: 21474836480]
    #[arg(long, global = true, env = "PROVENANCE_MAX_REPOSITORIES_SIZE", value_name = "BYTES")]
    pub(crate) max_repositories_size: Option<u64>,
    /// Use no network
    #[arg(long, global = true, env = "PROVENANCE_OFFLINE")]
    pub(crate) offline: bool,
    /// Colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say less
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
    /// Say more (twice: much more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// One JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read crates from the index, fetch and inspect archives, match advisories, write rows, print them
    Index(IndexArgs),
    /// What is known of a crate or of one of its releases
    Show(ShowArgs),
    /// Why a release's row is what it is
    Explain {
        /// NAME@VER
        #[arg(value_name = "NAME@VER")]
        subject: String,
    },
    /// Which releases an advisory covers, or what covers a crate or release
    Affected(AffectedArgs),
    /// Who depends on a crate, and what that means where releases of it are affected
    Dependents(DependentsArgs),
    /// The registry at a glance: advisories with stuck dependents, crates without a safe version, malware still in use
    Scan(ScanArgs),
    /// Look inside one archive
    Inspect(InspectArgs),
    /// Compare one archive with the repository it names (exit 3: mismatch or review, 4: not verifiable)
    Verify(VerifyArgs),
    /// Bring the tables up to the head of the index, match and publish; nothing is downloaded
    Follow(FollowArgs),
    /// Follow the index for years: look, fetch, inspect, check, match and publish, until SIGTERM
    Run(RunArgs),
    /// Answer over HTTP, until SIGTERM: the API, badges, the drop-in for advisory pages
    Serve(ServeArgs),
    /// Do what is due: fetch, inspect, check, match, publish
    Work {
        /// Stop when nothing is due now
        #[arg(long)]
        until_idle: bool,
        /// Do not compare archives with the repositories they name
        #[arg(long)]
        no_source: bool,
    },
    /// What differs between two releases
    Diff {
        /// The earlier one
        #[arg(value_name = "NAME@A")]
        before: String,
        /// The later one
        #[arg(value_name = "NAME@B")]
        after: String,
    },
    /// What happened to the index since it is watched
    Changes(ChangesArgs),
    /// Everything that happened, to the index and to the rows, in the order in which it was stored
    Events {
        /// Only what came after this number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: i64,
        /// One JSON document a line; the only form there is
        #[arg(long, required = true)]
        ndjson: bool,
    },
    /// Write every crate's answer as a file: JSON, badges and OSV, for a web server that only serves files; what is there is
    /// brought up to date
    Export(ExportArgs),
    /// Make in-toto statements of what the rows say, one JSON line each; or check such lines
    Attest(AttestArgs),
    /// Who may act over HTTP
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Who is told of events over HTTP
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// How far everything is: lag, work, last success
    Status {
        /// Exit 1 when an index is behind or was not read for a while, for probes
        #[arg(long)]
        check: bool,
    },
    /// Try everything this program depends on, and say what is wrong
    Doctor,
    /// Bring the tables up to date
    Migrate {
        /// Only say what is missing; exit 1 when something is
        #[arg(long)]
        check: bool,
        /// Let this role of the server read and write rows, and make no tables: for processes that work
        #[arg(long, value_name = "ROLE", conflicts_with = "check")]
        grant_worker: Option<String>,
        /// Let this role of the server read the contract's view and nothing else
        #[arg(long, value_name = "ROLE", conflicts_with = "check")]
        grant_reader: Option<String>,
    },
    /// Try again what was given up
    Retry {
        /// Only of this crate or release
        #[arg(value_name = "NAME[@VER]")]
        subject: Option<String>,
    },
    /// Work on the advisory database itself
    Advisories {
        #[command(subcommand)]
        command: AdvisoriesCommand,
    },
    /// Make a small registry, run the pipeline on it offline, and show every state a row can have
    Demo(ServeArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct IndexArgs {
    /// Take the registry packages of a lock file
    #[arg(long, value_name = "FILE")]
    pub(crate) lockfile: Option<PathBuf>,
    /// Take a crate (its newest release) or one release (may be given more than once)
    #[arg(long = "crate", value_name = "NAME[@VER]")]
    pub(crate) krates: Vec<String>,
    /// Take every live release of the crates named by --crate
    #[arg(long)]
    pub(crate) all_versions: bool,
    /// Do not compare archives with the repositories they name
    #[arg(long)]
    pub(crate) no_source: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShowArgs {
    /// NAME or NAME@VER, in any spelling
    #[arg(value_name = "NAME[@VER]")]
    pub(crate) subject: String,
    /// As it stood at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag on the command line, and clap lets one format through"
)]
pub(crate) struct AffectedArgs {
    /// An id (RUSTSEC-…, CVE-…, GHSA-…, MAL-…), NAME or NAME@VER; may be left out where a filter is given
    #[arg(value_name = "ID|NAME[@VER]", required_unless_present_any =
        ["kind", "severity", "unscored", "has_fix", "function", "since", "before"])]
    pub(crate) query: Option<String>,
    /// Exit 5 when an advisory of this kind matches (may be given more than once)
    #[arg(long, value_name = "KIND")]
    pub(crate) deny: Vec<schema::AdvisoryKind>,
    /// As the advisory database was known at a commit (or the beginning of its id) or at the end of a day; the releases
    /// are those known now
    #[arg(long, value_name = "COMMIT|DATE")]
    pub(crate) at_db: Option<String>,
    /// A table of comma-separated values
    #[arg(long, conflicts_with = "json", group = "format")]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) only: OnlyArgs,
    /// One OSV record a line and advisory, with the list of affected versions
    #[arg(long, conflicts_with = "json", group = "format")]
    pub(crate) osv: bool,
    /// One OpenVEX document
    #[arg(long, conflicts_with = "json", group = "format")]
    pub(crate) vex: bool,
    /// One SARIF log
    #[arg(long, conflicts_with = "json", group = "format")]
    pub(crate) sarif: bool,
}

/// Which advisories and releases of an answer are wanted; what is not given does not narrow it.
#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line, and any of them may be given")]
pub(crate) struct OnlyArgs {
    /// Only advisories of this kind (may be given more than once)
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<schema::AdvisoryKind>,
    /// Only advisories of this severity or a worse one; those without a score are left out, --unscored takes them in
    #[arg(long, value_name = "WORD")]
    pub(crate) severity: Option<schema::SeverityWord>,
    /// Only advisories without a score; with --severity, those as well
    #[arg(long)]
    pub(crate) unscored: bool,
    /// Only advisories with a patched version
    #[arg(long)]
    pub(crate) has_fix: bool,
    /// Only releases in which this function is affected, by its path
    #[arg(long, value_name = "PATH")]
    pub(crate) function: Option<String>,
    /// Only advisories dated on this day or later
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// Only advisories dated before this day
    #[arg(long, value_name = "DATE")]
    pub(crate) before: Option<String>,
    /// Only releases that are neither yanked nor deleted
    #[arg(long)]
    pub(crate) live: bool,
    /// Only yanked releases; with --live or --deleted, those as well
    #[arg(long)]
    pub(crate) yanked: bool,
    /// Only releases gone from the index; with --live or --yanked, those as well
    #[arg(long)]
    pub(crate) deleted: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DependentsArgs {
    /// NAME, NAME@VER or NAME@REQ: whose dependents
    #[arg(value_name = "NAME[@REQ]")]
    pub(crate) subject: String,
    /// Only the releases this advisory covers count as affected
    #[arg(long, value_name = "ID")]
    pub(crate) advisory: Option<String>,
    /// Those exposed through others as well, each with a path that explains it
    #[arg(long)]
    pub(crate) transitive: bool,
    /// As the index was at this time
    #[arg(long, value_name = "TIME", conflicts_with = "ever")]
    pub(crate) at: Option<String>,
    /// Every release that ever required it, with the time it did, edited lines and tombstones included
    #[arg(long, conflicts_with_all = ["transitive", "advisory"])]
    pub(crate) ever: bool,
    /// A table of comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ScanArgs {
    /// Lines of each table
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// A table of comma-separated values, without a limit
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// The archive
    #[arg(value_name = "FILE.crate")]
    pub(crate) file: PathBuf,
    /// What it should be, when its file's name does not say
    #[arg(long, value_name = "NAME@VER")]
    pub(crate) expect: Option<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// An archive, or a release that is indexed
    #[arg(value_name = "FILE.crate|NAME@VER")]
    pub(crate) subject: String,
    /// Look here, whatever the manifest says: an address, or a git repository on this machine
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) repository: Option<String>,
    /// What the registry recorded of the workflow that published it: a JSON file with repository and sha1
    #[arg(long, value_name = "FILE")]
    pub(crate) trustpub: Option<PathBuf>,
}

/// Where an inspection ends.
#[derive(Debug, ClapArgs)]
pub(crate) struct LimitArgs {
    /// Entries of one archive [default: 100000]
    #[arg(long, value_name = "N")]
    pub(crate) max_entries: Option<u64>,
    /// Unpacked bytes, or 20 times the compressed ones, whichever is more [default: 536870912]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_unpacked: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FollowArgs {
    /// Stop at the head
    #[arg(long, required = true)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) index: FollowedArgs,
    /// Compare the whole index with the tables as well, and say how much differed
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) compare: bool,
    /// Only say what would change; works on a copy of the database
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How an index is followed.
#[derive(Debug, ClapArgs)]
pub(crate) struct FollowedArgs {
    /// Where the history of changes begins the first time: now | DATE | start
    #[arg(long, value_name = "WHEN", default_value = "now")]
    pub(crate) from: String,
    /// A repository that keeps the histories this index has replaced, as branches
    #[arg(long, value_name = "URL")]
    pub(crate) history: Option<String>,
    /// Believe an index that lost very many crates at once
    #[arg(long)]
    pub(crate) allow_mass_deletion: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Watch the registry packages of a lock file, on an index that is read crate by crate
    #[arg(long, value_name = "FILE", conflicts_with = "krates")]
    pub(crate) lockfile: Option<PathBuf>,
    /// Watch the crates named in a file, one a line; `#` begins a comment
    #[arg(long = "crates", value_name = "FILE")]
    pub(crate) krates: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) index: FollowedArgs,
    /// Which releases of the past are fetched as well: none | since DATE | all
    #[arg(long, value_name = "WHICH", num_args = 1..=2, default_value = "none")]
    pub(crate) backfill: Vec<String>,
    /// Seconds between two looks at the index, a tenth more or less
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) poll: u32,
    /// Seconds between two looks at the advisory database
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub(crate) advisory_poll: u32,
    /// Days between two comparisons of the whole index with the tables
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) compare_every: u32,
    /// Do not compare archives with the repositories they name
    #[arg(long)]
    pub(crate) no_source: bool,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

/// Where answers are given.
#[derive(Debug, ClapArgs)]
pub(crate) struct ListenArgs {
    /// Answer over HTTP on this address until stopped [default of serve: 127.0.0.1:8080]
    #[arg(long, env = "PROVENANCE_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Give figures for Prometheus on this address [default: nowhere]
    #[arg(long, env = "PROVENANCE_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) metrics_listen: Option<String>,
    /// The secret of those who may say that the index changed; better set in the environment than on the command line
    #[arg(long, env = "PROVENANCE_HOOK_SECRET", value_name = "SECRET", hide_env_values = true,
        value_parser = |text: &str| Ok::<_, Infallible>(Secret::new(text)))]
    pub(crate) hook_secret: Option<Secret>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ChangesArgs {
    /// Only what came after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: i64,
    /// Only of this crate
    #[arg(long = "crate", value_name = "NAME")]
    pub(crate) krate: Option<String>,
    /// One JSON document a line
    #[arg(long, conflicts_with = "json")]
    pub(crate) ndjson: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdvisoriesCommand {
    /// Bring the advisory database up to date, match and publish; the index is not read
    Follow {
        /// Where its history begins when it was not followed before: now | DATE | start
        #[arg(long, value_name = "WHEN", default_value = "now")]
        from: String,
    },
    /// The states of the advisory database that are known, oldest first
    States,
    /// What changed between two states: A..B, each a commit or a day; nothing after the dots means now
    Diff {
        /// A..B
        #[arg(value_name = "A..B")]
        range: String,
    },
    /// Write the facts-only snapshot of a checkout to stdout
    Snapshot(SnapshotArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SnapshotArgs {
    /// A checkout of the database
    #[arg(value_name = "DIR")]
    pub(crate) checkout: PathBuf,
    /// Its commit, when the folder has no history
    #[arg(long)]
    pub(crate) commit: Option<String>,
    /// The day of that commit, YYYY-MM-DD
    #[arg(long)]
    pub(crate) date: Option<String>,
}
