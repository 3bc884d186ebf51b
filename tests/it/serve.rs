//! The API as its readers meet it: over a socket, from the real program, beside what `provenance` prints of the same things.

use serde_json::{Value, json};

use crate::harness::{Home, small_world};
use crate::http::{Serving, request};

mod absence;
mod badges;
mod feed;
pub(crate) mod lab;
mod limits;
mod meanwhile;
mod osv;
mod packages;

/// A home in which the small world was indexed: `alpha` 1.0.0 is vulnerable, nothing is downloaded but it.
pub(crate) fn indexed() -> Home {
    let home = Home::new();
    let world = small_world();
    let (advisories, index) = (home.path().join("advisory-db"), home.path().join("index"));
    world.write_advisories(&advisories).unwrap();
    world.write_index(&index, None).unwrap();
    world.write_archives(&home.path().join("cache")).unwrap();
    home.json(&[
        "index",
        "--crate",
        "alpha@1.0.0",
        "--crate",
        "beta-b",
        "--index",
        index.to_str().unwrap(),
        "--archives",
        "cache",
        "--advisory-db",
        advisories.to_str().unwrap(),
        "--no-source",
    ]);
    home
}

/// sha256 of the archive of `alpha` 1.0.0.
pub(crate) fn checksum_of_alpha() -> String {
    fixtures::sha256_hex(&crate::harness::archive("alpha", "1.0.0"))
}

#[test]
fn a_release_is_the_row_that_show_prints() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let shown = home.json(&["show", "alpha@1.0.0"]);
    for spelling in ["alpha", "Alpha", "ALPHA"] {
        let answer = serving.get(&format!("/api/v1/crates/{spelling}/1.0.0"));
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        assert_eq!(answer["release"], shown["releases"][0]);
        assert_eq!(answer["generations"], shown["releases"]);
        for part in ["advisory_db", "index", "rules"] {
            assert_eq!(answer["as_of"][part], shown["as_of"][part]);
        }
        assert_eq!((&answer["as_of"]["stale"], &answer["as_of"]["troubles"]), (&json!(false), &json!([])));
    }
    // Names of one crate may be written in several ways.
    assert_eq!(serving.get("/api/v1/crates/beta_b/0.1.0").json()["release"]["name"], "beta-b");
    let by_purl = serving.get("/api/v1/purl?purl=pkg:cargo/alpha@1.0.0").json();
    assert_eq!(by_purl["release"], shown["releases"][0]);
    // A checksum says which archive is meant: of another one nothing is known by this name.
    let with_checksum =
        |sum: &str| serving.get(&format!("/api/v1/purl?purl=pkg:cargo/alpha@1.0.0%3Fchecksum=sha256:{sum}"));
    let sum = shown["releases"][0]["checksum"].as_str().unwrap();
    assert_eq!(with_checksum(sum).json()["release"], shown["releases"][0]);
    assert_eq!((with_checksum(&"0".repeat(64)).status, with_checksum("00").status), (404, 400));
    let checksum = shown["releases"][0]["checksum"].as_str().unwrap();
    let by_checksum = serving.get(&format!("/api/v1/checksums/{}", checksum.to_uppercase())).json();
    assert_eq!(by_checksum["releases"], shown["releases"]);
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_crate_is_its_releases_in_pages_the_highest_first() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let numbers = |answer: &Value| -> Vec<String> {
        answer["releases"].as_array().unwrap().iter().map(|row| row["num"].as_str().unwrap().to_owned()).collect()
    };
    let whole = serving.get("/api/v1/crates/Alpha").json();
    assert_eq!(numbers(&whole), ["1.1.0", "1.0.0"]);
    assert_eq!(
        whole["crate"],
        json!({
            "name": "alpha", "canonical": "alpha", "default_version": "1.1.0", "releases": 2, "live": 2, "yanked": 0,
            "deleted": 0,
        })
    );
    assert_eq!(whole["meta"], json!({ "total": 2, "next_page": null, "prev_page": null }));
    let first = serving.get("/api/v1/crates/alpha?per_page=1").json();
    assert_eq!((numbers(&first), &first["meta"]["prev_page"]), (vec!["1.1.0".to_owned()], &Value::Null));
    let next = first["meta"]["next_page"].as_str().unwrap();
    let second = serving.get(&format!("/api/v1/crates/alpha{next}")).json();
    assert_eq!((numbers(&second), &second["meta"]["next_page"]), (vec!["1.0.0".to_owned()], &Value::Null));
    let back = second["meta"]["prev_page"].as_str().unwrap();
    assert_eq!(serving.get(&format!("/api/v1/crates/alpha{back}")).json()["releases"], first["releases"]);
}

