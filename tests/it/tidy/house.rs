//! The house as the rules see it: rooms with what they name, and the text of every file. Read from disk, or made by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use serde_json::Value;

/// All that the rules look at.
#[derive(Default)]
pub(super) struct House {
    /// Room → what it depends on.
    pub(super) rooms: BTreeMap<String, Vec<Dependency>>,
    /// Path below the root → text.
    pub(super) files: BTreeMap<String, String>,
}

pub(super) struct Dependency {
    /// A room's folder name, or a library's name.
    pub(super) name: String,
    pub(super) is_room: bool,
    /// In `[dev-dependencies]`.
    pub(super) for_tests: bool,
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const FOLDERS: [&str; 4] = ["schema", "indexer", "fixtures", "tests"];
const ROOT_FILES: [&str; 2] = ["Cargo.toml", "docs/DEPENDENCIES.md"];

impl House {
    /// Reads the house this test stands in.
    pub(super) fn read() -> Self {
        let mut house = Self { rooms: read_rooms(), ..Self::default() };
        let root = Path::new(ROOT);
        for folder in FOLDERS {
            read_files(root, folder, &mut house.files).unwrap();
        }
        for file in ROOT_FILES {
            house.files.insert(file.to_owned(), fs::read_to_string(root.join(file)).unwrap());
        }
        house
    }

    /// A small house that breaks no rule.
    pub(super) fn model() -> Self {
        let mut house = Self::default();
        for (room, dependency) in [
            ("schema", "serde"),
            ("queue", "schema"),
            ("publish", "schema"),
            ("git_transport", "net"),
            ("net", "reqwest"),
        ] {
            house.depend(room, dependency, false);
        }
        let lints = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        house.put("Cargo.toml", &format!("{lints}\n[workspace.dependencies]\nserde = \"1\"\n"));
        house.append("Cargo.toml", "schema = { path = \"schema\" }\n");
        house.put("docs/DEPENDENCIES.md", "| library | reason |\n|---|---|\n| `serde` | reads documents |\n");
        house.put("schema/Cargo.toml", "[lints]\nworkspace = true\n");
        house.put("schema/src/lib.rs", "//! Nouns.\n");
        house.put("indexer/git_transport/Cargo.toml", "[lints.rust]\nunsafe_code = \"deny\"\n");
        let expect = ["//! Transport.\n#[expect(unsafe", "_code, reason = \"…\")]\n"].concat();
        house.put("indexer/git_transport/src/lib.rs", &expect);
        house.put("schema/migrations/sqlite/0001_a.sql", "");
        house.put("schema/migrations/postgres/0001_a.sql", "");
        house.put("fixtures/data/a.json", "");
        house.put("fixtures/data/ORIGIN.md", "`a.json` made by hand, 2026-11-24, CC0-1.0\n");
        house
    }

    pub(super) fn depend(&mut self, room: &str, name: &str, for_tests: bool) {
        let is_room = super::edges::is_room(name);
        let dependency = Dependency { name: name.to_owned(), is_room, for_tests };
        self.rooms.entry(room.to_owned()).or_default().push(dependency);
    }

    pub(super) fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    pub(super) fn append(&mut self, path: &str, text: &str) {
        self.files.entry(path.to_owned()).or_default().push_str(text);
    }

    /// The files whose path ends so.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.ends_with(end))
    }
}

/// Asks cargo, which alone knows what a manifest means.
fn read_rooms() -> BTreeMap<String, Vec<Dependency>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (room_name(&package["name"]), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> Vec<Dependency> {
    let dependency = |value: &Value| Dependency {
        name: if value["path"].is_string() { room_name(&value["name"]) } else { text(&value["name"]) },
        is_room: value["path"].is_string(),
        for_tests: value["kind"] == "dev",
    };
    package["dependencies"].as_array().unwrap().iter().map(dependency).collect()
}

fn room_name(package: &Value) -> String {
    text(package).trim_start_matches("provenance-").replace('-', "_")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn read_files(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_files(root, &path, files)?;
        } else {
            // Of data that is no text, the name is enough.
            files.insert(path, String::from_utf8(fs::read(entry.path())?).unwrap_or_default());
        }
    }
    Ok(())
}
