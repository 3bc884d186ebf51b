//! What can go wrong with the memory, by what the caller can do about it.

/// A failure of the database, never a fact about a crate.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened at all.
    #[error("cannot open the database {address}: {reason}")]
    Open {
        /// Where it should be.
        address: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "the database {address} is damaged ({reason}); move the file away and run again, the index and the archives make it anew"
    )]
    Corrupt {
        /// Which file.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// A newer program has migrated it.
    #[error(
        "the database {address} has schema version {found}, this program knows up to {known}; use the newer `provenance`"
    )]
    Newer {
        /// Which database.
        address: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file was taken from its place while it is open: what is read is of the past, what is written is lost.
    #[error(
        "the database file {address} is gone from its place ({reason}); put it back, or stop this program and begin anew"
    )]
    Gone {
        /// Which database.
        address: String,
        /// What is there instead.
        reason: &'static str,
    },
    /// No room left on the disk.
    #[error("no room left for the database {address}; free some and run again, nothing stored is lost")]
    DiskFull {
        /// Which database.
        address: String,
    },
    /// The server cannot be reached, or has cut the connection.
    #[error(
        "the database {address} is away ({reason}); nothing stored is lost, what was under way is done again when it is back"
    )]
    Away {
        /// Which database.
        address: String,
        /// What the network or the server says.
        reason: String,
    },
    /// More is asked of it than it can do now: no connection is free, a lock or a statement took too long.
    #[error(
        "the database {address} is busy ({reason}); nothing was stored by halves, try again, with fewer processes if it stays so"
    )]
    Busy {
        /// Which database.
        address: String,
        /// What the server or the pool says.
        reason: String,
    },
    /// It refuses this user, or what this user wants to do.
    #[error(
        "the database {address} refuses ({reason}); check the user, the password and what was granted (`provenance migrate --grant-worker`)"
    )]
    Denied {
        /// Which database.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// It takes no writes.
    #[error("the database {address} is read-only ({reason}); name the primary server, or ask only what reads")]
    ReadOnly {
        /// Which database.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// Another writer was quicker; read again and decide anew.
    #[error("{what} was changed by another writer")]
    Conflict {
        /// What was to be written.
        what: String,
    },
    /// A value in the database is not what this program writes there.
    #[error("the database holds an unreadable {what}: {reason}")]
    Unreadable {
        /// Which value.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// Everything else the database says.
    #[error("the database failed to {action}")]
    Query {
        /// What was tried.
        action: &'static str,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Busy { .. })
    }
}
