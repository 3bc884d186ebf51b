//! Git repositories made by `git fast-import`, so that their truth is git's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bare repository in a folder that goes away with it.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

/// One commit: the branch, whether it begins a new history, and what it does to files (`None` deletes).
pub(crate) struct Commit<'a> {
    pub(crate) branch: &'a str,
    pub(crate) root: bool,
    pub(crate) at: i64,
    pub(crate) files: &'a [(&'a str, Option<&'a str>)],
}

impl Repository {
    pub(crate) fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=master", "."]);
        repository
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs git in the repository and returns what it prints, trimmed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git_in(self.folder.path(), arguments)
    }

    /// Adds a commit on master; text `None` deletes the file. Returns its id.
    pub(crate) fn commit(&self, at: i64, files: &[(&str, Option<&str>)]) -> String {
        self.add(&Commit { branch: "master", root: false, at, files })
    }

    /// Puts one parentless commit in place of master's history, after `edit` was made to its tree.
    pub(crate) fn squash(&self, at: i64, edit: &[(&str, Option<&str>)]) -> String {
        let root = Commit { branch: "squashed", root: true, at, files: &[] };
        let mut stream = header(&root, None);
        stream.push_str(&self.tree_of("master"));
        stream.extend(edit.iter().map(|(path, text)| operation(path, *text)));
        self.import(&stream);
        self.git(&["update-ref", "refs/heads/master", "refs/heads/squashed"]);
        self.git(&["update-ref", "-d", "refs/heads/squashed"]);
        self.git(&["rev-parse", "master"])
    }

    pub(crate) fn add(&self, commit: &Commit<'_>) -> String {
        let branch = format!("refs/heads/{}", commit.branch);
        let parent = (!commit.root && !self.git(&["for-each-ref", &branch]).is_empty()).then_some(branch.as_str());
        let mut stream = header(commit, parent);
        stream.extend(commit.files.iter().map(|(path, text)| operation(path, *text)));
        self.import(&stream);
        self.git(&["rev-parse", commit.branch])
    }

    /// The operations that make the tree of a commit.
    fn tree_of(&self, commit: &str) -> String {
        let listing = self.git(&["ls-tree", "-r", "--format=M %(objectmode) %(objectname) %(path)", commit]);
        format!("{listing}\n")
    }

    fn import(&self, stream: &str) {
        let mut import = Command::new("git")
            .args(["fast-import", "--quiet", "--force"])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
    }
}

pub(crate) fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn header(commit: &Commit<'_>, parent: Option<&str>) -> String {
    let from = parent.map(|parent| format!("from {parent}^0\n")).unwrap_or_default();
    format!("commit refs/heads/{}\ncommitter t <t> {} +0000\ndata 1\nc\n{from}", commit.branch, commit.at)
}

fn operation(path: &str, text: Option<&str>) -> String {
    match text {
        Some(text) => format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()),
        None => format!("D {path}\n"),
    }
}

/// Whether git is on this machine; a test that needs it says so in one line and is skipped (in CI it is a failure).
pub(crate) fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output().is_ok();
    if !found {
        #[expect(clippy::disallowed_methods, reason = "CI must not skip in silence")]
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "git is not on this machine");
        let _ = writeln!(std::io::stderr(), "skipped: no git on this machine");
    }
    found
}
