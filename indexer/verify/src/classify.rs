//! What each file of the archive is for, from the targets and what their sources reach (design 04, file classes).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use schema::{ManifestFacts, TargetKind};

use crate::archive::Archive;
use crate::facts::FileClass;
use crate::source_text::{Mention, mentions};

/// The classes of one archive's files.
pub(crate) struct Classes {
    reached: BTreeMap<String, FileClass>,
    /// Files and folders that code names which runs while the package is built.
    named_at_build: BTreeSet<String>,
    /// Those that other code names.
    named: BTreeSet<String>,
    test_roots: BTreeSet<String>,
    /// Whether code of the package runs while it, or what depends on it, is built.
    runs_at_build: bool,
    /// Whether some source includes a file that cannot be told from its text.
    includes_anything: bool,
    pub(crate) has_build_script: bool,
}

impl Classes {
    pub(crate) fn of(archive: &Archive<'_>, manifest: Option<&ManifestFacts>) -> Self {
        let has_build_script = archive.has("build.rs") || manifest.is_some_and(|manifest| manifest.build.is_some());
        let mut classes = Self {
            reached: BTreeMap::new(),
            named_at_build: BTreeSet::new(),
            named: BTreeSet::new(),
            test_roots: BTreeSet::new(),
            runs_at_build: has_build_script || manifest.is_some_and(|manifest| manifest.proc_macro),
            includes_anything: false,
            has_build_script,
        };
        let known = namable(archive);
        for (class, root) in roots(archive, manifest) {
            match class {
                FileClass::Test => {
                    classes.test_roots.insert(root);
                }
                class => classes.follow(archive, &known, &root, class),
            }
        }
        classes
    }

    /// What a file is for, wherever the archive is unpacked.
    pub(crate) fn class(&self, path: &str) -> FileClass {
        let class = self.class_of(path);
        as_on_windows(path).map_or(class, |there| class.min(self.class_of(&there)))
    }

    fn class_of(&self, path: &str) -> FileClass {
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
        // Which modules there are, a macro may decide.
        if is_rust(name) && under(&lower, &["src"]) {
            return FileClass::Code;
        }
        if is_named(&self.named_at_build, path) {
            return FileClass::Data;
        }
        if is_ci(&lower, name) {
            return FileClass::Ci;
        }
        if is_docs(&lower, name) {
            return FileClass::Docs;
        }
        if is_named(&self.named, path) {
            return FileClass::Data;
        }
        if in_tests {
            return FileClass::Test;
        }
        if self.has_build_script || is_compiled_by_macros(name) { FileClass::Data } else { FileClass::Other }
    }

    /// The class of a file whose bytes no commit has: a build script or procedural macro is taken to read it, tests
    /// included; a source that includes nobody knows what, documents included.
    pub(crate) fn class_of_never_seen(&self, path: &str) -> FileClass {
        match self.class(path) {
            FileClass::Test | FileClass::Other if self.runs_at_build => FileClass::Data,
            FileClass::Test | FileClass::Other | FileClass::Docs | FileClass::Ci if self.includes_anything => {
                FileClass::Data
            }
            class => class,
        }
    }

    /// Whether a source takes this file in as it is.
    pub(crate) fn is_included(&self, path: &str) -> bool {
        self.reached.contains_key(path)
    }

    fn follow(&mut self, archive: &Archive<'_>, known: &HashSet<&str>, root: &str, class: FileClass) {
        let mut pending = vec![(root.to_owned(), class, true)];
        while let Some((path, class, is_root)) = pending.pop() {
            if !archive.has(&path) || self.reached.get(&path).is_some_and(|known| *known <= class) {
                continue;
            }
            self.reached.insert(path.clone(), class);
            let Some(text) = archive.text(&path) else {
                // What it includes cannot be read, and may be anything.
                self.includes_anything = true;
                continue;
            };
            let source = Source { path: &path, is_root, class };
            for mention in mentions(&text) {
                self.mentioned(archive, known, source, &mention, &mut pending);
            }
        }
    }

