//! What goes wrong outside gets a clear answer or a recorded state, and nothing is lost.

use std::process::Command;

use fixtures::{Fault, IndexLineBuilder, RegistryServer, World, sha256_hex};
use serde_json::json;

use crate::databases;
use crate::harness::{Home, Run, archive, finished, lockfile, rows, small_world};

fn index(home: &Home, server: &RegistryServer, krate: &str) -> Run {
    home.run(&["index", "--crate", krate, "--index", &server.index_url(), "--no-source", "--json"])
}

#[test]
fn a_lock_file_that_is_none_is_named() {
    let home = Home::new();
    for (name, text) in [("broken.lock", "[[package"), ("binary.lock", "\u{0}\u{1}"), ("empty.lock", "version = 4\n")] {
        home.write(name, text);
        let run = home.run(&["index", "--lockfile", name, "--offline"]);
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains(name), "{}", run.stderr);
    }
    let run = home.run(&["index", "--lockfile", "absent.lock"]);
    assert!(run.code == Some(1) && run.stderr.contains("absent.lock"), "{}", run.stderr);
}

#[test]
fn an_unknown_crate_or_version_is_named_and_the_others_are_done() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    home.write("Cargo.lock", &lockfile(&[("alpha", "1.0.0", ""), ("no-such", "1.0.0", ""), ("beta-b", "9.9.9", "")]));
    let run = home.run(&["index", "--lockfile", "Cargo.lock", "--index", &server.index_url(), "--no-source", "--json"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("no crate no-such") && run.stderr.contains("beta-b has no release 9.9.9"),
        "{}",
        run.stderr
    );
    assert_eq!(run.document()["archives"]["ok"], 1);
    for args in [["show", "no-such"], ["show", "alpha@3.0.0"], ["explain", "alpha@3.0.0"], ["affected", "no-such"]] {
        let run = home.run(&args);
        assert_eq!((run.code, run.stderr.lines().count()), (Some(1), 1), "{args:?} {}", run.stderr);
    }
    assert_eq!(home.run(&["show"]).code, Some(2));
}

#[test]
fn without_a_network_what_is_known_is_used_and_what_is_not_is_said() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    assert_eq!(index(&home, &server, "alpha@1.0.0").code, Some(0));
    let url = server.index_url();
    let known = home.run(&["index", "--crate", "alpha@1.0.0", "--index", &url, "--offline", "--no-source", "--json"]);
    assert_eq!((known.code, &known.document()["archives"]["ok"]), (Some(0), &json!(1)), "{}", known.stderr);
    let unknown = home.run(&["index", "--crate", "beta-b", "--index", &url, "--offline", "--json"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("beta-b") && unknown.stderr.contains("offline"), "{}", unknown.stderr);
    drop(server);
    let gone = home.run(&["index", "--crate", "alpha@1.0.0", "--index", &url, "--no-source", "--json"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("what is known of them is used"), "{}", gone.stderr);
    assert_eq!(gone.document()["archives"]["ok"], 1);
}

#[test]
fn an_index_that_stumbles_is_asked_again() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    server.fault("/index/al/ph/alpha", &Fault::Status(429, Some(0)), 1);
    server.fault("/index/al/ph/alpha", &Fault::Status(503, None), 1);
    let run = index(&home, &server, "alpha@1.0.0");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let statuses: Vec<_> =
        server.requests().iter().filter(|r| r.path == "/index/al/ph/alpha").map(|r| r.status).collect();
    assert_eq!(statuses, [429, 503, 200]);
}

#[test]
fn garbage_is_no_deletion() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    index(&home, &server, "alpha@1.0.0");
    let before = rows(&home, &["alpha"]);
    server.fault("/index/al/ph/alpha", &Fault::Garbage, 20);
    let run = index(&home, &server, "alpha@1.0.0");
    assert!(run.code == Some(1) && run.stderr.contains("alpha"), "{}", run.stderr);
    assert_eq!(rows(&home, &["alpha"]), before);
}

#[test]
fn a_missing_file_is_not_believed_at_once() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    index(&home, &server, "alpha@1.0.0");
    let before = rows(&home, &["alpha"]);
    server.fault("/index/al/ph/alpha", &Fault::Status(404, None), 20);
    let run = index(&home, &server, "alpha@1.0.0");
    assert!(run.stderr.contains("an hour later"), "{}", run.stderr);
    assert_eq!(rows(&home, &["alpha"]), before);
}

#[test]
fn a_download_that_breaks_off_is_taken_up_again() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    server.fault("/dl/alpha/1.0.0", &Fault::Truncate(10), 1);
    assert_eq!(index(&home, &server, "alpha@1.0.0").document()["archives"]["ok"], 1);
}

