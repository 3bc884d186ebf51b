//! A made-up history of a workspace, as large as wanted, written through `git fast-import`: same seed, same commits.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Packages of the workspace; every second one inherits its version.
pub(crate) const N_PACKAGES: usize = 24;
/// Modules of each package.
const N_MODULES: usize = 16;
/// A commit in so many publishes one package: its version grows and is tagged.
const PUBLISH_EVERY: usize = 50;
/// 2020-01-01, and ten minutes more with every commit.
const FIRST: usize = 1_577_836_800;

/// A package as it was published at one commit.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// Its number in the workspace.
    pub(crate) package: usize,
    /// Its version.
    pub(crate) num: String,
    /// Its files then, by path.
    pub(crate) files: Vec<(String, String)>,
}

/// The state of the workspace while it is written.
struct Workspace {
    versions: Vec<usize>,
    shared: usize,
    edits: Vec<[usize; N_MODULES]>,
}

/// Whether what is published is tagged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    Set,
    Left,
}

/// The name of a package.
pub(crate) fn name(package: usize) -> String {
    format!("made-up-{package}")
}

/// Writes `n_commits` commits into a new bare repository; gives what was published on the way, oldest first.
pub(crate) fn write(folder: &Path, n_commits: usize, tags: Tags) -> std::io::Result<Vec<Published>> {
    git(folder, &["init", "-q", "--bare", "-b", "main", "."])?;
    let mut import =
        Command::new("git").current_dir(folder).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn()?;
    let mut published = Vec::new();
    if let Some(mut input) = import.stdin.take() {
        let mut workspace = Workspace::new();
        for at in 0..n_commits {
            let (text, release) = workspace.commit(at, tags);
            input.write_all(text.as_bytes())?;
            published.extend(release);
        }
    }
    import.wait()?;
    // As a clone has it: one pack, its deltas chosen over the whole of it.
    git(folder, &["repack", "-adq"])?;
    Ok(published)
}

/// Runs git here, with nothing of the machine's configuration.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> std::io::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Workspace {
    fn new() -> Self {
        Self { versions: vec![0; N_PACKAGES], shared: 0, edits: vec![[0; N_MODULES]; N_PACKAGES] }
    }

    fn commit(&mut self, at: usize, tags: Tags) -> (String, Option<Published>) {
        // A small generator of numbers, so that two runs write the same.
        let number = at.wrapping_mul(2_654_435_761) >> 7;
        let package = number % N_PACKAGES;
        let module = (number / N_PACKAGES) % N_MODULES;
        let mut changed = Vec::new();
        if at == 0 {
            changed.push(("Cargo.toml".to_owned(), self.root()));
            for package in 0..N_PACKAGES {
                changed.extend(self.files(package));
            }
        }
        self.edits[package][module] = at;
        let is_release = at % PUBLISH_EVERY == PUBLISH_EVERY - 1;
        if is_release && inherits(package) {
            self.shared += 1;
            changed.push(("Cargo.toml".to_owned(), self.root()));
        } else if is_release {
            self.versions[package] += 1;
        }
        changed.extend(
            self.files(package)
                .into_iter()
                .filter(|(path, _)| path.ends_with("Cargo.toml") || path.ends_with(&format!("/m{module}.rs"))),
        );
        let mut text = format!(
            "commit refs/heads/main\nmark :{}\ncommitter A <a@b> {} +0000\ndata 1\nc\n",
            at + 1,
            FIRST + at * 600
        );
        for (path, content) in changed {
            let _ = write!(text, "M 100644 inline {path}\ndata {}\n{content}\n", content.len());
        }
        let release = is_release.then(|| {
            let num = self.num(package);
            if tags == Tags::Set {
                let _ = write!(text, "reset refs/tags/{}-v{num}\nfrom :{}\n\n", name(package), at + 1);
            }
            let below = format!("crates/{}/", name(package));
            let files = self.files(package).into_iter().map(|(path, text)| (path.replacen(&below, "", 1), text));
            Published { package, num, files: files.collect() }
        });
        (text, release)
    }

    fn num(&self, package: usize) -> String {
        if inherits(package) { format!("1.{}.0", self.shared) } else { format!("1.0.{}", self.versions[package]) }
    }

    fn root(&self) -> String {
        format!("[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"1.{}.0\"\n", self.shared)
    }

    fn files(&self, package: usize) -> Vec<(String, String)> {
        let below = format!("crates/{}", name(package));
        let version = if inherits(package) {
            "version.workspace = true".to_owned()
        } else {
            format!("version = \"{}\"", self.num(package))
        };
        let manifest = format!(
            "[package]\nname = \"{}\"\n{version}\nedition = \"2021\"\nrepository = \"https://forge.test/o/made-up\"\n",
            name(package)
        );
        let mut lib = String::new();
        let mut files = vec![(format!("{below}/Cargo.toml"), manifest)];
        for module in 0..N_MODULES {
            let _ = writeln!(lib, "mod m{module};");
            let filler = format!("/// A line of module {module} in package {package}.\npub fn f() {{}}\n").repeat(40);
            files.push((
                format!("{below}/src/m{module}.rs"),
                format!("// edit {}\n{filler}", self.edits[package][module]),
            ));
        }
        files.push((format!("{below}/src/lib.rs"), lib));
        files
    }
}

fn inherits(package: usize) -> bool {
    package % 2 == 1
}
