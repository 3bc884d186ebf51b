//! What is not there is said in as many ways as there are: not known, not looked at, too old, and a database that is away.

use schema::{Priority, Step};
use serde_json::{Value, json};
use serve::ServeOptions;
use store::{Index as _, Work as _};

use super::indexed;
use super::lab::{Lab, filled};
use crate::harness::Home;
use crate::http::{Serving, request};

#[test]
fn a_crate_that_is_not_known_is_404_and_says_what_is() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    for path in ["", "/1.0.0", "/1.0.0/source", "/advisories", "/dependents"] {
        let answer = serving.get(&format!("/api/v1/crates/Gamma{path}"));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.detail(), "crate `Gamma` is not known here, among 2 crates", "{path}");
        let as_of = &answer.json()["as_of"];
        assert!(as_of["index"]["at"].is_string() && as_of["advisory_db"]["commit"].is_string(), "{path}: {as_of}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let answer = serving.get("/api/v1/crates/Alpha/7.0.0");
    assert_eq!(
        (answer.status, answer.detail()),
        (404, "crate `alpha` has no release 7.0.0 that was ever seen here".to_owned())
    );
    assert_eq!(serving.get("/packages/gamma.json").status, 404);
    assert_eq!(serving.get(&format!("/api/v1/checksums/{}", "0".repeat(64))).status, 404);
    // A crate in which nothing is affected is another answer.
    assert_eq!(
        (serving.get("/packages/beta_b.json").status, serving.get("/packages/beta_b.json").json()),
        (200, json!([]))
    );
}

#[test]
fn who_takes_a_version_or_an_advisory_that_never_was_is_not_answered_with_never() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    for (subject, query, detail) in [
        ("alpha@7.0.0", "alpha/dependents?req=7.0.0", "crate `alpha` has no release 7.0.0 that was ever seen here"),
        (
            "alpha@1.0.0 --at 2020-01-01",
            "alpha/dependents?req=1.0.0&at=2020-01-01",
            "crate `alpha` has no release 1.0.0 that was seen here by 2020-01-01T00:00:00Z",
        ),
        (
            "beta-b --advisory RUSTSEC-2026-9001",
            "beta-b/dependents?advisory=RUSTSEC-2026-9001",
            "is not about crate `beta-b`",
        ),
        (
            "alpha --advisory CVE-2000-1",
            "alpha/dependents?advisory=CVE-2000-1",
            "no advisory has the id \"CVE-2000-1\"",
        ),
    ] {
        let args: Vec<_> = ["dependents"].into_iter().chain(subject.split(' ')).collect();
        let run = home.run(&args);
        assert_eq!(run.code, Some(1), "{subject}: {run:?}");
        assert!(run.stderr.contains(detail) && run.stdout.is_empty(), "{subject}: {run:?}");
        let answer = lab.get(&format!("/api/v1/crates/{query}"));
        assert_eq!(answer.status, 404, "{query}: {}", answer.text());
        assert!(answer.detail().contains(detail), "{query}: {}", answer.text());
        if query.contains("advisory") {
            assert_eq!(lab.get(&format!("/crates/{query}")).status, 404, "{query}");
        }
    }
    // Without a requirement and an advisory nothing is called affected that is not.
    let whole = lab.get("/api/v1/crates/alpha/dependents").json();
    assert_eq!((&whole["asked"], &whole["affected"]), (&json!("any version of alpha"), &json!(2)));
    assert_eq!(home.json(&["dependents", "alpha"])["asked"], whole["asked"]);
    let printed = home.run(&["dependents", "alpha"]).stdout;
    assert!(printed.contains("asked about: any version of alpha, 2 releases"), "{printed}");
    let covered = lab.get("/api/v1/crates/alpha/dependents?advisory=CVE-2026-90001").json();
    assert_eq!(covered["asked"], "any version of alpha that CVE-2026-90001 covers");
    assert_eq!(covered["affected"], 1);
    let page = lab.get("/crates/alpha/dependents").text();
    assert!(page.contains("any version of alpha") && !page.contains("affected one"), "{page}");
}

