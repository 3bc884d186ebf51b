//! What staff may do: by which token, what it leaves behind, and that nothing is done twice, unnoted or unasked.

use fixtures::{Receiver, Reply};
use serde_json::{Value, json};

use crate::harness::{Home, archive, small_world};
use crate::http::{Answer, Serving, request};
use crate::serve::indexed;

/// A token with these scopes and patterns.
fn token(home: &Home, scopes: &[&str], crates: &[&str]) -> String {
    let scopes = scopes.iter().flat_map(|scope| ["--scope", *scope]);
    let crates = crates.iter().flat_map(|pattern| ["--crate", *pattern]);
    let args: Vec<_> = ["token", "create", "for the test"].into_iter().chain(scopes).chain(crates).collect();
    home.json(&args)["token"].as_str().unwrap().to_owned()
}

fn post(serving: &Serving, token: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &authorization)] };
    request(&serving.address, "POST", &format!("/api/v1/{path}"), headers, &body.to_string())
}

fn get(serving: &Serving, token: &str, path: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    request(&serving.address, "GET", &format!("/api/v1/{path}"), &[("authorization", &authorization)], "")
}

fn alpha() -> Value {
    json!({ "name": "Alpha", "num": "1.0.0", "reason": "the test wants it" })
}

/// Everything that needs a token, with a body that would do; and the scope it needs.
fn deeds() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("recheck", "actions/recheck", alpha()),
        ("recheck", "actions/retry", alpha()),
        (
            "advisory",
            "actions/review",
            json!({ "name": "alpha", "num": "1.0.0", "finding": "x", "state": "open", "reason": "r" }),
        ),
        ("yank", "actions/yank", alpha()),
        ("yank", "actions/unyank", alpha()),
        ("admin", "webhooks", json!({ "url": "https://example.org/hook" })),
    ]
}

#[test]
fn each_deed_needs_its_scope_and_its_crate() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    for held in ["read", "recheck", "advisory", "yank", "admin"] {
        let (ours, theirs) = (token(&home, &[held], &["al*"]), token(&home, &[held], &["beta-b"]));
        for (wanted, path, body) in deeds() {
            let status = post(&serving, &ours, path, &body).status;
            assert_eq!(status == 403, held != wanted, "{held} for {path}: {status}");
            assert_ne!(status, 401);
            let is_about_a_crate = path != "webhooks";
            let status = post(&serving, &theirs, path, &body).status;
            assert_eq!(
                status == 403,
                held != wanted || is_about_a_crate,
                "{held} of another crate for {path}: {status}"
            );
        }
        assert_eq!(get(&serving, &ours, "actions/audit").status == 403, held != "read");
        assert_eq!(get(&serving, &ours, "webhooks").status == 403, held != "admin");
    }
}

#[test]
fn without_a_valid_token_nothing_is_done_and_reading_stays_open() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let good = token(&home, &["recheck", "yank", "advisory", "admin", "read"], &["*"]);
    let (head, secret) = good.rsplit_once('_').unwrap();
    let other_secret: String = secret.chars().rev().collect();
    let revoked = token(&home, &["recheck"], &["*"]);
    let id = revoked.split('_').nth(1).unwrap();
    home.json(&["token", "revoke", id]);
    assert_eq!(home.run(&["token", "revoke", id]).code, Some(1));
    let bad = [String::new(), "x".to_owned(), format!("{head}_{other_secret}"), format!("prv_9999_{secret}"), revoked];
    for bad in &bad {
        for (_, path, body) in deeds() {
            let answer = post(&serving, bad, path, &body);
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text().contains(secret));
        }
        assert_eq!(get(&serving, bad, "actions/audit").status, 401);
        // Nor is it told what would be wrong with what it asks.
        assert_eq!(post(&serving, bad, "webhooks", &json!({ "url": "https://127.0.0.1/" })).status, 401);
    }
    assert_eq!(serving.get("/api/v1/crates/alpha").status, 200);
    assert_eq!(serving.get("/api/v1/actions/yank").status, 405);
    // Nothing of it was a deed; making and revoking tokens was.
    let audit = get(&serving, &good, "actions/audit").json();
    let actions: Vec<_> =
        audit["audit"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["token create", "token create", "token revoke", "token revoke"]);
    // What is kept of a token does not lead back to it.
    let listed = home.run(&["token", "list", "--json"]).stdout;
    assert!(!listed.contains(secret), "{listed}");
    let states: Vec<_> =
        home.json(&["token", "list"])["tokens"].as_array().unwrap().iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states, [json!("valid"), json!("revoked")]);
    if crate::databases::is_without_file() {
        return;
    }
    let bytes = std::fs::read(home.database()).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[test]
