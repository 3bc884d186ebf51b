//! What was found inside an archive: entries with digests, manifest facts, claim and findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::coded::coded;
use crate::{Claim, DependencyKind, Findings, GitOid, KrateName, Sha256, VersionNum};

coded! {
    /// What kind of thing an archive entry is.
    pub enum EntryKind {
        /// A regular file.
        File = "file",
        /// A directory.
        Directory = "directory",
        /// A symbolic link.
        Symlink = "symlink",
        /// A hard link.
        Hardlink = "hardlink",
        /// Device, pipe, sparse file and all else.
        Other = "other",
    }
}

/// One entry of the archive, in archive order; duplicates are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The path as the archive spells it, below the `{name}-{version}/` prefix (the whole path when it is not there);
    /// bytes that are not UTF-8 are shown as U+FFFD, and `archive.non-utf8-path` has the bytes.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Unix permission bits as written, e.g. `0o644`.
    pub mode: u32,
    /// Modification time as written, seconds since the epoch; it tells the packager's age (design 03).
    pub mtime: u64,
    /// Length of the content in bytes.
    pub size: u64,
    /// sha256 of the content.
    pub sha256: Sha256,
    /// The id git gives this content: sha1 of `blob <len>\0` and the bytes. Of a symlink, the target is the content.
    pub git_blob: GitOid,
    /// Where a link points, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_target: Option<String>,
}

/// What the root `Cargo.toml` says, as far as provenance needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFacts {
    /// `package.name`, unchecked.
    pub name: String,
    /// `package.version`, unchecked.
    pub version: String,
    /// `package.repository`.
    pub repository: Option<String>,
    /// `package.homepage`.
    pub homepage: Option<String>,
    /// `package.documentation`.
    pub documentation: Option<String>,
    /// `package.license`.
    pub license: Option<String>,
    /// `package.license-file`.
    pub license_file: Option<String>,
    /// `package.readme`, when it names a file.
    pub readme: Option<String>,
    /// `package.edition`.
    pub edition: Option<String>,
    /// `package.rust-version`.
    pub rust_version: Option<String>,
    /// `package.links`.
    pub links: Option<String>,
    /// Path of the build script, when there is one.
    pub build: Option<String>,
    /// Whether the library is a procedural macro.
    pub proc_macro: bool,
    /// Whether there is a library.
    pub has_lib: bool,
    /// Names of the binaries.
    pub bin_names: Vec<String>,
    /// Every target with its root file.
    pub targets: Vec<TargetFacts>,
    /// Dependencies in every table, targets' included.
    pub dependencies: Vec<DependencyFacts>,
    /// Features with what they turn on.
    pub features: BTreeMap<String, Vec<String>>,
}

coded! {
    /// What cargo builds from a root file.
    pub enum TargetKind {
        /// The library.
        Lib = "lib",
        /// A binary.
        Bin = "bin",
        /// An example.
        Example = "example",
        /// An integration test.
        Test = "test",
        /// A benchmark.
        Bench = "bench",
        /// The build script.
        Build = "build",
    }
}

/// One build target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFacts {
    /// What it is.
    pub kind: TargetKind,
    /// Its name; the package's when the manifest gives none.
    pub name: String,
    /// Its root file, as the manifest spells it or as cargo infers it.
    pub path: String,
}

/// One dependency as the normalised manifest states it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DependencyFacts {
    /// The name the package uses.
    pub name: String,
    /// The real package name, when renamed.
    pub package: Option<String>,
    /// The requirement, as written; `*` when there is none.
    pub req: String,
    /// Normal, build or dev.
    pub kind: DependencyKind,
    /// Only with a feature that asks for it.
    pub optional: bool,
    /// Whether the dependency's `default` feature is on.
    pub default_features: bool,
    /// The features asked for.
    pub features: Vec<String>,
    /// A target triple or `cfg(…)`; `None` means every target.
    pub target: Option<String>,
    /// Another registry's index.
    pub registry_index: Option<String>,
}

/// Sizes and digest of the archive itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// sha256 of the archive's bytes.
    #[serde(rename = "checksum")]
    pub sha256: Sha256,
    /// Bytes of the archive.
    pub compressed_size: u64,
    /// Sum of the sizes of its regular files.
    pub unpacked_size: u64,
}

/// Everything inspect has to say about one archive; the document of `provenance inspect --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// The crate the caller expects.
    pub name: KrateName,
    /// The version the caller expects.
    pub num: VersionNum,
    /// Sizes and digest.
    #[serde(flatten)]
    pub archive: ArchiveFacts,
    /// In archive order, duplicates kept.
    pub files: Vec<Entry>,
    /// `None` when there is no readable manifest; the findings say why.
    pub manifest: Option<ManifestFacts>,
    /// `None` when there is no readable claim; the findings say why.
    pub claim: Option<Claim>,
    /// What was odd.
    pub findings: Findings,
}

/// The bytes of an archive's files, handed to verify so that it need not know what an archive is.
pub trait ArchiveFiles {
    /// The content of the last entry at `path` (below the prefix), or `None` when there is no such regular file.
    ///
    /// # Errors
    /// When the archive cannot be read to that file, or the file is larger than `max_bytes`.
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, FileUnreadable>;

    /// The contents of several files, in the order asked for; `None` also for one that cannot be read. An archive that
    /// has to be unpacked for each file does it once here.
    fn read_many(&self, paths: &[&str], max_bytes: u64) -> Vec<Option<Vec<u8>>> {
        paths.iter().map(|path| self.read(path, max_bytes).ok().flatten()).collect()
    }
}

/// A file of the archive that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path} from the archive: {reason}")]
pub struct FileUnreadable {
    /// The path below the prefix.
    pub path: String,
    /// What stood in the way.
    pub reason: String,
}
