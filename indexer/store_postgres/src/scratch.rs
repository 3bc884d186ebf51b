//! Databases for tests and benches: found or started, cloned from a template, and dropped when nobody holds them any more.
//! Behind the feature `scratch`; the product has none of it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::StoreError;
use tokio::sync::Mutex;

use crate::PostgresStore;

/// Begins the name of every database made here; then come the process that made it and a count.
const PREFIX: &str = "provenance_test";
/// A server that listens here lets us in without a password, or is not used.
const USUAL: [&str; 2] = ["postgres://127.0.0.1:5432/postgres", "postgres://postgres@127.0.0.1:5432/postgres"];
/// The user nobody: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
/// Starts the server, cuts it off and starts it again at every line, and ends it when the standard input ends, which it does
/// however this process dies.
const WATCH: &str = "start() { \"$@\" >>log 2>&1 & server=$!; echo started; }; start \"$@\"; \
     while read -r line; do kill -QUIT $server; wait $server; start \"$@\"; done; \
     kill -INT $server; wait $server; rm -rf \"$PWD\"";

/// A server with a template of an empty database that is up to date.
pub struct Server {
    admin: String,
    template: String,
    count: AtomicU32,
    cluster: Option<std::sync::Mutex<Cluster>>,
}

/// One database, dropped with this.
pub struct Database {
    server: Arc<Server>,
    name: String,
}

/// A private server in a folder of its own.
struct Cluster {
    watcher: Child,
}

impl Server {
    /// The server that all tests of this process share, by the rules of [`Server::find`]. The last test to end takes its
    /// template from a server of others; one of our own ends with the process.
    ///
    /// # Errors
    /// As [`Server::find`].
    pub async fn shared(named: Option<&str>, folders: &[PathBuf]) -> Result<Option<Arc<Self>>, StoreError> {
        static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        static OWN: OnceLock<Arc<Server>> = OnceLock::new();
        let mut held = SHARED.lock().await;
        if let Some(server) = held.upgrade() {
            return Ok(Some(server));
        }
        let found = Self::find(named, folders).await?;
        if let Some(server) = &found {
            *held = Arc::downgrade(server);
            if server.cluster.is_some() {
                OWN.get_or_init(|| Arc::clone(server));
            }
        }
        Ok(found)
    }

    /// The server named, else one of our own from the programs in `folders`, which need not be careful with its files and is
    /// many times quicker for it, else the usual one on this machine. `None`: there is none.
    ///
    /// # Errors
    /// When the server named cannot be used, or ours cannot be started.
    pub async fn find(named: Option<&str>, folders: &[PathBuf]) -> Result<Option<Arc<Self>>, StoreError> {
        if let Some(url) = named {
            return Self::prepare(url.to_owned(), None).await.map(Some);
        }
        if let Some(server) = Self::own(folders).await? {
            return Ok(Some(server));
        }
        for url in USUAL {
            if may_create(url).await {
                return Self::prepare(url.to_owned(), None).await.map(Some);
            }
        }
        Ok(None)
    }

