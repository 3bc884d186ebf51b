//! One line of the index: one published version with its dependencies, read strictly and kept whole.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::coded::coded;
use crate::{DigestError, KrateName, NameError, Sha256, TimeError, Timestamp, VersionError, VersionNum};

/// One version as the index states it (facts of the format: design 02; JSON spacing and key order carry no meaning).
///
/// Two lines are equal when they say the same, whatever their text: the follower compares these, never the raw text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexLine {
    /// The name in its published spelling.
    pub name: KrateName,
    /// The version, build metadata included.
    pub num: VersionNum,
    /// sha256 of the archive, as the registry promises it.
    pub checksum: Sha256,
    /// In the index's order, duplicates kept.
    pub dependencies: Vec<IndexDependency>,
    /// `features` and `features2` together, as cargo reads them.
    pub features: BTreeMap<String, Vec<String>>,
    /// Withdrawn from resolution; the archive stays.
    pub yanked: bool,
    /// The native library this version claims.
    pub links: Option<String>,
    /// The oldest Rust this version says it supports.
    pub rust_version: Option<String>,
    /// The line format `v`; 1 when absent. 3 and more are kept and surfaced.
    pub format: u32,
    /// `pubtime`: when it was published; absent on copies older than 2025.
    pub published_at: Option<Timestamp>,
    /// Fields this format does not know, kept as they are.
    pub unknown: BTreeMap<String, Value>,
}

/// One dependency as the index states it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct IndexDependency {
    /// The name the dependent uses; for a renamed dependency not the package's.
    pub name: String,
    /// The real package name, when renamed.
    pub package: Option<String>,
    /// The version requirement, as published.
    pub req: String,
    /// Normal, build or dev.
    #[serde(default = "normal", deserialize_with = "or_normal")]
    pub kind: DependencyKind,
    /// Only with a feature that asks for it.
    #[serde(default, deserialize_with = "or_default")]
    pub optional: bool,
    /// Whether the dependency's `default` feature is on.
    #[serde(default = "yes", deserialize_with = "or_true")]
    pub default_features: bool,
    /// The features asked for.
    #[serde(default, deserialize_with = "or_default")]
    pub features: Vec<String>,
    /// A target triple or `cfg(…)`; `None` means every target.
    pub target: Option<String>,
    /// Another registry's index; `None` means this one.
    pub registry: Option<String>,
}

coded! {
    /// What a dependency is needed for; `null` and absence mean normal.
    pub enum DependencyKind {
        /// Linked into the package.
        Normal = "normal",
        /// Used by its build script.
        Build = "build",
        /// Used by its tests, examples and benches only.
        Dev = "dev",
    }
}

