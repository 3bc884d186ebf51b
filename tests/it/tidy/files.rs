//! What every file must have and must not have: a first line, a measure, safe code, and none of the words we do without.

use std::collections::BTreeSet;

use super::house::House;

const MOST_LINES: usize = 500;
const TRANSPORT: &str = "indexer/git_transport/";

/// `forbid` for all, inherited by each; `git_transport` may say `deny` and make one exception.
pub(super) fn unsafe_code(house: &House) -> Vec<String> {
    let mut broken = Vec::new();
    if !house.files["Cargo.toml"].contains("unsafe_code = \"forbid\"") {
        broken.push("the workspace does not forbid it".to_owned());
    }
    // Put together here, so that this file is none of its own hits.
    let exception = ["expect(unsafe", "_code"].concat();
    for (path, manifest) in house.ending("/Cargo.toml") {
        let room = path.trim_end_matches("Cargo.toml");
        let sources = house.ending(".rs").filter(|(path, _)| path.starts_with(room));
        let n_exceptions: usize = sources.map(|(_, text)| text.matches(&exception).count()).sum();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        let denies = room == TRANSPORT && manifest.contains("unsafe_code = \"deny\"");
        if !inherits && !denies {
            broken.push(format!("{path} does not inherit the lints"));
        }
        if n_exceptions != usize::from(denies) {
            broken.push(format!("{room} has {n_exceptions} functions with unsafe code"));
        }
    }
    broken
}

pub(super) fn first_line(house: &House) -> Vec<String> {
    house.ending(".rs").filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path.to_owned()).collect()
}

pub(super) fn length(house: &House) -> Vec<String> {
    let measured = house.ending(".rs").map(|(path, text)| (path, text.lines().count()));
    measured.filter(|(_, n)| *n > MOST_LINES).map(|(path, n)| format!("{path} has {n} lines")).collect()
}

pub(super) fn no_mod_rs(house: &House) -> Vec<String> {
    house.ending("/mod.rs").map(|(path, _)| path.to_owned()).collect()
}

pub(super) fn words(house: &House) -> Vec<String> {
    // Word, and why not. Put together here, so that this file is none of its own hits.
    let unwanted = [
        (["[al", "low("].concat(), "use `expect` with a reason"),
        (["#[ig", "nore"].concat(), "a test that does not run proves nothing"),
        (["#[should_", "panic"].concat(), "assert on the error"),
        (["thread::sl", "eep"].concat(), "wait for a condition"),
        (["index.crates", ".io"].concat(), "no registry host in the code"),
        (["static.crates", ".io"].concat(), "no registry host in the code"),
        (["rust-lang/crates", ".io"].concat(), "no registry host in the code"),
    ];
    let mut broken = Vec::new();
    for (path, text) in house.ending(".rs").filter(|(path, _)| !path.contains("/benches/")) {
        for (number, line) in text.lines().enumerate() {
            let hits = unwanted.iter().filter(|(word, _)| line.contains(word.as_str()));
            broken.extend(hits.map(|(word, why)| format!("{path}:{} {word}: {why}", number + 1)));
        }
    }
    broken
}

/// Once there is a folder for PostgreSQL, each migration stands in both, under one name.
pub(super) fn migrations(house: &House) -> Vec<String> {
    let below = |folder: &'static str| -> BTreeSet<&str> {
        house.files.keys().filter_map(|path| path.strip_prefix(folder)).collect()
    };
    let (sqlite, postgres) = (below("schema/migrations/sqlite/"), below("schema/migrations/postgres/"));
    if postgres.is_empty() {
        return Vec::new();
    }
    sqlite.symmetric_difference(&postgres).map(|name| format!("{name} has no twin")).collect()
}

/// Each file of `fixtures/data`, or a folder it is in, begins a line of `ORIGIN.md` there.
pub(super) fn origins(house: &House) -> Vec<String> {
    const DATA: &str = "fixtures/data/";
    let origins = house.files.get("fixtures/data/ORIGIN.md").map_or("", String::as_str);
    let lines: Vec<_> = origins.lines().filter_map(|line| line.strip_prefix('`')?.split_once('`')).collect();
    let told =
        |file: &str| lines.iter().any(|(name, _)| *name == file || (name.ends_with('/') && file.starts_with(name)));
    let data = house.files.keys().filter_map(|path| path.strip_prefix(DATA)).filter(|file| *file != "ORIGIN.md");
    data.filter(|file| !told(file)).map(|file| format!("{file} has no line in ORIGIN.md")).collect()
}
