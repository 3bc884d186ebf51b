//! Crate names: the spelling that was published, and the canonical form that identifies it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A crate's name as published, e.g. `Inflector` or `serde-json`.
///
/// ASCII letters, digits, `-` and `_`, a letter first, at most 64 bytes: the registry's own rule (design 02).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct KrateName(String);

/// The name that identifies a crate: lower case, `-` folded to `_`.
///
/// Two spellings of one canonical name can never both be registered, so it is the key of every lookup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct CanonicalName(String);

/// A text that cannot be the name of a crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("a crate name cannot be empty")]
    Empty,
    /// Longer than the registry allows.
    #[error("crate name is {0} bytes long; the registry allows {max}", max = KrateName::MAX_LEN)]
    TooLong(usize),
    /// A character the registry does not allow there.
    #[error("{0:?} cannot be the name of a crate: ASCII letters, digits, `-` and `_` only, a letter first")]
    BadCharacter(String),
}

impl KrateName {
    /// The registry's limit, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Reads a published name.
    ///
    /// # Errors
    /// When the text breaks the registry's rule for names.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some(first) = text.bytes().next() else {
            return Err(NameError::Empty);
        };
        if text.len() > Self::MAX_LEN {
            return Err(NameError::TooLong(text.len()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !first.is_ascii_alphabetic() || !text.bytes().all(allowed) {
            return Err(NameError::BadCharacter(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The published spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity behind this spelling.
    #[must_use]
    pub fn canonical(&self) -> CanonicalName {
        CanonicalName(self.0.to_ascii_lowercase().replace('-', "_"))
    }

    /// Whether two spellings are of one crate: their canonical names are equal. Asked of every line of an index, so nothing
    /// is copied.
    #[must_use]
    pub fn is_same_krate(&self, other: &Self) -> bool {
        let fold = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
        self.0.bytes().map(fold).eq(other.0.bytes().map(fold))
    }

    /// Whether a path is [`KrateName::index_path`], in any case. Asked of every file of an index, so nothing is copied.
    #[must_use]
    pub fn is_index_path(&self, path: &[u8]) -> bool {
        let name = self.0.as_bytes();
        let Some((folders, file)) = path.len().checked_sub(name.len()).and_then(|at| path.split_at_checked(at)) else {
            return false;
        };
        let folders_fit = match name.len() {
            1 => folders == b"1/",
            2 => folders == b"2/",
            3 => {
                folders.len() == 4
                    && folders.starts_with(b"3/")
                    && folders[3] == b'/'
                    && same(&folders[2..3], &name[..1])
            }
            _ => {
                let [first, second] = [name.get(..2), name.get(2..4)].map(Option::unwrap_or_default);
                let mut parts = folders.split(|&byte| byte == b'/');
                let mut is_next = |letters: &[u8]| parts.next().is_some_and(|part| same(part, letters));
                is_next(first) && is_next(second) && is_next(b"") && parts.next().is_none()
            }
        };
        folders_fit && same(file, name)
    }

    /// Where the index keeps this crate's file: `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcd…`, in lower case.
    #[must_use]
    pub fn index_path(&self) -> String {
        let lower = self.0.to_ascii_lowercase();
        match lower.len() {
            1 | 2 => format!("{}/{lower}", lower.len()),
            3 => format!("3/{}/{lower}", &lower[..1]),
            _ => format!("{}/{}/{lower}", &lower[..2], &lower[2..4]),
        }
    }
}

impl CanonicalName {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KrateName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<KrateName> for String {
    fn from(name: KrateName) -> Self {
        name.0
    }
}

impl fmt::Display for KrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CanonicalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn same(text: &[u8], letters: &[u8]) -> bool {
    text.eq_ignore_ascii_case(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_paths_follow_the_registrys_layout() {
        for (name, path) in [
            ("a", "1/a"),
            ("Ab", "2/ab"),
            ("abc", "3/a/abc"),
            ("Inflector", "in/fl/inflector"),
            ("serde-json", "se/rd/serde-json"),
        ] {
            assert_eq!(KrateName::parse(name).unwrap().index_path(), path);
        }
    }

    #[test]
    fn a_path_is_a_names_or_is_not() {
        for name in ["a", "ab", "abc", "abcd", "A-b_C", "serde"] {
            let name = KrateName::parse(name).unwrap();
            let path = name.index_path();
            assert!(name.is_index_path(path.as_bytes()) && name.is_index_path(path.to_uppercase().as_bytes()));
            // Any letter or slash of it changed, added or left out makes another one.
            for at in 0..path.len() {
                let mut other = path.clone().into_bytes();
                other[at] = b'%';
                assert!(!name.is_index_path(&other), "{path} {at}");
                other.remove(at);
                assert!(!name.is_index_path(&other), "{path} {at}");
                let longer = [&path.as_bytes()[..at], b"x", &path.as_bytes()[at..]].concat();
                assert!(!name.is_index_path(&longer), "{path} {at}");
            }
        }
    }

    #[test]
    fn every_spelling_has_one_canonical_name() {
        for name in ["serde-json", "Serde_JSON", "serde_json"] {
            let name = KrateName::parse(name).unwrap();
            assert_eq!(name.canonical().as_str(), "serde_json");
            assert!(name.is_same_krate(&KrateName::parse("SERDE-json").unwrap()));
            assert!(!name.is_same_krate(&KrateName::parse("serdejson").unwrap()));
        }
    }

    #[test]
    fn what_the_registry_would_refuse_is_refused() {
        for name in ["", "1a", "-a", "a b", "a/../b", "é", &"a".repeat(65)] {
            assert!(KrateName::parse(name).is_err(), "{name:?}");
        }
    }
}