#[test]
fn advisories_are_found_by_any_id_and_lead_to_releases_and_out() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let affected = home.json(&["affected", "CVE-2026-90001"]);
    for id in ["RUSTSEC-2026-9001", "CVE-2026-90001", "cve-2026-90001"] {
        let answer = serving.get(&format!("/api/v1/advisories/{id}")).json();
        let advisory = &answer["advisories"][0];
        assert_eq!((&advisory["id"], &advisory["aliases"]), (&json!("RUSTSEC-2026-9001"), &json!(["CVE-2026-90001"])));
        assert_eq!(advisory["ranges"], json!([{ "introduced": null, "fixed": "1.1.0" }]));
        let versions = serving.get(&format!("/api/v1/advisories/{id}/versions")).json();
        let (told, printed) = (&versions["versions"][0], &affected["versions"][0]);
        for field in
            ["name", "num", "checksum", "advisory", "flags", "yanked", "deleted_at", "published_at", "next_safe"]
        {
            assert_eq!(told[field], printed[field], "{field}");
        }
        assert_eq!((&versions["meta"]["total"], &versions["near"]), (&affected["total"], &affected["near"]));
    }
    let of_krate = serving.get("/api/v1/crates/alpha/advisories").json();
    assert_eq!((&of_krate["pending"], &of_krate["indexed"]), (&json!(0), &json!(true)));
    assert_eq!(of_krate["advisories"][0]["versions"][0]["num"], "1.0.0");
    let none = serving.get("/api/v1/crates/beta-b/advisories").json();
    assert_eq!((&none["advisories"], &none["indexed"]), (&json!([]), &json!(true)));
    assert_eq!(serving.get("/api/v1/advisories/RUSTSEC-2026-0000").status, 404);
}

#[test]
fn the_source_of_a_release_comes_with_the_files_of_its_archive() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let answer = serving.get("/api/v1/crates/alpha/1.0.0/source?per_page=1").json();
    assert_eq!(
        (&answer["source"]["verdict"], &answer["checks"], &answer["evidence"]),
        (&json!("unchecked"), &json!([]), &Value::Null)
    );
    let archive = home.write_bytes("alpha-1.0.0.crate", &crate::harness::archive("alpha", "1.0.0"));
    let inspected = home.json(&["inspect", archive.to_str().unwrap()]);
    let files = inspected["files"].as_array().unwrap();
    assert_eq!(answer["meta"]["total"], files.len());
    for field in ["path", "kind", "mode", "size", "sha256", "git_blob"] {
        assert_eq!(answer["files"][0][field], files[0][field], "{field}");
    }
    let unseen = serving.get("/api/v1/crates/alpha/1.1.0/source").json();
    assert_eq!((&unseen["files"], &unseen["meta"]), (&Value::Null, &Value::Null));
}

#[test]
fn dependents_are_those_that_dependents_prints_now_and_then() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = fixtures::GitIndex::create(&path).unwrap();
    for moment in &fixtures::incident::arrayref_day() {
        fixtures::incident::commit(&mut index, moment).unwrap();
    }
    let followed = home.run(&["follow", "--once", "--from", "start", "--index", path.to_str().unwrap()]);
    assert_eq!(followed.code, Some(0), "{followed:?}");
    let serving = Serving::start(&home, &["serve"]);
    for (query, args) in [
        ("?per_page=100", &["dependents", "arrayref"][..]),
        ("?per_page=100&transitive=true", &["dependents", "arrayref", "--transitive"]),
        (
            "?per_page=100&transitive=true&at=2026-08-20T08:00:00Z",
            &["dependents", "arrayref", "--transitive", "--at", "2026-08-20T08:00:00Z"],
        ),
        ("?per_page=100&req=%3E0.3.9", &["dependents", "arrayref@>0.3.9"]),
    ] {
        let (told, printed) =
            (serving.get(&format!("/api/v1/crates/arrayref/dependents{query}")).json(), home.json(args));
        for field in ["dependents", "counts", "complete", "whole_index", "affected", "pending", "at", "asked"] {
            assert_eq!(told[field], printed[field], "{field} of {query}");
        }
        assert_eq!(told["meta"]["total"], printed["total"]);
    }
    // The crate that is gone without a trace, and who depended on it while it was there.
    let then = serving.get("/api/v1/crates/proc-macro1/dependents?at=2026-08-20T07:30:00Z").json();
    let names: Vec<_> =
        then["dependents"].as_array().unwrap().iter().map(|one| format!("{}@{}", one["name"], one["num"])).collect();
    assert_eq!(names, ["\"arrayref\"@\"0.3.10\""], "{then}");
}

