//! The questions of OSV's own clients. Shapes and refusals after <https://google.github.io/osv.dev/api/>.

use serde_json::{Value, json};

use super::indexed;
use crate::http::{Answer, Serving, request};

fn post(serving: &Serving, path: &str, body: &Value) -> Answer {
    request(&serving.address, "POST", path, &[], &body.to_string())
}

fn package(name: &str) -> Value {
    json!({ "name": name, "ecosystem": "crates.io" })
}

#[test]
fn a_package_or_a_version_of_it_is_asked_about_by_name_or_purl() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let ids = |query: &Value| -> Vec<String> {
        let answer = post(&serving, "/api/v1/query", query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let vulns = answer.json()["vulns"].as_array().cloned().unwrap_or_default();
        vulns.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let found = ["RUSTSEC-2026-9001"];
    assert_eq!(ids(&json!({ "package": package("alpha") })), found);
    assert_eq!(ids(&json!({ "package": package("Alpha"), "version": "1.0.0" })), found);
    assert_eq!(ids(&json!({ "package": { "purl": "pkg:cargo/alpha@1.0.0" } })), found);
    assert_eq!(ids(&json!({ "package": { "purl": "pkg:cargo/alpha" }, "version": "1.0.0" })), found);
    // A version that was never published is judged all the same; 1.1.0 has the fix.
    assert_eq!(ids(&json!({ "package": package("alpha"), "version": "0.3.7" })), found);
    assert_eq!(ids(&json!({ "package": package("alpha"), "version": "1.1.0" })), [""; 0]);
    assert_eq!(post(&serving, "/api/v1/query", &json!({ "package": package("beta-b") })).json(), json!({}));

    let record = post(&serving, "/api/v1/query", &json!({ "package": package("alpha") })).json()["vulns"][0].clone();
    assert_eq!((&record["schema_version"], &record["affected"][0]["versions"]), (&json!("1.7.3"), &json!(["1.0.0"])));
    let events = json!([{ "introduced": "0.0.0-0" }, { "fixed": "1.1.0" }]);
    assert_eq!(record["affected"][0]["ranges"], json!([{ "type": "SEMVER", "events": events }]));
    assert_eq!(serving.get("/api/v1/vulns/RUSTSEC-2026-9001").json(), record);
    let missing = serving.get("/api/v1/vulns/RUSTSEC-2026-0000");
    assert_eq!((missing.status, missing.json()), (404, json!({ "code": 5, "message": "Bug not found." })));
}

#[test]
fn a_batch_is_answered_in_its_order_with_ids() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let queries = json!({ "queries": [
        { "package": package("beta-b"), "version": "0.1.0" },
        { "package": package("alpha"), "version": "1.0.0" },
        { "package": { "purl": "pkg:cargo/unheard-of@1.0.0" } },
    ] });
    let answer = post(&serving, "/api/v1/querybatch", &queries).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0], &results[2]), (3, &json!({}), &json!({})));
    assert_eq!(results[1]["vulns"][0]["id"], "RUSTSEC-2026-9001");
    assert!(results[1]["vulns"][0]["modified"].is_string() && results[1]["vulns"][0].as_object().unwrap().len() == 2);
    let many = json!({ "queries": vec![json!({ "package": package("alpha") }); 1001] });
    let refused = post(&serving, "/api/v1/querybatch", &many);
    assert_eq!((refused.status, refused.json()), (400, json!({ "code": 3, "message": "Too many queries." })));
}

#[test]
fn what_cannot_be_answered_is_refused_in_osvs_shape() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    for query in [
        json!({}),
        json!({ "version": "1.0.0" }),
        json!({ "package": { "name": "alpha" } }),
        json!({ "package": { "name": "alpha", "ecosystem": "npm" } }),
        json!({ "package": { "name": "alpha", "ecosystem": "crates.io", "purl": "pkg:cargo/alpha" } }),
        json!({ "package": { "purl": "pkg:cargo/alpha@1.0.0" }, "version": "1.0.0" }),
        json!({ "package": { "purl": "pkg:npm/alpha@1.0.0" } }),
        json!({ "package": package("../alpha") }),
        json!({ "package": package("alpha"), "version": "one" }),
        json!({ "package": package("alpha"), "page_token": "nothing" }),
        json!({ "commit": "6879efc2c1596d11a6a6ad296f80063b558d5e0f" }),
        json!({ "package": 7 }),
        json!([]),
    ] {
        let answer = post(&serving, "/api/v1/query", &query);
        let document = answer.json();
        assert_eq!((answer.status, &document["code"]), (400, &json!(3)), "{query}: {document}");
        assert!(document["message"].is_string(), "{query}");
    }
    let garbage = request(&serving.address, "POST", "/api/v1/query", &[], "{");
    assert_eq!((garbage.status, &garbage.json()["code"]), (400, &json!(3)));
    let large = request(&serving.address, "POST", "/api/v1/query", &[], &format!("\"{}\"", "x".repeat(1 << 20)));
    assert_eq!((large.status, &large.json()["code"]), (413, &json!(3)));
}
