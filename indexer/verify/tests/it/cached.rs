//! The cache: fetched through `git_transport` from a mirror on disk; addresses that are not allowed are never asked.

use fixtures::source_repo::text;
use git_transport::GitOptions;
use schema::Verdict;
use verify::normalise;
use verify::{
    CacheOptions, CachedRepositories, CommitStatus, Limits, Mirrors, Repositories, RepositoryStatus, Unopened,
};

use crate::lab::{Lab, PUBLISHED, expect, tree, tree_with};

fn cache(folder: &std::path::Path, mirrors: &str) -> CachedRepositories {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = CacheOptions {
        git: GitOptions { allow_file: true, ..GitOptions::default() },
        allow_http: false,
        mirrors: Mirrors::parse(mirrors).unwrap(),
        limits: Limits::default(),
        max_bytes: verify::DEFAULT_MAX_BYTES,
    };
    CachedRepositories::new(folder.join("cache"), options)
}

/// The lab's repository behind an address, fetched and not opened in place.
fn mirrored(lab: &Lab, folder: &std::path::Path) -> CachedRepositories {
    let to = format!("file://{}", lab.repo.folder().display());
    cache(folder, &format!("[[mirror]]\nfrom = \"https://FORGE.test/{{owner}}/sample\"\nto = \"{to}\"\n"))
}

#[test]
fn what_is_needed_is_fetched_and_the_verdict_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut lab = Lab::honest();
    lab.commit(&tree_with(&[("src/inner.rs", text("// later\n"))]));
    let near = lab.check();
    let far = lab.check_with(&mirrored(&lab, folder.path()));
    expect(&far, Verdict::Verified, &[]);
    assert_eq!(far.facts.commit, near.facts.commit);
    // A second time, from the folder filled before; and by content.
    lab.claims(&"ab".repeat(20));
    expect(&lab.check_with(&mirrored(&lab, folder.path())), Verdict::VerifiedEquivalent, &["commit.absent"]);
}

#[test]
fn a_commit_no_ref_leads_to_is_not_believed_whatever_the_server_hands_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut lab = Lab::new();
    let main = lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let stray = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 9).unwrap();
    lab.claims(&stray);
    let check = lab.check_with(&mirrored(&lab, folder.path()));
    assert_eq!(check.verdict, Verdict::NotVerifiable);
    let status = check.facts.commit.claimed_status.unwrap();
    assert!(matches!(status, CommitStatus::Unreachable | CommitStatus::Absent), "{status}");
    // The same behind a pull request.
    lab.repo.reference("refs/pull/1/head", &stray).unwrap();
    let check = lab.check_with(&mirrored(&lab, folder.path()));
    expect(&check, Verdict::NotVerifiable, &["commit.pr-only"]);
}

#[test]
fn private_addresses_and_other_schemes_are_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), "");
    for address in [
        "http://git.example.test/o/r",
        "https://127.0.0.1/o/r",
        "https://[::1]/o/r",
        "https://10.0.0.1/o/r",
        "https://169.254.169.254/o/r",
        "https://localhost/o/r",
    ] {
        let found = cache.open(&normalise(address).unwrap());
        assert!(matches!(found, Err(Unopened::Fact(RepositoryStatus::Blocked))), "{address}: {found:?}");
    }
}