#[test]
fn the_description_is_the_contract_and_every_route_in_it_answers() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let served = serving.get("/api/v1/openapi.json");
    let written = serde_json::to_string_pretty(&served.json()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/contract/openapi.json");
    #[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test, as the contract's README says")]
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    let contract = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, contract, "UPDATE_CONTRACT=1 cargo test -p provenance-cli --test it serve writes it anew");
    for (path, operations) in served.json()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let (method, is_for_staff) = (method.to_uppercase(), operation.get("security").is_some());
            let takes_body = operation.get("requestBody").is_some();
            let path = lab::filled(path);
            let answer = request(&serving.address, &method, &path, &[], if takes_body { "{" } else { "" });
            // Who has no token is not told what else is wrong.
            let expected = match (is_for_staff, takes_body) {
                (true, _) => 401,
                (false, true) => 400,
                (false, false) => 200,
            };
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
            assert!(operation["responses"].get(answer.status.to_string()).is_some(), "{method} {path}");
        }
    }
    // The pages for people come from the program itself and load nothing from elsewhere.
    let pages = serving.get("/api/v1/docs/");
    assert_eq!(pages.status, 200);
    assert!(!pages.text().contains("http"), "{}", pages.text());
    assert!(pages.header("content-security-policy").unwrap().starts_with("default-src 'self';"));
    let set_up = serving.get("/api/v1/docs/swagger-initializer.js").text();
    assert!(!set_up.contains("http") && set_up.contains("\"validatorUrl\": \"none\""), "{set_up}");
}

/// Routes that are no part of the API's description, by their beginning: pages for people, files, probes and figures, and the
/// addresses whose shape is somebody else's.
const UNDESCRIBED: [&str; 14] = [
    "/about",
    "/advisories",
    "/assets/",
    "/badges/",
    "/changes",
    "/crates/",
    "/favicon.svg",
    "/hooks/",
    "/jobs",
    "/livez",
    "/metrics",
    "/readyz",
    "/search",
    "/status",
];

