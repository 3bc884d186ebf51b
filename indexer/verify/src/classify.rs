//! What each file of the archive is for, from the targets and what their sources reach (design 04, file classes).

use std::collections::{BTreeMap, BTreeSet};

use schema::{ManifestFacts, TargetKind};

use crate::archive::Archive;
use crate::facts::FileClass;
use crate::source_text::{Mention, mentions};

/// The classes of one archive's files.
pub(crate) struct Classes {
    reached: BTreeMap<String, FileClass>,
    literals: BTreeSet<String>,
    test_roots: BTreeSet<String>,
    pub(crate) has_build_script: bool,
}

impl Classes {
    pub(crate) fn of(archive: &Archive<'_>, manifest: Option<&ManifestFacts>) -> Self {
        let mut classes = Self {
            reached: BTreeMap::new(),
            literals: BTreeSet::new(),
            test_roots: BTreeSet::new(),
            has_build_script: manifest.is_some_and(|manifest| manifest.build.is_some()),
        };
        for (class, root) in roots(archive, manifest) {
            match class {
                FileClass::Test => {
                    classes.test_roots.insert(root);
                }
                class => classes.follow(archive, &root, class, true),
            }
        }
        classes
    }

    /// What a file is for.
    pub(crate) fn class(&self, path: &str) -> FileClass {
        if let Some(class) = self.reached.get(path) {
            return *class;
        }
        let lower = path.to_ascii_lowercase();
        let name = lower.rsplit('/').next().unwrap_or(&lower);
        if matches!(path, "Cargo.toml" | "Cargo.toml.orig" | "Cargo.lock") {
            return FileClass::Manifest;
        }
        let in_tests =
            self.test_roots.contains(path) || under(&lower, &["tests", "test", "benches", "examples", "fuzz"]);
        if is_native(name) && !in_tests {
            return FileClass::Native;
        }
        if is_ci(&lower, name) {
            return FileClass::Ci;
        }
        if is_docs(&lower, name) {
            return FileClass::Docs;
        }
        if self.literals.iter().any(|literal| path == literal || path.starts_with(&format!("{literal}/"))) {
            return FileClass::Data;
        }
        if in_tests {
            return FileClass::Test;
        }
        if self.has_build_script { FileClass::Data } else { FileClass::Other }
    }

    /// The class of a file whose bytes no commit has: a build script is taken to read it, tests included.
    pub(crate) fn class_of_never_seen(&self, path: &str) -> FileClass {
        match self.class(path) {
            FileClass::Test | FileClass::Other if self.has_build_script => FileClass::Data,
            class => class,
        }
    }

    fn follow(&mut self, archive: &Archive<'_>, path: &str, class: FileClass, is_root: bool) {
        let mut pending = vec![(path.to_owned(), class, is_root)];
        while let Some((path, class, is_root)) = pending.pop() {
            if !archive.has(&path) || self.reached.get(&path).is_some_and(|known| *known <= class) {
                continue;
            }
            self.reached.insert(path.clone(), class);
            let Some(text) = archive.text(&path) else { continue };
            for mention in mentions(&text) {
                self.mentioned(archive, &path, is_root, class, &mention, &mut pending);
            }
        }
    }

    fn mentioned(
        &mut self,
        archive: &Archive<'_>,
        path: &str,
        is_root: bool,
        class: FileClass,
        mention: &Mention,
        pending: &mut Vec<(String, FileClass, bool)>,
    ) {
        let folder = parent(path);
        let modules = module_folder(path, is_root);
        match mention {
            Mention::Module { inside, name } => {
                for folder in [&modules, &folder] {
                    let base = below(folder, inside);
                    pending.push((below_one(&base, &format!("{name}.rs")), class, false));
                    pending.push((below_one(&base, &format!("{name}/mod.rs")), class, false));
                }
            }
            Mention::AnyModule { inside } => {
                let base = below(&modules, inside);
                let sources = archive.entries().map(|(path, _)| path);
                let inside = sources.filter(|path| base.is_empty() || path.starts_with(&format!("{base}/")));
                pending.extend(inside.filter(|path| is_rust(path)).map(|path| (path.to_owned(), class, false)));
            }
            Mention::Path { inside, path } => {
                for base in [folder.clone(), below(&folder, inside), below(&modules, inside)] {
                    if let Some(path) = tidy(&below_one(&base, path)) {
                        pending.push((path, class, true));
                    }
                }
            }
            Mention::Include { path, source } => {
                for path in places(&folder, path) {
                    if archive.has(&path) && (*source || is_rust(&path)) {
                        pending.push((path, class, true));
                    } else if archive.has(&path) {
                        let class = class.max(FileClass::Data);
                        let known = self.reached.entry(path).or_insert(class);
                        *known = class.min(*known);
                    } else {
                        // A piece of a longer path, or a folder.
                        self.literals.insert(path);
                    }
                }
            }
            Mention::Literal(text) if text.len() <= 512 && !text.contains(char::is_whitespace) => {
                self.literals.extend(places(&folder, text).into_iter().filter(|path| !path.is_empty()));
            }
            Mention::Literal(_) | Mention::Doc => {}
        }
    }
}

