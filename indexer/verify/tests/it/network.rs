//! The network end to end: git's own smart HTTP on 127.0.0.1, redirects, forks and pull requests, and servers that attack.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use fixtures::git_server::{self, GitRequest};
use fixtures::source_repo::text;
use git_transport::{Addresses, GitOptions};
use net::{AgentOptions, BlockingAgent};
use schema::Verdict;
use verify::{CacheOptions, CachedRepositories, CommitStatus, Limits, Mirrors, Repositories, RepositoryStatus};
use verify::{SourceCheck, Unopened, normalise};

use crate::lab::{Lab, PUBLISHED, codes, expect, tree, tree_with};

/// How a test's cache differs from the usual one.
struct Setup {
    git: GitOptions,
    limits: Limits,
    mirrors: Mirrors,
    max_bytes: u64,
}

impl Setup {
    /// 127.0.0.1 plays a public address; every other one is held to the rule.
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limit = Duration::from_secs(5);
        let agent =
            AgentOptions { attempts: 1, connect_timeout: limit, stall_timeout: limit, ..AgentOptions::default() };
        let git = GitOptions {
            addresses: Addresses::PublicAnd(IpAddr::from([127, 0, 0, 1])),
            agent: Some(BlockingAgent::new(agent).unwrap()),
            ..GitOptions::default()
        };
        Self { git, limits: Limits::default(), mirrors: Mirrors::default(), max_bytes: verify::DEFAULT_MAX_BYTES }
    }

    fn cache(&self, folder: &Path) -> CachedRepositories {
        let options = CacheOptions {
            git: self.git.clone(),
            allow_http: true,
            mirrors: self.mirrors.clone(),
            limits: self.limits.clone(),
            max_bytes: self.max_bytes,
        };
        CachedRepositories::new(folder.join("cache"), options)
    }

    #[expect(clippy::panic, reason = "a helper of tests")]
    fn status(&self, address: &str) -> RepositoryStatus {
        let folder = tempfile::tempdir().unwrap();
        match self.cache(folder.path()).open(&normalise(address).unwrap()) {
            Err(Unopened::Fact(status)) => status,
            other => panic!("{address}: {other:?}"),
        }
    }
}

/// The lab's archive checked at this address through the network.
fn checked_at(lab: &mut Lab, address: &str, setup: &Setup) -> SourceCheck {
    lab.given = Some(address.to_owned());
    let folder = tempfile::tempdir().unwrap();
    lab.check_with(&setup.cache(folder.path()))
}

/// The address of the lab's repository on a server that has nothing else.
fn served(lab: &Lab) -> String {
    let root = lab.repo.folder().parent().unwrap();
    format!("{}/repo", git_server::serve(root).unwrap())
}

/// Says in one line that git is not there, and so is the test not.
fn has_git() -> bool {
    let found = git_server::has_git();
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: no git on this machine");
    }
    found
}

#[test]
fn the_tip_of_a_branch_is_fetched_alone() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::new();
    lab.commit(&tree_with(&[("old", text(&"old ".repeat(100_000)))]));
    let commit = lab.commit(&tree());
    lab.claims(&commit);
    let address = served(&lab);
    // Tier 2: the history, which does not fit, is not needed.
    let mut setup = Setup::new();
    setup.git.max_objects = 8;
    expect(&checked_at(&mut lab, &address, &setup), Verdict::Verified, &[]);
}

#[test]
fn an_ancestor_needs_the_history_and_content_finds_the_true_commit_in_it() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::honest();
    lab.commit(&tree_with(&[("src/inner.rs", text("// later\n"))]));
    let (address, setup) = (served(&lab), Setup::new());
    let check = checked_at(&mut lab, &address, &setup);
    expect(&check, Verdict::Verified, &[]);
    assert_eq!(check.facts.commit.claimed_status, Some(CommitStatus::Head));
    lab.claims(&"ab".repeat(20));
    expect(&checked_at(&mut lab, &address, &setup), Verdict::VerifiedEquivalent, &["commit.absent"]);
}

#[test]
fn forks_and_pull_requests_are_told_apart_and_never_verified() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::new();
    let main = lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let first = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 9).unwrap();
    let second = lab.repo.stray_commit(Some(&first), &tree_with(&[("more", text("x"))]), PUBLISHED - 8).unwrap();
    lab.repo.reference("refs/pull/7/head", &second).unwrap();
    let fork = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 7).unwrap();
    let (address, mut setup) = (served(&lab), Setup::new());
    for (commit, status, reason) in [
        (&second, CommitStatus::PrOnly, "commit.pr-only"),
        (&first, CommitStatus::PrOnly, "commit.pr-only"),
        (&fork, CommitStatus::ForkOnly, "commit.fork-only"),
    ] {
        lab.claims(commit);
        let check = checked_at(&mut lab, &address, &setup);
        expect(&check, Verdict::NotVerifiable, &[reason]);
        assert_eq!(check.facts.commit.claimed_status, Some(status));
    }
    // The same in one folder, where the earlier fetches were shallow.
    let folder = tempfile::tempdir().unwrap();
    for (commit, status) in
        [(&second, CommitStatus::PrOnly), (&fork, CommitStatus::ForkOnly), (&first, CommitStatus::PrOnly)]
    {
        lab.claims(commit);
        let check = lab.check_with(&setup.cache(folder.path()));
        assert_eq!(check.facts.commit.claimed_status, Some(status));
    }
    // Under a cap the pull requests are not all looked into: neither can be said.
    setup.limits.max_pulls = 0;
    for commit in [&first, &fork] {
        lab.claims(commit);
        expect(&checked_at(&mut lab, &address, &setup), Verdict::NotVerifiable, &["commit.unreachable"]);
    }
}