#[test]
fn a_release_that_nobody_looked_at_says_so() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    let unchecked = lab.get("/api/v1/crates/alpha/1.1.0").json();
    let row = &unchecked["release"];
    assert_eq!((&row["checksum_state"], &row["source"]["verdict"]), (&json!("unchecked"), &json!("unchecked")));
    assert_eq!(row["badge"]["message"], "not checked yet; no advisories known");
    // A match that is due again makes every list say that it may lack something.
    lab.block_on(async {
        let store = lab.store.as_ref();
        let alpha = schema::KrateName::parse("alpha").unwrap().canonical();
        let ids: Vec<_> = store.releases(&alpha).await.unwrap().unwrap().iter().map(|release| release.id).collect();
        let now = schema::Timestamp::from_seconds(0);
        store.mark(&ids, Step::Match, Priority::FRESH, now).await.unwrap();
    });
    for path in ["crates/alpha/advisories", "advisories/RUSTSEC-2026-9001/versions", "crates/alpha/dependents"] {
        let address = format!("/api/v1/{path}?per_page=3");
        assert_eq!(lab.get(&address).json()["pending"], 2, "{path}");
    }
    let advisories = lab.get("/advisories").text();
    assert!(advisories.contains("not matched yet") && advisories.contains("2 releases"), "{advisories}");
    // The contract's view puts one of the rule's sentences for the other; it must know them as they are.
    let view = include_str!("../../../schema/migrations/sqlite/0015_waiting.sql");
    assert!(view.contains("'no advisories known'") && view.contains("'advisories not checked yet'"));
    // No place says that nothing is known while the match is due.
    let row = lab.get("/api/v1/crates/alpha/1.1.0").json()["release"].clone();
    assert_eq!(row["advisories"]["state"], "pending");
    assert_eq!(row["badge"]["message"], "advisories not checked yet; not checked yet");
    let listed = lab.get("/api/v1/crates/alpha").json();
    let state = |row: &Value| row["advisories"]["state"].as_str().unwrap().to_owned();
    let states: Vec<_> = listed["releases"].as_array().unwrap().iter().map(state).collect();
    assert_eq!(states, ["pending", "affected"], "what covers a release stands until another match says otherwise");
    assert!(!lab.get("/badges/alpha/1.1.0.svg").text().contains("no advisories known"));
    assert!(!lab.get("/crates/alpha/1.1.0").text().contains("no advisories known"));
    let shown = home.json(&["show", "alpha@1.1.0"]);
    assert_eq!(state(&shown["releases"][0]), "pending");
    let package = lab.get("/packages/Alpha.json").json();
    let states = package[0]["affected"][0]["database_specific"]["versions"].as_array().unwrap();
    let states: Vec<_> = states.iter().map(|state| &state["state"]).collect();
    assert_eq!(states, ["affected", "pending"], "{package}");
}

