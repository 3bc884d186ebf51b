//! The main job as a user meets it: index, ask, index again, and the day after.

use fixtures::{AdvisoryBuilder, IndexLineBuilder, World, sha256_hex};
use serde_json::json;

use crate::harness::{Home, archive, lockfile, rows, small_world};

fn serve(home: &Home, world: &World) -> (fixtures::RegistryServer, String) {
    let advisories = home.path().join("advisory-db");
    world.write_advisories(&advisories).unwrap();
    (world.serve().unwrap(), advisories.display().to_string())
}

#[test]
fn a_lock_file_is_indexed_end_to_end_and_nothing_is_fetched_twice() {
    let (home, world) = (Home::new(), small_world());
    let (server, advisories) = serve(&home, &world);
    let checksum = sha256_hex(&archive("alpha", "1.0.0"));
    home.write("Cargo.lock", &lockfile(&[("alpha", "1.0.0", &checksum), ("beta-b", "0.1.0", "")]));
    let index = server.index_url();
    let args = ["index", "--lockfile", "Cargo.lock", "--index", &index, "--advisory-db", &advisories, "--no-source"];

    let first = home.json(&args);
    assert_eq!(first["releases"], 2);
    assert_eq!(first["archives"], json!({"ok": 2, "mismatch": 0, "gone": 0, "no_address": 0, "failed": 0}));
    assert_eq!(first["advisories"], json!({"vulnerability": 1}));
    assert_eq!(first["items"][0]["checksum"], checksum);
    assert_eq!(first["items"][0]["advisories"], json!(["RUSTSEC-2026-9001"]));
    assert_eq!(first["items"][1]["advisory_state"], "none-known");

    // Every line of the crates read is recorded and matched; only the selected ones were fetched.
    let shown = home.json(&["show", "ALPHA"]);
    let states: Vec<_> =
        shown["releases"].as_array().unwrap().iter().map(|row| row["checksum_state"].clone()).collect();
    assert_eq!(states, ["ok", "unchecked"]);
    assert_eq!(shown["releases"][1]["advisories"]["state"], "none-known");

    let before = rows(&home, &["alpha", "beta-b"]);
    let n_requests = server.requests().len();
    let again = home.json(&args);
    assert_eq!(again["items"], first["items"]);
    assert_eq!(rows(&home, &["alpha", "beta-b"]), before);
    let log = server.requests();
    let later: Vec<_> = log[n_requests..].iter().collect();
    assert!(later.iter().all(|request| !request.path.starts_with("/dl/")), "{later:?}");
    assert!(later.iter().filter(|request| request.path.contains("alpha")).all(|request| request.status == 304));
}

#[test]
fn archives_come_from_a_folder_first() {
    let (home, world) = (Home::new(), small_world());
    let (server, advisories) = serve(&home, &world);
    world.write_archives(&home.path().join("cache")).unwrap();
    let index = server.index_url();
    let args =
        ["index", "--crate", "alpha@1.0.0", "--index", &index, "--archives", "cache", "--advisory-db", &advisories];
    assert_eq!(home.json(&args)["archives"]["ok"], 1);
    assert!(server.requests().iter().all(|request| !request.path.starts_with("/dl/")));
}

#[test]
fn a_plain_index_on_disk_is_enough_and_without_an_address_that_is_said() {
    let (home, world) = (Home::new(), small_world());
    world.write_index(&home.path().join("index"), None).unwrap();
    let answer = home.json(&["index", "--crate", "alpha", "--all-versions", "--index", "index"]);
    assert_eq!((&answer["releases"], &answer["archives"]["no_address"]), (&json!(2), &json!(2)));
    world.write_archives(&home.path().join("cache")).unwrap();
    let args =
        ["index", "--crate", "alpha", "--all-versions", "--index", "index", "--archives", "cache", "--no-source"];
    assert_eq!(home.json(&args)["archives"]["ok"], 2);
}

#[test]
fn staff_ask_by_any_id_and_get_the_way_out() {
    let (home, world) = (Home::new(), small_world());
    let (server, advisories) = serve(&home, &world);
    let index = server.index_url();
    home.json(&["index", "--crate", "alpha", "--index", &index, "--advisory-db", &advisories, "--no-source"]);
    for query in ["RUSTSEC-2026-9001", "cve-2026-90001", "alpha", "Alpha@1.0.0"] {
        let answer = home.json(&["affected", query]);
        assert_eq!(answer["total"], 1, "{query}");
        let version = &answer["versions"][0];
        assert_eq!((&version["num"], &version["next_safe"]["compatible"]), (&json!("1.0.0"), &json!("1.1.0")));
        assert!(answer["as_of"]["advisory_db"]["commit"].as_str().unwrap().starts_with("files-"));
    }
    assert_eq!(home.json(&["affected", "alpha@1.1.0"])["total"], 0);
    assert_eq!(home.run(&["affected", "alpha", "--deny", "vulnerability"]).code, Some(5));
    assert_eq!(home.run(&["affected", "alpha", "--deny", "malicious"]).code, Some(0));
    let csv = home.run(&["affected", "alpha", "--csv"]).stdout;
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.lines().nth(1).unwrap().starts_with("RUSTSEC-2026-9001,vulnerability,unscored,alpha,1.0.0,"));
}

