//! One advisory: its facts and its verdict. Every rule about ranges is `rustsec`'s own; nothing is matched by `VersionReq`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustsec::osv::OsvRange;
use schema::{
    AdvisoryFacts, AdvisoryId, AdvisoryKind, CanonicalName, KrateName, Licence, Score, SeverityWord, Timestamp,
};
use semver::{BuildMetadata, Prerelease, Version, VersionReq};

use crate::front_matter::FrontMatter;

/// An advisory that was read without complaint.
#[derive(Clone, Debug)]
pub struct Advisory {
    /// What it says, without its prose.
    pub facts: AdvisoryFacts,
    /// Where it stands in the database, e.g. `crates/rand/RUSTSEC-2026-0097.md`.
    pub path: String,
    /// The whole file, prose included. Hostile text.
    pub text: String,
    /// The database's commit that last changed it, as far as that is known: else the one it was read from.
    pub changed_in: String,
    /// When that commit was made, where it was found.
    pub changed_at: Option<Timestamp>,
    /// Ids of other things that have to do with it.
    pub related: Vec<String>,
    /// Addresses to read on. Hostile text.
    pub references: Vec<String>,
    /// The database's own categories.
    pub categories: Vec<String>,
    /// The only processors concerned; empty means all.
    pub arch: Vec<String>,
    /// The only operating systems concerned; empty means all.
    pub os: Vec<String>,
    ranges: Vec<OsvRange>,
    functions: Vec<Function>,
}

/// An interval of affected versions in SemVer precedence; a missing bound is infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedRange {
    /// The first version affected.
    pub introduced: Option<Version>,
    /// The first version that is not affected any more.
    pub fixed: Option<Version>,
}

/// A function with the intervals *outside* its requirements; `None` where a requirement has no interval.
#[derive(Clone, Debug)]
struct Function {
    path: String,
    requirements: Vec<Option<rustsec::advisory::Versions>>,
}

impl Advisory {
    /// Reads one file of the database. The reason of a refusal is for people.
    ///
    /// Nothing gets out of here but a value: the parser's own panics (`patched = ["= 1.0.0", "> 1.0.0"]`) are reasons, too.
    ///
    /// # Errors
    /// With the reason, when the file is not a good advisory standing in its right place.
    pub fn parse(path: &str, text: &str, commit: &str) -> Result<Self, String> {
        match catch_unwind(AssertUnwindSafe(|| Self::parse_or_panic(path, text, commit))) {
            Ok(outcome) => outcome,
            Err(_) => Err("the parser panicked".to_owned()),
        }
    }

    /// Whether the version is affected: `rustsec`'s `Versions::is_vulnerable`, on ranges made once.
    #[must_use]
    pub fn affects(&self, version: &Version) -> bool {
        self.ranges.iter().any(|range| range.affects(version))
    }

    /// Whether this is a pre-release that is not affected although its release is: to be listed apart.
    #[must_use]
    pub fn nearly_affects(&self, version: &Version) -> bool {
        if version.pre.is_empty() || self.affects(version) {
            return false;
        }
        self.affects(&Version { pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY, ..version.clone() })
    }

    /// The affected functions of an affected version. A function's own requirements never widen the version's verdict.
    #[must_use]
    pub fn affected_functions(&self, version: &Version) -> Vec<&str> {
        if !self.affects(version) {
            return Vec::new();
        }
        let covered = |function: &&Function| {
            function.requirements.iter().any(|requirement| covers(requirement.as_ref(), version))
        };
        self.functions.iter().filter(covered).map(|function| function.path.as_str()).collect()
    }

    /// The affected intervals in order, those of zero width dropped.
    #[must_use]
    pub fn ranges(&self) -> Vec<AffectedRange> {
        let has_width = |range: &&OsvRange| match (&range.introduced, &range.fixed) {
            (Some(introduced), Some(fixed)) => introduced < fixed,
            _ => true,
        };
        let copy =
            |range: &OsvRange| AffectedRange { introduced: range.introduced.clone(), fixed: range.fixed.clone() };
        self.ranges.iter().filter(has_width).map(copy).collect()
    }

    /// Whether it names no version at which it ends.
    #[must_use]
    pub fn is_open_ended(&self) -> bool {
        self.ranges.iter().any(|range| range.fixed.is_none())
    }

    fn parse_or_panic(path: &str, text: &str, commit: &str) -> Result<Self, String> {
        let place = Place::of(path)?;
        let parsed: rustsec::Advisory = text.parse().map_err(|error| explained(&error))?;
        let parts = rustsec::advisory::Parts::parse(text).map_err(|error| explained(&error))?;
        let written = FrontMatter::parse(parts.front_matter).map_err(|error| error.message().to_owned())?;
        place.agrees_with(&written)?;
        let krate = match place.collection {
            "crates" => {
                Some(KrateName::parse(&written.advisory.package).map_err(|error| error.to_string())?.canonical())
            }
            _ => None,
        };
        let facts = facts(&parsed, &written, krate);
        let FrontMatter { advisory, affected, .. } = written;
        Ok(Self {
            ranges: rustsec::osv::ranges_for_advisory(&parsed.versions),
            functions: functions(&parsed),
            path: path.to_owned(),
            text: text.to_owned(),
            changed_in: commit.to_owned(),
            changed_at: None,
            related: advisory.related,
            references: advisory.references,
            categories: advisory.categories,
            arch: affected.arch,
            os: affected.os,
            facts,
        })
    }
}

