//! A home for the program: its own folder, a clean environment, and its answers as values.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fixtures::{AdvisoryBuilder, CrateFile, World};
use serde_json::Value;
use store_postgres::scratch::{Database, Server};

use crate::databases::{self, Kind, Memory};

/// A temporary home in which the program runs.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    server_database: Option<Arc<Database>>,
    /// In whose name the server is used, when not in the owner's.
    role: Option<String>,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let server_database = (databases::kind() == Kind::Postgres).then(databases::demanded_postgres);
        Self { folder: tempfile::tempdir().unwrap(), server_database, role: None }
    }

    /// One whose database is on a server, whatever the run is about; `None`: there is none.
    pub(crate) fn on_server() -> Option<Self> {
        let database = databases::postgres()?;
        Some(Self { folder: tempfile::tempdir().unwrap(), server_database: Some(Arc::new(database)), role: None })
    }

    /// One whose database is on a server of its own.
    pub(crate) fn on_own_server() -> Option<(Self, Arc<Server>)> {
        let (server, database) = databases::own_postgres()?;
        Some((
            Self { folder: tempfile::tempdir().unwrap(), server_database: Some(Arc::new(database)), role: None },
            server,
        ))
    }

    /// Moves the tables of a database on a server of its own into a new folder.
    pub(crate) fn move_database(&self, folder: &Path) {
        self.server_database.as_ref().unwrap().move_to(folder).unwrap();
    }

    /// One whose database is a file in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: tempfile::tempdir_in(folder).unwrap(), server_database: None, role: None }
    }

    /// Another home of the same database on a server, entered in this role.
    pub(crate) fn in_role(&self, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..self.beside() }
    }

    /// Runs a statement in its database on a server; what the server says when it refuses.
    pub(crate) fn try_execute(&self, statement: &str) -> Result<(), String> {
        let database = self.server_database.as_ref().unwrap();
        let outcome = match &self.role {
            None => database.execute(statement),
            Some(role) => database.execute_as(role, statement),
        };
        outcome.map_err(|error| format!("{error}: {}", std::error::Error::source(&error).unwrap()))
    }

    /// Another home of the same database, as on another machine.
    pub(crate) fn beside(&self) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server_database: self.server_database.clone(), role: None }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the file is, when the database is one.
    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("data/provenance/provenance.sqlite")
    }

    /// Whether nothing was ever stored.
    pub(crate) fn is_untouched(&self) -> bool {
        match self.server_database {
            None => !self.database().exists(),
            Some(_) => self.json(&["status"])["crates"] == 0,
        }
    }

    /// Whether there is something to read.
    pub(crate) fn has_database(&self) -> bool {
        self.server_database.is_some() || self.database().exists()
    }

    /// Forgets everything that is stored.
    pub(crate) fn forget_everything(&mut self) {
        if self.server_database.is_some() {
            self.server_database = Some(databases::demanded_postgres());
            return;
        }
        for file in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{file}", self.database().display()));
        }
    }

    /// Its database, opened beside the program.
    pub(crate) async fn memory(&self) -> Memory {
        match &self.server_database {
            None => Memory::in_file(&self.database()).await,
            Some(database) => Memory::on_server(database).await,
        }
    }

    /// Runs a statement in its database; `false`: there is nothing on this machine to run it with.
    pub(crate) fn execute(&self, statement: &str) -> bool {
        if let Some(database) = &self.server_database {
            database.execute(statement).unwrap();
            return true;
        }
        let Ok(output) = Command::new("sqlite3").arg(self.database()).arg(statement).output() else { return false };
        assert!(output.status.success(), "{output:?}");
        true
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_bytes(name, text.as_bytes())
    }

    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provenance"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .current_dir(self.path())
            .stdin(Stdio::null());
        if let Some(database) = &self.server_database {
            let url = self.role.as_ref().map_or_else(|| database.url(), |role| database.url_as(role));
            command.env("PROVENANCE_DATABASE", url);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finished(&mut self.command(args))
    }

    /// Runs the program, wants exit 0 and one JSON document of the contract's version.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<_> = args.iter().copied().chain(["--json"]).collect();
        let run = self.run(&args);
        assert_eq!(run.code, Some(0), "{args:?}\n{}", run.stderr);
        run.document()
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Run {
    /// The one document on stdout.
    pub(crate) fn document(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(document["schema_version"], 1);
        document
    }
}

pub(crate) fn finished(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An honest archive.
pub(crate) fn archive(name: &str, num: &str) -> Vec<u8> {
    CrateFile::honest(name, num).build().unwrap()
}

/// Two crates with three releases and one advisory; `alpha` 1.0.0 is vulnerable, 1.1.0 is the way out.
pub(crate) fn small_world() -> World {
    World::new()
        .publish("alpha", "1.0.0", "2026-08-01T00:00:00Z", archive("alpha", "1.0.0"))
        .publish("alpha", "1.1.0", "2026-08-02T00:00:00Z", archive("alpha", "1.1.0"))
        .publish("beta-b", "0.1.0", "2026-08-03T00:00:00Z", archive("beta-b", "0.1.0"))
        .advisory(
            &AdvisoryBuilder::new("RUSTSEC-2026-9001", "alpha", "2026-08-05")
                .list("aliases", &["CVE-2026-90001"])
                .patched(&[">= 1.1.0"]),
        )
}

/// A lock file with these registry packages; of `(name, version, checksum)` an empty checksum is left out.
pub(crate) fn lockfile(packages: &[(&str, &str, &str)]) -> String {
    let mut text = "version = 4\n".to_owned();
    for (name, num, checksum) in packages {
        // Put together here: no code of ours holds the registry's address (tidy).
        let source = ["registry+https://github.com/rust-lang/", "crates.io-index"].concat();
        text = format!("{text}\n[[package]]\nname = \"{name}\"\nversion = \"{num}\"\nsource = \"{source}\"\n");
        if !checksum.is_empty() {
            text = format!("{text}checksum = \"{checksum}\"\n");
        }
    }
    text
}

/// Every row of these crates, without the times that differ from run to run.
pub(crate) fn rows(home: &Home, krates: &[&str]) -> Vec<Value> {
    let mut rows = Vec::new();
    for name in krates {
        let shown = home.json(&["show", name]);
        for row in shown["releases"].as_array().unwrap() {
            let mut row = row.clone();
            for time in ["first_seen_at", "checked_at", "changed_at", "deleted_at"] {
                let is_set = !row[time].is_null();
                row[time] = is_set.into();
            }
            rows.push(row);
        }
    }
    rows
}

/// Says in one line that a test is skipped, and why.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}
