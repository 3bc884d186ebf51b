//! Findings: something odd inside an archive, or between it and the index. Data about a crate, never an error of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::coded::coded;

coded! {
    /// How much attention a finding or reason asks for.
    pub enum Severity {
        /// A person should look.
        High = "high",
        /// Worth knowing when something else is odd, too.
        Medium = "medium",
        /// Harmless in most archives.
        Low = "low",
        /// A fact, nothing more.
        Info = "info",
    }
}

coded! {
    /// What was found, in the words of design 03. `cksum.*` comes from download, `lock.*` from verify, all else from inspect.
    pub enum FindingCode {
        /// The archive's sha256 is not the one the index promises.
        CksumMismatch = "cksum.mismatch",
        /// The bytes do not begin as gzip does.
        NotGzip = "archive.not-gzip",
        /// Bytes after the first gzip member that are no second one.
        TrailingBytes = "archive.trailing-bytes",
        /// Another gzip member follows the first; cargo never reads it.
        SecondMember = "archive.second-member",
        /// The archive ends in the middle.
        Truncated = "archive.truncated",
        /// It unpacks to more than cargo would read: max(512 MiB, 20 × compressed).
        Bomb = "archive.bomb",
        /// More entries than the limit.
        TooManyEntries = "archive.too-many-entries",
        /// Anything but a file or a directory: link, device, sparse file.
        ForbiddenEntry = "archive.forbidden-entry",
        /// A path that would leave the folder it is unpacked into.
        PathEscape = "archive.path-escape",
        /// An entry outside `{name}-{version}/`.
        OutsidePrefix = "archive.outside-prefix",
        /// A path that is not UTF-8.
        NonUtf8Path = "archive.non-utf8-path",
        /// Two entries of one path; high when their bytes differ.
        DuplicatePath = "archive.duplicate-path",
        /// Two paths that are one on a file system that ignores case.
        CaseCollision = "archive.case-collision",
        /// The pax header gives another size than the tar header.
        PaxSizeMismatch = "archive.pax-size-mismatch",
        /// The entries' times do not belong to one age of cargo.
        PackagerInconsistent = "archive.packager-inconsistent",
        /// A checksum, flag or header that is wrong.
        Corrupt = "archive.corrupt",
        /// Bytes inside the gzip member after the tar's end.
        DataAfterEnd = "archive.data-after-end",
        /// A pax or GNU extension header out of place.
        ExtensionMalformed = "archive.extension-malformed",
        /// A limit was crossed and the inspection ended there; the detail names it.
        Limit = "archive.limit",
        /// A path with control characters, reserved names, aliases or Unicode twins.
        OddPath = "archive.odd-path",
        /// No `Cargo.toml` at the root.
        ManifestMissing = "manifest.missing",
        /// The `Cargo.toml` cannot be read as a manifest.
        ManifestInvalid = "manifest.invalid",
        /// The manifest names another package.
        ManifestNameMismatch = "manifest.name-mismatch",
        /// The manifest gives another version.
        ManifestVersionMismatch = "manifest.version-mismatch",
        /// `cargo.toml` in another letter case.
        ManifestWrongCase = "manifest.wrong-case",
        /// A build, lib, bin or licence path that leaves the package.
        ManifestPointsOutside = "manifest.points-outside",
        /// `.cargo_vcs_info.json` cannot be read.
        VcsInvalid = "vcs.invalid",
        /// There is no `.cargo_vcs_info.json`.
        VcsMissing = "vcs.missing",
        /// The index line and the manifest disagree.
        IndexDependencyDiffers = "index.dependency-differs",
        /// `Cargo.lock` names a source that is not the registry.
        LockForeignSource = "lock.foreign-source",
        /// `Cargo.lock` gives another checksum than the index.
        LockChecksumDiffers = "lock.checksum-differs",
        /// `Cargo.lock` cannot be read.
        LockUnreadable = "lock.unreadable",
        /// A compiled file: ELF, PE, Mach-O, wasm, static library.
        ContentBinary = "content.binary",
        /// Bidirectional controls, zero-width or tag characters in source text.
        ContentHiddenUnicode = "content.hidden-unicode",
        /// A path with letters that look like ASCII and are not.
        ContentHomoglyphPath = "content.homoglyph-path",
    }
}

/// One finding with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub code: FindingCode,
    /// How much attention it asks for.
    pub severity: Severity,
    /// The evidence: paths, numbers, both sides of a difference. Hostile text, to be escaped where it is shown.
    pub detail: Map<String, Value>,
}

/// The findings of one archive: at most [`Findings::KEPT`] of one code, and how many there were in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    kept: Vec<Finding>,
    totals: BTreeMap<FindingCode, u64>,
}

impl Findings {
    /// How many findings of one code are kept with their evidence.
    pub const KEPT: u64 = 100;

    /// Adds a finding: counted always, kept while there is room for its code.
    pub fn push(&mut self, finding: Finding) {
        let total = self.totals.entry(finding.code).or_default();
        *total += 1;
        if *total <= Self::KEPT {
            self.kept.push(finding);
        }
    }

    /// The kept findings, in order of discovery.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many findings of each code there were, kept or not.
    #[must_use]
    pub fn totals(&self) -> &BTreeMap<FindingCode, u64> {
        &self.totals
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }
}

impl Finding {
    /// A finding whose detail is a JSON object; anything else becomes an object with the one key `value`.
    #[must_use]
    pub fn new(code: FindingCode, severity: Severity, detail: Value) -> Self {
        let detail = match detail {
            Value::Object(detail) => detail,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { code, severity, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_code_is_counted_and_not_kept() {
        let mut findings = Findings::default();
        for n in 0..250 {
            findings.push(Finding::new(FindingCode::OddPath, Severity::Low, serde_json::json!({ "n": n })));
        }
        findings.push(Finding::new(FindingCode::VcsMissing, Severity::Info, serde_json::json!({})));
        assert_eq!(findings.kept().len(), 101);
        assert_eq!(findings.totals()[&FindingCode::OddPath], 250);
    }

    #[test]
    fn codes_go_round() {
        for code in FindingCode::ALL {
            assert_eq!(FindingCode::from_code(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