#[test]
fn a_server_that_lists_no_pull_requests_may_have_some() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::new();
    let main = lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let stray = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 9).unwrap();
    lab.claims(&stray);
    let address = served(&lab);
    expect(&checked_at(&mut lab, &address, &Setup::new()), Verdict::NotVerifiable, &["commit.unreachable"]);
}

/// A server that sends everything below `/{from}/repo` on to where `to` says.
fn moved(from: &'static str, to: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let answer = move |request: GitRequest| {
        let rest = request.path.strip_prefix(&format!("/{from}/repo")).unwrap_or("/nowhere").to_owned();
        let location = format!("{}{rest}?{}", to(from), request.query);
        git_server::redirect(request, &location);
    };
    format!("{}/{from}/repo", git_server::listen(answer).unwrap())
}

#[test]
fn a_redirect_is_followed_and_said_and_another_owner_is_worth_a_look() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::honest();
    // The repository is served as `owner/repo` here and there.
    let root = lab.repo.folder().parent().unwrap().to_owned();
    let server = git_server::listen(move |mut request| {
        request.path = request.path.trim_start_matches("/owner").trim_start_matches("/other").to_owned();
        let _ = git_server::backend(&root, request);
    });
    let server = server.unwrap();
    let port = server.rsplit(':').next().unwrap().to_owned();
    for (from, to, changed) in [("owner", "owner", false), ("owner", "other", true)] {
        // One origin, so that the owner alone differs.
        let target = format!("http://127.0.0.1:{port}/{to}/repo");
        let facts_of = |address: &str, lab: &mut Lab| checked_at(lab, address, &Setup::new());
        let address = moved(from, move |_| target.clone());
        let check = facts_of(&address, &mut lab);
        expect(&check, Verdict::Verified, &["repo.redirected"]);
        assert_eq!(check.facts.repository.status, RepositoryStatus::OkRedirected);
        assert_eq!(check.facts.repository.redirected_to, Some(format!("{server}/{to}/repo")));
        // Two ports are two hosts; what would be said on one host follows from the facts alone.
        let mut facts = check.facts.clone();
        facts.repository.normalised = Some(format!("{server}/{from}/repo"));
        let judged = verify::judge(&facts);
        let said = judged.reasons.iter().any(|reason| reason.code == "repo.redirected-owner-changed");
        assert_eq!(said, changed, "{from} to {to}");
        assert!(codes(&check).contains(&"repo.redirected-owner-changed"), "another host is another owner");
    }
}

#[test]
fn a_redirect_to_an_address_that_is_not_public_is_refused() {
    for target in [
        "http://127.0.0.2:1",
        "http://localhost:1",
        "http://[::1]:1",
        "http://10.0.0.1",
        "http://172.16.0.1",
        "http://192.168.1.1",
        "http://100.64.0.1",
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/latest",
        "http://[::ffff:10.0.0.1]",
        "http://0.0.0.0:1",
        "http://168.63.129.16",
        "file:///etc",
        "ssh://127.0.0.1",
        "http://user:secret@127.0.0.1:1",
    ] {
        let address = moved("owner", move |_| target.to_owned());
        assert_eq!(Setup::new().status(&address), RepositoryStatus::Blocked, "{target}");
    }
}

