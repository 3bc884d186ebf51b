//! The database followed through a real git history, made here with git2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use advisories::{
    AdvisoriesError, Advisory, DatabaseChanges, DatabaseRepository, FETCH_REFSPEC, Since, open_bare, read_directory,
};
use git2::{IndexAddOption, Repository, Signature, Time};
use schema::Timestamp;

use crate::support::{text, write};

struct Checkout {
    folder: tempfile::TempDir,
    repo: Repository,
    commits: Vec<String>,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init(folder.path()).unwrap();
        Self { folder, repo, commits: Vec::new() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        write(self.root(), path, text);
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.root().join(path)).unwrap();
    }

    /// Commits what stands in the folder, one day after the commit before.
    fn commit(&mut self) -> String {
        let mut index = self.repo.index().unwrap();
        index.read(true).unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = self.repo.find_tree(index.write_tree().unwrap()).unwrap();
        let day = i64::try_from(self.commits.len()).unwrap() + 1;
        let who = Signature::new("a", "a@example.org", &Time::new(day * 86_400, 0)).unwrap();
        let parent = self.repo.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        let commit = self.repo.commit(Some("HEAD"), &who, &who, "c", &tree, &parents).unwrap().to_string();
        self.commits.push(commit.clone());
        commit
    }

    fn at(&self, commit: usize) -> DatabaseRepository {
        DatabaseRepository::in_folder(self.root()).unwrap().unwrap().at(&self.commits[commit])
    }

    fn since(&self, from: usize, to: usize) -> Since {
        self.at(to).since(&self.commits[from], &BTreeSet::new()).unwrap()
    }

    fn steps(&self, from: usize, to: usize) -> Vec<DatabaseChanges> {
        let since = self.since(from, to);
        let Since::Steps(steps) = since else { panic!("{since:?}") };
        steps
    }

    /// What one commit changed.
    fn step(&self, to: usize) -> DatabaseChanges {
        self.steps(to - 1, to).pop().unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.root()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn one(krate: &str, number: u32, patched: &str) -> (String, String) {
    let id = format!("RUSTSEC-2026-{number:04}");
    (format!("crates/{krate}/{id}.md"), text(&id, krate, "", &format!("patched = [\"{patched}\"]")))
}

fn ids(changes: &DatabaseChanges) -> Vec<&str> {
    changes.changed.iter().map(|advisory| advisory.facts.id.0.as_str()).collect()
}

/// 0: a/1, b/2 · 1: a/1 edited, c/3 added · 2: b/2 moved to d, c/3 removed, README edited · 3: a/1 broken
fn history() -> Checkout {
    let mut checkout = Checkout::new();
    for (path, text) in [one("a", 1, ">= 1.0.0"), one("b", 2, ">= 1.0.0")] {
        checkout.write(&path, &text);
    }
    checkout.commit();
    for (path, text) in [one("a", 1, ">= 1.1.0"), one("c", 3, ">= 1.0.0")] {
        checkout.write(&path, &text);
    }
    checkout.commit();
    checkout.remove(&one("b", 2, "").0);
    checkout.remove(&one("c", 3, "").0);
    let (path, text) = one("d", 2, ">= 1.0.0");
    checkout.write(&path, &text);
    checkout.write("README.md", "edited");
    checkout.commit();
    checkout.write(&one("a", 1, "").0, "broken");
    checkout.commit();
    checkout
}

#[test]
fn a_repository_is_read_at_its_head_whatever_stands_in_the_folder() {
    let checkout = history();
    let database = read_directory(checkout.root()).unwrap();
    assert_eq!(database.commit.commit, checkout.commits[3]);
    assert_eq!(database.commit.at, Timestamp::parse("1970-01-05").unwrap());
    assert_eq!(database.advisories.len(), 1);
    assert_eq!(database.quarantined.len(), 1);
    checkout.write(&one("a", 1, "").0, &one("a", 1, ">= 9.0.0").1);
    assert_eq!(read_directory(checkout.root()).unwrap().advisories.len(), 1);
}

#[test]
fn an_edit_and_an_addition_are_read_and_nothing_else() {
    let changes = history().step(1);
    assert_eq!(ids(&changes), ["RUSTSEC-2026-0001", "RUSTSEC-2026-0003"]);
    assert_eq!(changes.changed[0].facts.patched, [">= 1.1.0"]);
    assert!(changes.removed.is_empty() && changes.moved.is_empty() && changes.quarantined.is_empty());
}

#[test]
fn a_move_names_both_places_and_a_removal_the_id() {
    let changes = history().step(2);
    assert_eq!(ids(&changes), ["RUSTSEC-2026-0002"]);
    assert_eq!(changes.changed[0].facts.package, "d");
    let [moved] = changes.moved.as_slice() else { panic!("{:?}", changes.moved) };
    assert_eq!(
        (moved.from.as_str(), moved.to.as_str()),
        ("crates/b/RUSTSEC-2026-0002.md", "crates/d/RUSTSEC-2026-0002.md")
    );
    assert_eq!(changes.removed.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(), ["RUSTSEC-2026-0003"]);
}

#[test]
fn a_file_that_broke_is_quarantined_and_not_removed() {
    let changes = history().step(3);
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    assert_eq!(changes.quarantined.len(), 1);
}

#[test]
fn every_commit_is_a_state_of_its_own_and_names_itself_as_the_origin() {
    let checkout = history();
    let steps = checkout.steps(0, 3);
    let states: Vec<_> = steps.iter().map(|step| step.commit.commit.as_str()).collect();
    assert_eq!(states, checkout.commits[1..]);
    let origins = |step: &DatabaseChanges| step.changed.iter().map(|a| a.changed_in.clone()).collect::<BTreeSet<_>>();
    assert_eq!(origins(&steps[0]), BTreeSet::from([checkout.commits[1].clone()]));
    assert_eq!(origins(&steps[1]), BTreeSet::from([checkout.commits[2].clone()]));
    let touched: Vec<_> = steps[2].touched.iter().map(|id| id.0.as_str()).collect();
    assert_eq!(touched, ["RUSTSEC-2026-0001"]);
}

#[test]
fn going_back_is_no_history_and_standing_still_is_nothing() {
    let checkout = history();
    assert!(matches!(checkout.since(2, 0), Since::Rewritten));
    assert!(checkout.steps(2, 2).is_empty());
}

#[test]
fn what_is_asked_for_again_is_read_again() {
    let checkout = history();
    let again = BTreeSet::from([schema::AdvisoryId("RUSTSEC-2026-0001".to_owned())]);
    let Since::Steps(steps) = checkout.at(3).since(&checkout.commits[3], &again).unwrap() else { panic!() };
    assert_eq!((steps.len(), steps[0].quarantined.len(), steps[0].removed.len()), (1, 1, 0));
}

#[test]
fn a_rewritten_history_and_a_lost_one_are_told_apart() {
    let mut checkout = history();
    let old = checkout.commits[3].clone();
    checkout.git(&["reset", "--quiet", "--hard", &checkout.commits[1]]);
    let (path, text) = one("f", 6, ">= 1.0.0");
    checkout.write(&path, &text);
    checkout.commit();
    let head = checkout.at(4);
    assert!(matches!(head.since(&old, &BTreeSet::new()).unwrap(), Since::Rewritten));
    for gone in ["0123456789012345678901234567890123456789", "files-1", ""] {
        assert!(matches!(head.since(gone, &BTreeSet::new()).unwrap(), Since::Lost), "{gone:?}");
    }
}

#[test]
fn following_in_steps_ends_where_reading_anew_ends() {
    let checkout = history();
    let texts = |advisories: Vec<Advisory>| -> BTreeMap<String, (String, String)> {
        advisories.into_iter().map(|a| (a.facts.id.0, (a.text, a.changed_in))).collect()
    };
    let mut known = texts(checkout.at(0).read().unwrap().advisories);
    for step in checkout.steps(0, 2) {
        for id in &step.removed {
            known.remove(&id.0);
        }
        known.extend(texts(step.changed));
    }
    assert_eq!(known, texts(checkout.at(2).read().unwrap().advisories));
}

/// `git log` is asked itself, across a merge: a file that came in by a branch was changed there.
#[test]
fn each_advisory_names_the_commit_that_git_log_names() {
    let mut checkout = history();
    checkout.git(&["reset", "--quiet", "--hard", &checkout.commits[1]]);
    let main = checkout.git(&["rev-parse", "--abbrev-ref", "HEAD"]);
    checkout.git(&["checkout", "--quiet", "-b", "side"]);
    let (path, text) = one("a", 1, ">= 1.2.0");
    checkout.write(&path, &text);
    checkout.commit();
    checkout.git(&["checkout", "--quiet", &main]);
    let (path, text) = one("b", 2, ">= 7.0.0");
    checkout.write(&path, &text);
    checkout.commit();
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    checkout.git(&[&who[..], &["merge", "--quiet", "--no-ff", "-m", "merge", "side"]].concat());
    let database = read_directory(checkout.root()).unwrap();
    assert_eq!(database.advisories.len(), 3);
    for advisory in database.advisories {
        let named = checkout.git(&["log", "-1", "--format=%H %ct", "--", &advisory.path]);
        let at = advisory.changed_at.unwrap().as_micros() / 1_000_000;
        assert_eq!(format!("{} {at}", advisory.changed_in), named, "{}", advisory.path);
    }
}

#[test]
fn when_one_of_two_files_with_an_id_goes_the_other_one_counts() {
    let mut checkout = Checkout::new();
    for (path, text) in [one("a", 1, ">= 1.0.0"), one("b", 1, ">= 2.0.0")] {
        checkout.write(&path, &text);
    }
    checkout.commit();
    checkout.remove(&one("a", 1, "").0);
    checkout.commit();
    let changes = checkout.step(1);
    assert_eq!(ids(&changes), ["RUSTSEC-2026-0001"]);
    assert_eq!(changes.changed[0].facts.package, "b");
    assert!(changes.removed.is_empty());
}

#[test]
fn a_revision_that_is_not_there_is_an_error() {
    let checkout = history();
    let gone = DatabaseRepository::in_folder(checkout.root()).unwrap().unwrap().at("0123456");
    assert!(matches!(gone.head(), Err(AdvisoriesError::Git { .. })));
    assert!(matches!(gone.read(), Err(AdvisoriesError::Git { .. })));
    let plain = tempfile::tempdir().unwrap();
    assert!(DatabaseRepository::in_folder(plain.path()).unwrap().is_none());
}

#[test]
fn a_bare_copy_is_made_once_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copies/advisory-db");
    assert!(open_bare(&path).unwrap().is_bare());
    assert!(open_bare(&path).unwrap().is_empty().unwrap());
    assert!(matches!(read_directory(&path), Err(AdvisoriesError::Git { .. })));
    std::fs::write(folder.path().join("file"), "x").unwrap();
    assert!(open_bare(&folder.path().join("file")).is_err());
}

#[test]
fn what_is_fetched_is_read_where_it_was_put() {
    let mut checkout = history();
    let folder = tempfile::tempdir().unwrap();
    let address = checkout.root().to_str().unwrap().to_owned();
    let mut fetch = || {
        let copy = open_bare(&folder.path().join("advisory-db")).unwrap();
        copy.remote_anonymous(&address).unwrap().fetch(&[FETCH_REFSPEC], None, None).unwrap();
        let copy = DatabaseRepository::fetched(copy, &address);
        assert_eq!(Some(&copy.head().unwrap().commit), checkout.commits.last());
        let (path, text) = one("e", 5, ">= 1.0.0");
        checkout.write(&path, &text);
        checkout.commit();
        copy
    };
    let (before, after) = (fetch().head().unwrap().commit, fetch());
    let Since::Steps(steps) = after.since(&before, &BTreeSet::new()).unwrap() else { panic!() };
    assert_eq!(steps.iter().flat_map(ids).collect::<Vec<_>>(), ["RUSTSEC-2026-0005"]);
    assert_eq!(steps[0].commit.source, address);
}
