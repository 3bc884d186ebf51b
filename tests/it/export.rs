//! The static export: what a page needs is there, only what changed is written, and nothing that is killed leaves a half.

use std::collections::BTreeMap;
use std::path::Path;

use fixtures::history::Dice;
use fixtures::{AdvisoryBuilder, World};
use schema::{KrateName, Priority, Step, Timestamp};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::harness::{Home, archive, finished, lockfile, skip, small_world};

const INDEX: [&str; 6] = ["--index", "index", "--advisory-db", "db", "--archives", "archives"];

/// Writes a world to disk and indexes every crate of it.
fn index(home: &Home, world: &World) {
    for folder in ["index", "db", "archives"] {
        let _ = std::fs::remove_dir_all(home.path().join(folder));
    }
    world.write_index(&home.path().join("index"), None).unwrap();
    world.write_advisories(&home.path().join("db")).unwrap();
    world.write_archives(&home.path().join("archives")).unwrap();
    let names: Vec<_> = world.names().collect();
    let krates: Vec<_> = names.iter().flat_map(|name| ["--crate", *name]).collect();
    let args: Vec<_> = ["index", "--offline", "--no-source"].into_iter().chain(krates).chain(INDEX).collect();
    let run = home.run(&args);
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
}

/// Path → bytes of everything a reader can see.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    if root.exists() {
        walk(root, root, &mut files);
    }
    files
}

fn document(home: &Home, path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(home.path().join("out").join(path)).unwrap()).unwrap()
}

#[test]
fn everything_that_a_page_of_a_crate_needs_is_written() {
    let home = Home::new();
    index(&home, &small_world());
    let exported = home.json(&["export", "out"]);
    assert_eq!((&exported["crates"], &exported["whole"]), (&json!(2), &json!(true)), "{exported:#}");
    let paths: Vec<_> = tree(&home.path().join("out")).into_keys().collect();
    assert_eq!(
        paths,
        [
            "badges/al/ph/alpha.json",
            "badges/al/ph/alpha.svg",
            "badges/be/ta/beta_b.json",
            "badges/be/ta/beta_b.svg",
            "crates/al/ph/alpha.json",
            "crates/be/ta/beta_b.json",
            "export-state.json",
            "index.json",
            "index/al.json",
            "index/be.json",
            "packages/alpha.json",
        ]
    );
    // The rows are those of `show`, word for word, the highest first.
    let mut shown = home.json(&["show", "alpha"]);
    shown["releases"].as_array_mut().unwrap().reverse();
    let alpha = document(&home, "crates/al/ph/alpha.json");
    assert_eq!(alpha["releases"], shown["releases"]);
    assert_eq!(alpha["as_of"], shown["as_of"]);
    let newest = &shown["releases"][0];
    assert_eq!((&alpha["crate"]["default_version"], &newest["num"]), (&json!("1.1.0"), &json!("1.1.0")));
    let badge = document(&home, "badges/al/ph/alpha.json");
    assert_eq!((&badge["schemaVersion"], &badge["message"]), (&json!(1), &newest["badge"]["message"]));
    let svg = std::fs::read_to_string(home.path().join("out/badges/al/ph/alpha.svg")).unwrap();
    assert!(svg.contains(newest["badge"]["message"].as_str().unwrap()), "{svg}");
    let osv = document(&home, "packages/alpha.json");
    assert_eq!((&osv[0]["id"], osv.as_array().unwrap().len()), (&json!("RUSTSEC-2026-9001"), 1));
    assert_eq!(osv[0]["affected"][0]["versions"], json!(["1.0.0"]));
    assert_eq!(document(&home, "index/be.json")["crates"]["beta_b"]["name"], "beta-b");
    let list = document(&home, "index.json");
    assert_eq!((&list["crates"], &list["releases_waiting_for_advisories"]), (&json!(2), &json!(0)));
    assert_eq!(list["as_of"], shown["as_of"]);
}