fn a_recheck_marks_and_a_retry_revives_while_another_process_holds_the_lock() {
    if crate::databases::is_without_file() {
        return;
    }
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let token = token(&home, &["recheck", "read"], &["alpha"]);
    // Whoever works on the database holds its lock; staff need it not.
    let lock = store_sqlite::lock(&home.database(), || panic!("it is free")).unwrap();
    let answer = post(&serving, &token, "actions/recheck", &json!({ "name": "alpha" }));
    assert_eq!((answer.status, &answer.json()["marked"]), (200, &json!({ "verify": 1, "download": 1 })));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let waiting = home.json(&["status"])["work"].as_array().unwrap().clone();
    let steps: Vec<_> = waiting.iter().map(|count| count["step"].as_str().unwrap()).collect();
    assert!(steps.contains(&"verify") && steps.contains(&"download") && steps.contains(&"publish"), "{steps:?}");
    assert_eq!(post(&serving, &token, "actions/retry", &json!({ "name": "alpha" })).json()["revived"], 0);
    drop(lock);
    // The limit is named, and counts characters: 'ä' has two bytes.
    for (path, n, status) in [("recheck", 1_001, 400), ("retry", 1_001, 400), ("retry", 1_000, 200)] {
        let answer =
            post(&serving, &token, &format!("actions/{path}"), &json!({ "name": "alpha", "reason": "ä".repeat(n) }));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(status == 200 || answer.detail().contains("at most 1000"), "{}", answer.text());
    }
    for (body, status) in [
        (json!({ "name": "alpha", "num": "9.9.9" }), 404),
        (json!({ "name": "alpha", "num": "1 0" }), 400),
        (json!({ "name": "alpha", "odd": 1 }), 400),
        (json!("alpha"), 400),
    ] {
        assert_eq!(post(&serving, &token, "actions/recheck", &body).status, status, "{body}");
    }
    let audit = get(&serving, &token, "actions/audit?after=1").json();
    let told: Vec<_> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["action"].as_str().unwrap(), row["subject"].as_str().unwrap(), row["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("recheck", "alpha", "done"),
            ("retry", "alpha", "done"),
            ("retry", "alpha", "done"),
            ("recheck", "alpha@9.9.9", "failed")
        ]
    );
    assert!(!home.json(&["token", "list"])["tokens"][0]["last_used_at"].is_null());
}

