//! The bench: one package, its archive and its repository, each bent by the test before the check.

use std::collections::BTreeMap;

use fixtures::source_repo::text;
use fixtures::{CrateFile, Node, SourceRepo};
use inspect::{CrateArchive, Expected};
use schema::{KrateName, Timestamp, Verdict, VersionNum};
use verify::{GivenRepository, Limits, NormalisedUrl, Opened, Options, Repositories, Repository, RepositoryStatus};
use verify::{SourceCheck, Subject, TrustedPublishing, Unopened};

pub(crate) const MANIFEST: &str = "[package]\nname = \"sample\"\nversion = \"1.0.0\"\nedition = \"2021\"\nrepository = \"https://forge.test/o/sample\"\n\n[dependencies]\nlog = \"0.4\"\n";
pub(crate) const LIB: &str = "//! A sample.\n\nmod inner;\n";
pub(crate) const INNER: &str = "pub fn inner() {}\n";
/// 2026-01-01.
pub(crate) const PUBLISHED: i64 = 1_767_225_600;

/// Builds archive and repository side by side.
pub(crate) struct Lab {
    pub(crate) repo: SourceRepo,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) normalised: Option<String>,
    pub(crate) claim: Option<String>,
    pub(crate) name: &'static str,
    pub(crate) num: &'static str,
    pub(crate) trusted: Option<TrustedPublishing>,
    pub(crate) earlier: BTreeMap<String, String>,
    pub(crate) given: Option<String>,
    pub(crate) neighbours: Vec<String>,
    _folder: tempfile::TempDir,
}

/// The tree every honest commit starts from.
pub(crate) fn tree() -> Vec<(&'static str, Node)> {
    vec![
        ("Cargo.toml", text(MANIFEST)),
        ("README.md", text("# sample\n")),
        ("src/lib.rs", text(LIB)),
        ("src/inner.rs", text(INNER)),
    ]
}

/// The same with more, or other, files.
pub(crate) fn tree_with(more: &[(&'static str, Node)]) -> Vec<(&'static str, Node)> {
    let mut files = tree();
    for (path, node) in more {
        files.retain(|(known, _)| known != path);
        files.push((path, node.clone()));
    }
    files
}

pub(crate) fn below(folder: &str, files: &[(&str, Node)]) -> Vec<(String, Node)> {
    files.iter().map(|(path, node)| (format!("{folder}/{path}"), node.clone())).collect()
}

pub(crate) fn borrowed(files: &[(String, Node)]) -> Vec<(&str, Node)> {
    files.iter().map(|(path, node)| (path.as_str(), node.clone())).collect()
}

impl Lab {
    /// An archive of [`tree`] and an empty repository.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = SourceRepo::create(&folder.path().join("repo")).unwrap();
        let files = [("README.md", "# sample\n"), ("src/lib.rs", LIB), ("src/inner.rs", INNER)];
        let files = files.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()));
        let mut files = BTreeMap::from(files);
        files.insert("Cargo.toml.orig".to_owned(), MANIFEST.as_bytes().to_vec());
        Self {
            repo,
            files,
            normalised: None,
            claim: None,
            name: "sample",
            num: "1.0.0",
            trusted: None,
            earlier: BTreeMap::new(),
            given: None,
            neighbours: Vec::new(),
            _folder: folder,
        }
    }

    /// An honest archive of an honest commit on `main`, a day before publication.
    pub(crate) fn honest() -> Self {
        let mut lab = Self::new();
        let commit = lab.commit(&tree());
        lab.claims(&commit);
        lab
    }

    pub(crate) fn commit(&self, files: &[(&str, Node)]) -> String {
        self.repo.commit("main", files, PUBLISHED - 86_400).unwrap()
    }

    pub(crate) fn claims(&mut self, commit: &str) {
        self.claims_in(commit, "");
    }

    pub(crate) fn claims_in(&mut self, commit: &str, folder: &str) {
        let claim = serde_json::json!({ "git": { "sha1": commit }, "path_in_vcs": folder });
        self.claim = Some(claim.to_string());
    }

    pub(crate) fn claims_dirty(&mut self, commit: &str) {
        let claim = serde_json::json!({ "git": { "sha1": commit, "dirty": true }, "path_in_vcs": "" });
        self.claim = Some(claim.to_string());
    }

    pub(crate) fn file(&mut self, path: &str, content: impl AsRef<[u8]>) {
        self.files.insert(path.to_owned(), content.as_ref().to_vec());
    }

    pub(crate) fn check(&self) -> SourceCheck {
        let repository = Repository::open(self.repo.folder(), &Limits::default()).unwrap();
        self.check_with(&GivenRepository::new(repository))
    }

    pub(crate) fn check_with(&self, repositories: &dyn Repositories) -> SourceCheck {
        let mut krate = CrateFile::empty(self.name, self.num);
        if let Some(claim) = &self.claim {
            krate = krate.file(".cargo_vcs_info.json", claim.as_bytes());
        }
        let original = self.files.get("Cargo.toml.orig").map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        let normalised = self.normalised.clone().or(original);
        if let Some(normalised) = normalised.filter(|_| !self.files.contains_key("Cargo.toml")) {
            krate = krate.file("Cargo.toml", normalised.as_bytes());
        }
        for (path, content) in &self.files {
            krate = krate.file(path, content);
        }
        let bytes = krate.build().unwrap();
        let expected =
            Expected { name: KrateName::parse(self.name).unwrap(), num: VersionNum::parse(self.num).unwrap() };
        let inspection = inspect::inspect(bytes.as_slice(), &expected, None, &inspect::Limits::default()).unwrap();
        let files = CrateArchive::new(bytes, &expected, inspect::Limits::default());
        let subject = Subject {
            name: &expected.name,
            num: &expected.num,
            published_at: Some(Timestamp::from_seconds(PUBLISHED)),
            inspection: &inspection,
            files: &files,
            trusted: self.trusted.as_ref(),
        };
        let options = Options {
            repository: self.given.as_deref(),
            neighbours: &self.neighbours,
            earlier_refs: Some(&self.earlier),
            ..Options::default()
        };
        verify::check(&subject, repositories, &Limits::default(), &options).unwrap()
    }
}

/// Several repositories by address; all others are blocked, as private hosts are.
pub(crate) struct Several(pub(crate) BTreeMap<String, std::rc::Rc<Repository>>);

impl Repositories for Several {
    fn open(&self, url: &NormalisedUrl) -> Result<Opened, Unopened> {
        let repository = self.0.get(&url.url).cloned().ok_or(RepositoryStatus::Blocked)?;
        Ok(Opened { repository, redirected_to: None })
    }
}

pub(crate) fn opened(repo: &SourceRepo) -> std::rc::Rc<Repository> {
    std::rc::Rc::new(Repository::open(repo.folder(), &Limits::default()).unwrap())
}

pub(crate) fn codes(check: &SourceCheck) -> Vec<&str> {
    check.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// The verdict, and every one of these reasons.
#[track_caller]
pub(crate) fn expect(check: &SourceCheck, verdict: Verdict, reasons: &[&str]) {
    let found = codes(check);
    assert_eq!(check.verdict, verdict, "{} {found:?} {:?}", check.words, check.facts.manifest);
    for reason in reasons {
        assert!(found.contains(reason), "{reason} is not among {found:?}");
    }
}