/// The root file of every target, with its class. Old manifests list none: then cargo's own places count.
fn roots(archive: &Archive<'_>, manifest: Option<&ManifestFacts>) -> Vec<(FileClass, String)> {
    let mut roots = Vec::new();
    let proc_macro = manifest.is_some_and(|manifest| manifest.proc_macro);
    let library = if proc_macro { FileClass::ProcMacro } else { FileClass::Code };
    if let Some(manifest) = manifest {
        for target in &manifest.targets {
            let class = match target.kind {
                TargetKind::Build => FileClass::BuildScript,
                TargetKind::Lib => library,
                TargetKind::Bin => FileClass::Code,
                TargetKind::Example | TargetKind::Test | TargetKind::Bench => FileClass::Test,
            };
            roots.extend(tidy(&target.path).map(|path| (class, path)));
        }
        roots.extend(manifest.build.as_deref().and_then(tidy).map(|path| (FileClass::BuildScript, path)));
    }
    roots.push((FileClass::BuildScript, "build.rs".to_owned()));
    roots.push((library, "src/lib.rs".to_owned()));
    roots.push((FileClass::Code, "src/main.rs".to_owned()));
    let binaries = archive.entries().map(|(path, _)| path).filter(|path| path.starts_with("src/bin/") && is_rust(path));
    roots.extend(binaries.map(|path| (FileClass::Code, path.to_owned())));
    roots
}

/// Where a literal path may lead: beside the source, and below the package.
fn places(folder: &str, path: &str) -> Vec<String> {
    let path = path.trim_start_matches("./");
    let beside = tidy(&below_one(folder, path.trim_start_matches('/')));
    let below = tidy(path.trim_start_matches('/'));
    beside.into_iter().chain(below).collect()
}

/// Removes `.` and resolves `..`; `None` when the path leaves the package.
pub(crate) fn tidy(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())
}

fn module_folder(path: &str, is_root: bool) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    if is_root || name == "mod.rs" { parent(path) } else { path.trim_end_matches(".rs").to_owned() }
}

fn below(folder: &str, names: &[String]) -> String {
    names.iter().fold(folder.to_owned(), |folder, name| below_one(&folder, name))
}

fn below_one(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn is_rust(path: &str) -> bool {
    has_extension(path, &["rs"])
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

fn under(path: &str, folders: &[&str]) -> bool {
    path.split_once('/').is_some_and(|(first, _)| folders.contains(&first))
}

fn is_native(name: &str) -> bool {
    const EXTENSIONS: [&str; 28] = [
        "c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "s", "asm", "m", "mm", "inc", "inl", "def", "cu", "a", "o",
        "so", "dll", "lib", "obj", "dylib", "wasm", "exe", "node", "pyd", "pdb",
    ];
    has_extension(name, &EXTENSIONS)
}

fn is_ci(path: &str, name: &str) -> bool {
    const FOLDERS: [&str; 12] = [
        ".github",
        ".gitlab",
        ".circleci",
        ".vscode",
        ".idea",
        ".cargo",
        ".config",
        ".travis",
        ".buildkite",
        ".husky",
        "ci",
        ".ci",
    ];
    const NAMES: [&str; 24] = [
        ".gitignore",
        ".gitattributes",
        ".gitmodules",
        ".editorconfig",
        ".travis.yml",
        ".gitlab-ci.yml",
        "appveyor.yml",
        ".appveyor.yml",
        "rustfmt.toml",
        ".rustfmt.toml",
        "clippy.toml",
        ".clippy.toml",
        "deny.toml",
        "renovate.json",
        "codecov.yml",
        ".codecov.yml",
        ".mailmap",
        "bors.toml",
        "release.toml",
        "cliff.toml",
        "justfile",
        "rust-toolchain",
        "rust-toolchain.toml",
        "typos.toml",
    ];
    under(path, &FOLDERS) || NAMES.contains(&name) || name.starts_with(".cargo_vcs")
}

fn is_docs(path: &str, name: &str) -> bool {
    const STEMS: [&str; 12] = [
        "readme",
        "changelog",
        "changes",
        "license",
        "licence",
        "copying",
        "copyright",
        "contributing",
        "authors",
        "notice",
        "unlicense",
        "security",
    ];
    let stem = name.split(['.', '-', '_']).next().unwrap_or(name);
    let plain_stem = STEMS.contains(&stem) && !has_extension(name, &["rs", "c", "h", "py", "sh"]);
    plain_stem
        || has_extension(name, &["md", "markdown", "adoc", "rst", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp"])
        || (under(path, &["doc", "docs", "licenses", "book", "guide"]) && !is_rust(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied_and_stay_inside() {
        assert_eq!(tidy("./src/../src//lib.rs").as_deref(), Some("src/lib.rs"));
        assert_eq!(tidy("src/../../x"), None);
    }

    #[test]
    fn names_tell_docs_and_ci_apart() {
        for (path, docs, ci) in [
            ("readme.md", true, false),
            ("license-mit", true, false),
            ("src/license.rs", false, false),
            (".github/workflows/ci.yml", false, true),
            ("docs/a.html", true, false),
            ("data/table.bin", false, false),
        ] {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!((is_docs(path, name), is_ci(path, name)), (docs, ci), "{path}");
        }
    }
}