    /// One of our own from the programs in `folders`, shared with nobody. `None`: they are not there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn own(folders: &[PathBuf]) -> Result<Option<Arc<Self>>, StoreError> {
        let Some(programs) = folders.iter().find(|folder| folder.join("initdb").is_file()) else { return Ok(None) };
        let (cluster, url) = Cluster::start(programs).await?;
        Self::prepare(url, Some(cluster)).await.map(Some)
    }

    /// Cuts off a server of our own, as a crash does, and starts it again; does not wait until it answers.
    ///
    /// # Errors
    /// When it is another one, or cannot be started.
    pub fn restart(&self) -> Result<(), StoreError> {
        let Some(cluster) = &self.cluster else {
            return Err(cannot_start(std::io::Error::other("this server is not ours to restart")));
        };
        cluster.lock().unwrap_or_else(PoisonError::into_inner).restart().map_err(cannot_start)
    }

    /// A fresh database, up to date and empty.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(self: &Arc<Self>) -> Result<Database, StoreError> {
        self.make(&format!("TEMPLATE {}", self.template)).await
    }

    /// A fresh database without any tables.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn bare_database(self: &Arc<Self>) -> Result<Database, StoreError> {
        self.make("TEMPLATE template0 ENCODING 'UTF8'").await
    }

    async fn make(self: &Arc<Self>, how: &str) -> Result<Database, StoreError> {
        let name = format!("{}_{}", self.template, self.count.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} {how}")).await?;
        Ok(Database { server: Arc::clone(self), name })
    }

    async fn prepare(admin: String, cluster: Option<Cluster>) -> Result<Arc<Self>, StoreError> {
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let n = SERVERS.fetch_add(1, Ordering::Relaxed);
        let template = format!("{PREFIX}_{}_{n}", std::process::id());
        let server = Self { admin, template, count: AtomicU32::new(0), cluster: cluster.map(std::sync::Mutex::new) };
        server.drop_left_behind().await?;
        server.execute(&format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", server.template)).await?;
        PostgresStore::open(&server.url_of(&server.template)).await?.close().await;
        Ok(Arc::new(server))
    }

    /// What test processes of this machine left behind that were killed.
    async fn drop_left_behind(&self) -> Result<(), StoreError> {
        let mut connection = connected(&self.admin).await?;
        let names: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1")
            .bind(format!("{PREFIX}%"))
            .fetch_all(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)?;
        for name in names {
            let process = name.split('_').nth(2).unwrap_or_default();
            if !Path::new("/proc").join(process).exists() {
                self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, statement: &str) -> Result<(), StoreError> {
        execute(&self.admin, statement).await
    }

    /// What cannot be dropped now is dropped by the next run.
    fn drop_database(&self, name: &str) {
        let _ = execute_now(&self.admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    fn url_of(&self, database: &str) -> String {
        let (place, parameters) = self.admin.split_once('?').map_or((self.admin.as_str(), None), |(a, b)| (a, Some(b)));
        let server = place.rsplit_once('/').map_or(place, |(server, _)| server);
        match parameters {
            Some(parameters) => format!("{server}/{database}?{parameters}"),
            None => format!("{server}/{database}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drop_database(&self.template);
    }
}

impl Database {
    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// Its address for another user, who is asked for no password.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        let url = self.url();
        let (scheme, place) = url.split_once("://").unwrap_or(("postgres", &url));
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        format!("{scheme}://{role}@{place}")
    }

    /// Runs a statement in it, in this role.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn execute_as(&self, role: &str, statement: &str) -> Result<(), StoreError> {
        execute_now(&self.url_as(role), statement)
    }

    /// Runs a statement in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn execute(&self, statement: &str) -> Result<(), StoreError> {
        execute_now(&self.url(), statement)
    }
}

impl Database {
    /// Moves its tables into a new folder, on another disk perhaps. For a server of our own, and while nobody is connected.
    ///
    /// # Errors
    /// When the folder cannot be made, or the server refuses.
    pub fn move_to(&self, folder: &Path) -> Result<(), StoreError> {
        fs::create_dir(folder).map_err(cannot_start)?;
        if is_root().map_err(cannot_start)? {
            chown(folder, Some(NOBODY), Some(NOBODY)).map_err(cannot_start)?;
        }
        let (admin, name) = (&self.server.admin, &self.name);
        execute_now(admin, &format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display()))?;
        execute_now(admin, &format!("ALTER DATABASE {name} SET TABLESPACE {name}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.drop_database(&self.name);
    }
}

impl Cluster {
    async fn start(programs: &Path) -> Result<(Self, String), StoreError> {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        let n = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("provenance-postgres-{}-{n}", std::process::id()));
        let data = folder.join("data");
        fs::create_dir_all(&data).map_err(cannot_start)?;
        let is_root = is_root().map_err(cannot_start)?;
        if is_root {
            for folder in [&folder, &data] {
                chown(folder, Some(NOBODY), Some(NOBODY)).map_err(cannot_start)?;
            }
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&folder);
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let made = command(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .map_err(cannot_start)?;
        if !made.status.success() {
            return Err(cannot_start(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned())));
        }
        let watcher = command(Path::new("/bin/sh"))
            .args(["-c", WATCH, "sh"])
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "synchronous_commit=off"])
            .args(["-c", "full_page_writes=off", "-c", "max_connections=200"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What ends this process's group must not end whoever cleans up after it.
            .process_group(0)
            .spawn()
            .map_err(cannot_start)?;
        let mut cluster = Self { watcher };
        cluster.hear().map_err(cannot_start)?;
        let url = format!("postgres://postgres@localhost/postgres?host={}", folder.display());
        for _ in 0..200 {
            if may_create(&url).await {
                return Ok((cluster, url));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(cannot_start(std::io::Error::other("it does not answer")))
    }

    fn restart(&mut self) -> io::Result<()> {
        if let Some(told) = self.watcher.stdin.as_mut() {
            told.write_all(b"again\n")?;
        }
        self.hear()
    }

    fn hear(&mut self) -> io::Result<()> {
        self.watcher.stdout.as_mut().map_or(Ok(()), |said| said.read_exact(&mut [0; "started\n".len()]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

async fn execute(url: &str, statement: &str) -> Result<(), StoreError> {
    let mut connection = connected(url).await?;
    connection.execute(AssertSqlSafe(statement.to_owned())).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// The same from where nothing can wait.
fn execute_now(url: &str, statement: &str) -> Result<(), StoreError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
            runtime.block_on(execute(url, statement))
        });
        thread.join().unwrap_or_else(|_| Err(cannot_start(std::io::Error::other("the thread panicked"))))
    })
}

fn is_root() -> io::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

async fn may_create(url: &str) -> bool {
    let Ok(mut connection) = PgConnection::connect(url).await else { return false };
    let may = sqlx::query_scalar("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&mut connection)
        .await
        .unwrap_or_default();
    // An answer is all that was wanted of it.
    let _ = connection.close().await;
    may
}

async fn connected(url: &str) -> Result<PgConnection, StoreError> {
    PgConnection::connect(url).await.map_err(failed)
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Query { action: "make a database for a test", source: Box::new(source) }
}

fn cannot_start(source: std::io::Error) -> StoreError {
    StoreError::Query { action: "start a server for a test", source: Box::new(source) }
}
