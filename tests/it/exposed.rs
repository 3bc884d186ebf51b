//! Who is exposed to an advisory, through the real binary: dependents with their states, at a time, and the exports.

use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::{AdvisoryBuilder, DependencyBuilder, IndexLineBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A registry as a folder, an advisory database as a folder, and a database.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir_all(place.path("index")).unwrap();
        std::fs::create_dir_all(place.path("db/crates")).unwrap();
        place
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn krate(&self, lines: &[IndexLineBuilder]) {
        let texts: Vec<_> = lines.iter().map(IndexLineBuilder::build).collect();
        let name: Value = serde_json::from_str(&texts[0]).unwrap();
        let name = schema::KrateName::parse(name["name"].as_str().unwrap()).unwrap();
        write(&self.path("index").join(name.index_path()), &(texts.join("\n") + "\n"));
    }

    fn advisory(&self, advisory: &AdvisoryBuilder) {
        write(&self.path("db").join(advisory.path()), &advisory.build());
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_provenance"))
            .env_clear()
            .env("HOME", self.folder.path())
            .args(["--offline", "--index", self.path("index").to_str().unwrap()])
            .args(["--advisory-db", self.path("db").to_str().unwrap()])
            .args(["--data-dir", self.path("data").to_str().unwrap()])
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn index(&self, krates: &[&str]) {
        let mut args = vec!["index", "--all-versions"];
        args.extend(krates.iter().flat_map(|krate| ["--crate", krate]));
        let (_, _, said) = self.run(&args);
        assert!(!said.contains("error:"), "{said}");
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<_> = args.iter().copied().chain(["--json"]).collect();
        let (code, out, said) = self.run(&args);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&out).unwrap()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn line(name: &str, num: &str) -> IndexLineBuilder {
    // Two lines of one checksum would be one archive.
    IndexLineBuilder::new(name, num).cksum(&fixtures::sha256_hex(format!("{name}-{num}").as_bytes()))
}

fn on(line: IndexLineBuilder, name: &str, req: &str) -> IndexLineBuilder {
    line.dependency(DependencyBuilder::new(name, req))
}

/// `bad` 1.0.0 and 1.1.0 are affected, 1.2.0 and 2.0.0 are not; 0.9.0 was never.
fn exposed() -> Place {
    let place = Place::new();
    place.krate(&["0.9.0", "1.0.0", "1.1.0", "1.2.0", "2.0.0"].map(|num| line("bad", num)));
    place.krate(&[on(line("pinned", "1.0.0"), "bad", "=1.1.0")]);
    place.krate(&[on(line("fresh", "1.0.0"), "bad", ">=0.9, <1.2")]);
    place.krate(&[on(line("locked", "1.0.0"), "bad", "1")]);
    place.krate(&[on(line("beyond", "1.0.0"), "bad", "2")]);
    place.krate(&[line("chooses", "1.0.0").dependency(
        DependencyBuilder::new("bad", "=1.0.0").field("optional", json!(true)).field("kind", json!("build")),
    )]);
    place.krate(&[on(line("app", "3.0.0"), "pinned", "1")]);
    place.advisory(
        &AdvisoryBuilder::new("RUSTSEC-2026-9001", "bad", "2026-08-01")
            .title("=cmd, \"quoted\" \u{1b}[31m")
            .patched(&[">=1.2.0"])
            .unaffected(&["<1.0.0"])
            .list("aliases", &["CVE-2026-9001"]),
    );
    place.index(&["bad", "pinned", "fresh", "locked", "beyond", "chooses", "app"]);
    place
}

#[test]
fn every_dependent_has_its_state_and_kinds_stand_apart() {
    let place = exposed();
    let answer = place.json(&["dependents", "bad", "--advisory", "cve-2026-9001"]);
    let rows = answer["dependents"].as_array().unwrap();
    let read: Vec<_> = rows.iter().map(|row| [&row["name"], &row["state"], &row["kind"], &row["optional"]]).collect();
    let expected = json!([
        ["beyond", "never", "normal", false],
        ["chooses", "stuck", "build", true],
        ["fresh", "fresh-affected", "normal", false],
        ["locked", "only-old-locks", "normal", false],
        ["pinned", "stuck", "normal", false],
    ]);
    assert_eq!(json!(read), expected);
    assert_eq!(answer["complete"], json!(true));
    assert_eq!(answer["total"], json!(5));
}

#[test]
fn who_is_exposed_through_others_comes_with_a_path() {
    let place = exposed();
    let answer = place.json(&["dependents", "bad@1.1.0", "--transitive"]);
    let rows = answer["dependents"].as_array().unwrap();
    let app = rows.iter().find(|row| row["name"] == "app").unwrap();
    assert_eq!(app["path"], json!(["app@3.0.0", "pinned@1.0.0", "bad@1.1.0"]));
    let direct = place.json(&["dependents", "bad@1.1.0"]);
    assert!(direct["dependents"].as_array().unwrap().iter().all(|row| row["name"] != "app"));
}

#[test]
fn a_tombstone_still_depends_and_a_time_before_the_reading_is_not_complete() {
    let place = exposed();
    std::fs::remove_file(place.path("index/pi/nn/pinned")).unwrap();
    let _ = place.run(&["index", "--crate", "pinned", "--crate", "bad"]);
    let answer = place.json(&["dependents", "bad@1.1.0"]);
    let pinned = answer["dependents"].as_array().unwrap().iter().find(|row| row["name"] == "pinned").unwrap().clone();
    assert!(pinned["deleted_at"].is_string(), "{pinned}");
    let before = place.json(&["dependents", "bad", "--at", "2020-01-01"]);
    // Lines without times may have been there at any time: they are told, and the answer says that it may be wrong.
    assert_eq!((&before["complete"], &before["total"]), (&json!(false), &json!(5)));
}

#[test]
fn a_dependent_that_is_free_itself_is_still_exposed_through_another() {
    let place = exposed();
    // It takes `bad` 2, which is not affected, and `pinned`, which takes `bad` 1.1.0.
    place.krate(&[on(on(line("both", "1.0.0"), "bad", "2"), "pinned", "1")]);
    place.index(&["both"]);
    let answer = place.json(&["dependents", "bad", "--advisory", "CVE-2026-9001", "--transitive"]);
    let rows = answer["dependents"].as_array().unwrap();
    let both: Vec<_> = rows.iter().filter(|row| row["name"] == "both").map(|row| &row["path"]).collect();
    assert_eq!(json!(both), json!([["both@1.0.0", "bad@2.0.0"], ["both@1.0.0", "pinned@1.0.0", "bad@1.1.0"]]));
    assert_eq!(answer["counts"]["normal"], json!({ "never": 2, "fresh-affected": 1, "stuck": 1, "only-old-locks": 1 }));
    assert_eq!(answer["counts"]["build optional"], json!({ "stuck": 1 }));
    assert_eq!(answer["counts"]["transitive"], json!({ "exposed": 2 }));
}

#[test]
fn an_id_of_any_kind_means_every_advisory_that_bears_it() {
    let place = exposed();
    let shared = ["CVE-2026-7", "GHSA-aaaa-bbbb-cccc", "MAL-2026-7"];
    for (id, krate) in [("RUSTSEC-2026-9003", "fresh"), ("RUSTSEC-2026-9004", "locked")] {
        place.advisory(&AdvisoryBuilder::new(id, krate, "2026-08-01").list("aliases", &shared));
    }
    place.index(&["fresh", "locked"]);
    for id in shared {
        for id in [id.to_owned(), id.to_ascii_lowercase()] {
            let answer = place.json(&["affected", &id]);
            let ids: Vec<_> = answer["advisories"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
            assert_eq!(json!(ids), json!(["RUSTSEC-2026-9003", "RUSTSEC-2026-9004"]), "{id}");
            assert_eq!(answer["total"], json!(2), "{id}");
        }
    }
    // Without a query a filter asks all of them; yanked and deleted releases can be asked for alone.
    assert_eq!(place.json(&["affected", "--since", "2026-08-01"])["total"], json!(4));
    std::fs::remove_file(place.path("index/lo/ck/locked")).unwrap();
    place.krate(&[on(line("fresh", "1.0.0"), "bad", ">=0.9, <1.2").yanked(true)]);
    place.index(&["fresh", "locked"]);
    let names = |flag: &str| {
        let answer = place.json(&["affected", "CVE-2026-7", flag]);
        answer["versions"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names("--live"), names("--yanked"), names("--deleted")),
        (vec![], vec![json!("fresh")], vec![json!("locked")])
    );
}

#[test]
fn an_unknown_crate_is_named() {
    let place = exposed();
    let (code, out, said) = place.run(&["dependents", "nobody"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(said.contains("nobody"), "{said}");
}

#[test]
fn the_exports_carry_every_affected_version_and_no_other() {
    let place = exposed();
    let (code, osv, said) = place.run(&["affected", "RUSTSEC-2026-9001", "--osv"]);
    assert_eq!(code, 0, "{said}");
    let osv: Value = serde_json::from_str(&osv).unwrap();
    let affected = &osv["affected"][0];
    assert_eq!(affected["versions"], json!(["1.0.0", "1.1.0"]));
    assert_eq!(affected["ranges"][0]["events"], json!([{ "introduced": "1.0.0" }, { "fixed": "1.2.0" }]));
    assert_eq!(affected["package"]["purl"], json!("pkg:cargo/bad"));

    let (_, vex, _) = place.run(&["affected", "RUSTSEC-2026-9001", "--vex"]);
    let vex: Value = serde_json::from_str(&vex).unwrap();
    let products: Vec<_> = vex["statements"].as_array().unwrap().iter().map(|one| &one["products"][0]["@id"]).collect();
    assert_eq!(json!(products), json!(["pkg:cargo/bad@1.0.0", "pkg:cargo/bad@1.1.0"]));

    let (_, sarif, _) = place.run(&["affected", "bad", "--sarif"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][0]["id"], json!("RUSTSEC-2026-9001"));

    let (_, words, _) = place.run(&["affected", "bad"]);
    assert!(!words.contains('\u{1b}'), "{words}");
}

#[test]
fn filters_narrow_an_answer_and_unscored_is_never_low() {
    let place = exposed();
    place.advisory(
        &AdvisoryBuilder::new("RUSTSEC-2026-9002", "bad", "2026-09-01")
            .text("cvss", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
            .function("bad::run", &[">=2.0.0"])
            .unaffected(&["<1.2.0"]),
    );
    place.index(&["bad"]);
    let nums = |filters: &[&str]| {
        let answer = place.json(&[&["affected", "bad"], filters].concat());
        let versions = answer["versions"].as_array().unwrap();
        versions.iter().map(|row| row["num"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(nums(&[]), ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]);
    assert_eq!(nums(&["--severity", "low"]), ["1.2.0", "2.0.0"]);
    assert_eq!(nums(&["--unscored"]), ["1.0.0", "1.1.0"]);
    assert_eq!(nums(&["--severity", "high", "--unscored"]).len(), 4);
    assert_eq!(nums(&["--has-fix"]), ["1.0.0", "1.1.0"]);
    assert_eq!(nums(&["--function", "bad::run"]), ["2.0.0"]);
    assert_eq!(nums(&["--since", "2026-08-02"]), ["1.2.0", "2.0.0"]);
    assert_eq!(nums(&["--before", "2026-08-02"]), ["1.0.0", "1.1.0"]);
    assert!(nums(&["--kind", "malicious"]).is_empty());
}
