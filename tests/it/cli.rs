//! Manners: exit codes, help, one JSON document, progress that stays out of stdout.

use crate::databases;
use crate::harness::{Home, small_world};

#[test]
fn every_command_has_help_and_bad_usage_is_2() {
    let home = Home::new();
    let help = home.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in [
        "index",
        "show",
        "explain",
        "affected",
        "inspect",
        "verify",
        "changes",
        "status",
        "doctor",
        "migrate",
        "retry",
        "serve",
        "demo",
        "dependents",
        "scan",
        "advisories",
        "follow",
        "events",
        "export",
        "attest",
        "token",
        "webhook",
    ] {
        assert!(help.stdout.contains(&format!("  {command} ")), "{command} is not in the help");
        assert_eq!(home.run(&[command, "--help"]).code, Some(0));
        assert_eq!(home.run(&[command, "--no-such-flag"]).code, Some(2));
    }
    assert_eq!(home.run(&[]).code, Some(2));
}

#[test]
fn settings_come_from_flag_environment_and_file_in_this_order() {
    let home = Home::new();
    home.write("config/provenance/config.toml", "user-agent = \"from file\"\nindex = \"from-file\"\n");
    let origin = |command: &mut std::process::Command| {
        let document = crate::harness::finished(command).document();
        let of = |name: &str| document["settings"][name]["origin"].as_str().unwrap().to_owned();
        [of("user-agent"), of("index"), of("database")]
    };
    let args = ["doctor", "--offline", "--json"];
    let database = if databases::kind() == databases::Kind::Sqlite { "default" } else { "environment" };
    // The default that the help states.
    let document = crate::harness::finished(&mut home.command(&args)).document();
    assert_eq!(document["settings"]["max-repositories-size"]["value"], 21_474_836_480_u64, "{document:#}");
    assert_eq!(origin(&mut home.command(&args)), ["configuration file", "configuration file", database]);
    let mut command = home.command(&["--index", "here", "doctor", "--offline", "--json"]);
    command.env("PROVENANCE_USER_AGENT", "from environment");
    assert_eq!(origin(&mut command), ["environment", "flag", database]);
    home.write("config/provenance/config.toml", "no-such-setting = 1\n");
    let run = home.run(&args);
    assert!(run.code == Some(1) && run.stderr.contains("no-such-setting"), "{}", run.stderr);
}

#[test]
fn progress_is_plain_on_a_pipe_and_never_on_stdout() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let run = home.run(&["index", "--crate", "alpha", "--index", &server.index_url(), "--no-source"]);
    assert!(run.stderr.contains("Reading the index: 1 to do"), "{}", run.stderr);
    assert!(!run.stdout.contains("Reading the index") && !run.stderr.contains('\u{1b}'));
    let quiet = home.run(&["index", "--crate", "alpha", "--index", &server.index_url(), "--no-source", "-q"]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn the_table_is_what_a_person_reads() {
    let (home, server) = (Home::new(), small_world().serve().unwrap());
    let run = home.run(&["index", "--crate", "alpha@1.0.0", "--index", &server.index_url(), "--no-source", "-q"]);
    let lines: Vec<_> = run.stdout.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["crate", "version", "archive", "source", "advisories", "findings"]
    );
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["alpha", "1.0.0", "ok", "unchecked", "none", "known"]);
    assert!(lines[4].starts_with("1 release, 1 archives agree with the index, 0 affected"), "{:?}", lines[4]);
    assert!(lines[5].contains("from snapshot"), "{:?}", lines[5]);
}

#[test]
fn inspect_needs_neither_database_nor_network() {
    let home = Home::new();
    let path = home.path().join("alpha-1.0.0.crate");
    std::fs::write(&path, crate::harness::archive("alpha", "1.0.0")).unwrap();
    let document = home.json(&["inspect", "alpha-1.0.0.crate"]);
    assert_eq!((document["name"].as_str(), document["num"].as_str()), (Some("alpha"), Some("1.0.0")));
    let files: Vec<_> =
        document["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(files.contains(&"Cargo.toml"), "{files:?}");
    assert!(home.is_untouched());
    std::fs::rename(&path, home.path().join("other.crate")).unwrap();
    assert_eq!(home.run(&["inspect", "other.crate"]).code, Some(1));
    assert_eq!(home.run(&["inspect", "other.crate", "--expect", "alpha@1.0.0"]).code, Some(0));
}