#[test]
fn only_what_changed_is_written_and_what_is_gone_keeps_its_file() {
    let home = Home::new();
    index(&home, &small_world());
    home.json(&["export", "out"]);
    let again = home.json(&["export", "out"]);
    assert_eq!((&again["crates_written"], &again["files_written"]), (&json!(0), &json!(1)), "{again:#}");

    // A new version of one crate; another crate is gone.
    let world = small_world().publish("alpha", "1.2.0", "2026-08-09T00:00:00Z", archive("alpha", "1.2.0"));
    index(&home, &world);
    let one = home.json(&["export", "out"]);
    assert_eq!((&one["crates_written"], &one["whole"]), (&json!(1), &json!(false)), "{one:#}");
    assert_eq!(document(&home, "crates/al/ph/alpha.json")["crate"]["default_version"], "1.2.0");
    let world = world.delete("beta-b", "0.1.0");
    index(&home, &world);
    home.json(&["export", "out"]);
    let beta = document(&home, "crates/be/ta/beta_b.json");
    assert_eq!((&beta["crate"]["deleted"], &beta["crate"]["live"]), (&json!(1), &json!(0)), "{beta:#}");
    assert_eq!(beta["releases"].as_array().unwrap().len(), 1);

    // Another text of an advisory that covers the same releases changes no row, and its OSV file all the same.
    let advisory = AdvisoryBuilder::new("RUSTSEC-2026-9001", "alpha", "2026-08-05");
    let world = world.advisory(&advisory.title("Told better").patched(&[">= 1.1.0"]));
    index(&home, &world);
    let before = document(&home, "crates/al/ph/alpha.json");
    let told = home.json(&["export", "out"]);
    assert_eq!((&told["crates_written"], &told["files_written"]), (&json!(0), &json!(2)), "{told:#}");
    assert_eq!(document(&home, "packages/alpha.json")[0]["summary"], "Told better");
    assert_eq!(document(&home, "crates/al/ph/alpha.json"), before);

    // All of it once more, by request: nothing differs but what the files rest on.
    let anew = home.json(&["export", "out", "--anew"]);
    assert_eq!((&anew["whole"], &anew["crates"]), (&json!(true), &json!(2)));
}

#[test]
fn a_release_that_waits_for_its_advisories_is_not_shown_as_one_without() {
    let home = Home::new();
    index(&home, &small_world());
    home.json(&["export", "out"]);
    let state = |home: &Home| {
        let beta = document(home, "crates/be/ta/beta_b.json");
        beta["releases"][0]["advisories"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&home), "none-known");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = home.memory().await;
        let name = KrateName::parse("beta-b").unwrap().canonical();
        let ids: Vec<_> = store.releases(&name).await.unwrap().unwrap().iter().map(|release| release.id).collect();
        store.mark(&ids, Step::Match, Priority::FRESH, Timestamp::from_seconds(1_780_000_000)).await.unwrap();
        store.close().await;
    });
    // No event tells of the mark: an export that only goes on says how many wait, a whole one shows it.
    let on = home.json(&["export", "out"]);
    assert_eq!(on["waiting_for_advisories"], 1, "{on:#}");
    assert_eq!(document(&home, "index.json")["releases_waiting_for_advisories"], 1);
    home.json(&["export", "out", "--anew"]);
    assert_eq!(state(&home), "pending");
    // Matched with the same answer, which is no event either: what waited is looked at again.
    assert_eq!(home.run(&["work", "--until-idle", "--no-source", "--offline"]).code, Some(0));
    let after = home.json(&["export", "out"]);
    assert_eq!((state(&home).as_str(), &after["crates_written"]), ("none-known", &json!(1)));
    assert_eq!(home.json(&["export", "out"])["crates_written"], 0);
}

#[test]
fn badges_of_versions_come_on_request_and_another_database_is_exported_as_a_whole() {
    let home = Home::new();
    index(&home, &small_world());
    home.json(&["export", "out"]);
    assert_eq!(home.json(&["export", "out", "--version-badges"])["whole"], true);
    let badge = document(&home, "badges/al/ph/alpha/1.0.0.json");
    assert!(badge["message"].as_str().unwrap().contains("known vulnerability"), "{badge}");
    let other = Home::new();
    index(&other, &small_world());
    let out = home.path().join("out").display().to_string();
    assert_eq!(other.json(&["export", &out, "--version-badges"])["whole"], true);
    assert_eq!(other.json(&["export", &out, "--version-badges"])["whole"], false);
    for bad in ["gs://bucket", "s3://", "ftp://a/b", ""] {
        let run = home.run(&["export", bad]);
        assert_eq!(run.code, Some(1), "{bad}: {}", run.stderr);
    }
}