/// Where a file stands: `COLLECTION/PACKAGE/ID.md`.
struct Place<'a> {
    collection: &'a str,
    package: &'a str,
    id: &'a str,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Result<Self, String> {
        let stray = || "not at COLLECTION/PACKAGE/ID.md".to_owned();
        let mut parts = path.split('/');
        let (Some(collection), Some(package), Some(file), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(stray());
        };
        Ok(Self { collection, package, id: file.strip_suffix(".md").ok_or_else(stray)? })
    }

    fn agrees_with(&self, written: &FrontMatter) -> Result<(), String> {
        let advisory = &written.advisory;
        if advisory.id != self.id {
            return Err(format!("its id is {:?}, its file's name says {:?}", advisory.id, self.id));
        }
        if advisory.package != self.package {
            return Err(format!("its package is {:?}, its folder's name says {:?}", advisory.package, self.package));
        }
        if advisory.id == rustsec::advisory::Id::PLACEHOLDER {
            return Err("its id is the placeholder".to_owned());
        }
        Ok(())
    }
}

fn facts(parsed: &rustsec::Advisory, written: &FrontMatter, krate: Option<CanonicalName>) -> AdvisoryFacts {
    let advisory = &written.advisory;
    let (kind, kind_derived) = kind(written);
    AdvisoryFacts {
        id: AdvisoryId(advisory.id.clone()),
        package: advisory.package.clone(),
        krate,
        kind,
        kind_derived,
        score: score(parsed, advisory.cvss.as_deref()),
        title: parsed.metadata.title.clone(),
        aliases: advisory.aliases.clone(),
        date: advisory.date.clone(),
        withdrawn: advisory.withdrawn.clone(),
        patched: written.versions.patched.clone(),
        unaffected: written.versions.unaffected.clone(),
        functions: written.affected.functions.clone(),
        url: advisory.url.clone(),
        licence: match advisory.license.as_deref() {
            None | Some("CC0-1.0") => Licence::Cc0,
            Some("CC-BY-4.0") => Licence::CcBy,
            Some(_) => Licence::Other,
        },
    }
}

/// The kind, and whether it was derived by us: the database states no kind for malware.
///
/// `expect-deleted` alone means malware only when nothing else is said of the advisory; a vulnerable crate whose author
/// deleted it has the mark, too, beside its category.
fn kind(written: &FrontMatter) -> (AdvisoryKind, bool) {
    let advisory = &written.advisory;
    let only_deleted = advisory.expect_deleted
        && advisory.categories.is_empty()
        && advisory.informational.is_none()
        && advisory.cvss.is_none()
        && written.versions.patched.is_empty();
    if only_deleted || advisory.categories.iter().any(|category| category == "malicious") {
        return (AdvisoryKind::Malicious, true);
    }
    let kind = match advisory.informational.as_deref() {
        None => AdvisoryKind::Vulnerability,
        Some("unsound") => AdvisoryKind::Unsound,
        Some("notice") => AdvisoryKind::Notice,
        Some("unmaintained") => AdvisoryKind::Unmaintained,
        Some(_) => AdvisoryKind::Other,
    };
    (kind, false)
}

fn score(parsed: &rustsec::Advisory, vector: Option<&str>) -> Score {
    let tenths = parsed.metadata.cvss.as_ref().and_then(|cvss| tenths(cvss.score()));
    let (Some(vector), Some(tenths)) = (vector, tenths) else {
        return Score {
            severity: SeverityWord::Unscored,
            score_x10: None,
            cvss: None,
            vector: vector.map(str::to_owned),
        };
    };
    let version = vector.strip_prefix("CVSS:").and_then(|rest| rest.split('/').next());
    Score {
        severity: SeverityWord::of_score_x10(tenths),
        score_x10: Some(tenths),
        cvss: version.map(str::to_owned),
        vector: Some(vector.to_owned()),
    }
}

/// Ten times a score that has one decimal by definition; through its text, because there a digit is a digit.
fn tenths(score: f64) -> Option<u8> {
    format!("{score:.1}").replace('.', "").parse().ok()
}

fn functions(parsed: &rustsec::Advisory) -> Vec<Function> {
    let outside =
        |requirement: &VersionReq| rustsec::advisory::Versions::new(Vec::new(), vec![requirement.clone()]).ok();
    let listed = parsed.affected.iter().flat_map(|affected| &affected.functions);
    listed
        .map(|(path, requirements)| Function {
            path: path.to_string(),
            requirements: requirements.iter().map(outside).collect(),
        })
        .collect()
}

/// Whether a function's requirement covers a version that is affected; where it cannot be read, the version's verdict stands.
fn covers(requirement: Option<&rustsec::advisory::Versions>, version: &Version) -> bool {
    requirement.is_none_or(|outside| !outside.is_vulnerable(version))
}

/// `rustsec` keeps the useful half of its messages in the source.
fn explained(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
