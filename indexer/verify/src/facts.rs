//! The five facts of a source check, stored as they are, and the document that is published of them (design 04, 08). No rule.

use std::collections::BTreeMap;

use schema::{GitOid, KrateName, Reason, Sha256, Timestamp, Verdict, VersionNum};
use serde::{Deserialize, Serialize};

/// Declares a closed vocabulary with its published codes.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $code)] $variant,)+
        }

        impl $name {
            /// The published code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// Fact R: what became of the repository the release names.
    RepositoryStatus {
        /// The manifest names none.
        None = "none",
        /// What it names is no address.
        Unparseable = "unparseable",
        /// An address on a host or of a shape that is known to be no git repository.
        UnsupportedHost = "unsupported-host",
        /// There is something, and it is not git.
        NotGit = "not-git",
        /// The address, its scheme or its host is refused.
        Blocked = "blocked",
        /// The server asks for a name and a password.
        AuthRequired = "auth-required",
        /// The server says there is no such repository.
        Gone = "gone",
        /// The server did not answer in time, or could not be reached.
        Timeout = "timeout",
        /// A limit on bytes, objects or refs was crossed.
        TooLarge = "too-large",
        /// It was read.
        Ok = "ok",
        /// It was read, at another address than the one named.
        OkRedirected = "ok-redirected",
        /// It was read, and no commit looked at holds the package.
        PackageNotInRepo = "package-not-in-repo",
    }
}

vocabulary! {
    /// Who named a commit.
    ClaimSource {
        /// The registry, which saw the workflow that published.
        TrustedPublishing = "trusted-publishing",
        /// The archive's `.cargo_vcs_info.json`.
        VcsInfo = "vcs-info",
        /// A tag for this version.
        Tag = "tag",
        /// The manifest's bytes, found in the history.
        ContentSearch = "content-search",
        /// Nobody.
        None = "none",
    }
}

vocabulary! {
    /// Where a commit stands in its repository.
    CommitStatus {
        /// On a branch.
        Head = "head",
        /// On no branch, and behind a tag.
        TagOnly = "tag-only",
        /// Behind a pull request only, which anyone can open.
        PrOnly = "pr-only",
        /// Behind no ref at all, all of them examined.
        ForkOnly = "fork-only",
        /// Behind no branch and no tag; pull requests were not all examined.
        Unreachable = "unreachable",
        /// Not there.
        Absent = "absent",
        /// No commit id.
        Malformed = "malformed",
        /// The id of something that is no commit.
        NotACommit = "not-a-commit",
    }
}

vocabulary! {
    /// Fact F, in one word.
    FilesStatus {
        /// Every file, byte for byte.
        Identical = "identical",
        /// Every file; some through an exact explanation.
        Equivalent = "equivalent",
        /// Everything the build reads; other files differ.
        Partial = "partial",
        /// A file the build reads differs.
        Mismatch = "mismatch",
        /// There was nothing to compare with.
        NotCompared = "not-compared",
    }
}

vocabulary! {
    /// Fact M: does the published manifest follow from the source manifest?
    ManifestStatus {
        /// It does.
        Derived = "derived",
        /// It does, with remarks.
        DerivedWithNotes = "derived-with-notes",
        /// It does not.
        NotDerivable = "not-derivable",
        /// The archive has no `Cargo.toml.orig`, and the repository's manifest does not explain the published one.
        NoOrig = "no-orig",
        /// It inherits from a workspace whose root was not found.
        WorkspaceUnresolved = "workspace-unresolved",
    }
}

vocabulary! {
    /// What a file is for, worst first; everything down to `Manifest` is read by the build.
    FileClass {
        /// Reached from the build script.
        BuildScript = "build-script",
        /// Reached from the root of a procedural macro.
        ProcMacro = "proc-macro",
        /// Reached from the library or a binary.
        Code = "code",
        /// Source or binary of another language.
        Native = "native",
        /// Read by the build: included, named in its code, or within reach of a build script.
        Data = "data",
        /// A manifest or lock file of the package.
        Manifest = "manifest",
        /// Tests, benchmarks, examples.
        Test = "test",
        /// Documentation and licences.
        Docs = "docs",
        /// Continuous integration, editors, version control.
        Ci = "ci",
        /// Nothing the build is known to read.
        Other = "other",
    }
}

impl FileClass {
    /// Whether the build reads files of this class.
    #[must_use]
    pub fn is_build(self) -> bool {
        self <= Self::Manifest
    }

    /// What a matching file counts for in a candidate's score.
    #[must_use]
    pub fn weight(self) -> u64 {
        if self.is_build() { 10 } else { 1 }
    }
}

impl CommitStatus {
    /// Whether a branch or a tag leads to the commit.
    #[must_use]
    pub fn is_reachable(self) -> bool {
        matches!(self, Self::Head | Self::TagOnly)
    }
}

/// Fact R with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFacts {
    /// The manifest's `repository`, as written.
    pub claimed: Option<String>,
    /// The clone address that was looked at.
    pub normalised: Option<String>,
    /// Where that address redirected to.
    #[serde(default)]
    pub redirected_to: Option<String>,
    /// The sub-path in the written address.
    pub path_hint: Option<String>,
    /// What became of it.
    pub status: RepositoryStatus,
}