#[test]
fn an_edited_advisory_changes_the_answer_and_a_removed_one_retracts_it() {
    let (home, world) = (Home::new(), small_world());
    let (server, advisories) = serve(&home, &world);
    let index = server.index_url();
    let args = ["index", "--crate", "alpha", "--index", &index, "--advisory-db", &advisories, "--no-source"];
    home.json(&args);
    let other = AdvisoryBuilder::new("RUSTSEC-2026-9002", "beta-b", "2026-08-05");
    let edited = AdvisoryBuilder::new("RUSTSEC-2026-9001", "alpha", "2026-08-05").patched(&[">= 2.0.0"]);
    world.clone().advisory(&edited).advisory(&other).write_advisories(&home.path().join("advisory-db")).unwrap();
    home.json(&args);
    assert_eq!(home.json(&["affected", "alpha"])["total"], 2);
    std::fs::remove_file(home.path().join("advisory-db/crates/alpha/RUSTSEC-2026-9001.md")).unwrap();
    home.json(&args);
    assert_eq!(rows(&home, &["alpha"])[0]["advisories"]["state"], "none-known");
    // Nearly everything gone at once is a broken database, not a quiet world.
    std::fs::remove_dir_all(home.path().join("advisory-db/crates/beta-b")).unwrap();
    let emptied = home.run(&args);
    assert!(emptied.stderr.contains("last good copy") && emptied.code == Some(1), "{}", emptied.stderr);
    assert_eq!(home.json(&["affected", "RUSTSEC-2026-9002"])["advisories"][0]["package"], "beta-b");
}

#[test]
fn yank_deletion_and_republication_are_changes_and_nothing_is_forgotten() {
    let (home, world) = (Home::new(), small_world());
    let folder = home.path().join("index");
    let write = |world: &World| {
        let _ = std::fs::remove_dir_all(&folder);
        world.write_index(&folder, None).unwrap();
    };
    let args = ["index", "--crate", "alpha@1.0.0", "--index", "index", "--no-source"];
    write(&world);
    home.json(&args);
    let yanked = IndexLineBuilder::new("alpha", "1.0.0")
        .cksum(&sha256_hex(&archive("alpha", "1.0.0")))
        .pubtime("2026-08-01T00:00:00Z")
        .yanked(true);
    write(&world.clone().version("alpha", "1.0.0", &yanked, None).delete("alpha", "1.1.0"));
    home.json(&args);
    write(&world.clone().publish("alpha", "1.1.0", "2026-08-09T00:00:00Z", b"other bytes".to_vec()));
    home.json(&args);

    let changes = home.run(&["changes", "--ndjson"]);
    let changes: Vec<serde_json::Value> =
        changes.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = changes.iter().map(|c| (c["type"].as_str().unwrap(), c["num"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [("version_deleted", "1.1.0"), ("yanked", "1.0.0"), ("unyanked", "1.0.0"), ("checksum_changed", "1.1.0")]
    );
    let rows = rows(&home, &["alpha"]);
    let kept: Vec<_> =
        rows.iter().map(|row| (row["num"].as_str().unwrap(), &row["generation"], &row["deleted_at"])).collect();
    assert_eq!(
        kept,
        [("1.0.0", &json!(1), &json!(false)), ("1.1.0", &json!(1), &json!(true)), ("1.1.0", &json!(2), &json!(false))]
    );
    let explained = home.run(&["explain", "alpha@1.1.0"]).stdout;
    assert!(explained.contains("checksum_changed") && explained.contains("archive number 2"), "{explained}");
}

#[test]
fn the_demo_takes_nothing_of_the_persons_and_says_so() {
    let home = Home::new();
    for (flag, value) in [("--database", "sqlite:mine.sqlite"), ("--index", "mine"), ("--advisory-db", "snapshot")] {
        for args in [[flag, value, "demo"], ["demo", flag, value]] {
            let run = home.run(&args);
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}: {run:?}");
            assert!(run.stderr.contains(flag) && run.stderr.contains("leaves yours alone"), "{run:?}");
        }
    }
}

#[test]
fn the_demo_shows_every_state_todays_pipeline_can_produce() {
    let home = Home::new();
    let demo = home.json(&["demo"]);
    let rows = demo["releases"].as_array().unwrap();
    let has = |path: &str, value: &str| rows.iter().any(|row| row.pointer(path).is_some_and(|found| found == value));
    for state in ["ok", "mismatch", "gone", "no-address", "unchecked"] {
        assert!(has("/checksum_state", state), "no row is {state}");
    }
    for state in ["none-known", "affected"] {
        assert!(has("/advisories/state", state), "no row is {state}");
    }
    for verdict in [
        "verified",
        "verified-equivalent",
        "verified-except-nonbuild",
        "not-verifiable",
        "mismatch",
        "review",
        "unchecked",
        "pending",
        "error",
    ] {
        assert!(has("/source/verdict", verdict), "no row is {verdict}");
    }
    for kind in ["malicious", "vulnerability", "unsound", "unmaintained"] {
        assert!(has("/advisories/worst_kind", kind), "no row is {kind}");
    }
    assert!(rows.iter().any(|row| !row["advisories"]["near"].as_array().unwrap().is_empty()));
    assert!(rows.iter().any(|row| row["generation"] == 2));
    assert!(rows.iter().any(|row| !row["deleted_at"].is_null()) && rows.iter().any(|row| row["yanked"] == true));
    assert!(home.is_untouched(), "the demo must leave the person's own data alone");
}