#[test]
fn a_release_whose_first_row_is_not_written_has_one_that_says_so() {
    let home = Home::new();
    let world = crate::harness::small_world();
    let index = home.path().join("index.git");
    fixtures::GitIndex::create(&index).unwrap().commit(&world, None, "a").unwrap();
    let run = home.run(&["follow", "--once", "--index", index.to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lab = Lab::new(&home, ServeOptions::default());
    if !ran(&home, "DELETE FROM provenance") {
        return;
    }
    let answer = lab.get("/api/v1/crates/alpha/1.0.0").json();
    let row = &answer["release"];
    assert_eq!((&row["checksum_state"], &row["advisories"]["state"]), (&json!("unchecked"), &json!("pending")));
    assert_eq!(row["badge"]["message"], "advisories not checked yet; not checked yet");
}

#[test]
fn what_is_too_old_is_said_in_every_document_and_by_readyz() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    let stale = |lab: &Lab| {
        let answer = lab.get("/api/v1/crates/alpha/1.0.0");
        (answer.json()["as_of"]["stale"].clone(), answer.json()["as_of"]["troubles"].clone())
    };
    let read = lab.clock.as_ref();
    assert_eq!(stale(&lab), (json!(false), json!([])));
    assert_eq!(
        (lab.get("/readyz").status, lab.get("/packages/alpha.json").header("provenance-stale").map(str::to_owned)),
        (200, Some("false".to_owned()))
    );
    let now = schema::Clock::now(read);
    lab.clock.set(now.plus_seconds(901));
    let (is_stale, troubles) = stale(&lab);
    assert_eq!((is_stale, troubles.as_array().unwrap().len()), (json!(true), 1), "{troubles}");
    assert!(troubles[0].as_str().unwrap().contains("not read to its end since"), "{troubles}");
    let ready = lab.get("/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
    assert_eq!(lab.get("/livez").status, 200);
    // Six hours and more after the database of advisories was last looked at.
    lab.clock.set(now.plus_seconds(6 * 3600 + 60));
    let (_, troubles) = stale(&lab);
    assert!(troubles[1].as_str().unwrap().starts_with("advisory database not looked at since"), "{troubles}");
    assert_eq!(lab.get("/packages/alpha.json").header("provenance-stale"), Some("true"));
    let unknown = lab.get("/api/v1/crates/gamma").json();
    assert_eq!(unknown["as_of"]["stale"], true);
}

#[test]
fn the_snapshot_inside_is_as_old_for_the_probe_as_for_the_answers_and_takes_no_server_away() {
    let (home, server) = (Home::new(), crate::harness::small_world().serve().unwrap());
    home.json(&["index", "--crate", "alpha", "--no-source", "--index", &server.index_url()]);
    let serving = Serving::start(&home, &["serve"]);
    let ready = serving.get("/readyz");
    let check = home.run(&["status", "--check", "--json"]);
    assert_eq!((ready.status, check.code), (200, Some(0)), "{check:?}");
    let (told, printed) = (ready.json(), check.document());
    assert_eq!((&told["troubles"], &told["ready"]), (&printed["troubles"], &printed["ready"]));
    assert_eq!((&told["as_of"]["stale"], &printed["stale"]), (&json!(true), &json!(true)));
    assert_eq!(told["troubles"].as_array().unwrap().len(), 1, "{told}");
    assert!(told["troubles"][0].as_str().unwrap().contains("the snapshot of 2026-08-21"), "{told}");
    assert!(check.stderr.is_empty() && home.run(&["status"]).stderr.contains("stale: the advisory database"));
    // One that is looked at is no trouble to either.
    let home = indexed();
    let told = Serving::start(&home, &["serve"]).get("/readyz").json();
    assert_eq!((&told["troubles"], &home.json(&["status"])["stale"]), (&json!([]), &json!(false)));
}

#[test]
fn a_database_that_is_away_is_503_for_every_question_and_never_an_empty_list() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    let description = lab.get("/api/v1/openapi.json").json();
    // Answered once, so that whatever is kept is kept.
    assert_eq!(lab.get("/api/v1/crates/alpha").status, 200);
    lab.store.take_away(true);
    for (path, operations) in description["paths"].as_object().unwrap() {
        // Staff are asked for a token first; that is looked up, and so has no answer either.
        if operations.as_object().unwrap().values().any(|operation| operation.get("security").is_some()) {
            let token = format!("Bearer prv_1_{}", "07".repeat(32));
            if operations.get("get").is_some() {
                let answer = request(&lab.address, "GET", &filled(path), &[("authorization", &token)], "");
                assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{path}");
            }
            continue;
        }
        let path = filled(path);
        let answer = if operations.get("get").is_some() {
            lab.get(&path)
        } else {
            let query = json!({ "package": { "name": "alpha", "ecosystem": "crates.io" } });
            let body = if path.ends_with("batch") { json!({ "queries": [query] }) } else { query };
            request(&lab.address, "POST", &path, &[], &body.to_string())
        };
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{path}: {}", answer.text());
        let has_words = answer.json()["errors"][0]["detail"].is_string() || answer.json()["message"].is_string();
        assert!(has_words && answer.header("cache-control") == Some("no-store"), "{path}: {answer:?}");
    }
    for path in ["/packages/alpha.json", "/packages/gamma.json", "/readyz", "/status", "/badges/alpha/badge.json"] {
        assert_eq!((lab.get(path).status, lab.get(path).header("retry-after")), (503, Some("5")), "{path}");
    }
    // A picture stays a picture.
    let badge = lab.get("/badges/alpha.svg");
    assert_eq!((badge.status, badge.header("content-type")), (503, Some("image/svg+xml;charset=utf-8")));
    assert!(badge.text().contains("not available now"));
    assert_eq!(lab.get("/livez").status, 200);
    lab.store.take_away(false);
    assert_eq!(lab.get("/api/v1/crates/alpha").status, 200);
}

#[test]
fn a_file_that_is_deleted_under_the_server_is_noticed_by_every_answer() {
    if crate::databases::is_without_file() {
        return;
    }
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions { look: std::time::Duration::ZERO, ..ServeOptions::default() });
    let paths =
        ["/api/v1/crates/alpha", "/api/v1/summary", "/packages/alpha.json", "/readyz", "/status", "/crates/alpha", "/"];
    for path in paths {
        assert_eq!(lab.get(path).status, 200, "{path}");
    }
    let (file, aside) = (home.database(), home.path().join("aside.sqlite"));
    std::fs::rename(&file, &aside).unwrap();
    for is_replaced in [false, true] {
        if is_replaced {
            std::fs::copy(&aside, &file).unwrap();
        }
        for path in paths {
            let answer = lab.get(path);
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{path}: {}", answer.text());
            assert!(answer.detail().contains("database file is gone"), "{path}: {}", answer.text());
        }
        let acted = request(&lab.address, "POST", "/api/v1/actions/recheck", &[], "{}");
        assert_eq!(acted.status, 503, "{}", acted.text());
        let badge = lab.get("/badges/alpha.svg");
        assert_eq!((badge.status, badge.header("content-type")), (503, Some("image/svg+xml;charset=utf-8")));
        assert_eq!(lab.get("/livez").status, 200);
    }
    std::fs::rename(&aside, &file).unwrap();
    for path in paths {
        assert_eq!(lab.get(path).status, 200, "{path}");
    }
}

#[test]
fn without_an_advisory_database_nothing_is_said_about_advisories() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    let tables = ["advisory_match", "advisory_alias", "advisory_revision", "advisory_db"];
    if !tables.iter().all(|table| ran(&home, &format!("DELETE FROM {table}"))) {
        return;
    }
    for path in [
        "/packages/alpha.json",
        "/packages/gamma.json",
        "/api/v1/crates/alpha/advisories",
        "/api/v1/vulns/RUSTSEC-2026-9001",
    ] {
        assert_eq!(lab.get(path).status, 503, "{path}");
    }
    let as_of = &lab.get("/api/v1/crates/alpha").json()["as_of"].clone();
    assert_eq!((&as_of["advisory_db"], &as_of["stale"]), (&Value::Null, &json!(true)));
}

/// Runs a statement on the database from outside; `false` on a machine that cannot.
fn ran(home: &Home, statement: &str) -> bool {
    let ran = home.execute(statement);
    if !ran {
        crate::harness::skip("nothing on this machine to change a database with from outside");
    }
    ran
}