/// Fact C with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitFacts {
    /// The commit the archive claims, as written.
    pub claimed: Option<String>,
    /// Who claimed it.
    pub claim_source: ClaimSource,
    /// Where the claimed commit stands.
    pub claimed_status: Option<CommitStatus>,
    /// Whether cargo saw uncommitted files.
    pub dirty: bool,
    /// The commit that was compared: the best candidate.
    pub matched: Option<GitOid>,
    /// Where it stands.
    pub matched_status: Option<CommitStatus>,
    /// Who named it.
    pub found_by: Option<ClaimSource>,
    /// A tag at it, this version's before any other.
    pub tag: Option<String>,
    /// The package's folder in it; `""` for its root.
    pub package_path: Option<String>,
    /// When it was made, as it says.
    pub committed_at: Option<Timestamp>,
    /// Whether that is more than a day after publication.
    pub committed_after_publish: bool,
}

/// Fact F with a record per file that is not identical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesFacts {
    /// In one word.
    pub status: FilesStatus,
    /// How many files were compared.
    pub total: u64,
    /// How many are the same bytes.
    pub identical: u64,
    /// How many are the same by an exact explanation, by its code.
    pub explained: BTreeMap<String, u64>,
    /// Those that differ.
    pub differing: Vec<DifferingFile>,
    /// Those the commit does not have.
    pub extra: Vec<ExtraFile>,
    /// Those cargo would have packaged, and the archive does not have; at most 200.
    pub missing: Vec<String>,
    /// Those below a submodule that could not be looked at.
    pub unverified: Vec<ExtraFile>,
}

/// A file whose bytes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingFile {
    /// Its path in the archive.
    pub path: String,
    /// What it is for.
    pub class: FileClass,
    /// sha256 of the archive's bytes.
    pub sha256: Sha256,
    /// git's id of the archive's bytes.
    pub archive_blob: GitOid,
    /// git's id of the repository's bytes.
    pub repository_blob: GitOid,
    /// Whether the archive's bytes stand somewhere in the reachable history.
    pub seen: Option<bool>,
    /// A unified diff, cut at a limit; `None` for what is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// A file the commit does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// Its path in the archive.
    pub path: String,
    /// What it is for.
    pub class: FileClass,
    /// sha256 of its bytes.
    pub sha256: Sha256,
    /// Whether its bytes stand somewhere in the reachable history; `None` when that was not looked at.
    pub seen: Option<bool>,
    /// Whether it is a compiled file.
    #[serde(default)]
    pub binary: bool,
    /// Whether the repository ignores it, or it says that it was generated: it explains the file, and excuses nothing.
    #[serde(default)]
    pub generated: bool,
}

/// Fact M with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestOutcome {
    /// In one word.
    pub status: ManifestStatus,
    /// What differs or is worth a remark.
    pub notes: Vec<String>,
}

/// The five facts of one source check. The verdict is a function of them alone: [`crate::judge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// R.
    pub repository: RepositoryFacts,
    /// C.
    pub commit: CommitFacts,
    /// F.
    pub files: FilesFacts,
    /// M; `None` when there was no commit to derive it from.
    pub manifest: Option<ManifestOutcome>,
    /// G, and what else the steps saw, already coded.
    pub observed: Vec<Reason>,
}

/// One source check: the document of `provenance verify --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCheck {
    /// The crate.
    pub name: KrateName,
    /// The version.
    pub num: VersionNum,
    /// sha256 of the archive.
    pub checksum: Sha256,
    /// The outcome.
    pub verdict: Verdict,
    /// The outcome in words, as on the badge.
    pub words: String,
    /// Version of the rule that judged.
    pub rules: String,
    /// What was judged.
    #[serde(flatten)]
    pub facts: Facts,
    /// Why, worst first.
    pub reasons: Vec<Reason>,
    /// The refs of the repository as they were seen, for `ref_observation`; not part of the document.
    #[serde(skip)]
    pub refs: Vec<RefObservation>,
}

/// A branch or tag as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefObservation {
    /// Its full name, `refs/tags/v1.0.0`.
    pub name: String,
    /// The commit it leads to, annotated tags peeled.
    pub commit: GitOid,
}

impl Facts {
    /// The facts before anything was looked at.
    #[must_use]
    pub fn nothing_compared(claimed: Option<String>) -> Self {
        Self {
            repository: RepositoryFacts {
                claimed,
                normalised: None,
                redirected_to: None,
                path_hint: None,
                status: RepositoryStatus::None,
            },
            commit: CommitFacts {
                claimed: None,
                claim_source: ClaimSource::None,
                claimed_status: None,
                dirty: false,
                matched: None,
                matched_status: None,
                found_by: None,
                tag: None,
                package_path: None,
                committed_at: None,
                committed_after_publish: false,
            },
            files: FilesFacts::not_compared(),
            manifest: None,
            observed: Vec::new(),
        }
    }
}

impl FilesFacts {
    /// No commit, no comparison.
    #[must_use]
    pub fn not_compared() -> Self {
        Self {
            status: FilesStatus::NotCompared,
            total: 0,
            identical: 0,
            explained: BTreeMap::new(),
            differing: Vec::new(),
            extra: Vec::new(),
            missing: Vec::new(),
            unverified: Vec::new(),
        }
    }
}
