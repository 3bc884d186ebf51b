//! Where the files of a static export stand. Names come from outside: only canonical ones become paths, and each path is its
//! own on file systems that fold case or keep the names of devices for themselves.

use schema::{CanonicalName, KrateName, VersionNum};

/// The list of what is there, written last.
pub const INDEX: &str = "index.json";

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportedFile<'a> {
    /// All rows of a crate: `crates/se/rd/serde.json`.
    Krate(&'a CanonicalName),
    /// The badge of a crate as an image: `badges/se/rd/serde.svg`.
    BadgeSvg(&'a CanonicalName),
    /// The badge of a crate for shields: `badges/se/rd/serde.json`.
    BadgeJson(&'a CanonicalName),
    /// The badge of a version as an image: `badges/se/rd/serde/1.0.0.svg`.
    VersionBadgeSvg(&'a CanonicalName, &'a VersionNum),
    /// The badge of a version for shields: `badges/se/rd/serde/1.0.0.json`.
    VersionBadgeJson(&'a CanonicalName, &'a VersionNum),
    /// The advisories of a crate as OSV, where its page asks for them: `packages/serde_json.json`.
    Package(&'a CanonicalName),
    /// The same under the published spelling, for readers that ask with it: `packages/serde-json.json`.
    PackageAsPublished(&'a KrateName),
    /// A part of the list of crates: `index/se.json`.
    Shard(&'a CanonicalName),
}

impl ExportedFile<'_> {
    /// The path below the export's root, with `/` between its parts.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Krate(name) => format!("crates/{}.json", sharded(name)),
            Self::BadgeSvg(name) => format!("badges/{}.svg", sharded(name)),
            Self::BadgeJson(name) => format!("badges/{}.json", sharded(name)),
            Self::VersionBadgeSvg(name, num) => format!("badges/{}/{}.svg", sharded(name), stem(num.as_str())),
            Self::VersionBadgeJson(name, num) => format!("badges/{}/{}.json", sharded(name), stem(num.as_str())),
            Self::Package(name) => format!("packages/{}.json", stem(name.as_str())),
            // Two spellings that a file system takes for one have one content: case needs no care here.
            Self::PackageAsPublished(name) => format!("packages/{}.json", free(name.as_str())),
            Self::Shard(name) => format!("index/{}.json", shard(name)),
        }
    }
}

/// The part of the list of crates that a name is in: its first two characters.
#[must_use]
pub fn shard(name: &CanonicalName) -> &str {
    name.as_str().get(..2).unwrap_or(name.as_str())
}

/// The folders of the registry's index, by the canonical name.
fn sharded(name: &CanonicalName) -> String {
    let (text, stem) = (name.as_str(), stem(name.as_str()));
    match (text.get(..1), text.get(..2), text.get(2..4)) {
        (Some(first), _, None) if text.len() == 3 => format!("3/{first}/{stem}"),
        (_, Some(first), Some(second)) => format!("{first}/{second}/{stem}"),
        _ => format!("{}/{stem}", text.len()),
    }
}

/// A name as a file's name: `!` before a letter that was a capital, as Go's module proxy does it, and `!` after what is the
/// name of a device. Neither names nor versions have a `!`, so no two share a file.
fn stem(text: &str) -> String {
    let mut stem = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            stem.push('!');
        }
        stem.push(character.to_ascii_lowercase());
    }
    free(&stem)
}

fn free(text: &str) -> String {
    let (base, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    if is_device(base) { format!("{base}!{rest}") } else { text.to_owned() }
}

/// Names that Windows keeps for devices, with any extension ("Naming Files, Paths, and Namespaces").
fn is_device(base: &str) -> bool {
    let base = base.to_ascii_lowercase();
    match base.as_str() {
        "con" | "prn" | "aux" | "nul" => true,
        _ => {
            let port = base.strip_prefix("com").or_else(|| base.strip_prefix("lpt"));
            port.is_some_and(|port| port.len() == 1 && port.bytes().all(|byte| byte.is_ascii_digit()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CanonicalName {
        KrateName::parse(text).unwrap().canonical()
    }

    #[test]
    fn crates_stand_as_in_the_index() {
        for (text, path) in [
            ("a", "crates/1/a.json"),
            ("Ab", "crates/2/ab.json"),
            ("abc", "crates/3/a/abc.json"),
            ("serde-JSON", "crates/se/rd/serde_json.json"),
            ("nul", "crates/3/n/nul!.json"),
            ("COM1", "crates/co/m1/com1!.json"),
            ("com1x", "crates/co/m1/com1x.json"),
        ] {
            assert_eq!(ExportedFile::Krate(&name(text)).path(), path);
        }
    }

    #[test]
    fn versions_that_differ_in_case_have_two_files() {
        let path = |num: &str| ExportedFile::VersionBadgeSvg(&name("abcd"), &VersionNum::parse(num).unwrap()).path();
        assert_eq!(path("1.0.0-RC.1+B"), "badges/ab/cd/abcd/1.0.0-!r!c.1+!b.svg");
        assert_eq!(path("1.0.0-rc.1+b"), "badges/ab/cd/abcd/1.0.0-rc.1+b.svg");
        assert_eq!(path("aux.1"), "badges/ab/cd/abcd/aux!.1.svg");
    }

    #[test]
    fn packages_stand_where_they_are_asked_for() {
        let published = KrateName::parse("Serde-Json").unwrap();
        assert_eq!(ExportedFile::Package(&published.canonical()).path(), "packages/serde_json.json");
        assert_eq!(ExportedFile::PackageAsPublished(&published).path(), "packages/Serde-Json.json");
    }
}