#[test]
fn every_route_is_in_the_description() {
    let description = serve::openapi();
    let paths = description["paths"].as_object().unwrap();
    let (mut n_routes, mut folders) = (0, vec![concat!(env!("CARGO_MANIFEST_DIR"), "/../serve/src").into()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<std::path::PathBuf>(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for route in text.split(".route(").skip(1) {
                n_routes += 1;
                // A name stands for the description itself.
                let Some(route) = route.trim_start().strip_prefix('"') else {
                    assert!(path.ends_with("openapi.rs"), "{}: {route:.40}", path.display());
                    continue;
                };
                let route = route.split('"').next().unwrap();
                let is_elsewhere = route == "/" || UNDESCRIBED.iter().any(|beginning| route.starts_with(beginning));
                let is_packages = route.starts_with("/packages/");
                assert!(paths.contains_key(route) || is_elsewhere || is_packages, "{route} is not in the description");
            }
        }
    }
    assert!(n_routes > 20, "only {n_routes} routes were found");
    // What staff may do is there with the token it needs and with how it is refused.
    for (path, method) in [
        ("/api/v1/actions/recheck", "post"),
        ("/api/v1/actions/retry", "post"),
        ("/api/v1/actions/review", "post"),
        ("/api/v1/actions/reviews/{name}/{version}", "get"),
        ("/api/v1/actions/yank", "post"),
        ("/api/v1/actions/unyank", "post"),
        ("/api/v1/actions/audit", "get"),
        ("/api/v1/webhooks", "get"),
        ("/api/v1/webhooks", "post"),
        ("/api/v1/webhooks/{id}", "delete"),
        ("/api/v1/webhooks/{id}/resume", "post"),
    ] {
        let operation = &paths[path][method];
        assert_eq!(operation["security"], json!([{ "token": [] }]), "{method} {path}");
        for status in ["400", "401", "403", "404", "503"] {
            let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Errors", "{method} {path} {status}");
        }
    }
    assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

#[test]
fn an_unchanged_answer_is_not_sent_again() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let path = "/api/v1/crates/alpha/1.0.0";
    let first = serving.get(path);
    let tag = first.header("etag").unwrap();
    assert_eq!(first.header("cache-control"), Some("public, max-age=10"));
    assert_eq!(first.header("access-control-allow-origin"), Some("*"));
    for held in [tag, &format!("\"0\", {tag}"), "*", tag.trim_start_matches("W/")] {
        let answer = request(&serving.address, "GET", path, &[("if-none-match", held)], "");
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (304, 0, Some(tag)), "{held}");
    }
    let other = request(&serving.address, "GET", path, &[("if-none-match", "W/\"0\"")], "");
    assert_eq!((other.status, &other.body), (200, &first.body));
    let head = request(&serving.address, "HEAD", path, &[], "");
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag)));
    for _ in 0..2 {
        let packed = request(&serving.address, "GET", path, &[("accept-encoding", "gzip")], "");
        assert_eq!((packed.header("content-encoding"), packed.header("etag")), (Some("gzip"), Some(tag)));
        assert!(packed.body.len() < first.body.len() && packed.body.starts_with(&[0x1f, 0x8b]));
    }
}

#[test]
fn what_is_stored_is_seen_within_the_next_look() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    assert_eq!(serving.get("/api/v1/crates/alpha/1.1.0").json()["release"]["checksum_state"], "unchecked");
    home.json(&[
        "index",
        "--crate",
        "alpha@1.1.0",
        "--index",
        "index",
        "--archives",
        "cache",
        "--advisory-db",
        "advisory-db",
        "--no-source",
    ]);
    while serving.get("/api/v1/crates/alpha/1.1.0").json()["release"]["checksum_state"] != "ok" {
        std::thread::yield_now();
    }
    let summary = serving.get("/api/v1/summary").json();
    assert_eq!((&summary["crates"], &summary["releases"], &summary["work"]), (&json!(2), &json!(3), &json!([])));
}

#[test]
fn figures_are_told_on_their_own_listener_by_route_and_never_by_path() {
    let home = indexed();
    let mut serving = Serving::start(&home, &["serve", "--metrics-listen", "127.0.0.1:0"]);
    let figures = serving.figures();
    serving.get("/api/v1/crates/alpha/1.0.0");
    serving.get("/api/v1/crates/alpha/1.0.0");
    serving.get("/api/v1/crates/no-such-crate/1.0.0");
    serving.get("/nothing/here");
    let text = crate::http::get(&figures, "/metrics").text();
    let route = "route=\"/api/v1/crates/{name}/{version}\"";
    let has = |words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["provenance_http_requests_total", route, "status=\"200\"", " 2"]), "{text}");
    assert!(has(&["provenance_http_requests_total", route, "status=\"404\"", " 1"]), "{text}");
    assert!(has(&["provenance_http_requests_total", "route=\"none\"", "status=\"404\""]), "{text}");
    assert!(has(&["provenance_http_request_duration_seconds_bucket", "le=\"0.01\""]), "{text}");
    assert!(has(&["provenance_rows", "verdict=\"unchecked\"", "advisory_state=\"affected\""]), "{text}");
    assert!(has(&["provenance_index_lag_seconds"]) && has(&["provenance_last_event"]), "{text}");
    // An answer is kept until the next look at the database, which may come between any two requests.
    while crate::http::get(&figures, "/metrics").text().contains("provenance_cache_hits_total 0") {
        serving.get("/api/v1/crates/alpha/1.0.0");
    }
    assert!(!text.contains("no-such-crate") && !text.contains("/nothing"), "{text}");
    assert_eq!(serving.get("/metrics").status, 404, "figures are not for everybody");
}
