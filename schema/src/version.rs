//! Version numbers as published, and the byte key that puts them in SemVer order inside a database.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A version exactly as published, build metadata included; it need not be valid SemVer, because some old ones are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct VersionNum(String);

/// A text that cannot be a version number, not even an old and odd one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No characters at all.
    #[error("a version number cannot be empty")]
    Empty,
    /// Longer than the registry allows.
    #[error("version number is {0} bytes long; the registry allows {max}", max = VersionNum::MAX_LEN)]
    TooLong(usize),
    /// White space, control characters, slashes or non-ASCII text.
    #[error("{0:?} cannot be a version number")]
    BadCharacter(String),
}

impl VersionNum {
    /// The registry's limit, in bytes.
    pub const MAX_LEN: usize = 150;

    /// Reads a published version number.
    ///
    /// # Errors
    /// When the text is empty, too long or holds anything but ASCII letters, digits, `.`, `-`, `+` and `_`.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(VersionError::TooLong(text.len()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(VersionError::BadCharacter(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The published text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number without build metadata: `0.1.2` for `0.1.2+deprecated`. Twins that differ only there exist (design 02).
    #[must_use]
    pub fn without_build(&self) -> &str {
        self.0.split('+').next().unwrap_or(&self.0)
    }

    /// The SemVer reading, or `None` for the few old versions that have none.
    #[must_use]
    pub fn semver(&self) -> Option<semver::Version> {
        semver::Version::parse(&self.0).ok()
    }

    /// The order-preserving key of this version; see [`semver_ord`].
    #[must_use]
    pub fn semver_ord(&self) -> Option<Vec<u8>> {
        self.semver().map(|version| semver_ord(&version))
    }
}

/// The byte key that sorts as SemVer precedence does, in SQLite's BLOB and PostgreSQL's bytea alike.
///
/// Per number one byte with its count of digits, then the ASCII digits. A release ends in `0x03`; each pre-release
/// identifier is tagged `0x01` (number) or `0x02` (text, closed by `0x00`), and the list ends in `0x00`, so that a
/// shorter list sorts first. Build metadata has no precedence and is left out (crates.io's `semver_ord`, version 2; design 05).
#[must_use]
pub fn semver_ord(version: &semver::Version) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    for number in [version.major, version.minor, version.patch] {
        push_number(&mut key, &number.to_string());
    }
    if version.pre.is_empty() {
        key.push(0x03);
        return key;
    }
    for identifier in version.pre.split('.') {
        if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            key.push(0x01);
            push_number(&mut key, identifier);
        } else {
            key.push(0x02);
            key.extend_from_slice(identifier.as_bytes());
            key.push(0x00);
        }
    }
    key.push(0x00);
    key
}

fn push_number(key: &mut Vec<u8>, digits: &str) {
    // A version is at most 150 bytes long, so its digits are counted in one byte.
    key.push(u8::try_from(digits.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(digits.as_bytes());
}

impl TryFrom<String> for VersionNum {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<VersionNum> for String {
    fn from(num: VersionNum) -> Self {
        num.0
    }
}

impl fmt::Display for VersionNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order printed in the SemVer 2.0.0 specification, §11, with numbers of different length around it.
    const ASCENDING: [&str; 14] = [
        "0.9.10",
        "1.0.0-0",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.2.0",
        "1.10.0",
    ];

    #[test]
    fn the_key_sorts_as_the_specification_says() {
        let keys: Vec<_> = ASCENDING.iter().map(|num| VersionNum::parse(num).unwrap().semver_ord().unwrap()).collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn build_metadata_has_identity_but_no_precedence() {
        let plain = VersionNum::parse("110.0.0").unwrap();
        let built = VersionNum::parse("110.0.0+1.1.0f").unwrap();
        assert_ne!(plain, built);
        assert_eq!(plain.semver_ord(), built.semver_ord());
        assert_eq!(built.without_build(), "110.0.0");
    }

    #[test]
    fn an_old_odd_number_is_kept_without_a_key() {
        assert_eq!(VersionNum::parse("0.0.1-001").unwrap().semver_ord(), None);
    }
}
