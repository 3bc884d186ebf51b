//! What the registry's own pages read of `/packages/NAME.json`, done here step by step as they do it (design 05): ranges from
//! introduced and fixed, the filter of withdrawn and unmaintained, the banner, 404 as "no advisories". And what OSV's schema asks.

use fixtures::{AdvisoryBuilder, World};
use serde_json::{Value, json};

use super::indexed;
use crate::harness::{Home, archive};
use crate::http::Serving;

/// A crate with every kind of advisory.
fn world() -> World {
    let nums = ["0.9.0", "1.0.0", "1.1.0-rc.1", "1.1.0", "2.0.0"];
    let world = nums.iter().fold(World::new(), |world, num| {
        world.publish("Many-Kinds", num, "2026-08-01T00:00:00Z", archive("Many-Kinds", num))
    });
    let advisory = |id: &str| AdvisoryBuilder::new(id, "Many-Kinds", "2026-08-05");
    world
        .advisory(
            &advisory("RUSTSEC-2026-9101")
                .patched(&[">= 0.9.5, < 1.0.0", ">= 1.1.0"])
                .list("aliases", &["CVE-2026-91010"]),
        )
        .advisory(&advisory("RUSTSEC-2026-9102"))
        .advisory(&advisory("RUSTSEC-2026-9103").text("informational", "unmaintained"))
        .advisory(&advisory("RUSTSEC-2026-9104").text("withdrawn", "2026-08-06").patched(&[">= 9.0.0"]))
}

fn answered(world: &World) -> Value {
    let home = Home::new();
    let (advisories, index) = (home.path().join("advisory-db"), home.path().join("index"));
    world.write_advisories(&advisories).unwrap();
    world.write_index(&index, None).unwrap();
    home.json(&["index", "--crate", "many_kinds", "--index", "index", "--advisory-db", "advisory-db", "--no-source"]);
    let serving = Serving::start(&home, &["serve"]);
    let answer = serving.get("/packages/many_kinds.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("provenance-stale")),
        (Some("*"), Some("false"))
    );
    // Any spelling: the original answers 404 to all but one, and the page says "no advisories".
    for spelling in ["Many-Kinds", "MANY_KINDS", "many-kinds"] {
        assert_eq!(serving.get(&format!("/packages/{spelling}.json")).body, answer.body, "{spelling}");
    }
    answer.json()
}

/// As the page puts ranges together: without `fixed` there is nothing to show.
fn version_ranges(advisory: &Value) -> Option<String> {
    let mut shown = Vec::new();
    for affected in advisory["affected"].as_array()? {
        // The page takes the length of the list: it must be one.
        for range in affected["ranges"].as_array().unwrap() {
            let mut introduced: Option<&str> = None;
            for event in range["events"].as_array().unwrap() {
                if let Some(from) = event["introduced"].as_str() {
                    introduced = Some(from);
                } else if let Some(fixed) = event["fixed"].as_str() {
                    shown.push(match introduced {
                        None | Some("0.0.0-0") => format!("<{fixed}"),
                        Some(from) => format!(">={from}, <{fixed}"),
                    });
                }
            }
        }
    }
    (!shown.is_empty()).then(|| shown.join("; "))
}

fn is_unmaintained(advisory: &Value) -> bool {
    let affected = advisory["affected"].as_array().unwrap();
    affected.iter().any(|one| one["database_specific"]["informational"] == "unmaintained")
}

#[test]
fn the_registrys_pages_read_it_unchanged() {
    let advisories = answered(&world());
    let advisories = advisories.as_array().unwrap();
    let shown: Vec<_> = advisories.iter().filter(|one| one["withdrawn"].is_null() && !is_unmaintained(one)).collect();
    let ids: Vec<_> = shown.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["RUSTSEC-2026-9101", "RUSTSEC-2026-9102"]);
    assert_eq!(version_ranges(shown[0]).as_deref(), Some("<0.9.5; >=1.0.0, <1.1.0"));
    assert_eq!(version_ranges(shown[1]), None);
    for one in &shown {
        // Texts that the page hands to its Markdown reader.
        assert!(one["summary"].is_string() && one["details"].is_string(), "{one}");
    }
    let banner = advisories.iter().find(|one| {
        let fixed = one["affected"][0]["ranges"].to_string().contains("\"fixed\"");
        one["withdrawn"].is_null() && is_unmaintained(one) && !fixed
    });
    assert_eq!(banner.unwrap()["id"], "RUSTSEC-2026-9103");
}

