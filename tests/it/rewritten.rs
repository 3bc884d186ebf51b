//! Histories that do what an index should not: commits taken back, heads that vanish, two sources, two spellings, no times.

use std::path::PathBuf;

use fixtures::history::commit_history;
use fixtures::{DependencyBuilder, GitIndex, IndexLineBuilder, World};
use serde_json::Value;

use crate::harness::Home;

struct Lab {
    home: Home,
    path: PathBuf,
    index: GitIndex,
}

impl Lab {
    fn new() -> Self {
        let home = Home::new();
        let path = home.path().join("index.git");
        let index = GitIndex::create(&path).unwrap();
        Self { home, path, index }
    }

    fn commit(&mut self, world: &World) {
        self.index.commit(world, None, "a").unwrap();
    }

    fn follow(&self, more: &[&str]) -> Value {
        let index = self.path.to_str().unwrap();
        self.home.json(&[&["--index", index, "follow", "--once"], more].concat())
    }

    fn changes(&self) -> Vec<String> {
        let run = self.home.run(&["changes", "--ndjson"]);
        let words = |line: &str| {
            let change: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("type"), text("name"), text("num")).trim().to_owned()
        };
        run.stdout.lines().map(words).collect()
    }
}

fn with(world: &World, name: &str, num: &str) -> World {
    world.clone().version(name, num, &IndexLineBuilder::new(name, num), None)
}

#[test]
fn commits_that_were_taken_back_are_told_by_what_is_different_now_and_nothing_twice() {
    let mut lab = Lab::new();
    let world = commit_history(&mut lab.index, 11, 80).unwrap();
    lab.commit(&with(&world, "taken-back", "1.0.0"));
    lab.follow(&["--from", "start"]);
    let before = lab.changes();

    // An amended head: the last commit is another one.
    lab.index.rewind(1).unwrap();
    lab.commit(&with(&world, "instead", "1.0.0"));
    lab.follow(&[]);
    let told = ["squash", "crate_deleted taken-back 1.0.0", "added instead 1.0.0"].map(str::to_owned);
    assert_eq!(lab.changes(), [before.clone(), told.to_vec()].concat());

    // Three commits taken back and one put in their place that has the same tree: nothing is different.
    lab.index.rewind(3).unwrap();
    lab.commit(&with(&world, "instead", "1.0.0"));
    lab.follow(&[]);
    assert_eq!(lab.changes(), [before, told.to_vec(), vec!["squash".to_owned()]].concat());
    assert_eq!(lab.follow(&["--compare"])["drift"], 0);
}

