//! Who may depend on whom: rooms on rooms, rooms on libraries, and the reason each library has. Normal and dev edges alike.

use std::collections::BTreeMap;

use super::house::House;

/// Every room that is or will be, and the rooms it may name (design 01). All may name `schema`, tests also `fixtures`.
const ROOMS: &[(&str, &[&str])] = &[
    ("schema", &[]),
    ("net", &[]),
    ("git_transport", &["net"]),
    ("follow", &["net", "git_transport"]),
    ("download", &["net"]),
    ("inspect", &[]),
    ("verify", &["git_transport"]),
    ("advisories", &["git_transport"]),
    ("graph", &[]),
    ("publish", &[]),
    ("export", &[]),
    ("store", &[]),
    ("store_sqlite", &["store"]),
    ("store_postgres", &["store"]),
    ("queue", &["store", "net", "follow", "download", "inspect", "verify", "advisories", "publish", "graph"]),
    ("serve", &["store", "net", "graph", "export"]),
    ("fixtures", &[]),
];

/// Edges of tests and benches alone: verify is handed an archive and a client, and its tests take inspect's and net's; the bulk bench measures the
/// way from a file of the index to its rows, which is follow's and the store's together.
const TEST_EDGES: &[(&str, &str)] =
    &[("verify", "inspect"), ("verify", "net"), ("store_sqlite", "follow"), ("store_postgres", "follow")];

/// `cli` wires all of them together.
const WIRING: &str = "cli";

/// Libraries with a fence around them, and the rooms inside it. What is not listed is open to every room that is not pure.
const LIBRARIES: &[(&str, &[&str])] = &[
    // git_transport speaks HTTP through the same client; cli installs the TLS provider, first thing in main.
    ("reqwest", &["net", "git_transport"]),
    ("rustls", &["net", "cli"]),
    ("git2", &["git_transport", "follow", "verify", "advisories", "fixtures"]),
    ("object_store", &["download"]),
    ("tar", &["inspect", "fixtures"]),
    ("flate2", &["inspect", "fixtures"]),
    ("cargo_toml", &["inspect"]),
    ("rustsec", &["advisories"]),
    ("tame-index", &["follow"]),
    ("sqlx", &["store_sqlite", "store_postgres"]),
    ("apalis", &["queue"]),
    ("apalis-core", &["queue"]),
    ("apalis-sqlite", &["queue"]),
    ("apalis-postgres", &["queue"]),
    ("axum", &["serve", "fixtures"]),
    ("hyper", &["serve"]),
    ("hyper-util", &["serve"]),
    ("maud", &["serve"]),
    ("tower-http", &["serve"]),
    ("utoipa", &["serve"]),
    ("utoipa-axum", &["serve"]),
    ("utoipa-swagger-ui", &["serve"]),
    ("metrics-exporter-prometheus", &["serve"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("cargo-lock", &["cli"]),
];

/// Tests that speak TLS install its provider, as `main` does.
const FOR_TESTS: &[&str] = &["rustls"];

/// Rooms that compute and do nothing else: outside their tests they name `schema` and the libraries listed.
const PURE: &[(&str, &[&str])] = &[
    ("graph", &["semver"]),
    ("publish", &[]),
    // Ed25519 signs without chance and reads nothing: the same statement and key give the same signature.
    ("export", &["semver", "serde", "serde_json", "thiserror", "base64", "ring", "rustls-pki-types", "unicode-width"]),
];

pub(super) fn is_room(name: &str) -> bool {
    name == WIRING || ROOMS.iter().any(|(room, _)| *room == name)
}

pub(super) fn rooms(house: &House) -> Vec<String> {
    let mut broken = Vec::new();
    for (room, dependencies) in &house.rooms {
        if room == WIRING {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| known == room) else {
            broken.push(format!("{room} is not in the table of rooms"));
            continue;
        };
        for dependency in dependencies.iter().filter(|dependency| dependency.is_room) {
            let name = dependency.name.as_str();
            let by_all = name == "schema" || (name == "fixtures" && dependency.for_tests);
            let by_tests = dependency.for_tests && TEST_EDGES.contains(&(room.as_str(), name));
            if !by_all && !by_tests && !allowed.contains(&name) {
                broken.push(format!("{room} → {name} is not an allowed edge"));
            }
        }
    }
    broken
}

pub(super) fn libraries(house: &House) -> Vec<String> {
    let mut broken = Vec::new();
    for (room, dependencies) in &house.rooms {
        for dependency in dependencies.iter().filter(|dependency| !dependency.is_room) {
            let name = dependency.name.as_str();
            let outside =
                LIBRARIES.iter().any(|(library, inside)| *library == name && !inside.contains(&room.as_str()));
            let outside = outside && !(dependency.for_tests && FOR_TESTS.contains(&name));
            let pure = PURE.iter().find(|(pure, _)| pure == room);
            let impure = pure.is_some_and(|(_, named)| !dependency.for_tests && !named.contains(&name));
            if outside || impure {
                broken.push(format!("{room} names {name}, which is not its to name"));
            }
        }
    }
    broken
}

pub(super) fn reasons(house: &House) -> Vec<String> {
    let manifest: toml::Table = house.files["Cargo.toml"].parse().unwrap();
    let is_outside = |value: &toml::Value| value.get("path").is_none();
    let named = manifest["workspace"]["dependencies"].as_table().unwrap().iter();
    let named: Vec<_> = named.filter(|(_, value)| is_outside(value)).map(|(name, _)| name.as_str()).collect();
    let mut explained: BTreeMap<&str, u32> = BTreeMap::new();
    for line in house.files["docs/DEPENDENCIES.md"].lines() {
        if let Some((name, _)) = line.strip_prefix("| `").and_then(|rest| rest.split_once('`')) {
            *explained.entry(name).or_default() += 1;
        }
    }
    let without = named.iter().filter(|name| !explained.contains_key(*name)).map(|name| format!("{name} has no line"));
    let stale =
        explained.keys().filter(|name| !named.contains(name)).map(|name| format!("{name} is explained, not used"));
    let twice = explained.iter().filter(|(_, n)| **n > 1).map(|(name, n)| format!("{name} has {n} lines"));
    without.chain(stale).chain(twice).collect()
}
