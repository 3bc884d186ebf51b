//! kill -9 at random, again and again, while a history is followed.

use fixtures::GitIndex;
use fixtures::history::{Dice, commit_history};
use serde_json::{Value, json};

use crate::harness::{Home, rows};

/// What the real program recorded, without the numbers and times of the run itself.
fn recorded(home: &Home) -> Vec<String> {
    let run = home.run(&["changes", "--ndjson"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let change = |line: &str| {
        let mut change: Value = serde_json::from_str(line).unwrap();
        change["seq"] = Value::Null;
        change.to_string()
    };
    run.stdout.lines().map(change).collect()
}

#[test]
fn killed_fifty_times_at_random_the_end_is_that_of_an_undisturbed_run() {
    let home = Home::new();
    let path = home.path().join("index.git");
    let mut index = GitIndex::create(&path).unwrap();
    commit_history(&mut index, 20_260_820, 800).unwrap();
    let follow = ["--index", path.to_str().unwrap(), "follow", "--once", "--from", "start"];
    home.json(&follow);
    let undisturbed = recorded(&home);
    let names: Vec<_> = (0..40).map(|n| format!("made-up-{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();

    let (mut killed, mut dice, mut kills) = (Home::new(), Dice::new(7), 0);
    while kills < 50 {
        let mut child = killed.start(&follow);
        // A stretch of its life, long or short, and then no more.
        for _ in 0..dice.roll(30_000) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if killed.has_database() && killed.run(&["status", "--json"]).stdout.contains("\"behind_since\":null") {
            // It is at the head already: from the beginning again, as another home.
            killed.forget_everything();
        }
    }
    killed.json(&follow);
    assert_eq!(recorded(&killed), undisturbed);
    assert_eq!(rows(&killed, &names), rows(&home, &names));
    assert_eq!(killed.json(&["status"])["work"], json!([]));
}