#[test]
fn a_subscription_is_checked_when_it_is_made_and_only_a_secret_of_ours_is_told() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let token = token(&home, &["admin"], &[]);
    let add = |more: &Value| {
        let mut body = json!({ "url": "https://example.org/hook" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(&serving, &token, "webhooks", &body)
    };
    for (more, words) in [
        (json!({ "types": ["yank"] }), "added, added_yanked"),
        (json!({ "after": -1 }), "from 0 to"),
        (json!({ "after": 1_000_000 }), "the newest event"),
        (json!({ "url": "https://10.0.0.1/" }), "not a public address"),
        (json!({ "url": "https://[::1]/" }), "not a public address"),
        (json!({ "url": "https://169.254.169.254/latest" }), "not a public address"),
        (json!({ "secret": "whsec_short" }), "24 to 64 bytes"),
    ] {
        let answer = add(&more);
        assert_eq!(answer.status, 400, "{more}: {}", answer.text());
        assert!(answer.detail().contains(words), "{more}: {}", answer.text());
    }
    let made = add(&json!({ "types": ["yanked", "signal", "provenance_changed"], "after": 0 }));
    assert_eq!(made.status, 201);
    assert!(made.header("x-webhook-secret").unwrap().starts_with("whsec_"));
    let given = add(&json!({ "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }));
    assert_eq!((given.status, given.header("x-webhook-secret")), (201, None));
}

#[test]
fn a_retry_at_the_command_line_says_why_it_tried_nothing() {
    let home = indexed();
    let answer = home.json(&["retry", "alpha"]);
    assert_eq!(answer["revived"], 0);
    assert!(answer["why_none"].as_str().is_some_and(|why| why.contains("given up")), "{answer}");
    let run = home.run(&["retry", "alpha"]);
    assert!(run.stdout.starts_with("none tried again: nothing of it was given up; 0 still open"), "{run:?}");
}

#[test]
fn what_staff_are_answered_is_what_the_description_says() {
    let home = indexed();
    let serving = Serving::start(&home, &["serve"]);
    let token = token(&home, &["recheck", "yank", "admin", "read"], &["*"]);
    let description = serving.get("/api/v1/openapi.json").json();
    let agrees = |method: &str, path: &str, answer: &Answer| {
        let operation = &description["paths"][format!("/api/v1/{path}")][method];
        let content = &operation["responses"][answer.status.to_string()]["content"]["application/json"];
        let name = content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{path} {answer:?}"));
        let schema = &description["components"]["schemas"][name.rsplit('/').next().unwrap()];
        let (document, mut known) = (answer.json(), schema["properties"].as_object().cloned().unwrap_or_default());
        // Of an answer of several kinds, each has fields of its own.
        let kinds: Vec<_> = schema["anyOf"].as_array().into_iter().flatten().collect();
        let kind = kinds.iter().find(|kind| {
            kind["required"].as_array().unwrap().iter().all(|field| !document[field.as_str().unwrap()].is_null())
        });
        known.extend(kind.into_iter().flat_map(|kind| kind["properties"].as_object().unwrap().clone()));
        let required = schema["required"].as_array().into_iter().flatten();
        let lacks: Vec<_> = required.filter(|field| document.get(field.as_str().unwrap()).is_none()).collect();
        let odd: Vec<_> = document.as_object().unwrap().keys().filter(|field| !known.contains_key(*field)).collect();
        assert!(lacks.is_empty() && odd.is_empty(), "{method} {path}: {lacks:?} {odd:?} {document}");
    };
    for path in ["actions/recheck", "actions/retry", "actions/yank"] {
        let answer = post(&serving, &token, path, &alpha());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        agrees("post", path, &answer);
    }
    let made = post(&serving, &token, "webhooks", &json!({ "url": "https://example.org/hook" }));
    agrees("post", "webhooks", &made);
    for path in ["webhooks", "actions/audit"] {
        agrees("get", path, &get(&serving, &token, path));
    }
    agrees("get", "actions/reviews/{name}/{version}", &get(&serving, &token, "actions/reviews/alpha/1.0.0"));
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let id = made.json()["id"].as_i64().unwrap();
    let removed = request(&serving.address, "DELETE", &format!("/api/v1/webhooks/{id}"), &headers, "");
    agrees("delete", "webhooks/{id}", &removed);
    for answer in [
        post(&serving, "", "actions/recheck", &alpha()),
        post(
            &serving,
            &token,
            "actions/review",
            &json!({ "name": "alpha", "num": "1.0.0", "finding": "x", "state": "open", "reason": "r" }),
        ),
        post(&serving, &token, "actions/unyank", &alpha()),
    ] {
        assert!([401, 403, 409].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["errors"]);
    }
}

#[test]
fn a_finding_is_reviewed_and_stays_what_it_is() {
    let home = Home::new();
    // A file that shows other than it is: a finding of the archive.
    let odd =
        fixtures::CrateFile::honest("odd", "1.0.0").file("src/odd.rs", "// \u{202e} odd\n".as_bytes()).build().unwrap();
    let server = small_world().publish("odd", "1.0.0", "2026-08-01T00:00:00Z", odd).serve().unwrap();
    home.json(&["index", "--crate", "odd", "--no-source", "--index", &server.index_url()]);
    let row = home.json(&["show", "odd"])["releases"][0].clone();
    let finding = row["finding_codes"][0].as_str().unwrap().to_owned();
    let serving = Serving::start(&home, &["serve"]);
    let token = token(&home, &["advisory", "read"], &["odd"]);
    let review = |finding: &str, state: &str, reason: &str| {
        let body = json!({ "name": "odd", "num": "1.0.0", "finding": finding, "state": state, "reason": reason });
        post(&serving, &token, "actions/review", &body).status
    };
    assert_eq!(review(&finding, "accepted", "a test of bidi"), 200);
    assert_eq!(review(&finding, "watching", "<b>looked again</b>"), 200);
    assert_eq!(review("no.such-finding", "open", "r"), 404);
    assert_eq!(review(&finding, "fine", "r"), 400);
    assert_eq!(review(&finding, "open", "  "), 400);
    assert_eq!(review(&finding, "open", &"r".repeat(1_001)), 400);
    let reviews = get(&serving, &token, "actions/reviews/odd/1.0.0").json();
    let states: Vec<_> =
        reviews["reviews"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["accepted", "watching"]);
    assert_eq!(home.json(&["show", "odd"])["releases"][0]["finding_codes"], row["finding_codes"]);
}

/// A home whose index names a registry of the test as its API, and that registry.
fn with_registry() -> (Home, Receiver) {
    let (home, registry) = (Home::new(), Receiver::start().unwrap());
    let config = json!({ "dl": format!("{}/dl", registry.address()), "api": registry.address() }).to_string();
    let world = small_world()
        .publish("alpha", "2.0.0+b.1", "2026-08-04T00:00:00Z", archive("alpha", "2.0.0+b.1"))
        .index_file("config.json", config.as_bytes());
    world.write_index(&home.path().join("index"), None).unwrap();
    let run = home.run(&["index", "--crate", "alpha", "--offline", "--no-source", "--index", "index"]);
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
    (home, registry)
}

#[test]
fn a_yank_is_looked_at_first_done_through_the_registry_and_noted() {
    let (home, registry) = with_registry();
    let variables = [("PROVENANCE_REGISTRY_TOKEN", "cio-registry-secret")];
    let serving = Serving::start_with(&home, &["serve", "--index", "index"], &variables);
    let token = token(&home, &["yank", "read"], &["alpha"]);
    let body = json!({ "name": "ALPHA", "num": "2.0.0+b.1", "reason": "it steals keys" });
    let plan = post(&serving, &token, "actions/yank", &body).json();
    assert_eq!((&plan["dry_run"], &plan["would_be"], &plan["can_be_done"]), (&json!(true), &json!(true), &json!(true)));
    assert_eq!(registry.received(), [], "nothing was asked of the registry");
    let with = |confirm: &Value| {
        let mut body = body.clone();
        body["confirm"] = confirm.clone();
        body
    };
    assert_eq!(post(&serving, &token, "actions/yank", &with(&json!("0"))).status, 409);
    // Not yanked: there is nothing to unyank, and the confirmation is of another deed.
    assert_eq!(post(&serving, &token, "actions/unyank", &with(&plan["confirm"])).status, 409);
    registry.reply(Reply {
        body: json!({ "errors": [{ "detail": "must be an owner" }] }).to_string(),
        ..Reply::status(403)
    });
    let refused = post(&serving, &token, "actions/yank", &with(&plan["confirm"]));
    assert_eq!((refused.status, refused.detail()), (502, "the registry refused with 403: must be an owner".to_owned()));
    let done = post(&serving, &token, "actions/yank", &with(&plan["confirm"]));
    assert_eq!((done.status, &done.json()["yanked"]), (200, &json!(true)));
    let asked = registry.received();
    assert_eq!(asked.len(), 2);
    for one in &asked {
        assert_eq!((one.method.as_str(), one.path.as_str()), ("DELETE", "/api/v1/crates/alpha/2.0.0%2Bb.1/yank"));
        assert_eq!(one.headers["authorization"], "cio-registry-secret");
    }
    // What the index says is what is true: until it says so, the row is as it was.
    assert_eq!(home.json(&["show", "alpha@2.0.0+b.1"])["releases"][0]["yanked"], false);
    let audit = get(&serving, &token, "actions/audit?after=1");
    assert!(!audit.text().contains("cio-registry-secret"));
    let told: Vec<_> = audit.json()["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["action"].as_str().unwrap().to_owned(), row["outcome"].as_str().unwrap().to_owned()))
        .collect();
    let told: Vec<_> = told.iter().map(|(action, outcome)| (action.as_str(), outcome.as_str())).collect();
    assert_eq!(
        told,
        [("yank", "planned"), ("yank", "failed"), ("unyank", "failed"), ("yank", "refused"), ("yank", "done")]
    );
    assert_eq!(audit.json()["audit"][4]["reason"], "it steals keys");
}

#[test]
fn without_a_registry_token_a_yank_is_only_looked_at() {
    let (home, registry) = with_registry();
    let serving = Serving::start(&home, &["serve", "--index", "index"]);
    let token = token(&home, &["yank"], &["*"]);
    let mut body = alpha();
    let plan = post(&serving, &token, "actions/yank", &body).json();
    assert_eq!(plan["can_be_done"], false, "{plan}");
    body["confirm"] = plan["confirm"].clone();
    assert_eq!(post(&serving, &token, "actions/yank", &body).status, 409);
    for reason in [String::new(), " \n".to_owned(), "r".repeat(1_001)] {
        body["reason"] = json!(reason);
        assert_eq!(post(&serving, &token, "actions/yank", &body).status, 400, "{reason}");
    }
    assert_eq!(registry.received(), []);
}
