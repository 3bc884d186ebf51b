//! One candidate: every file of the archive against one commit, from the package's folder (design 04, steps 7 and 8).

use std::collections::BTreeMap;
use std::rc::Rc;

use git2::Oid;
use schema::{Entry, EntryKind};
use toml::Value;

use crate::archive::Archive;
use crate::classify::{Classes, tidy};
use crate::explain::{Attributes, Explanation, explain};
use crate::facts::FileClass;
use crate::package::Package;
use crate::pattern::matches;
use crate::repository::Repository;
use crate::tree::{Found, Snapshot, join};

/// How deep submodules are followed.
const MAX_SUBMODULES: usize = 3;

/// Opens the repository a submodule names, for the address as written there and the commit wanted; `None` when it cannot be had.
pub(crate) type Submodules<'a> = dyn Fn(&str, Oid) -> Option<Rc<Repository>> + 'a;

/// How one file stands to the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Identical,
    Explained(Explanation),
    Differs(Oid),
    Extra,
    /// Below a submodule that could not be looked at.
    Unverified,
}

/// One candidate with the standing of every file.
pub(crate) struct Comparison {
    pub(crate) snapshot: Snapshot,
    pub(crate) package: Package,
    pub(crate) files: BTreeMap<String, Standing>,
    pub(crate) matched: u64,
    pub(crate) total: u64,
    /// Whether files the build reads all match.
    pub(crate) build_matches: bool,
    pub(crate) modes: Vec<String>,
}

impl Comparison {
    pub(crate) fn is_complete(&self) -> bool {
        self.matched == self.total
    }

    /// Whether this candidate is better: matched weight first, then the build's files.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        (self.matched, self.build_matches) > (other.matched, other.build_matches)
    }
}

/// What does not change from candidate to candidate.
pub(crate) struct Comparer<'a> {
    pub(crate) archive: &'a Archive<'a>,
    pub(crate) classes: &'a Classes,
    pub(crate) submodules: &'a Submodules<'a>,
    pub(crate) has_original: bool,
}

impl Comparer<'_> {
    /// Compares every file; generated ones apart.
    pub(crate) fn compare(&self, snapshot: &Snapshot, package: Package) -> Comparison {
        let mut comparison = Comparison {
            snapshot: snapshot.clone(),
            package,
            files: BTreeMap::new(),
            matched: 0,
            total: 0,
            build_matches: true,
            modes: Vec::new(),
        };
        for (path, entry) in self.archive.entries() {
            if self.is_generated(path) {
                continue;
            }
            let standing = self.standing(snapshot, &comparison.package, path, entry, &mut comparison.modes);
            let class = self.classes.class(path);
            comparison.total += class.weight();
            if matches!(standing, Standing::Identical | Standing::Explained(_)) {
                comparison.matched += class.weight();
            } else if class.is_build() {
                comparison.build_matches = false;
            }
            comparison.files.insert(path.to_owned(), standing);
        }
        comparison
    }

    /// Files cargo writes itself, at the root only. A manifest is generated only when its original is there.
    pub(crate) fn is_generated(&self, path: &str) -> bool {
        match path {
            // What the code includes is no mere by-product of packaging.
            ".cargo_vcs_info.json" | "Cargo.lock" => !self.classes.is_included(path),
            "Cargo.toml" => self.has_original,
            _ => false,
        }
    }

    fn standing(
        &self,
        snapshot: &Snapshot,
        package: &Package,
        path: &str,
        entry: &Entry,
        modes: &mut Vec<String>,
    ) -> Standing {
        let source = if path == "Cargo.toml.orig" { "Cargo.toml" } else { path };
        let place = join(&package.folder, source);
        match entry.kind {
            EntryKind::File => {}
            EntryKind::Symlink => {
                return match snapshot.find_link(&place) {
                    Found::Link { blob } if blob.as_bytes() == entry.git_blob.as_bytes() => Standing::Identical,
                    Found::Link { blob } | Found::File { blob, .. } => Standing::Differs(blob),
                    _ => Standing::Extra,
                };
            }
            _ => return Standing::Extra,
        }
        let direct = self.at(snapshot, &place, path, entry, 0, modes);
        if direct == Standing::Extra || matches!(direct, Standing::Differs(_)) {
            if let Found::Link { blob } = snapshot.find_link(&place)
                && blob.as_bytes() == entry.git_blob.as_bytes()
            {
                return Standing::Explained(Explanation::SymlinkAsText);
            }
            if self.is_outside_copy(snapshot, package, path, entry) {
                return Standing::Explained(Explanation::OutsideRootCopy);
            }
        }
        direct
    }

    fn at(
        &self,
        snapshot: &Snapshot,
        place: &str,
        path: &str,
        entry: &Entry,
        depth: usize,
        modes: &mut Vec<String>,
    ) -> Standing {
        match snapshot.find(place) {
            Found::File { blob, executable, through_link } => {
                if blob.as_bytes() == entry.git_blob.as_bytes() {
                    if executable != (entry.mode & 0o111 != 0) {
                        modes.push(path.to_owned());
                    }
                    return if through_link {
                        Standing::Explained(Explanation::SymlinkFlattened)
                    } else {
                        Standing::Identical
                    };
                }
                self.explained(snapshot, place, path, entry, blob).map_or(Standing::Differs(blob), Standing::Explained)
            }
            Found::Submodule { at, commit, rest } => {
                let inner = self.submodule(snapshot, &at, commit, depth);
                inner.map_or(Standing::Unverified, |inner| self.at(&inner, &rest, path, entry, depth + 1, modes))
            }
            Found::Link { .. } | Found::Folder { .. } | Found::Absent => Standing::Extra,
        }
    }

    fn explained(&self, snapshot: &Snapshot, place: &str, path: &str, entry: &Entry, blob: Oid) -> Option<Explanation> {
        let repository = snapshot.repository.blob(blob)?;
        let archive = self.archive.read(path)?;
        explain(&archive, entry.sha256, &repository, blob, &attributes(snapshot, place))
    }

    /// The snapshot inside a submodule; its commit must stand behind a branch or tag of its own repository.
    fn submodule(&self, snapshot: &Snapshot, at: &str, commit: Oid, depth: usize) -> Option<Snapshot> {
        if depth >= MAX_SUBMODULES {
            return None;
        }
        let modules = String::from_utf8(snapshot.read(".gitmodules")?).ok()?;
        let repository = (self.submodules)(&submodule_url(&modules, at)?, commit)?;
        if !repository.obtain(commit) || !repository.stands(commit).ok()?.is_reachable() {
            return None;
        }
        Snapshot::of(&repository, commit).ok()
    }

    /// A readme or licence the manifest takes from outside the package is copied to its root under its own name.
    fn is_outside_copy(&self, snapshot: &Snapshot, package: &Package, path: &str, entry: &Entry) -> bool {
        let root_folder = package.workspace.as_ref().map_or(package.folder.as_str(), |(folder, _)| folder);
        ["readme", "license-file"].iter().any(|field| {
            let own = package.manifest.get("package").and_then(|table| table.get(field));
            let (folder, file) = match own {
                Some(Value::String(file)) => (package.folder.as_str(), Some(file.as_str())),
                Some(Value::Table(_)) => {
                    let shared =
                        package.inherits_from().and_then(|root| root.get("workspace")?.get("package")?.get(field));
                    (root_folder, shared.and_then(Value::as_str))
                }
                _ => (package.folder.as_str(), None),
            };
            let Some(file) = file.filter(|file| file.rsplit('/').next() == Some(path)) else { return false };
            let Some(place) = tidy(&join(folder, file)) else { return false };
            let outside = !package.folder.is_empty() && !place.starts_with(&format!("{}/", package.folder));
            let found = snapshot.find(&place);
            outside
                && match found {
                    Found::File { blob, .. } => {
                        blob.as_bytes() == entry.git_blob.as_bytes()
                            || self.explained(snapshot, &place, path, entry, blob).is_some()
                    }
                    _ => false,
                }
        })
    }
}

