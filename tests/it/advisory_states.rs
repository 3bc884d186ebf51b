//! The advisory database followed by commit through the real binary: as of a state, between two states, and when history breaks.

use fixtures::{AdvisoryBuilder, AdvisoryRepo, DependencyBuilder, IndexLineBuilder};
use serde_json::{Value, json};

use crate::harness::{Home, Run};

/// A home with an index folder of `bad` and `other`, and a database as a git repository.
struct Place {
    home: Home,
    repo: AdvisoryRepo,
    commits: Vec<String>,
}

const ID: &str = "RUSTSEC-2026-9001";

#[test]
fn the_snapshot_inside_does_not_take_the_place_of_what_is_newer() {
    let home = crate::serve::indexed();
    let loaded = home.json(&["status"])["as_of"]["advisory_db"].clone();
    let args = ["index", "--crate", "alpha", "--index", "index", "--archives", "cache", "--no-source", "--offline"];
    let run = home.run(&[&args[..], &["--advisory-db", "snapshot"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("ships inside is older than the advisory database that is loaded"), "{run:?}");
    assert_eq!(home.json(&["status"])["as_of"]["advisory_db"], loaded);
    assert_eq!(home.json(&["affected", ID])["total"], 1);
    // Who asks for nothing else is told that it was not done.
    for more in [&["--advisory-db", "snapshot"][..], &[]] {
        let run = home.run(&[&["advisories", "follow"], more].concat());
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("which stays"), "{run:?}");
    }
    assert_eq!(home.json(&["status"])["as_of"]["advisory_db"], loaded);
}

fn advisory(id: &str, krate: &str) -> AdvisoryBuilder {
    AdvisoryBuilder::new(id, krate, "2026-08-01")
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        for (name, nums) in [("bad", &["0.9.0", "1.0.0", "1.1.0", "2.0.0"][..]), ("other", &["1.0.0"])] {
            let line = |num: &&str| {
                IndexLineBuilder::new(name, num)
                    .cksum(&fixtures::sha256_hex(format!("{name}-{num}").as_bytes()))
                    .build()
            };
            let path = schema::KrateName::parse(name).unwrap().index_path();
            home.write(&format!("index/{path}"), &(nums.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"));
        }
        let user = IndexLineBuilder::new("user", "1.0.0").dependency(DependencyBuilder::new("bad", "=1.0.0"));
        home.write("index/us/er/user", &(user.build() + "\n"));
        let repo = AdvisoryRepo::create(&home.path().join("db")).unwrap();
        Self { home, repo, commits: Vec::new() }
    }

    fn put(&mut self, advisory: &AdvisoryBuilder) {
        self.repo.put(&advisory.path(), &advisory.build());
    }

    fn commit(&mut self) {
        self.commits.push(self.repo.commit().unwrap());
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let (index, db) = (self.home.path().join("index"), self.repo.path());
        let global = ["--offline", "--index", index.to_str().unwrap(), "--advisory-db", db.to_str().unwrap()];
        args.iter().chain(&global).map(|arg| (*arg).to_owned()).collect()
    }

    fn run(&self, args: &[&str]) -> Run {
        let args = self.args(args);
        self.home.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn json(&self, args: &[&str]) -> Value {
        let args = self.args(args);
        self.home.json(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn index(&self) {
        let _ = self.run(&["index", "--all-versions", "--crate", "bad", "--crate", "other", "--crate", "user"]);
    }

    fn follow(&self) -> Value {
        self.json(&["advisories", "follow"])
    }

    fn affected(&self, args: &[&str]) -> Vec<String> {
        let answer = self.json(&[&["affected"], args].concat());
        let versions = answer["versions"].as_array().unwrap();
        versions.iter().map(|row| format!("{}@{}", row["name"], row["num"]).replace('"', "")).collect()
    }
}

/// 0: bad below 2 · 1: bad below 1.1 · 2: withdrawn, and one about `other` · 3: moved to `other`, the other one removed
fn history() -> Place {
    let mut place = Place::new();
    place.put(&advisory(ID, "bad").patched(&[">= 2.0.0"]).list("aliases", &["CVE-2026-1"]));
    place.commit();
    place.index();
    place.put(&advisory(ID, "bad").patched(&[">= 1.1.0"]).list("aliases", &["CVE-2026-2"]));
    place.commit();
    place.put(&advisory(ID, "bad").patched(&[">= 1.1.0"]).text("withdrawn", "2026-08-09"));
    place.put(&advisory("RUSTSEC-2026-9002", "other").text("informational", "unmaintained"));
    place.commit();
    place.repo.files.clear();
    place.put(&advisory(ID, "other").patched(&[">= 1.1.0"]));
    place.commit();
    let loaded = place.follow();
    assert_eq!((&loaded["states"], &loaded["compared_as_a_whole"]), (&json!(3), &json!(false)));
    place
}

#[test]
fn an_answer_can_be_had_as_of_every_commit_that_was_followed() {
    let place = history();
    let [first, second, third, fourth] = &place.commits[..] else { panic!() };
    assert_eq!(place.affected(&[ID]), ["other@1.0.0"]);
    assert_eq!(place.affected(&[ID, "--at-db", first]), ["bad@0.9.0", "bad@1.0.0", "bad@1.1.0"]);
    assert_eq!(place.affected(&[ID, "--at-db", &second[..8]]), ["bad@0.9.0", "bad@1.0.0"]);
    assert_eq!(place.affected(&["bad", "--at-db", third]), [""; 0]);
    assert_eq!(place.affected(&["other", "--at-db", fourth]), ["other@1.0.0"]);
    // By the day, the day itself included; by an alias of that time; by one version; before anything was known of it.
    assert_eq!(place.affected(&["cve-2026-1", "--at-db", "2026-08-20"]).len(), 3);
    assert_eq!(place.affected(&["CVE-2026-2", "--at-db", "2026-08-21T23:00:00Z"]).len(), 2);
    assert_eq!(place.affected(&["bad@1.0.0", "--at-db", "2026-08-21"]), ["bad@1.0.0"]);
    assert_eq!(place.affected(&["CVE-2026-1", "--at-db", "2026-08-20", "--has-fix"]).len(), 3);
    let answer = place.json(&["affected", ID, "--at-db", first]);
    assert_eq!(answer["as_of"]["advisory_db"]["commit"], json!(first));
    assert_eq!(answer["advisories"][0]["changed_in"], json!(first));
    assert_eq!(answer["versions"][0]["next_safe"], json!({ "compatible": null, "any": "2.0.0" }));
}

#[test]
fn what_was_never_seen_is_said() {
    let place = history();
    for (state, says) in
        [("0123456789", "never seen"), ("2020-01-01", "as of 2020-01-01"), ("", "never seen"), ("soon", "never seen")]
    {
        let run = place.run(&["affected", ID, "--at-db", state]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{state:?}");
        assert!(run.stderr.contains(says) && run.stderr.contains(&place.commits[0]), "{state:?}: {}", run.stderr);
    }
    let later = place.run(&["affected", "RUSTSEC-2026-9002", "--at-db", &place.commits[0], "--json"]);
    assert_eq!(later.code, Some(0));
    assert!(
        later.stderr.contains("no advisory had the id RUSTSEC-2026-9002") && later.document()["versions"] == json!([]),
        "{later:?}"
    );
}

#[test]
fn two_states_differ_in_advisories_fields_and_releases() {
    let place = history();
    let diff = |a: usize, b: usize| {
        place.json(&["advisories", "diff", &format!("{}..{}", place.commits[a], place.commits[b])])
    };
    let first = diff(0, 1);
    assert_eq!(first["changed"][0]["fields"], json!(["aliases", "ranges"]));
    assert_eq!(first["no_longer_affected"][0]["num"], json!("1.1.0"));
    assert_eq!((&first["became_affected"], &first["added"]), (&json!([]), &json!([])));
    let second = diff(1, 2);
    assert_eq!(second["added"][0]["id"], json!("RUSTSEC-2026-9002"));
    assert_eq!(second["became_affected"][0]["name"], json!("other"));
    assert_eq!(second["no_longer_affected"].as_array().unwrap().len(), 2);
    let third = diff(2, 3);
    assert_eq!(third["removed"][0]["id"], json!("RUSTSEC-2026-9002"));
    assert_eq!(
        (&third["moved"][0]["from_package"], &third["moved"][0]["to_package"]),
        (&json!("bad"), &json!("other"))
    );
    assert_eq!(third["changed"][0]["fields"], json!(["package", "withdrawn"]));
    // There and back, and nothing between a state and itself.
    assert_eq!(diff(3, 2)["added"][0]["id"], json!("RUSTSEC-2026-9002"));
    assert_eq!(diff(1, 1)["changed"], json!([]));
    let open = place.run(&["advisories", "diff", "2026-08-20.."]);
    assert_eq!(open.code, Some(0));
    assert!(open.stdout.contains("moved RUSTSEC-2026-9001"), "{}", open.stdout);
    let bad = place.run(&["advisories", "diff", "one"]);
    assert!(bad.code == Some(1) && bad.stderr.contains("A..B"), "{}", bad.stderr);
    let states = place.json(&["advisories", "states"]);
    assert_eq!(states["total"], json!(4));
}

#[test]
fn a_rewritten_history_is_compared_as_a_whole_and_said_so() {
    let mut place = history();
    place.put(&advisory(ID, "bad").patched(&[">= 2.0.0"]));
    let rewritten = place.repo.commit_upon_earlier(&place.commits[1]).unwrap();
    let run = place.run(&["advisories", "follow"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("compared as a whole") && run.stderr.contains("does not descend"), "{}", run.stderr);
    assert_eq!(place.affected(&[ID]).len(), 4 - 1 + 1 - 1, "bad below 2, and other no more");
    assert_eq!(place.json(&["affected", ID])["as_of"]["advisory_db"]["commit"], json!(rewritten));
    // What was known before the rewriting is still known.
    assert_eq!(place.affected(&[ID, "--at-db", &place.commits[3]]), ["other@1.0.0"]);
}

#[test]
fn a_database_that_empties_trips_the_brake_and_one_that_breaks_keeps_its_last_good_copy() {
    let mut place = history();
    let path = format!("crates/other/{ID}.md");
    place.repo.put(&path, "no advisory");
    place.commit();
    let run = place.run(&["advisories", "follow"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("1 file of the advisory database cannot be read"), "{}", run.stderr);
    assert_eq!(place.affected(&[ID]), ["other@1.0.0"]);
    let doctor = place.run(&["doctor", "--json"]);
    assert_eq!(doctor.document()["quarantine"][0]["path"], json!(path));

    place.repo.files.clear();
    place.repo.put("README.md", "empty");
    place.commit();
    for command in [&["advisories", "follow"][..], &["index", "--crate", "bad"]] {
        let run = place.run(command);
        assert_eq!(run.code, Some(1), "{command:?}: {}", run.stderr);
        assert!(run.stderr.contains("only 0 of 1 advisories remain; nothing was changed"), "{}", run.stderr);
    }
    assert_eq!(place.affected(&[ID]), ["other@1.0.0"]);
}

#[test]
fn the_past_of_a_branch_can_be_read_the_first_time() {
    let mut place = Place::new();
    place.repo.put("README.md", "nothing yet");
    place.commit();
    for patched in [">= 2.0.0", ">= 1.1.0", ">= 1.0.0"] {
        place.put(&advisory(ID, "bad").patched(&[patched]));
        place.commit();
    }
    let loaded = place.json(&["advisories", "follow", "--from", "start"]);
    assert_eq!(loaded["states"], json!(3));
    place.index();
    assert_eq!(place.affected(&[ID, "--at-db", &place.commits[1]]).len(), 3);
    assert_eq!(place.affected(&[ID]), ["bad@0.9.0"]);
    let from_day = Place { home: Home::new(), repo: place.repo, commits: place.commits };
    assert_eq!(from_day.json(&["advisories", "follow", "--from", "2026-08-22"])["states"], json!(2));
    let bad = from_day.run(&["advisories", "follow", "--from", "soon"]);
    assert!(bad.code == Some(1) && bad.stderr.contains("soon"), "{}", bad.stderr);
}

#[test]
fn a_scan_names_the_stuck_the_unsafe_and_the_surviving() {
    let mut place = Place::new();
    place.put(&advisory(ID, "bad").patched(&[">= 1.1.0"]));
    place.put(&advisory("RUSTSEC-2026-9002", "other").text("informational", "unmaintained"));
    place.put(&advisory("RUSTSEC-2026-9003", "bad").list("categories", &["malicious"]).patched(&[">= 1.0.1"]));
    // Malware that was never seen here, and covers nothing that `other`'s dependents take.
    place.put(&advisory("RUSTSEC-2026-9004", "other").list("categories", &["malicious"]).unaffected(&["< 5.0.0"]));
    place.commit();
    place.index();
    let scan = place.json(&["scan"]);
    // As many are stuck on both; malware goes first.
    assert_eq!(
        (&scan["stuck"][0]["advisory"], &scan["stuck"][1]["advisory"]),
        (&json!("RUSTSEC-2026-9003"), &json!(ID))
    );
    assert_eq!(scan["stuck"][1]["stuck"], json!({ "releases": 1, "crates": 1, "optional_releases": 0 }));
    assert_eq!(scan["no_safe_version"][0]["name"], json!("other"));
    assert_eq!(scan["no_safe_version"].as_array().unwrap().len(), 1);
    assert_eq!(scan["malware"][0]["dependent_crates"], json!(["user"]));
    assert_eq!(scan["malware"].as_array().unwrap().len(), 1);
    assert_eq!(scan["graph"]["edges"], json!(1));
    let csv = place.run(&["scan", "--csv"]).stdout;
    let first: Vec<_> = csv.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(first, ["report", "stuck", "stuck", "no-safe-version", "malware"]);
    let table = place.run(&["scan"]);
    assert!(table.code == Some(0) && table.stdout.contains("Malware that live crates"), "{table:?}");
}
