//! Source checks through the whole pipeline, on a repository built in the test and reached by a table of mirrors.

use fixtures::source_repo::text;
use fixtures::{CrateFile, SourceRepo, World};
use serde_json::json;

use crate::harness::Home;

const MANIFEST: &str =
    "[package]\nname = \"src\"\nversion = \"1.0.0\"\nedition = \"2021\"\nrepository = \"https://forge.test/o/src\"\n";
const NORMALISED: &str = "[package]\nedition = \"2021\"\nname = \"src\"\nversion = \"1.0.0\"\nbuild = false\nautolib = false\nautobins = false\nautoexamples = false\nautotests = false\nautobenches = false\nrepository = \"https://forge.test/o/src\"\n\n[lib]\nname = \"src\"\npath = \"src/lib.rs\"\n";
pub(crate) const LIB: &str = "pub fn one() -> u8 {\n    1\n}\n";

pub(crate) fn packed(commit: &str, lib: &str) -> Vec<u8> {
    CrateFile::empty("src", "1.0.0")
        .file(".cargo_vcs_info.json", format!("{{\"git\":{{\"sha1\":\"{commit}\"}},\"path_in_vcs\":\"\"}}").as_bytes())
        .file("Cargo.toml", NORMALISED.as_bytes())
        .file("Cargo.toml.orig", MANIFEST.as_bytes())
        .file("src/lib.rs", lib.as_bytes())
        .build()
        .unwrap()
}

pub(crate) fn checked(lib: &str) -> (Home, serde_json::Value) {
    let home = Home::new();
    let folder = home.path().join("copies/o+src");
    std::fs::create_dir_all(&folder).unwrap();
    let repo = SourceRepo::create(&folder).unwrap();
    let files = [("Cargo.toml", text(MANIFEST)), ("src/lib.rs", text(LIB))];
    let commit = repo.commit("main", &files, 1_780_000_000).unwrap();
    repo.tag("v1.0.0", &commit).unwrap();
    let copies = home.path().join("copies").display().to_string();
    home.write(
        "mirrors.toml",
        &format!(
            "[[mirror]]\nfrom = \"https://forge.test/{{owner}}/{{repo}}\"\nto = \"{copies}/{{owner}}+{{repo}}\"\n"
        ),
    );
    let server = World::new().publish("src", "1.0.0", "2026-08-01T00:00:00Z", packed(&commit, lib)).serve().unwrap();
    let url = server.index_url();
    home.json(&["index", "--crate", "src", "--index", &url, "--mirrors", "mirrors.toml"]);
    let row = home.json(&["show", "src@1.0.0"])["releases"][0].clone();
    (home, row)
}

#[test]
fn the_same_text_is_verified_and_the_badge_says_by_which_commit() {
    let (home, row) = checked(LIB);
    assert_eq!(row["source"]["verdict"], "verified", "{row:#}");
    assert_eq!(row["source"]["commit_claimed"], row["source"]["commit_matched"]);
    assert!(row["source"]["words"].as_str().unwrap().contains("tag v1.0.0"));
    assert_eq!(row["badge"]["tone"], "good");
    assert_eq!(home.run(&["verify", "src@1.0.0", "--repository", "copies/o+src"]).code, Some(0));
    let explained = home.run(&["explain", "src@1.0.0"]).stdout;
    assert!(explained.contains("Source matches commit"), "{explained}");
}

#[test]
fn other_code_than_the_repository_has_is_a_mismatch_with_its_evidence() {
    let (home, row) = checked("pub fn one() -> u8 {\n    2\n}\n");
    assert_eq!((&row["source"]["verdict"], &row["badge"]["tone"]), (&json!("mismatch"), &json!("bad")));
    let run = home.run(&["verify", "src@1.0.0", "--repository", "copies/o+src"]);
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.contains("-    1") && run.stdout.contains("+    2"), "{}", run.stdout);
}

#[test]
fn a_repository_that_cannot_be_reached_is_not_verifiable_and_never_red() {
    let home = Home::new();
    let server =
        World::new().publish("src", "1.0.0", "2026-08-01T00:00:00Z", packed(&"0".repeat(40), LIB)).serve().unwrap();
    home.write("mirrors.toml", "[[mirror]]\nfrom = \"https://forge.test/{all}\"\nto = \"/no/such/folder\"\n");
    let url = server.index_url();
    let online = home.run(&["index", "--crate", "src", "--index", &url, "--mirrors", "mirrors.toml"]);
    assert_eq!(online.code, Some(0), "{}", online.stderr);
    let row = &home.json(&["show", "src"])["releases"][0];
    assert_eq!(
        (&row["source"]["verdict"], &row["badge"]["tone"]),
        (&json!("not-verifiable"), &json!("neutral")),
        "{row:#}"
    );
}