/// What the `.gitattributes` of the path's folders say of it, the nearest last; read as text, nothing is run.
fn attributes(snapshot: &Snapshot, place: &str) -> Attributes {
    let mut found = Attributes::default();
    let mut folders: Vec<&str> = vec![""];
    folders.extend(place.match_indices('/').map(|(at, _)| &place[..at]));
    for folder in folders {
        let Some(bytes) = snapshot.read(&join(folder, ".gitattributes")) else { continue };
        let inside = place.strip_prefix(folder).unwrap_or(place).trim_start_matches('/');
        for line in String::from_utf8_lossy(&bytes).lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            if !words.next().is_some_and(|pattern| matches(pattern, inside)) {
                continue;
            }
            for word in words {
                match word {
                    "ident" => found.ident = true,
                    "-ident" | "!ident" => found.ident = false,
                    "-working-tree-encoding" | "!working-tree-encoding" => found.encoding = None,
                    _ => {
                        if let Some(encoding) = word.strip_prefix("working-tree-encoding=") {
                            found.encoding = Some(encoding.to_owned());
                        }
                    }
                }
            }
        }
    }
    found
}

/// The address `.gitmodules` gives for a path.
fn submodule_url(modules: &str, at: &str) -> Option<String> {
    let mut path = None;
    let mut url = None;
    for line in modules.lines().map(str::trim).chain(["["]) {
        if line.starts_with('[') {
            if path == Some(at) {
                return url.map(str::to_owned);
            }
            (path, url) = (None, None);
        } else if let Some((key, value)) = line.split_once('=') {
            match key.trim() {
                "path" => path = Some(value.trim()),
                "url" => url = Some(value.trim()),
                _ => {}
            }
        }
    }
    None
}

/// Whether bytes begin as a compiled file does.
pub(crate) fn is_compiled(bytes: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] = [
        b"\x7fELF",
        b"MZ",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        b"\0asm",
        b"!<arch>\n",
    ];
    STARTS.iter().any(|start| bytes.starts_with(start))
}

/// The class a file has once it is known whether its bytes stand in the history.
pub(crate) fn settled_class(classes: &Classes, path: &str, seen: Option<bool>) -> FileClass {
    if seen == Some(false) { classes.class_of_never_seen(path) } else { classes.class(path) }
}