#[test]
fn an_index_whose_head_is_gone_does_not_count_as_read() {
    let mut lab = Lab::new();
    lab.commit(&with(&World::new(), "alpha", "1.0.0"));
    lab.follow(&[]);
    std::fs::write(lab.path.join("HEAD"), "ref: refs/heads/gone\n").unwrap();
    let run = lab.home.run(&["--index", lab.path.to_str().unwrap(), "follow", "--once"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let source = &lab.home.json(&["status"])["sources"][0];
    assert!(source["last_error"].as_str().unwrap().contains("no commit"), "{source}");
}

#[test]
fn a_second_source_changes_nothing_without_a_word() {
    let mut lab = Lab::new();
    let old = with(&with(&World::new(), "alpha", "1.0.0"), "alpha", "1.1.0");
    lab.commit(&old);
    lab.follow(&[]);
    let yanked = IndexLineBuilder::new("alpha", "1.0.0").yanked(true);
    lab.commit(&old.clone().version("alpha", "1.0.0", &yanked, None));
    lab.follow(&[]);
    assert_eq!(lab.changes(), ["yanked alpha 1.0.0"]);
    // A mirror that lags behind is read: what it says otherwise is recorded.
    let mirror = lab.home.path().join("mirror.git");
    GitIndex::create(&mirror).unwrap().commit(&old, None, "a").unwrap();
    lab.home.json(&["--index", mirror.to_str().unwrap(), "follow", "--once"]);
    assert_eq!(lab.changes(), ["yanked alpha 1.0.0", "unyanked alpha 1.0.0"]);
}

#[test]
fn a_crate_that_gives_way_to_another_spelling_in_one_commit_is_gone() {
    let mut lab = Lab::new();
    lab.commit(&with(&World::new(), "ab-cd", "1.0.0"));
    lab.follow(&["--from", "start"]);
    lab.commit(&with(&World::new(), "ab_cd", "0.1.0"));
    lab.follow(&[]);
    assert_eq!(lab.changes(), ["added ab-cd 1.0.0", "version_deleted ab-cd 1.0.0", "added ab_cd 0.1.0"]);
    lab.commit(&with(&with(&World::new(), "ab_cd", "0.1.0"), "ab-cd", "2.0.0"));
    lab.follow(&[]);
    lab.commit(&World::new());
    lab.follow(&[]);
    let gone = ["added ab-cd 2.0.0", "crate_deleted ab_cd 0.1.0", "crate_deleted ab-cd 2.0.0"];
    assert_eq!(lab.changes()[3..], gone);
}

#[test]
fn lines_without_times_were_there_before_they_were_read() {
    let mut lab = Lab::new();
    let dependent = IndexLineBuilder::new("user", "1.0.0").dependency(DependencyBuilder::new("alpha", "^1"));
    let world = with(&World::new(), "alpha", "1.0.0").version("user", "1.0.0", &dependent, None);
    lab.index.commit_at(&world, None, "a", "2026-08-01T00:00:00Z").unwrap();
    let yanked = IndexLineBuilder::new("alpha", "1.0.0").yanked(true);
    let after = world.version("alpha", "1.0.0", &yanked, None);
    lab.index.commit_at(&after, None, "b", "2026-08-10T00:00:00Z").unwrap();
    lab.follow(&["--from", "2026-08-05"]);
    for (at, yanked, complete) in
        [("2026-08-12", true, true), ("2026-08-07", false, true), ("2026-07-01", false, false)]
    {
        let shown = lab.home.json(&["show", "alpha", "--at", at]);
        assert_eq!(shown["complete"], complete, "{at}: {shown}");
        assert_eq!(shown["releases"][0]["yanked"], yanked, "{at}: {shown}");
        // What no event told of that time is no fact of it.
        let (row, null) = (&shown["releases"][0], serde_json::Value::Null);
        assert_eq!([&row["changed_at"], &row["source"]["words"], &row["advisories"]["ids"]], [&null; 3], "{row}");
        assert!(row["advisories"]["state"].is_string() && row["source"]["verdict"].is_string(), "{row}");
        let dependents = lab.home.json(&["dependents", "alpha", "--at", at]);
        assert_eq!((&dependents["total"], &dependents["complete"]), (&1.into(), &complete.into()), "{at}");
    }
    let later = lab.home.json(&["show", "alpha", "--at", "2090-01-01"]);
    assert_eq!(later["complete"], false, "nobody has read the future");
}

#[test]
fn an_index_that_lost_its_crates_in_small_steps_is_not_believed_either() {
    let mut lab = Lab::new();
    let world = |n: usize| (0..n).fold(World::new(), |world, n| with(&world, &format!("made-up-{n}"), "1.0.0"));
    lab.commit(&world(90));
    lab.follow(&[]);
    for n in [60, 30, 1] {
        lab.commit(&world(n));
    }
    let run = lab.home.run(&["--index", lab.path.to_str().unwrap(), "follow", "--once"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("--allow-mass-deletion"), "{}", run.stderr);
    assert!(lab.changes().len() <= 50, "{}", lab.changes().len());
    // What came after the commit it stands at may be of any date.
    let shown = lab.home.json(&["show", "made-up-1", "--at", "2090-01-01"]);
    assert_eq!(shown["complete"], false);
}

#[test]
fn what_cannot_be_read_is_listed_where_people_look() {
    let mut lab = Lab::new();
    lab.commit(
        &with(&World::new(), "alpha", "1.0.0").index_file("br/ok/broken", b"{\"name\":\"broken\",\"vers\":\"1.0"),
    );
    lab.follow(&[]);
    let index = lab.path.to_str().unwrap();
    let status = lab.home.json(&["status"]);
    assert_eq!((&status["quarantined"], &status["quarantine"][0]["path"]), (&1.into(), &"br/ok/broken".into()));
    let doctor = lab.home.run(&["--index", index, "doctor"]);
    assert!(doctor.stdout.contains("br/ok/broken:1") && doctor.stdout.contains("a git index"), "{}", doctor.stdout);
    assert!(lab.home.run(&["status"]).stdout.contains("br/ok/broken:1"));
}
