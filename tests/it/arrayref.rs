//! The day of `arrayref` replayed: at each moment, and a week later, the staff's questions get the right answers (design 00).

use std::path::PathBuf;

use fixtures::incident::{GOOD_ARRAYREF, Moment, arrayref_day, commit};
use fixtures::{AdvisoryBuilder, GitIndex, World};
use serde_json::Value;

use crate::harness::Home;

/// The day under way: an index, and everything known of it.
struct Day {
    home: Home,
    path: PathBuf,
    index: GitIndex,
    moments: std::vec::IntoIter<Moment>,
}

impl Day {
    fn begin() -> Self {
        let home = Home::new();
        let path = home.path().join("index.git");
        let index = GitIndex::create(&path).unwrap();
        // What the database knows that morning is about something else.
        let unrelated = AdvisoryBuilder::new("RUSTSEC-2026-9100", "something-else", "2026-08-01");
        World::new().advisory(&unrelated).write_advisories(&home.path().join("advisory-db")).unwrap();
        Self { home, path, index, moments: arrayref_day().into_iter() }
    }

    /// Lets the next moment happen and follows; gives back what happened.
    fn next(&mut self) -> &'static str {
        let moment = self.moments.next().unwrap();
        commit(&mut self.index, &moment).unwrap();
        self.follow();
        moment.what
    }

    fn until(&mut self, what: &str) {
        while !self.next().contains(what) {}
    }

    fn follow(&self) {
        let advisories = self.home.path().join("advisory-db");
        let (index, advisories) = (self.path.to_str().unwrap(), advisories.to_str().unwrap());
        self.home.json(&["--index", index, "--advisory-db", advisories, "follow", "--once", "--from", "start"]);
    }

    fn ask(&self, question: &[&str]) -> Value {
        self.home.json(question)
    }

    /// `name@num`, of every dependent in the answer.
    fn dependents(&self, question: &[&str]) -> Vec<String> {
        let answer = self.ask(&[&["dependents"], question].concat());
        let name = |one: &Value| format!("{}@{}", one["name"].as_str().unwrap(), one["num"].as_str().unwrap());
        let mut names: Vec<_> = answer["dependents"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    /// `num` with what is to be known about it, of every release of a crate.
    fn shown(&self, question: &[&str]) -> Vec<String> {
        let answer = self.ask(&[&["show"], question].concat());
        let words = |row: &Value| {
            let yanked = if row["yanked"].as_bool().unwrap() { " yanked" } else { "" };
            let deleted = row["deleted_at"].as_str().map(|at| format!(" deleted {at}")).unwrap_or_default();
            format!("{}{yanked}{deleted}", row["num"].as_str().unwrap())
        };
        answer["releases"].as_array().unwrap().iter().map(words).collect()
    }

    fn feed(&self, kind: &str) -> Vec<Value> {
        let run = self.home.run(&["events", "--ndjson"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let events = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["type"] == kind).collect()
    }

    fn signals(&self) -> Vec<String> {
        let words = |event: &Value| {
            format!(
                "{} {} {}",
                event["signal"].as_str().unwrap(),
                event["name"].as_str().unwrap(),
                event["num"].as_str().unwrap()
            )
        };
        self.feed("signal").iter().map(words).collect()
    }
}

fn good(state: &str) -> Vec<String> {
    GOOD_ARRAYREF.iter().map(|(num, _)| format!("{num}{state}")).collect()
}

const DELETED: &str = "0.3.10 deleted 2026-08-20T08:41:40Z";

#[test]
fn while_it_happens_every_question_has_its_answer() {
    let mut day = Day::begin();
    day.until("ordinary day");
    assert_eq!(day.signals(), [""; 0]);
    assert_eq!(day.shown(&["arrayref"]), good(""));

    day.until("a new crate proc-macro1");
    assert_eq!(day.dependents(&["proc-macro1"]), [""; 0]);

    day.until("arrayref 0.3.10 depends on it");
    assert_eq!(day.dependents(&["proc-macro1"]), ["arrayref@0.3.10"]);
    // Who takes arrayref without looking is exposed at once, and who takes that; who pinned it is not.
    let exposed = ["arrayref@0.3.10", "blake-hash@1.4.0", "wallet@2.0.0"];
    assert_eq!(day.dependents(&["proc-macro1@1.0.107", "--transitive"]), exposed);
    assert_eq!(day.signals(), ["long-silence arrayref 0.3.10", "young-dependency arrayref 0.3.10"]);
    let young = &day.feed("signal")[1];
    assert_eq!((&young["dependency"], &young["began_at"]), (&"proc-macro1".into(), &"2026-08-20T07:11:15Z".into()));

    day.until("are yanked");
    assert_eq!(day.shown(&["arrayref"]), [good(" yanked"), vec!["0.3.10".to_owned()]].concat());
    let signals = day.feed("signal");
    let mass = signals.last().unwrap();
    assert_eq!(
        (&mass["signal"], &mass["num"], &mass["offered_before"]),
        (&"mass-yank".into(), &"0.3.10".into(), &5.into())
    );
    assert_eq!(mass["yanked"].as_array().unwrap().len(), 5);

    let differences = day.ask(&["diff", "arrayref@0.3.9", "arrayref@0.3.10"]);
    let dependencies = differences["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), 1);
    assert_eq!((&dependencies[0]["change"], &dependencies[0]["name"]), (&"added".into(), &"proc-macro1".into()));
    assert_eq!(differences["publisher"]["known"], false);

    day.until("append-only-vec 0.1.9");
    let three = ["append-only-vec@0.1.9", "arrayref@0.3.10", "internment@0.8.7"];
    assert_eq!(day.dependents(&["proc-macro1"]), three);
    assert_eq!(day.signals().iter().filter(|signal| signal.starts_with("young-dependency")).count(), 3);

    day.until("proc-macro1 is deleted");
    assert_eq!(day.shown(&["proc-macro1"]), ["1.0.107 deleted 2026-08-20T08:03:09Z"]);
    assert_eq!(day.dependents(&["proc-macro1"]), three, "they still ask for it");

    day.until("good versions are back");
    assert_eq!(day.shown(&["arrayref"]), [good(""), vec![DELETED.to_owned()]].concat());

    day.until("edited in place");
    // The edited line no longer names it; the record does.
    assert_eq!(day.dependents(&["proc-macro1"]), ["arrayref@0.3.10", "internment@0.8.7"]);
    assert_eq!(day.dependents(&["proc-macro1", "--ever"]), three);
    let ever = day.ask(&["dependents", "proc-macro1", "--ever"]);
    let edited = ever["dependents"].as_array().unwrap().iter().find(|one| one["name"] == "append-only-vec").unwrap();
    let stood = (edited["from"].as_str().unwrap(), edited["until"].as_str().unwrap());
    assert_eq!(stood, ("2026-08-20T07:37:49Z", "2026-08-20T09:22:36Z"));
    let kinds: Vec<_> = day.feed("metadata_changed").iter().map(|change| change["fields"].clone()).collect();
    assert_eq!(kinds, [serde_json::json!(["deps"])]);
}

#[test]
fn a_week_later_the_day_can_still_be_asked_about() {
    let mut day = Day::begin();
    day.until("append-only-vec 0.1.9 is deleted");
    let advisories = day.home.path().join("advisory-db");
    let malicious = |id: &str, name: &str, unaffected: &[&str]| {
        AdvisoryBuilder::new(id, name, "2026-08-27").list("categories", &["malicious"]).unaffected(unaffected)
    };
    World::new()
        .advisory(&malicious("RUSTSEC-2026-9101", "proc-macro1", &[]))
        .advisory(&malicious("RUSTSEC-2026-9102", "arrayref", &["< 0.3.10", "> 0.3.10"]))
        .write_advisories(&advisories)
        .unwrap();
    day.follow();

    // Which versions are affected: the one that is gone, too.
    let affected = day.ask(&["affected", "RUSTSEC-2026-9102"]);
    let versions = affected["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 1, "{affected}");
    assert_eq!((&versions[0]["num"], &versions[0]["deleted_at"]), (&"0.3.10".into(), &"2026-08-20T08:41:40Z".into()));
    assert!(versions[0]["flags"].as_array().unwrap().contains(&"deleted".into()), "{affected}");

    // What did it look like at 07:20?
    let at = ["--at", "2026-08-20T07:20:00Z"];
    let answer = day.ask(&[&["show", "arrayref"], &at[..]].concat());
    assert_eq!(answer["complete"], true);
    assert_eq!(day.shown(&[&["arrayref"], &at[..]].concat()), [good(" yanked"), vec!["0.3.10".to_owned()]].concat());
    assert_eq!(day.dependents(&[&["proc-macro1"], &at[..]].concat()), ["arrayref@0.3.10"]);
    let exposed = day.dependents(&[&["proc-macro1@1.0.107", "--transitive"], &at[..]].concat());
    assert_eq!(exposed, ["arrayref@0.3.10", "blake-hash@1.4.0", "wallet@2.0.0"]);

    // At 08:00 all three were there, at 09:00 proc-macro1 was gone, at seven there was nothing of it.
    let three = ["append-only-vec@0.1.9", "arrayref@0.3.10", "internment@0.8.7"];
    assert_eq!(day.dependents(&["proc-macro1", "--at", "2026-08-20T08:00:00Z"]), three);
    assert_eq!(day.shown(&["proc-macro1", "--at", "2026-08-20T08:00:00Z"]), ["1.0.107"]);
    assert_eq!(day.shown(&["proc-macro1", "--at", "2026-08-20T09:00:00Z"]), ["1.0.107 deleted 2026-08-20T08:03:09Z"]);
    assert_eq!(day.shown(&["proc-macro1", "--at", "2026-08-20T07:00:00Z"]), [""; 0]);
    assert_eq!(day.dependents(&["proc-macro1", "--at", "2026-08-20T07:00:00Z"]), [""; 0]);

    // Which were ever published, and everything that happened, once each and in order.
    assert_eq!(day.shown(&["internment"]), ["0.8.6", "0.8.7 deleted 2026-08-20T09:04:11Z"]);
    let kinds = |kind: &str| day.feed(kind).len();
    assert_eq!([kinds("yanked"), kinds("unyanked"), kinds("metadata_changed")], [5, 5, 1]);
    assert_eq!([kinds("version_deleted"), kinds("crate_deleted")], [3, 1]);
    let signals = [
        "long-silence arrayref 0.3.10",
        "young-dependency arrayref 0.3.10",
        "mass-yank arrayref 0.3.10",
        "long-silence internment 0.8.7",
        "young-dependency internment 0.8.7",
        "young-dependency append-only-vec 0.1.9",
    ];
    assert_eq!(day.signals(), signals);
}