#[test]
fn a_bucket_takes_archives_and_export_as_a_folder_does() {
    let Some(bucket) = Bucket::start() else {
        return skip("no moto_server on the PATH or in PROVENANCE_TEST_MOTO (pip install 'moto[server]')");
    };
    let home = Home::new();
    let run = |args: &[&str]| {
        let mut command = home.command(args);
        let run = finished(bucket.reached_by(&mut command));
        assert_eq!(run.code, Some(0), "{args:?}: {}", run.stderr);
        run.document()
    };
    let world = small_world();
    let server = world.serve().unwrap();
    world.write_advisories(&home.path().join("db")).unwrap();
    let indexed = run(&[
        "index",
        "--crate",
        "alpha",
        "--no-source",
        "--index",
        &server.index_url(),
        "--blobs",
        "s3://kept/blobs",
        "--advisory-db",
        "db",
        "--json",
    ]);
    assert_eq!(indexed["archives"]["ok"], 1, "{indexed:#}");
    let checksum = indexed["items"][0]["checksum"].as_str().unwrap();
    let key = format!("/kept/blobs/sha256/{}/{}/{checksum}", &checksum[..2], &checksum[2..4]);
    assert_eq!(fixtures::sha256_hex(&bucket.get(&key).unwrap()), checksum);
    assert!(!home.path().join("data/provenance/blobs").exists());

    let exported = run(&["export", "s3://kept/site/v1", "--json"]);
    assert_eq!(exported["place"], "s3://kept/site/v1");
    run(&["export", "out", "--json"]);
    for (path, bytes) in tree(&home.path().join("out")) {
        assert_eq!(bucket.get(&format!("/kept/site/v1/{path}")).as_deref(), Some(bytes.as_slice()), "{path}");
    }
    assert_eq!(run(&["export", "s3://kept/site/v1", "--json"])["files_written"], 1);
    let mut unsigned = home.command(&["export", "s3://no-such-bucket/x"]);
    let refused = finished(bucket.reached_by(&mut unsigned));
    assert!(refused.code == Some(1) && !refused.stderr.contains(Bucket::SECRET), "{}", refused.stderr);
}

/// A registry of that many small crates, known from the index alone.
fn large(home: &Home, n_krates: usize) {
    let names: Vec<_> = (0..n_krates).map(|n| format!("Made-Up-{n:05}")).collect();
    let mut world = World::new();
    for name in &names {
        let line = fixtures::IndexLineBuilder::new(name, "1.0.0").cksum(&fixtures::sha256_hex(name.as_bytes()));
        world = world.version(name, "1.0.0", &line, None);
    }
    world.write_index(&home.path().join("index"), None).unwrap();
    let packages: Vec<_> = names.iter().map(|name| (name.as_str(), "1.0.0", "")).collect();
    home.write("Cargo.lock", &lockfile(&packages));
    let run = home.run(&["index", "--lockfile", "Cargo.lock", "--offline", "--no-source", "--index", "index"]);
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
}

#[test]
fn killed_at_any_place_it_goes_on_and_ends_as_if_nothing_had_been() {
    let home = Home::new();
    large(&home, 600);
    home.json(&["export", "undisturbed"]);
    let undisturbed = tree(&home.path().join("undisturbed"));
    assert!(undisturbed.len() > 1_800, "{}", undisturbed.len());
    let (mut dice, mut kills) = (Dice::new(11), 0);
    while kills < 15 {
        let mut child = home.start(&["export", "out"]);
        for _ in 0..dice.roll(60_000) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        let was_alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        kills += usize::from(was_alive);
        // Whatever a reader sees at this moment is whole.
        for (path, bytes) in tree(&home.path().join("out")) {
            let is_whole = match path.rsplit('.').next() {
                Some("json") => serde_json::from_slice::<Value>(&bytes).is_ok(),
                _ => bytes.ends_with(b"</svg>\n"),
            };
            assert!(is_whole, "{path} is cut short");
        }
        if !was_alive {
            std::fs::remove_dir_all(home.path().join("out")).unwrap();
        }
    }
    home.json(&["export", "out"]);
    let out = tree(&home.path().join("out"));
    assert!(out == undisturbed, "{} files, {} undisturbed", out.len(), undisturbed.len());
}
