//! Badges say what the row says, word for word, and are pictures whatever is asked.

use serde_json::json;

use super::indexed;
use crate::http::Serving;

#[test]
fn a_badge_has_the_words_of_the_row() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    for (num, tone) in [("1.0.0", "#b3261e"), ("1.1.0", "#6b6b6b")] {
        let row = serving.get(&format!("/api/v1/crates/alpha/{num}")).json()["release"].clone();
        let words = row["badge"]["message"].as_str().unwrap();
        let badge = serving.get(&format!("/badges/Alpha/{num}.svg"));
        assert_eq!((badge.status, badge.header("content-type")), (200, Some("image/svg+xml;charset=utf-8")));
        assert_eq!(badge.header("access-control-allow-origin"), Some("*"));
        assert!(badge.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(badge.header("x-content-type-options"), Some("nosniff"));
        let svg = badge.text();
        assert!(svg.contains(&format!("<title>provenance: {words}</title>")), "{svg}");
        assert!(svg.contains(&format!("role=\"img\" aria-label=\"provenance: {words}\"")), "{svg}");
        assert!(svg.contains(tone), "{num}: {svg}");
        let document = serving.get(&format!("/badges/alpha/{num}/badge.json"));
        let expected = json!({
            "schemaVersion": 1, "label": "provenance", "message": words, "color": tone,
            "labelColor": "#555555", "cacheSeconds": 300,
        });
        assert_eq!(document.json(), expected);
    }
    // Without a version: the one that stands for the crate.
    assert_eq!(serving.get("/badges/alpha.svg").body, serving.get("/badges/alpha/1.1.0.svg").body);
    assert_eq!(serving.get("/badges/alpha/badge.json").body, serving.get("/badges/alpha/1.1.0/badge.json").body);
    let tag = serving.get("/badges/alpha.svg").header("etag").unwrap().to_owned();
    let again = crate::http::request(&serving.address, "GET", "/badges/alpha.svg", &[("if-none-match", &tag)], "");
    assert_eq!(again.status, 304);
}

#[test]
fn what_is_not_known_is_a_picture_that_says_so() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    for (path, words) in [
        ("/badges/gamma.svg", "crate not known here"),
        ("/badges/gamma/1.0.0.svg", "version not known here"),
        ("/badges/alpha/9.9.9.svg", "version not known here"),
        ("/badges/%3Cscript%3E.svg", "no such crate"),
        ("/badges/..%2F..%2Fetc%2Fpasswd.svg", "no such crate"),
        ("/badges/alpha/1%200.svg", "no such version"),
    ] {
        let badge = serving.get(path);
        assert_eq!(badge.status, 200, "{path}");
        assert!(badge.text().contains(&format!("<title>provenance: {words}</title>")), "{path}: {}", badge.text());
    }
    let document = serving.get("/badges/gamma/badge.json").json();
    assert_eq!((&document["message"], &document["isError"]), (&json!("crate not known here"), &json!(true)));
    assert_eq!(serving.get("/badges/alpha.png").status, 404);
}
