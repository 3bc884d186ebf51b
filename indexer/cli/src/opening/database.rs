//! Opening the database: a file with its lock, or a server that many share.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use store::Store;
use store_postgres::PostgresStore;
use store_sqlite::{Lock, SqliteStore};

use crate::database::DatabaseAddress;
use crate::settings::Settings;
use crate::text::complain;

/// An open database; with its lock when it is a file to be written.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    backend: Backend,
    _lock: Option<Lock>,
}

/// The same by its kind, for what the traits leave out.
enum Backend {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Opened {
    fn sqlite(store: SqliteStore, lock: Option<Lock>) -> Self {
        Self { store: Arc::new(store.clone()), backend: Backend::Sqlite(store), _lock: lock }
    }

    fn postgres(store: PostgresStore) -> Self {
        Self { store: Arc::new(store.clone()), backend: Backend::Postgres(store), _lock: None }
    }

    /// Closes every connection, so that nothing of this process is left in the database.
    pub(crate) async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(store) => store.close().await,
            Backend::Postgres(store) => store.close().await,
        }
    }

    /// Lets roles of the server do what their work needs.
    pub(crate) async fn grant(&self, worker: Option<&str>, reader: Option<&str>) -> anyhow::Result<()> {
        match &self.backend {
            Backend::Sqlite(_) if worker.is_none() && reader.is_none() => {}
            Backend::Sqlite(_) => bail!("a file has no roles; --grant-worker and --grant-reader are for a server"),
            Backend::Postgres(store) => {
                if let Some(role) = worker {
                    store.grant_worker(role).await?;
                }
                if let Some(role) = reader {
                    store.grant_reader(role).await?;
                }
            }
        }
        Ok(())
    }

    /// Copies everything that is stored.
    pub(crate) async fn copy(&self) -> anyhow::Result<Copied> {
        match &self.backend {
            Backend::Sqlite(store) => {
                // Closed, so that all of it is in the one file.
                store.close().await;
                let folder = tempfile::tempdir().context("make a folder for a copy of the database")?;
                let path = folder.path().join("copy.sqlite");
                std::fs::copy(store.path(), &path).context("copy the database")?;
                let copy = SqliteStore::open(&path).await?;
                Ok(Copied { store: Arc::new(copy.clone()), kind: CopiedKind::Sqlite(copy, folder) })
            }
            Backend::Postgres(store) => {
                let copy = store.rehearse().await?;
                let kind = CopiedKind::Postgres { copy: copy.clone(), original: store.clone() };
                Ok(Copied { store: Arc::new(copy), kind })
            }
        }
    }
}

/// A copy to try something on.
pub(crate) struct Copied {
    pub(crate) store: Arc<dyn Store>,
    kind: CopiedKind,
}

enum CopiedKind {
    Sqlite(SqliteStore, tempfile::TempDir),
    Postgres { copy: PostgresStore, original: PostgresStore },
}

impl Copied {
    /// Drops it.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        match self.kind {
            CopiedKind::Sqlite(store, folder) => {
                store.close().await;
                folder.close().context("remove the copy of the database")
            }
            CopiedKind::Postgres { copy, original } => Ok(original.end_rehearsal(&copy).await?),
        }
    }
}

/// Opens the database to write it: a file alone, a server among others.
pub(crate) async fn to_write(settings: &Settings) -> anyhow::Result<Opened> {
    let path = match &settings.database.value {
        DatabaseAddress::Sqlite(path) => path,
        DatabaseAddress::Postgres(url) => return Ok(Opened::postgres(PostgresStore::open(url).await?)),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    let owned = path.clone();
    let lock = tokio::task::block_in_place(|| {
        store_sqlite::lock(&owned, || {
            complain("    Blocking waiting for another provenance to finish with the database");
        })
    })?;
    Ok(Opened::sqlite(SqliteStore::open(path).await?, Some(lock)))
}

/// Opens an existing database to read it.
pub(crate) async fn to_read(settings: &Settings) -> anyhow::Result<Opened> {
    match &settings.database.value {
        DatabaseAddress::Postgres(url) => Ok(Opened::postgres(PostgresStore::open_existing(url).await?)),
        DatabaseAddress::Sqlite(path) if !path.exists() => bail!(
            "there is no database at {}; `provenance index --lockfile Cargo.lock` makes one, --database names another",
            path.display()
        ),
        DatabaseAddress::Sqlite(path) => Ok(Opened::sqlite(SqliteStore::open_existing(path).await?, None)),
    }
}

/// Opens an existing database for small writes beside whoever works on it: marks, reviews, tokens, subscriptions. They deliver
/// nothing and hold nothing, so the lock of the one who delivers stays with it; SQLite lets one writer in after the other.
pub(crate) async fn to_act(settings: &Settings) -> anyhow::Result<Opened> {
    to_read(settings).await
}

/// Makes the tables of the job queue, where they are on the server, too.
pub(crate) async fn prepare_jobs(settings: &Settings, opened: &Opened) -> anyhow::Result<()> {
    match &settings.database.value {
        DatabaseAddress::Sqlite(_) => Ok(()),
        DatabaseAddress::Postgres(url) => Ok(queue::prepare_jobs(url, opened.store.as_ref()).await?),
    }
}

/// Names of the migrations that an existing database lacks.
pub(crate) async fn missing_migrations(settings: &Settings) -> anyhow::Result<Vec<String>> {
    match &settings.database.value {
        DatabaseAddress::Postgres(url) => Ok(PostgresStore::missing_migrations(url).await?),
        DatabaseAddress::Sqlite(path) => {
            anyhow::ensure!(path.exists(), "there is no database at {}", path.display());
            Ok(SqliteStore::missing_migrations(path).await?)
        }
    }
}
