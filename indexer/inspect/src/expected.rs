//! What the caller expects an archive to be: from the index, or from the name of its file.

use schema::{KrateName, NameError, VersionError, VersionNum};

/// The release an archive should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The crate, in its published spelling.
    pub name: KrateName,
    /// The version, build metadata included.
    pub num: VersionNum,
}

/// A file name that is not `{name}-{version}.crate`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// No such shape.
    #[error("{0:?} is not a file name such as serde-1.0.0.crate")]
    Shape(String),
    /// The part before the version cannot be a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part after the name cannot be a version.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl Expected {
    /// Reads `{name}-{version}.crate`. The version begins after the first `-` from which the rest is a SemVer version,
    /// so `a-1-2.0.0-rc.1.crate` is `a-1` at `2.0.0-rc.1`.
    ///
    /// # Errors
    /// When no cut gives a name and a version.
    pub fn from_file_name(file_name: &str) -> Result<Self, FileNameError> {
        let shape = || FileNameError::Shape(file_name.to_owned());
        let stem = file_name.strip_suffix(".crate").ok_or_else(shape)?;
        let (name, num) = stem
            .match_indices('-')
            .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
            .find(|(name, num)| !name.is_empty() && semver::Version::parse(num).is_ok())
            .ok_or_else(shape)?;
        Ok(Self { name: KrateName::parse(name)?, num: VersionNum::parse(num)? })
    }

    /// The folder every entry must be in, `{name}-{version}/`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}-{}/", self.name, self.num)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_behind_dashes_and_digits() {
        for (file, name, num) in [
            ("serde-1.0.0.crate", "serde", "1.0.0"),
            ("a-1-2.0.0-rc.1.crate", "a-1", "2.0.0-rc.1"),
            ("x86-64-0.1.0-alpha-2.crate", "x86-64", "0.1.0-alpha-2"),
            ("libgit2-sys-0.18.8+1.9.7.crate", "libgit2-sys", "0.18.8+1.9.7"),
            ("a-1.0.0-2.0.0.crate", "a", "1.0.0-2.0.0"),
        ] {
            let read = Expected::from_file_name(file).unwrap();
            assert_eq!((read.name.as_str(), read.num.as_str()), (name, num));
        }
        for file in ["serde.crate", "serde-1.crate", "serde-1.0.0.tar", "-1.0.0.crate", "1-1.0.0.crate"] {
            assert!(Expected::from_file_name(file).is_err(), "{file}");
        }
    }
}