#[test]
fn a_mirror_may_be_private_when_the_table_spells_it_out_and_where_it_redirects_to_may_not() {
    if !has_git() {
        return;
    }
    let lab = Lab::honest();
    let mut setup = Setup::new();
    setup.git.addresses = Addresses::PublicOnly;
    assert_eq!(setup.status(&served(&lab)), RepositoryStatus::Blocked, "a crate named it");
    let table = |to: &str| format!("[[mirror]]\nfrom = \"https://forge.test/o/sample\"\nto = \"{to}\"\n");
    setup.mirrors = Mirrors::parse(&table(&served(&lab))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    expect(&lab.check_with(&setup.cache(folder.path())), Verdict::Verified, &[]);
    setup.mirrors = Mirrors::parse(&table(&moved("owner", |_| "http://127.0.0.2:1".to_owned()))).unwrap();
    assert_eq!(setup.status("https://forge.test/o/sample"), RepositoryStatus::Blocked);
}

#[test]
fn bytes_and_objects_and_refs_are_capped() {
    if !has_git() {
        return;
    }
    let mut lab = Lab::honest();
    lab.commit(&tree_with(&[("src/inner.rs", text("// later\n"))]));
    lab.claims(&"ab".repeat(20));
    let address = served(&lab);
    let mut few_refs = Setup::new();
    lab.repo.tag("another", &crate::history::claimed(&Lab::honest())).ok();
    few_refs.limits.max_refs = 1;
    assert_eq!(few_refs.status(&address), RepositoryStatus::TooLarge);
    let mut few_ref_bytes = Setup::new();
    few_ref_bytes.git.max_ref_bytes = 40;
    assert_eq!(few_ref_bytes.status(&address), RepositoryStatus::TooLarge);
    let mut few_bytes = Setup::new();
    few_bytes.git.max_bytes = 900;
    let mut few_objects = Setup::new();
    few_objects.git.max_objects = 3;
    for setup in [few_bytes, few_objects] {
        let check = checked_at(&mut lab, &address, &setup);
        expect(&check, Verdict::NotVerifiable, &["repo.too-large"]);
    }
    // The recorded commit is here and differs; whether its bytes were ever seen is not known without the rest.
    let paths: Vec<String> = (0..20).map(|n| format!("old/{n}")).collect();
    lab.commit(&paths.iter().map(|path| (path.as_str(), text(path))).collect::<Vec<_>>());
    let tip = lab.commit(&tree());
    lab.claims(&tip);
    lab.file("src/inner.rs", "pub fn evil() {}\n");
    let mut only_the_tip = Setup::new();
    only_the_tip.git.max_objects = 10;
    let check = checked_at(&mut lab, &address, &only_the_tip);
    expect(&check, Verdict::NotVerifiable, &["repo.too-large"]);
}

#[test]
fn a_server_that_never_ends_is_a_timeout_and_one_that_wants_a_password_is_said() {
    let endless = git_server::listen(|mut request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n001e# service=git-upload-pack\n0000";
        let mut text = head.as_bytes().to_vec();
        while request.stream.write_all(&text).is_ok() {
            text = b"003d0123456789012345678901234567890123456789 refs/heads/main\n".to_vec();
        }
    });
    let mut hurried = Setup::new();
    hurried.git.total_timeout = Duration::from_millis(100);
    assert_eq!(hurried.status(&format!("{}/o/r", endless.unwrap())), RepositoryStatus::Timeout);
    for (answer, status) in [
        ("HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n", RepositoryStatus::AuthRequired),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", RepositoryStatus::Gone),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", RepositoryStatus::NotGit),
    ] {
        let server = git_server::listen(move |mut request| {
            let _ = request.stream.write_all(answer.as_bytes());
        });
        assert_eq!(Setup::new().status(&format!("{}/o/r", server.unwrap())), status, "{answer:?}");
    }
}

#[test]
fn the_folder_of_copies_is_held_to_its_size_and_what_is_in_use_stays() {
    if !has_git() {
        return;
    }
    let labs = [Lab::honest(), Lab::honest(), Lab::honest()];
    let addresses: Vec<_> = labs.iter().map(served).collect();
    let mut setup = Setup::new();
    setup.max_bytes = 1;
    let folder = tempfile::tempdir().unwrap();
    let copies = || {
        let entries = std::fs::read_dir(folder.path().join("cache")).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    let open = |cache: &CachedRepositories, at: usize| cache.open(&normalise(&addresses[at]).unwrap()).unwrap();
    let first = setup.cache(folder.path());
    let held = [open(&first, 0), open(&first, 1)];
    // Both are in use, and stay for all that the folder is over its size.
    assert_eq!(copies(), 2);
    drop((first, held));
    let second = setup.cache(folder.path());
    let _held = open(&second, 2);
    assert_eq!(copies(), 1);
}

#[test]
fn a_job_that_holds_a_repository_does_not_wait_for_another_ones() {
    if !has_git() {
        return;
    }
    let labs = [Lab::honest(), Lab::honest()];
    let addresses: Vec<_> = labs.iter().map(served).collect();
    let (setup, folder) = (Setup::new(), tempfile::tempdir().unwrap());
    let (mine, theirs) = (setup.cache(folder.path()), setup.cache(folder.path()));
    let url = |at: usize| normalise(&addresses[at]).unwrap();
    let (_mine, _theirs) = (mine.open(&url(0)).unwrap(), theirs.open(&url(1)).unwrap());
    // Two jobs, each with a submodule in the other's repository, would wait for ever.
    assert!(matches!(mine.open(&url(1)), Err(Unopened::Ours(_))));
    assert!(matches!(theirs.open(&url(0)), Err(Unopened::Ours(_))));
}
