//! The feed of everything that happened: in pieces, waited for, as a stream that is taken up again, and the hint that it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use fixtures::GitIndex;
use fixtures::incident::{arrayref_day, commit};
use serde_json::{Value, json};
use serve::ServeOptions;

use super::indexed;
use super::lab::Lab;
use crate::harness::{Home, archive, small_world};
use crate::http::{Lines, Serving, request};

/// A home that followed the day of arrayref.
fn followed() -> (Home, String, GitIndex) {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    for moment in &arrayref_day() {
        commit(&mut index, moment).unwrap();
    }
    let path = path.to_str().unwrap().to_owned();
    assert_eq!(home.run(&["follow", "--once", "--from", "start", "--index", &path]).code, Some(0));
    (home, path, index)
}

/// What `provenance events` prints, as the numbers and types of it.
fn printed(home: &Home) -> Vec<(i64, String)> {
    let run = home.run(&["events", "--ndjson"]);
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["seq"].as_i64().unwrap(), line["type"].as_str().unwrap().to_owned())).collect()
}

fn told(events: &Value) -> Vec<(i64, String)> {
    let events = events.as_array().unwrap().iter();
    events.map(|event| (event["id"].as_i64().unwrap(), event["type"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_feed_is_what_events_prints_however_it_is_cut() {
    let (home, ..) = followed();
    let printed = printed(&home);
    let kinds: BTreeSet<_> = printed.iter().map(|(_, kind)| kind.as_str()).collect();
    assert!(
        kinds.is_superset(&BTreeSet::from(["added", "crate_deleted", "signal", "provenance_changed"])),
        "{kinds:?}"
    );
    let serving = Serving::start(&home, &["serve"]);
    for per_page in [1, 7, 1000] {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let piece = serving.get(&format!("/api/v1/events?after={after}&per_page={per_page}")).json();
            let events = told(&piece["events"]);
            assert!(events.len() <= per_page && piece["meta"]["complete"] == true, "{piece}");
            if events.is_empty() {
                assert_eq!(piece["meta"]["last"], after);
                break;
            }
            all.extend(events);
            after = piece["meta"]["next_after"].as_i64().unwrap();
        }
        assert_eq!(all, printed, "{per_page}");
    }
    let piece = serving.get("/api/v1/events?per_page=1000").json();
    let deleted = piece["events"].as_array().unwrap().iter().find(|event| event["type"] == "crate_deleted").unwrap();
    assert_eq!((&deleted["payload"]["name"], &deleted["payload"]["vers"]), (&json!("proc-macro1"), &json!("1.0.107")));
    assert_eq!(deleted["occurred_at"], "2026-08-20T08:03:09Z");
    assert!(piece["meta"]["complete_since"].is_string(), "{}", piece["meta"]);
    let beyond = serving.get("/api/v1/events?after=999999999").json();
    assert_eq!(
        (&beyond["events"], &beyond["meta"]["complete"]),
        (&json!([]), &json!(false)),
        "another database's number"
    );
    for bad in
        ["after=-1", "after=x", "per_page=0", "per_page=1001", "wait=61", "wait=-1", "after=99999999999999999999"]
    {
        assert_eq!(serving.get(&format!("/api/v1/events?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn who_waits_is_answered_as_soon_as_something_happens_and_else_when_the_time_is_over() {
    let (home, path, mut index) = followed();
    let serving = Serving::start(&home, &["serve"]);
    let last = serving.get("/api/v1/events?after=latest").json()["meta"]["last"].as_i64().unwrap();
    let idle = serving.get(&format!("/api/v1/events?after={last}&wait=1"));
    assert_eq!((idle.json()["events"].clone(), idle.header("cache-control")), (json!([]), Some("no-store")));
    let mut waiting = Lines::ask(&serving.address, &format!("/api/v1/events?after={last}&wait=60"), &[]);
    let mut world = arrayref_day().last().unwrap().world.clone();
    world = world.publish("newcomer", "1.0.0", "2026-08-21T00:00:00Z", archive("newcomer", "1.0.0"));
    index.commit(&world, None, "later").unwrap();
    assert_eq!(home.run(&["follow", "--once", "--index", &path]).code, Some(0));
    let body = waiting.until("{").unwrap();
    assert!(body.contains("\"newcomer\""), "{body}");
}

#[test]
fn a_stream_goes_on_where_it_broke_off_lives_while_nothing_happens_and_ends_with_the_program() {
    let (home, ..) = followed();
    let printed = printed(&home);
    let serving = Serving::start(&home, &["serve"]);
    let accept = ("accept", "text/event-stream");
    let mut stream = Lines::ask(&serving.address, "/api/v1/events", &[accept]);
    assert!(stream.until("content-type: text/event-stream").is_some());
    let mut seen = Vec::new();
    for _ in 0..5 {
        let id = stream.until("id: ").unwrap()[4..].parse::<i64>().unwrap();
        seen.push((id, stream.until("event: ").unwrap()[7..].to_owned()));
    }
    drop(stream);
    let resumed = ("last-event-id", &*seen.last().unwrap().0.to_string());
    let mut stream = Lines::ask(&serving.address, "/api/v1/events", &[accept, resumed]);
    while seen.len() < printed.len() {
        let id = stream.until("id: ").unwrap()[4..].parse::<i64>().unwrap();
        seen.push((id, stream.until("event: ").unwrap()[7..].to_owned()));
    }
    assert_eq!(seen, printed);
    let mut gap = Lines::ask(&serving.address, "/api/v1/events?after=999999999", &[accept]);
    assert_eq!(gap.until("event: ").as_deref(), Some("event: gap"));
    serving.tell_to_stop();
    assert_eq!(stream.until("never"), None, "it ends");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn streams_are_bounded_and_show_that_they_live() {
    let home = indexed();
    let options = ServeOptions { max_streams: 2, heartbeat: Duration::from_millis(20), ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    let accept = [("accept", "text/event-stream")];
    let open = |after: &str| Lines::ask(&lab.address, &format!("/api/v1/events?after={after}"), &accept);
    let (mut one, two) = (open("latest"), open("latest"));
    assert!(one.until(":").is_some() && one.until(":").is_some() && one.until(":").is_some());
    let refused = request(&lab.address, "GET", "/api/v1/events", &accept, "");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    drop((one, two));
    // A place is free again once the server saw that they went.
    while request_head(&lab, &accept) != 200 {
        std::thread::yield_now();
    }
}

fn request_head(lab: &Lab, headers: &[(&str, &str)]) -> u16 {
    let mut lines = Lines::ask(&lab.address, "/api/v1/events?after=latest", headers);
    lines.until("HTTP/1.1 ").unwrap()[9..12].parse().unwrap()
}

#[test]
fn hints_are_taken_from_those_who_know_the_secret_and_many_are_few() {
    let home = indexed();
    let secret = Some(schema::Secret::new("sesame"));
    let options = ServeOptions { hook_secret: secret, hook_every: Duration::from_hours(1), ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    let post =
        |headers: &[(&str, &str)], body: &str| request(&lab.address, "POST", "/hooks/index-change", headers, body);
    for headers in
        [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "sesame")], &[("authorization", "Bearer ")]]
    {
        let refused = post(headers, "{}");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{headers:?}");
    }
    for body in ["{}", "", "not even JSON", "{\"name\":\"alpha\",\"vers\":\"9.9.9\"}"] {
        assert_eq!(post(&[("authorization", "Bearer sesame")], body).status, 202, "{body}");
    }
    while *lab.nudged.lock().unwrap() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(*lab.nudged.lock().unwrap(), 1, "the others wait for their time");
    let off = Lab::new(&home, ServeOptions::default());
    assert_eq!(request(&off.address, "POST", "/hooks/index-change", &[], "{}").status, 404);
    assert_eq!(lab.get("/hooks/index-change").status, 405);
}

#[test]
fn a_hint_makes_the_follower_look_at_once_and_answers_come_from_the_same_process() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    index.commit(&small_world(), None, "a").unwrap();
    // It would look by itself in a day.
    let args = ["--index", path.to_str().unwrap(), "run", "--no-source", "--poll", "86400", "--hook-secret", "sesame"];
    let serving = Serving::start(&home, &args);
    while serving.get("/api/v1/crates/alpha").status != 200 {
        std::thread::yield_now();
    }
    let world = small_world().publish("gamma", "1.0.0", "2026-08-21T00:00:00Z", archive("gamma", "1.0.0"));
    index.commit(&world, None, "b").unwrap();
    let hint = request(&serving.address, "POST", "/hooks/index-change", &[("authorization", "Bearer sesame")], "{}");
    assert_eq!(hint.status, 202);
    while serving.get("/api/v1/crates/gamma").status != 200 {
        std::thread::yield_now();
    }
    assert_eq!(serving.stop(), Some(0));
}
