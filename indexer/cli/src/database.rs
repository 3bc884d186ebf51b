//! Which database: a file of ours, or a PostgreSQL server. Its address is shown without its password, everywhere.

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;
use serde::{Serialize, Serializer};

/// The address of a database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseAddress {
    /// A file; the embedded default.
    Sqlite(PathBuf),
    /// A server, by a URL that may hold a password.
    Postgres(String),
}

impl DatabaseAddress {
    /// Reads what `--database` says. What cannot be read is not repeated: it may hold a password.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        if store_postgres::is_postgres(url) {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))),
            _ => {
                let scheme = url.split_once(':').map_or("without a scheme", |(scheme, _)| scheme);
                bail!("the database address ({scheme}) is neither sqlite:PATH nor postgres://USER@HOST/DATABASE")
            }
        }
    }
}

/// As it may be shown.
impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&store_postgres::without_password(url)),
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DatabaseAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseAddress;

    #[test]
    fn a_password_is_neither_shown_nor_repeated() {
        let address = DatabaseAddress::parse("postgres://me:secret@host/db").unwrap();
        for text in [address.to_string(), format!("{address:?}"), serde_json::to_string(&address).unwrap()] {
            assert!(text.contains("me@host/db") && !text.contains("secret"), "{text}");
        }
        let refused = DatabaseAddress::parse("mysql://me:secret@host/db").unwrap_err().to_string();
        assert!(refused.contains("mysql") && !refused.contains("secret"), "{refused}");
        assert_eq!(DatabaseAddress::parse("sqlite:///a/b").unwrap(), DatabaseAddress::Sqlite("/a/b".into()));
        assert!(DatabaseAddress::parse("sqlite:").is_err());
    }
}
