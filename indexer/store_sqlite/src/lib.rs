//! The memory in one SQLite file: opening, migrating, locking. The statements stand in one file per noun.
#![doc = include_str!("../README.md")]

mod advisories;
mod apply;
mod checks;
mod error;
mod exposure;
mod following;
mod index;
mod jobs;
mod judging;
mod lock;
mod pages;
mod results;
mod row;
mod rows;
mod signals;
mod staff;
mod surveys;
mod webhooks;
mod work;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use store::StoreError;

pub use lock::{Lock, lock};

use crate::error::Failing;

static MIGRATIONS: Migrator = sqlx::migrate!("../../schema/migrations/sqlite");

/// How long a writer waits for another process before it says that the database is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// Pages the writer keeps in memory, in KiB. The default of 2 MiB makes a bulk load read its indexes again and again.
const WRITER_CACHE_KIB: &str = "-131072";

/// An open database.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// The file that was opened, by device and number.
    file: Option<FileNumber>,
    writer: SqlitePool,
    readers: SqlitePool,
    /// One connection that writes nothing and stays: what it is asked is what others changed since it was asked last.
    watcher: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or made, is no database, is damaged, or belongs to a newer program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path, true).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens an existing file whose tables are up to date, without touching it.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and when the file does not exist or is older than this program.
    pub async fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(path, false).await?;
        let pending = store.pending_migrations().await?;
        if pending.is_empty() {
            return Ok(store);
        }
        Err(StoreError::Open {
            address: store.address(),
            reason: format!("{} migrations are missing; run `provenance migrate`", pending.len()),
        })
    }

    /// Names of the migrations that are not applied yet to an existing file, which is not touched.
    ///
    /// # Errors
    /// When the database cannot be read or is newer than this program.
    pub async fn missing_migrations(path: &Path) -> Result<Vec<String>, StoreError> {
        let store = Self::connect(path, false).await?;
        let pending = store.pending_migrations().await;
        store.close().await;
        pending
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let table = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
        let known: i64 =
            sqlx::query_scalar(table).fetch_one(&self.readers).await.failing_on(self, "read its tables")?;
        let applied: Vec<i64> = if known == 0 {
            Vec::new()
        } else {
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
                .fetch_all(&self.readers)
                .await
                .failing_on(self, "read its migrations")?
        };
        if let Some(newest) = applied.last().filter(|version| !MIGRATIONS.version_exists(**version)) {
            return Err(self.newer(*newest));
        }
        let pending = MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version));
        Ok(pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes every connection, so that the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.watcher.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        // A reader leaves the file as it is; the journal's kind is kept in it.
        let options = if create { options.journal_mode(SqliteJournalMode::Wal) } else { options };
        let failed = |source: sqlx::Error| error::opening(path, &source);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone().pragma("cache_size", WRITER_CACHE_KIB))
            .await
            .map_err(failed)?;
        let options = options.create_if_missing(false);
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.clone()).await.map_err(failed)?;
        let watcher = SqlitePoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        Ok(Self { path: path.to_owned(), file: file_number(path), writer, readers, watcher })
    }

    /// Whether the file that is open is still the one at its place. SQLite would go on with a deleted one, and never say so.
    fn must_be_in_place(&self) -> Result<(), StoreError> {
        let reason = match file_number(&self.path) {
            now if now == self.file => return Ok(()),
            None => "there is no file",
            Some(_) => "there is another file",
        };
        Err(StoreError::Gone { address: self.address(), reason })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        match MIGRATIONS.run(&self.writer).await {
            Ok(()) => Ok(()),
            Err(MigrateError::VersionMissing(found)) => Err(self.newer(found)),
            Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
                Err(error::mapped(self, "bring its tables up to date", source))
            }
            Err(other) => Err(StoreError::Query { action: "bring its tables up to date", source: Box::new(other) }),
        }
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.must_be_in_place()?;
        self.writer.begin_with("BEGIN IMMEDIATE").await.failing_on(self, "begin a transaction")
    }

    async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        transaction.commit().await.failing_on(self, "commit a transaction")
    }

    fn newer(&self, found: i64) -> StoreError {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        StoreError::Newer { address: self.address(), found, known }
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
}

/// What a file is, whatever it is called.
type FileNumber = (u64, u64);

#[cfg(unix)]
fn file_number(path: &Path) -> Option<FileNumber> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere a file that is open cannot be deleted.
#[cfg(not(unix))]
fn file_number(path: &Path) -> Option<FileNumber> {
    std::fs::metadata(path).ok().map(|_| (0, 0))
}
