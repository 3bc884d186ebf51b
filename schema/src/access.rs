//! What somebody may do, and with which crates. Nothing is allowed that is not said.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CanonicalName;
use crate::coded::coded;

coded! {
    /// A kind of deed that a token allows. None of them includes another.
    pub enum Scope {
        /// Read what only staff read: the record of what staff did.
        Read = "read",
        /// Have a release looked at again, or what was given up tried again.
        Recheck = "recheck",
        /// Say what came of looking at a finding.
        Advisory = "advisory",
        /// Yank and unyank through the registry.
        Yank = "yank",
        /// Say who is told of events.
        Admin = "admin",
    }
}

/// Which crates: one by its name in any spelling, or all whose canonical name begins with something (`tokio*`; `*` is all).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CratePattern {
    canonical: String,
    is_prefix: bool,
}

/// A text that means no crates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither the name of a crate nor the beginning of one with a `*` behind it")]
pub struct PatternError(String);

impl CratePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When no crate could ever have such a name.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let begins = name.bytes().next().is_none_or(|first| first.is_ascii_alphabetic());
        if (name.is_empty() && !is_prefix)
            || name.len() > crate::KrateName::MAX_LEN
            || !begins
            || !name.bytes().all(allowed)
        {
            return Err(PatternError(text.to_owned()));
        }
        Ok(Self { canonical: name.to_ascii_lowercase().replace('-', "_"), is_prefix })
    }

    /// Whether it means this crate.
    #[must_use]
    pub fn covers(&self, krate: &CanonicalName) -> bool {
        if self.is_prefix { krate.as_str().starts_with(&self.canonical) } else { krate.as_str() == self.canonical }
    }
}

/// Whether a token with these scopes and patterns allows a deed: the scope must be among them, and where the deed is about a
/// crate, one of the patterns must cover it.
#[must_use]
pub fn allows(scopes: &[Scope], crates: &[CratePattern], scope: Scope, krate: Option<&CanonicalName>) -> bool {
    scopes.contains(&scope) && krate.is_none_or(|krate| crates.iter().any(|pattern| pattern.covers(krate)))
}

impl fmt::Display for CratePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.canonical, if self.is_prefix { "*" } else { "" })
    }
}

impl FromStr for CratePattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for CratePattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}

impl From<CratePattern> for String {
    fn from(pattern: CratePattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KrateName;

    fn covers(pattern: &str, krate: &str) -> bool {
        CratePattern::parse(pattern).unwrap().covers(&KrateName::parse(krate).unwrap().canonical())
    }

    #[test]
    fn patterns_are_compared_on_canonical_names() {
        for (pattern, krate) in [
            ("serde-json", "Serde_JSON"),
            ("Serde_Json", "serde-json"),
            ("tokio-*", "tokio_util"),
            ("TOKIO*", "tokio"),
            ("*", "anything"),
        ] {
            assert!(covers(pattern, krate), "{pattern} covers {krate}");
        }
        for (pattern, krate) in [("serde", "serde_json"), ("tokio-*", "tokio"), ("serde_json*", "serde")] {
            assert!(!covers(pattern, krate), "{pattern} does not cover {krate}");
        }
        for text in ["", "a b", "*a", "a*b", "a**", "1a", "é*", "../*", &"a".repeat(65)] {
            assert!(CratePattern::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(CratePattern::parse("Tokio-*").unwrap().to_string(), "tokio_*");
    }

    /// Every scope against every deed, with and without the crate.
    #[test]
    fn nothing_is_allowed_that_is_not_said() {
        let (ours, theirs) =
            (KrateName::parse("ours").unwrap().canonical(), KrateName::parse("theirs").unwrap().canonical());
        let crates = [CratePattern::parse("our*").unwrap()];
        for held in Scope::ALL {
            for wanted in Scope::ALL {
                let is_held = held == wanted;
                assert_eq!(allows(&[*held], &crates, *wanted, Some(&ours)), is_held, "{held} for {wanted}");
                assert_eq!(allows(&[*held], &crates, *wanted, None), is_held, "{held} for {wanted}");
                assert!(!allows(&[*held], &crates, *wanted, Some(&theirs)), "{held} for {wanted} of another crate");
                assert!(!allows(&[*held], &[], *wanted, Some(&ours)), "{held} for {wanted} without a crate");
                assert!(!allows(&[], &crates, *wanted, Some(&ours)), "nothing for {wanted}");
            }
        }
    }
}
