//! Signals by hand-made cases: what gives one, what does not, and that each is given once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::HashMap;

use follow::{Context, HeldLine, Reading, Recent, StoredLine, Surroundings, reconcile, signals};
use schema::{CanonicalName, Change, Generation, IndexLine, KrateName, ReleaseId, Timestamp, VersionNum};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_787_184_000 + seconds)
}

/// A line of `a`: a version, `!` when it is yanked, and after a colon what it depends on.
fn line(spec: &str) -> String {
    let (num, dependency) = spec.split_once(':').unwrap_or((spec, ""));
    let (num, yanked) = num.strip_suffix('!').map_or((num, false), |num| (num, true));
    let kind = if dependency.ends_with("-dev") { "dev" } else { "normal" };
    let deps = if dependency.is_empty() {
        String::new()
    } else {
        format!(
            r#"{{"name":"{dependency}","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"{kind}"}}"#
        )
    };
    let cksum = "0".repeat(64);
    format!(r#"{{"name":"a","vers":"{num}","deps":[{deps}],"cksum":"{cksum}","features":{{}},"yanked":{yanked}}}"#)
}

fn file(specs: &[&str]) -> String {
    specs.iter().map(|spec| line(spec)).collect::<Vec<_>>().join("\n")
}

fn held(specs: &[&str]) -> Vec<StoredLine> {
    let stored = specs.iter().zip(1..).map(|(spec, id)| {
        let text = line(spec);
        let parsed = IndexLine::parse(&text).unwrap();
        StoredLine {
            release: ReleaseId(id),
            num: parsed.num,
            generation: Generation::FIRST,
            checksum: parsed.checksum,
            deleted: false,
            line: text,
        }
    });
    stored.collect()
}

/// The states of a file, each at its second; what was told of each change is handed on, as a store would.
fn check(states: &[(i64, &[&str])], last_published: Option<i64>, began: &[(&str, i64)], expected: &[&str]) {
    let krate = KrateName::parse("a").unwrap();
    let began: HashMap<CanonicalName, Timestamp> =
        began.iter().map(|(name, second)| (KrateName::parse(name).unwrap().canonical(), at(*second))).collect();
    let mut recent: Vec<Recent> = Vec::new();
    let mut told = Vec::new();
    for pair in states.windows(2) {
        let [(_, before), (second, after)] = pair else { unreachable!() };
        let stored = held(before);
        let context = Context {
            krate: &krate,
            commit: None,
            at: at(*second),
            reading: Reading::Recorded,
            known_duplicates: &[],
            also: &[],
        };
        let reconciled = reconcile(&stored, Some(file(after).as_bytes()), &context);
        let changes: Vec<Change> = reconciled.decisions.into_iter().filter_map(|decision| decision.change).collect();
        let changes: Vec<&Change> = changes.iter().collect();
        let lines: Vec<_> =
            stored.iter().map(|held| HeldLine { num: &held.num, line: &held.line, deleted: held.deleted }).collect();
        let surroundings = Surroundings {
            krate: &krate,
            held: &lines,
            recent: &recent,
            last_published: last_published.map(at),
            began: &began,
        };
        told.extend(signals(&changes, &surroundings).iter().map(|signal| {
            let json = serde_json::to_value(signal).unwrap();
            format!("{} {}", json["signal"].as_str().unwrap(), json["num"].as_str().unwrap())
        }));
        recent.extend(changes.iter().map(|change| Recent {
            kind: change.kind,
            num: VersionNum::parse(change.num.as_ref().unwrap().as_str()).unwrap(),
            at: change.at,
        }));
    }
    assert_eq!(told, expected, "{states:?}");
}

#[test]
fn a_publication_with_many_yanks_is_told_once_in_either_order() {
    let yanks_last: &[(i64, &[&str])] = &[
        (0, &["1.0.0", "1.1.0", "1.2.0"]),
        (60, &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]),
        (120, &["1.0.0!", "1.1.0!", "1.2.0", "1.3.0"]),
        (180, &["1.0.0!", "1.1.0!", "1.2.0!", "1.3.0"]),
    ];
    check(yanks_last, None, &[], &["mass-yank 1.3.0"]);
    let yanks_first: &[(i64, &[&str])] = &[
        (0, &["1.0.0", "1.1.0"]),
        (60, &["1.0.0!", "1.1.0"]),
        (120, &["1.0.0!", "1.1.0!"]),
        (180, &["1.0.0!", "1.1.0!", "1.2.0"]),
    ];
    check(yanks_first, None, &[], &["mass-yank 1.2.0"]);
}

#[test]
fn everyday_yanks_are_no_mass() {
    // A bad release taken back with its repair; a few of many; the publication days apart; the yanks taken back.
    check(&[(0, &["1.0.0", "1.0.1"]), (60, &["1.0.0", "1.0.1!", "1.0.2"])], None, &[], &[]);
    let few: &[(i64, &[&str])] = &[
        (0, &["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]),
        (60, &["1.0.0!", "1.1.0!", "1.2.0", "1.3.0", "1.4.0", "2.0.0"]),
    ];
    check(few, None, &[], &[]);
    let apart: &[(i64, &[&str])] =
        &[(0, &["1.0.0", "1.1.0"]), (60, &["1.0.0", "1.1.0", "1.2.0"]), (3 * DAY, &["1.0.0!", "1.1.0!", "1.2.0"])];
    check(apart, None, &[], &[]);
}

#[test]
fn a_new_dependency_on_a_crate_of_today_is_told() {
    let adds: &[(i64, &[&str])] = &[(0, &["1.0.0"]), (HOUR, &["1.0.0", "1.1.0:young"])];
    check(adds, None, &[("young", 0)], &["young-dependency 1.1.0"]);
    // An edit in place is one, too.
    check(&[(0, &["1.0.0"]), (HOUR, &["1.0.0:young"])], None, &[("young", 0)], &["young-dependency 1.0.0"]);
}

#[test]
fn what_is_old_known_new_throughout_or_for_tests_only_is_not() {
    let adds: &[(i64, &[&str])] = &[(0, &["1.0.0"]), (HOUR, &["1.0.0", "1.1.0:young"])];
    check(adds, None, &[("young", HOUR - DAY)], &[]);
    check(adds, None, &[], &[]);
    check(&[(0, &["1.0.0:young"]), (HOUR, &["1.0.0:young", "1.1.0:young"])], None, &[("young", 0)], &[]);
    check(&[(0, &[]), (HOUR, &["1.0.0:young"])], None, &[("young", 0)], &[]);
    check(&[(0, &["1.0.0"]), (HOUR, &["1.0.0", "1.1.0:young-dev"])], None, &[("young-dev", 0)], &[]);
}

#[test]
fn the_first_publication_after_a_year_is_told_and_an_edit_is_none() {
    let publishes: &[(i64, &[&str])] = &[(0, &["1.0.0"]), (0, &["1.0.0", "1.1.0"])];
    check(publishes, Some(-365 * DAY), &[], &["long-silence 1.1.0"]);
    check(publishes, Some(-365 * DAY + 1), &[], &[]);
    check(publishes, None, &[], &[]);
    check(&[(0, &["1.0.0"]), (0, &["1.0.0!"])], Some(-900 * DAY), &[], &[]);
}