/// A line that cannot be read; it goes to quarantine with its raw text, and its neighbours are read all the same.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No JSON object with the fields a line must have.
    #[error("not an index line: {0}")]
    Json(#[from] serde_json::Error),
    /// The name breaks the registry's rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version breaks the registry's rule.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The checksum is no sha256.
    #[error("cksum: {0}")]
    Checksum(#[from] DigestError),
    /// `pubtime` is no instant.
    #[error("pubtime: {0}")]
    Time(#[from] TimeError),
}

impl IndexDependency {
    /// The package this dependency is on, whatever the dependent calls it.
    #[must_use]
    pub fn package_name(&self) -> &str {
        self.package.as_deref().unwrap_or(&self.name)
    }
}

impl IndexLine {
    /// Reads one line; a BOM before it and white space around it (CR, too) carry no meaning.
    ///
    /// # Errors
    /// When it is no JSON object, lacks a field a line must have, or holds a value of another kind there.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let raw: RawLine<'_> = serde_json::from_str(text.trim_start_matches('\u{feff}').trim())?;
        let mut features = raw.features.unwrap_or_default();
        for (name, values) in raw.features2.unwrap_or_default() {
            features.entry(name).or_default().extend(values);
        }
        Ok(Self {
            name: KrateName::parse(&needed(raw.name, "name")?.0)?,
            num: VersionNum::parse(&needed(raw.vers, "vers")?.0)?,
            checksum: Sha256::parse(&needed(raw.cksum, "cksum")?.0)?,
            dependencies: needed(raw.deps, "deps")?,
            features,
            yanked: raw.yanked.unwrap_or(false),
            links: raw.links,
            rust_version: raw.rust_version,
            format: raw.v.unwrap_or(1),
            published_at: raw.pubtime.map(|text| Timestamp::parse(&text.0)).transpose()?,
            unknown: raw.unknown,
        })
    }

    /// The fields in which `other` says something else, by their names in the index; `yanked` and `cksum` included.
    #[must_use]
    pub fn differing_fields(&self, other: &Self) -> Vec<&'static str> {
        let differs = [
            ("name", self.name != other.name),
            ("vers", self.num != other.num),
            ("cksum", self.checksum != other.checksum),
            ("deps", self.dependencies != other.dependencies),
            ("features", self.features != other.features),
            ("yanked", self.yanked != other.yanked),
            ("links", self.links != other.links),
            ("rust_version", self.rust_version != other.rust_version),
            ("v", self.format != other.format),
            ("pubtime", self.published_at != other.published_at),
            ("unknown", self.unknown != other.unknown),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }
}

/// The JSON as it stands. Read by hand for the sake of the fields nobody knows: serde's `flatten` would buffer every line to
/// find them, which made a scan of a whole index three times as slow.
#[derive(Default)]
struct RawLine<'a> {
    name: Option<Text<'a>>,
    vers: Option<Text<'a>>,
    deps: Option<Vec<IndexDependency>>,
    cksum: Option<Text<'a>>,
    features: Option<BTreeMap<String, Vec<String>>>,
    features2: Option<BTreeMap<String, Vec<String>>>,
    yanked: Option<bool>,
    links: Option<String>,
    rust_version: Option<String>,
    v: Option<u32>,
    pubtime: Option<Text<'a>>,
    unknown: BTreeMap<String, Value>,
}

/// A text that is copied only when it holds an escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Name,
    Vers,
    Deps,
    Cksum,
    Features,
    Features2,
    Yanked,
    Links,
    RustVersion,
    V,
    Pubtime,
    Unknown(String),
}

impl<'de: 'a, 'a> Deserialize<'de> for RawLine<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor(PhantomData))
    }
}

struct LineVisitor<'a>(PhantomData<RawLine<'a>>);

impl<'de: 'a, 'a> Visitor<'de> for LineVisitor<'a> {
    type Value = RawLine<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object that describes one version")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawLine<'a>, A::Error> {
        let (mut line, mut seen) = (RawLine::default(), 0_u16);
        while let Some(field) = map.next_key::<Field>()? {
            let (bit, name) = field.place();
            // Two fields of one name say two things; nobody can know which is meant.
            if seen & bit != 0 {
                return Err(A::Error::duplicate_field(name));
            }
            seen |= bit;
            match field {
                Field::Name => line.name = Some(map.next_value()?),
                Field::Vers => line.vers = Some(map.next_value()?),
                Field::Deps => line.deps = Some(map.next_value()?),
                Field::Cksum => line.cksum = Some(map.next_value()?),
                Field::Features => line.features = map.next_value()?,
                Field::Features2 => line.features2 = map.next_value()?,
                Field::Yanked => line.yanked = map.next_value()?,
                Field::Links => line.links = map.next_value()?,
                Field::RustVersion => line.rust_version = map.next_value()?,
                Field::V => line.v = map.next_value()?,
                Field::Pubtime => line.pubtime = map.next_value()?,
                Field::Unknown(name) => {
                    line.unknown.insert(name, map.next_value()?);
                }
            }
        }
        Ok(line)
    }
}