#[test]
fn what_the_original_leaves_out_is_there() {
    let advisories = answered(&world());
    let of =
        |id: &str| advisories.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["affected"][0].clone();
    let bounded = of("RUSTSEC-2026-9101");
    assert_eq!(bounded["versions"], json!(["0.9.0", "1.0.0", "1.1.0-rc.1"]));
    let states: Vec<_> = bounded["database_specific"]["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["num"].as_str().unwrap(), one["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        ["0.9.0 affected", "1.0.0 affected", "1.1.0-rc.1 affected", "1.1.0 none-known", "2.0.0 none-known"]
    );
    // Without a fix: every version, and a range without an end.
    let open = of("RUSTSEC-2026-9102");
    assert_eq!(open["versions"].as_array().unwrap().len(), 5);
    assert_eq!(open["ranges"], json!([{ "type": "SEMVER", "events": [{ "introduced": "0.0.0-0" }] }]));
    assert_eq!(of("RUSTSEC-2026-9104")["versions"], json!([]), "withdrawn covers nothing");
    assert_eq!(of("RUSTSEC-2026-9103")["database_specific"]["kind"], "unmaintained");
}

/// The rules of OSV's schema 1.7 that a record of ours can break, by hand.
#[test]
fn every_record_is_what_osvs_schema_asks() {
    for record in answered(&world()).as_array().unwrap() {
        let time = |value: &Value| value.as_str().is_some_and(|text| text.ends_with('Z') && text.contains('T'));
        assert!(record["id"].as_str().unwrap().starts_with("RUSTSEC-") && time(&record["modified"]), "{record}");
        for optional in ["published", "withdrawn"] {
            assert!(record[optional].is_null() || time(&record[optional]), "{record}");
        }
        let known = [
            "schema_version",
            "id",
            "modified",
            "published",
            "withdrawn",
            "aliases",
            "related",
            "upstream",
            "summary",
            "details",
            "severity",
            "affected",
            "references",
            "credits",
            "database_specific",
        ];
        assert!(record.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{record}");
        for affected in record["affected"].as_array().unwrap() {
            let known = ["package", "severity", "ranges", "versions", "ecosystem_specific", "database_specific"];
            assert!(affected.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{affected}");
            let package = &affected["package"];
            assert_eq!((&package["ecosystem"], &package["name"]), (&json!("crates.io"), &json!("Many-Kinds")));
            for range in affected["ranges"].as_array().unwrap() {
                assert_eq!(range["type"], "SEMVER");
                let events = range["events"].as_array().unwrap();
                assert!(!events.is_empty() && events.iter().any(|event| event["introduced"].is_string()), "{range}");
                assert!(events.iter().all(|event| event.as_object().unwrap().len() == 1), "{range}");
            }
            assert!(affected["versions"].as_array().unwrap().iter().all(Value::is_string));
        }
        for reference in record["references"].as_array().into_iter().flatten() {
            assert!(["ADVISORY", "WEB"].contains(&reference["type"].as_str().unwrap()));
            assert!(reference["url"].as_str().unwrap().starts_with("https://"));
        }
    }
}

#[test]
fn only_a_crate_that_is_not_known_and_has_none_is_404() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    assert_eq!(
        (serving.get("/packages/gamma.json").status, serving.get("/packages/beta-b.json").json()),
        (404, json!([]))
    );
    for path in ["/packages/alpha", "/packages/..%2f.json", "/packages/.json"] {
        assert_eq!(serving.get(path).status, 404, "{path}");
    }
}
