//! The archive's `Cargo.lock`, formats 1 to 4: every registry package with the registry's checksum (design 04, step 11).

use schema::{Sha256, Timestamp};
use toml::{Table, Value};

/// What the registry says of locked packages; handed in, so that verify knows no registry.
pub trait Registry {
    /// Whether a lock file's `source` names this registry.
    fn is_source(&self, source: &str) -> bool;
    /// What it says of a version; `None` for a package it does not know, which is no finding.
    fn promised(&self, name: &str, num: &str) -> Option<Promised>;
}

/// What the registry says of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// sha256 of its archive.
    pub checksum: Sha256,
    /// When it was published, when that is known.
    pub published_at: Option<Timestamp>,
}

/// A day: clocks and time zones differ by less.
const GRACE_SECONDS: i64 = 86_400;

/// Something odd in a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// It cannot be read.
    Unreadable(String),
    /// A package from somewhere else.
    Foreign {
        /// The package.
        name: String,
        /// Its source as written.
        origin: String,
    },
    /// A package that was published after the archive that names it, so cargo cannot have locked it.
    Newer {
        /// The package.
        name: String,
        /// Its version.
        num: String,
        /// When it was published.
        published_at: Timestamp,
    },
    /// A package with another checksum than the registry's.
    Checksum {
        /// The package.
        name: String,
        /// Its version.
        num: String,
        /// What the lock file says.
        locked: String,
        /// What the registry says.
        registry: Sha256,
    },
}

/// Reads a lock file and compares it.
#[must_use]
pub(crate) fn oddities(text: &str, published_at: Option<Timestamp>, registry: Option<&dyn Registry>) -> Vec<Oddity> {
    let lock = match text.parse::<Table>() {
        Ok(lock) => lock,
        Err(error) => return vec![Oddity::Unreadable(error.message().to_owned())],
    };
    let Some(registry) = registry else { return Vec::new() };
    let metadata = lock.get("metadata").and_then(Value::as_table);
    let mut found = Vec::new();
    for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let (Some(name), Some(num), Some(source)) = (text("name"), text("version"), text("source")) else {
            continue;
        };
        if !registry.is_source(source) {
            found.push(Oddity::Foreign { name: name.to_owned(), origin: source.to_owned() });
            continue;
        }
        let promised = registry.promised(name, num);
        let newer = promised.and_then(|promised| promised.published_at).zip(published_at);
        if let Some((locked, _)) = newer.filter(|(locked, own)| *locked > own.plus_seconds(GRACE_SECONDS)) {
            found.push(Oddity::Newer { name: name.to_owned(), num: num.to_owned(), published_at: locked });
        }
        let old_key = format!("checksum {name} {num} ({source})");
        let old_place = || metadata.and_then(|metadata| metadata.get(&old_key)).and_then(Value::as_str);
        let Some(locked) = text("checksum").or_else(old_place) else { continue };
        let known = promised.map(|promised| promised.checksum);
        if let Some(registry) = known.filter(|known| known.to_string() != locked) {
            let (name, num) = (name.to_owned(), num.to_owned());
            found.push(Oddity::Checksum { name, num, locked: locked.to_owned(), registry });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;
    impl Registry for One {
        fn is_source(&self, source: &str) -> bool {
            source == "registry+https://registry.test/index"
        }
        fn promised(&self, name: &str, _: &str) -> Option<Promised> {
            let published_at = Some(Timestamp::from_seconds(1_000_000));
            (name == "known").then(|| Promised { checksum: Sha256::from_bytes([1; 32]), published_at })
        }
    }

    #[test]
    fn all_formats_are_read_and_unknown_packages_are_no_finding() {
        let good = "01".repeat(32);
        let bad = "02".repeat(32);
        let new = |name: &str, sum: &str| {
            format!(
                "version = 4\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+https://registry.test/index\"\nchecksum = \"{sum}\"\n"
            )
        };
        assert_eq!(oddities(&new("known", &good), None, Some(&One)), []);
        assert_eq!(oddities(&new("unknown", &bad), None, Some(&One)), []);
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        assert_eq!(oddities(&new("known", &good), at(1_000_000 - GRACE_SECONDS), Some(&One)), []);
        let newer = oddities(&new("known", &good), at(1_000_000 - GRACE_SECONDS - 1), Some(&One));
        assert!(matches!(&newer[..], [Oddity::Newer { .. }]), "{newer:?}");
        assert!(matches!(&oddities(&new("known", &bad), None, Some(&One))[..], [Oddity::Checksum { .. }]));
        let old = format!(
            "[[package]]\nname = \"known\"\nversion = \"1.0.0\"\nsource = \"registry+https://registry.test/index\"\n[metadata]\n\"checksum known 1.0.0 (registry+https://registry.test/index)\" = \"{bad}\"\n"
        );
        assert!(matches!(&oddities(&old, None, Some(&One))[..], [Oddity::Checksum { .. }]));
        let git = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"git+https://forge.test/a#1\"\n";
        assert!(matches!(&oddities(git, None, Some(&One))[..], [Oddity::Foreign { .. }]));
        assert!(matches!(&oddities("]", None, Some(&One))[..], [Oddity::Unreadable(_)]));
    }
}