impl Field {
    /// A bit of its own, and its name; fields nobody knows have none.
    const fn place(&self) -> (u16, &'static str) {
        match self {
            Self::Name => (1, "name"),
            Self::Vers => (1 << 1, "vers"),
            Self::Deps => (1 << 2, "deps"),
            Self::Cksum => (1 << 3, "cksum"),
            Self::Features => (1 << 4, "features"),
            Self::Features2 => (1 << 5, "features2"),
            Self::Yanked => (1 << 6, "yanked"),
            Self::Links => (1 << 7, "links"),
            Self::RustVersion => (1 << 8, "rust_version"),
            Self::V => (1 << 9, "v"),
            Self::Pubtime => (1 << 10, "pubtime"),
            Self::Unknown(_) => (0, ""),
        }
    }
}

fn needed<T>(slot: Option<T>, name: &'static str) -> Result<T, serde_json::Error> {
    slot.ok_or_else(|| serde_json::Error::missing_field(name))
}

/// What stands for a field that is absent or `null`.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn or_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

const fn yes() -> bool {
    true
}

fn or_normal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DependencyKind, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(DependencyKind::Normal))
}

const fn normal() -> DependencyKind {
    DependencyKind::Normal
}

#[cfg(test)]
mod tests {
    use super::*;

    const CKSUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn line(rest: &str) -> String {
        format!(r#"{{"name":"a","vers":"1.0.0","deps":[],"cksum":"{CKSUM}"{rest}}}"#)
    }

    #[test]
    fn spacing_order_bom_and_crlf_carry_no_meaning() {
        let plain = IndexLine::parse(&line(r#","features":{},"yanked":false"#)).unwrap();
        let odd = format!(
            "\u{feff}{{ \"yanked\": false, \"features\": {{}}, \"cksum\": \"{CKSUM}\", \"deps\": [ ], \"vers\": \"1.0.0\", \"name\": \"a\" }}\r"
        );
        assert_eq!(plain, IndexLine::parse(&odd).unwrap());
    }

    #[test]
    fn unknown_fields_and_newer_formats_are_kept() {
        let read = IndexLine::parse(&line(r#","features":{},"v":3,"sigs":[1]"#)).unwrap();
        assert_eq!(read.format, 3);
        assert_eq!(read.unknown["sigs"], serde_json::json!([1]));
    }

    #[test]
    fn a_null_kind_is_normal_and_features2_joins_features() {
        let text = format!(
            r#"{{"name":"a","vers":"1.0.0","deps":[{{"name":"b","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":null}}],"cksum":"{CKSUM}","features":{{"x":["y"]}},"features2":{{"z":["dep:b"]}}}}"#
        );
        let read = IndexLine::parse(&text).unwrap();
        assert_eq!(read.dependencies[0].kind, DependencyKind::Normal);
        assert_eq!(read.features.keys().collect::<Vec<_>>(), ["x", "z"]);
    }

    #[test]
    fn differing_fields_are_named_as_in_the_index() {
        let before = IndexLine::parse(&line(r#","features":{}"#)).unwrap();
        let after =
            IndexLine::parse(&line(r#","features":{},"yanked":true,"pubtime":"2026-08-20T07:15:00Z""#)).unwrap();
        assert_eq!(before.differing_fields(&after), ["yanked", "pubtime"]);
    }

    #[test]
    fn null_is_absence_and_a_field_given_twice_is_an_error() {
        let null = line(r#","features":null,"features2":null,"yanked":null,"links":null,"v":null,"pubtime":null"#);
        assert_eq!(IndexLine::parse(&null).unwrap(), IndexLine::parse(&line("")).unwrap());
        for field in ["\"name\":\"a\"", "\"yanked\":true,\"yanked\":true", "\"v\":null,\"v\":2", "\"deps\":[]"] {
            let error = IndexLine::parse(&line(&format!(",{field}"))).unwrap_err().to_string();
            assert!(error.contains("duplicate field"), "{field}: {error}");
        }
    }

    #[test]
    fn what_is_no_line_is_an_error() {
        for text in ["", "{}", "[]", "null", &line(r#","v":"2""#), &line(r#","pubtime":"soon""#), &CKSUM.repeat(3)] {
            assert!(IndexLine::parse(text).is_err(), "{text:?}");
        }
    }
}
