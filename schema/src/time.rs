//! Instants in microseconds UTC, and the clock that is handed in wherever one is needed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant, counted in microseconds since 1970-01-01T00:00:00Z; written as RFC 3339 with `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Timestamp(i64);

/// A text that names no instant.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 time such as 2026-08-20T07:15:00Z, nor a date such as 2026-08-20")]
pub struct TimeError {
    text: String,
}

/// Where the time comes from: the machine's clock in `cli`, a fixed one in tests.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Timestamp {
    /// Takes microseconds since the epoch, as the database keeps them.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Takes whole seconds since the epoch, as git keeps them.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// This instant and `seconds` more (or fewer, when negative).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Reads RFC 3339, or a plain date, which means its first instant in UTC.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let unreadable = || TimeError { text: text.to_owned() };
        let midnight = format!("{text}T00:00:00Z");
        let text = if text.len() == "2026-08-20".len() { &midnight } else { text };
        match text.parse::<jiff::Timestamp>() {
            Ok(instant) => Ok(Self(instant.as_microsecond())),
            Err(_) => Err(unreadable()),
        }
    }

    /// The date part, `2026-08-20`.
    #[must_use]
    pub fn date(self) -> String {
        let text = self.to_string();
        text.split('T').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => instant.fmt(f),
            // Beyond year 9999: shown as the number it is rather than as a wrong date.
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(instant: Timestamp) -> Self {
        instant.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_goes_round() {
        for text in ["2014-12-05T20:20:39Z", "2026-08-20T07:15:00.000001Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_date_means_its_first_instant() {
        // `date -u -d 2026-08-20 +%s` prints 1787184000.
        assert_eq!(Timestamp::parse("2026-08-20").unwrap(), Timestamp::from_seconds(1_787_184_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-08-20T07:15"] {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
    }
}