    fn mentioned(
        &mut self,
        archive: &Archive<'_>,
        known: &HashSet<&str>,
        source: Source<'_>,
        mention: &Mention<'_>,
        pending: &mut Vec<(String, FileClass, bool)>,
    ) {
        let class = source.class;
        let folder = parent(source.path);
        let modules = module_folder(source.path, source.is_root);
        match mention {
            Mention::Module { inside, name } => {
                for folder in [&modules, &folder] {
                    let base = below(folder, inside);
                    let places =
                        [format!("{name}.rs"), format!("{name}/mod.rs")].map(|file| tidy(&below_one(&base, &file)));
                    pending.extend(places.into_iter().flatten().map(|path| (path, class, false)));
                }
            }
            Mention::AnyModule { inside } => {
                let Some(base) = tidy(&below(&modules, inside)) else { return };
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
                    } else if known.contains(path.as_str()) {
                        // A piece of a longer path, or a folder.
                        self.named_at_build.insert(path);
                    }
                }
            }
            Mention::AnyFile => self.includes_anything = true,
            Mention::Handed(text) | Mention::Literal(text) if may_name(text, known) => {
                let runs_at_build = matches!(class, FileClass::BuildScript | FileClass::ProcMacro);
                let is_handed = matches!(mention, Mention::Handed(_));
                let named = if runs_at_build || is_handed { &mut self.named_at_build } else { &mut self.named };
                named.extend(places(&folder, text).into_iter().filter(|path| known.contains(path.as_str())));
            }
            Mention::Handed(_) | Mention::Literal(_) => {}
        }
    }
}

/// A source that is read for what it mentions.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a str,
    is_root: bool,
    class: FileClass,
}

/// Every text that can name a file of the archive: its path, a folder above it, the end of its path with an extension; and
/// every part of a path.
fn namable<'a>(archive: &'a Archive<'_>) -> HashSet<&'a str> {
    let paths = archive.entries().map(|(path, _)| path);
    paths.flat_map(|path| path.split('/').chain(std::iter::once(path)).chain(folders(path)).chain(ends(path))).collect()
}

/// Whether the last part of a text is that of something in the archive: most literals are no paths, and cost no more.
fn may_name(text: &str, known: &HashSet<&str>) -> bool {
    let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
    matches!(last, "." | "..") || known.contains(last)
}

fn is_named(named: &BTreeSet<String>, path: &str) -> bool {
    std::iter::once(path).chain(folders(path)).chain(ends(path)).any(|text| named.contains(text))
}

fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Macros that compile templates and grammars look below a folder of their own: `x.html` is `templates/x.html`.
fn ends(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[at + 1..]).filter(|end| end.contains('.'))
}

/// The path Windows gives a file, when that is another one: its separators, and what it cuts off names.
fn as_on_windows(path: &str) -> Option<String> {
    let plain = |part: &str| part.split(':').next().unwrap_or(part).trim_end_matches(['.', ' ']).to_owned();
    let there = path.split(['/', '\\']).map(plain).collect::<Vec<_>>().join("/");
    (there != path).then_some(there)
}

/// What macros and build tools turn into code, wherever it stands.
fn is_compiled_by_macros(name: &str) -> bool {
    const EXTENSIONS: [&str; 30] = [
        "sql", "html", "hbs", "tera", "j2", "jinja", "jinja2", "askama", "stpl", "pest", "lalrpop", "proto", "fbs",
        "capnp", "thrift", "graphql", "gql", "wgsl", "glsl", "vert", "frag", "comp", "spv", "slint", "ftl", "wit",
        "udl", "idl", "wat", "asn1",
    ];
    has_extension(name, &EXTENSIONS)
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
    let path = path.trim_start_matches("$CARGO_MANIFEST_DIR/").trim_start_matches("./");
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
    fn windows_has_its_own_paths() {
        assert_eq!(as_on_windows("src/lib.rs"), None);
        for path in ["src\\lib.rs", "src/lib.rs.", "src./lib.rs ", "src/lib.rs::$DATA"] {
            assert_eq!(as_on_windows(path).as_deref(), Some("src/lib.rs"), "{path}");
        }
    }

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
