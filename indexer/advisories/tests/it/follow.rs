//! The database followed through a real git history, made here with git2.

use std::path::Path;

use advisories::{
    AdvisoriesError, DatabaseChanges, FETCH_REFSPEC, FETCHED_REF, changed, open_bare, read_directory, read_repository,
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
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        let tree = self.repo.find_tree(index.write_tree().unwrap()).unwrap();
        let day = i64::try_from(self.commits.len()).unwrap() + 1;
        let who = Signature::new("a", "a@example.org", &Time::new(day * 86_400, 0)).unwrap();
        let parent = self.repo.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        let commit = self.repo.commit(Some("HEAD"), &who, &who, "c", &tree, &parents).unwrap().to_string();
        self.commits.push(commit.clone());
        commit
    }

    fn changed(&self, from: usize, to: usize) -> DatabaseChanges {
        changed(&self.repo, &self.commits[from], &self.commits[to], "here").unwrap()
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
    let changes = history().changed(0, 1);
    assert_eq!(ids(&changes), ["RUSTSEC-2026-0001", "RUSTSEC-2026-0003"]);
    assert_eq!(changes.changed[0].facts.patched, [">= 1.1.0"]);
    assert!(changes.removed.is_empty() && changes.moved.is_empty() && changes.quarantined.is_empty());
}

#[test]
fn a_move_names_both_places_and_a_removal_the_id() {
    let changes = history().changed(1, 2);
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
    let changes = history().changed(2, 3);
    assert!(changes.changed.is_empty() && changes.removed.is_empty());
    assert_eq!(changes.quarantined.len(), 1);
}

#[test]
fn each_advisory_names_the_commit_that_last_changed_it() {
    let checkout = history();
    let changes = checkout.changed(0, 2);
    let origins: Vec<_> = changes.changed.iter().map(|advisory| advisory.changed_in.as_str()).collect();
    assert_eq!(origins, [&checkout.commits[1], &checkout.commits[2]]);
    assert_eq!(changes.commit.commit, checkout.commits[2]);
}

#[test]
fn going_back_and_standing_still_work_as_well() {
    let checkout = history();
    let back = checkout.changed(2, 0);
    assert_eq!(ids(&back), ["RUSTSEC-2026-0001", "RUSTSEC-2026-0002"]);
    let still = checkout.changed(2, 2);
    assert!(still.changed.is_empty() && still.removed.is_empty() && still.quarantined.is_empty());
}

#[test]
fn following_in_steps_ends_where_reading_anew_ends() {
    let checkout = history();
    let mut known: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let first = read_repository(&checkout.repo, &checkout.commits[0], "here").unwrap();
    known.extend(first.advisories.into_iter().map(|advisory| (advisory.facts.id.0, advisory.text)));
    for step in 0..2 {
        let changes = checkout.changed(step, step + 1);
        for id in &changes.removed {
            known.remove(&id.0);
        }
        known.extend(changes.changed.into_iter().map(|advisory| (advisory.facts.id.0, advisory.text)));
    }
    let anew = read_repository(&checkout.repo, &checkout.commits[2], "here").unwrap();
    let anew: std::collections::BTreeMap<_, _> = anew.advisories.into_iter().map(|a| (a.facts.id.0, a.text)).collect();
    assert_eq!(known, anew);
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
    let changes = checkout.changed(0, 1);
    assert_eq!(ids(&changes), ["RUSTSEC-2026-0001"]);
    assert_eq!(changes.changed[0].facts.package, "b");
    assert!(changes.removed.is_empty());
}

#[test]
fn a_commit_that_is_not_there_is_an_error() {
    let checkout = history();
    let gone = "0123456789012345678901234567890123456789";
    assert!(matches!(changed(&checkout.repo, gone, "HEAD", "here"), Err(AdvisoriesError::Git { .. })));
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
    let copy = open_bare(&folder.path().join("advisory-db")).unwrap();
    let mut fetch = || {
        let address = checkout.root().to_str().unwrap().to_owned();
        copy.remote_anonymous(&address).unwrap().fetch(&[FETCH_REFSPEC], None, None).unwrap();
        let head = read_repository(&copy, FETCHED_REF, &address).unwrap().commit.commit;
        assert_eq!(Some(&head), checkout.commits.last());
        let (path, text) = one("e", 5, ">= 1.0.0");
        checkout.write(&path, &text);
        checkout.commit();
        head
    };
    let (before, after) = (fetch(), fetch());
    assert_eq!(ids(&changed(&copy, &before, &after, "there").unwrap()), ["RUSTSEC-2026-0005"]);
}