#[test]
fn other_bytes_are_a_finding_only_after_a_second_look_at_both() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    server.fault("/dl/alpha/1.0.0", &Fault::WrongBytes, 1);
    assert_eq!(index(&home, &server, "alpha@1.0.0").document()["archives"]["ok"], 1);

    server.fault("/dl/alpha/1.1.0", &Fault::WrongBytes, 9);
    let n_before = server.requests().len();
    let run = index(&home, &server, "alpha@1.1.0");
    assert_eq!((run.code, &run.document()["archives"]["mismatch"]), (Some(0), &json!(1)), "{}", run.stderr);
    let log = server.requests();
    let asked = |path: &str| log[n_before..].iter().filter(|request| request.path == path).count();
    assert_eq!(asked("/dl/alpha/1.1.0"), 2);
    assert!(asked("/index/al/ph/alpha") >= 2, "the index line is read again");
    // The finding stands when it is asked for again, with a network and without.
    let again = index(&home, &server, "alpha@1.1.0");
    assert_eq!(again.document()["archives"]["mismatch"], 1);
    assert_eq!(server.requests().iter().filter(|request| request.path == "/dl/alpha/1.1.0").count(), 2);
    let row = &rows(&home, &["alpha"])[1];
    assert_eq!((&row["checksum_state"], &row["badge"]["tone"]), (&json!("mismatch"), &json!("bad")));
    assert!(row["finding_codes"].as_array().unwrap().contains(&json!("cksum.mismatch")));
}

#[test]
fn a_line_edited_between_reading_and_download_starts_the_next_generation() {
    let home = Home::new();
    let world = |bytes: &[u8], promised: &[u8]| {
        let line = IndexLineBuilder::new("alpha", "1.0.0").cksum(&sha256_hex(promised)).pubtime("2026-08-01T00:00:00Z");
        World::new().version("alpha", "1.0.0", &line, Some(bytes.to_vec()))
    };
    let (old, new) = (archive("alpha", "1.0.0"), archive("alpha", "1.0.0-x"));
    // The index says `old` when it is read first, and the truth when it is read again.
    let server = world(&new, &old).serve().unwrap();
    server.set_world(world(&new, &new));
    server.fault("/index/al/ph/alpha", &Fault::Stale, 1);
    let run = index(&home, &server, "alpha@1.0.0");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let rows = rows(&home, &["alpha"]);
    let told: Vec<_> = rows.iter().map(|row| (&row["generation"], row["checksum_state"].as_str().unwrap())).collect();
    assert_eq!(told, [(&json!(1), "gone"), (&json!(2), "ok")]);
}

#[test]
fn a_line_nobody_can_read_is_kept_and_harms_no_neighbour() {
    let (home, world) = (Home::new(), small_world());
    let files = world.index_files(None);
    let mut text = String::from_utf8(files["al/ph/alpha"].clone()).unwrap();
    text.push_str("{\"name\":\"alpha\",\"vers\":\n");
    let server = world.index_file("al/ph/alpha", text.as_bytes()).serve().unwrap();
    let run = index(&home, &server, "alpha@1.0.0");
    assert_eq!((run.code, &run.document()["archives"]["ok"]), (Some(0), &json!(1)), "{}", run.stderr);
    let doctor = home.run(&["doctor", "--offline", "--json"]).document();
    let bad = &doctor["quarantine"][0];
    assert_eq!((&bad["path"], &bad["line"]), (&json!("al/ph/alpha"), &json!(3)));
    assert!(bad["raw"].as_str().unwrap().contains("\"vers\":"));
}

#[test]
fn a_database_that_is_damaged_or_newer_is_named() {
    let home = Home::new();
    if databases::kind() == databases::Kind::Sqlite {
        home.write("data/provenance/provenance.sqlite", &"no database at all ".repeat(100));
        let run = home.run(&["status"]);
        assert!(run.code == Some(1) && run.stderr.contains("damaged"), "{}", run.stderr);
    }

    let home = Home::new();
    assert_eq!(home.run(&["migrate"]).code, Some(0));
    assert_eq!(home.run(&["migrate", "--check"]).code, Some(0));
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99990001, 'from the future', true, '', 0)";
    if !home.execute(newer) {
        crate::harness::skip("no sqlite3 on this machine to make a newer database with");
        return;
    }
    for args in [&["status"][..], &["migrate"], &["index", "--crate", "alpha", "--offline"]] {
        let run = home.run(args);
        assert!(run.code == Some(1) && run.stderr.contains("newer"), "{args:?} {}", run.stderr);
    }
}

#[test]
fn a_full_disk_is_named_and_the_next_run_completes_it() {
    if databases::is_without_file() {
        return;
    }
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let (program, url) = (env!("CARGO_BIN_EXE_provenance"), server.index_url());
    // No file may grow beyond 64 KiB (`ulimit -f` counts 512 bytes): to the program that is a disk without room.
    let script =
        format!("trap '' XFSZ; ulimit -f 128; exec {program} index --crate alpha@1.0.0 --index {url} --no-source");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("data"));
    let full = finished(&mut shell);
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(full.stderr.contains("no room left") || full.stderr.contains("disk"), "{}", full.stderr);
    assert_eq!(index(&home, &server, "alpha@1.0.0").document()["archives"]["ok"], 1);
}
