//! Who is alive: each process that takes deliveries holds one connection with an advisory lock on its number. The server
//! frees the lock when the process dies, however it dies, and what was delivered to that number is free for the others.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::{Mutex, MutexGuard};

use crate::SESSION;

/// First half of the lock's key; the number of the process is the other one. "prov" in ASCII; the view `living_process`
/// looks for it.
const LOCKS: i32 = 0x7072_6f76;

/// The same for repositories: "repo", and a hash of the repository's key. Two with one hash wait for each other, no worse.
const REPOSITORIES: i32 = 0x7265_706f;

/// No statement on this connection takes longer, by far; the server itself ends one that waits for a lock long before.
const SILENCE: Duration = Duration::from_mins(1);

/// How long leaving may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// This process among those that share the database; it joins when it takes its first delivery.
pub(crate) struct Membership {
    options: PgConnectOptions,
    member: Mutex<Option<Member>>,
}

/// Its number, valid as long as the connection stands.
pub(crate) struct Member {
    pub(crate) number: i32,
    pub(crate) connection: PgConnection,
}

impl Membership {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, member: Mutex::new(None) }
    }

    /// Runs `work` with this process's number on its own connection. A failure ends the membership: what was delivered
    /// to the old number is delivered anew, and tokens fence what is finished twice.
    pub(crate) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Member) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut held = self.joined().await?;
        let Some(member) = held.as_mut() else { return Err(sqlx::Error::WorkerCrashed) };
        let outcome = answered(work(member)).await;
        if outcome.is_err() {
            *held = None;
        }
        outcome
    }

    /// Takes the lock on a repository; whoever holds it loses it with this connection.
    pub(crate) async fn lock(&self, repository: &str) -> Result<bool, sqlx::Error> {
        self.with(async |member| {
            sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
                .bind(REPOSITORIES)
                .bind(repository)
                .fetch_one(&mut member.connection)
                .await
        })
        .await
    }

    /// Frees it; a lock that went with an earlier connection is free already.
    pub(crate) async fn unlock(&self, repository: &str) -> Result<(), sqlx::Error> {
        self.with(async |member| {
            sqlx::query(
                "SELECT pg_advisory_unlock($1, hashtext($2)) FROM pg_locks
                 WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = $1::bigint::oid
                 AND objid = (hashtext($2)::bigint & 4294967295)::oid LIMIT 1",
            )
            .bind(REPOSITORIES)
            .bind(repository)
            .execute(&mut member.connection)
            .await
        })
        .await
        .map(drop)
    }

    async fn joined(&self) -> Result<MutexGuard<'_, Option<Member>>, sqlx::Error> {
        let mut held = self.member.lock().await;
        if held.is_none() {
            *held = Some(answered(join(&self.options)).await?);
        }
        Ok(held)
    }

    /// How its connection is made.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Leaves; the lock is free when this returns, or the server does not answer and finds that out for itself.
    pub(crate) async fn end(&self) {
        let ended = async {
            if let Some(member) = self.member.lock().await.take() {
                // A connection that cannot be closed is dead already.
                let _ = member.connection.close().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, ended).await;
    }
}

/// What the server answers in time. A machine that is gone without a word never does, and nothing tells its clients.
async fn answered<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(SILENCE, work).await.unwrap_or_else(|_| {
        let silent = format!("no answer in {} seconds", SILENCE.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent)))
    })
}

async fn join(options: &PgConnectOptions) -> Result<Member, sqlx::Error> {
    let mut connection = connect(options).await?;
    loop {
        let number: i32 =
            sqlx::query_scalar("SELECT nextval('worker_number')::integer").fetch_one(&mut connection).await?;
        // Numbers come around: one that is held belongs to somebody who has lived for very long.
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)")
            .bind(LOCKS)
            .bind(number)
            .fetch_one(&mut connection)
            .await?;
        if is_ours {
            return Ok(Member { number, connection });
        }
    }
}

/// A connection outside of the pool.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(SESSION).await?;
    Ok(connection)
}

/// The encoding of the database; closes the connection.
pub(crate) async fn encoding(mut connection: PgConnection) -> Result<String, sqlx::Error> {
    let encoding = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(encoding)
}
