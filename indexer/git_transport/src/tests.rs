//! Against git itself: its own HTTP backend behind a tiny server, and servers that attack.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use fixtures::git_server::{self, GitRequest, git};
use net::{Addresses, AgentOptions, BlockingAgent, NetError};

use crate::{GitError, GitOptions, fetch, list_refs, open_or_init_bare};

/// A folder with one repository `origin` in it: three commits, an annotated tag, a plain tag and a second branch.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.git(&["init", "-q", "-b", "main", "origin"]);
        for n in 1..=3 {
            std::fs::write(world.path("origin/file"), format!("content {n}")).unwrap();
            world.origin(&["add", "file"]);
            world.origin(&["commit", "-q", "-m", &format!("commit {n}")]);
        }
        world.origin(&["tag", "-a", "-m", "annotated", "v1.0.0"]);
        world.origin(&["tag", "plain", "HEAD~1"]);
        world.origin(&["branch", "other/branch", "HEAD~2"]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = git(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn origin(&self, arguments: &[&str]) -> String {
        self.git(&[&["-C", "origin"], arguments].concat())
    }

    /// Serves the folder by git's own CGI program, and says the URL of `origin`.
    fn serve(&self) -> String {
        format!("{}/origin/.git", git_server::serve(self.folder.path()).unwrap())
    }

    fn serve_at(&self, prefix: &str) -> String {
        self.serve().replace("/origin", &format!("{prefix}/origin"))
    }
}

/// Serves every connection with one function, and says the server's URL.
fn listen(answer: impl Fn(GitRequest) + Send + Sync + 'static) -> String {
    git_server::listen(answer).unwrap()
}

fn say(mut request: GitRequest, text: &str) {
    let _ = request.stream.write_all(text.as_bytes());
}

fn options() -> GitOptions {
    net::install_crypto_provider();
    let limit = Duration::from_millis(300);
    let agent = AgentOptions { attempts: 1, connect_timeout: limit, stall_timeout: limit, ..AgentOptions::default() };
    GitOptions { addresses: Addresses::Any, agent: Some(BlockingAgent::new(agent).unwrap()), ..GitOptions::default() }
}

/// The refs of `origin` as `git ls-remote` prints them.
fn as_git_lists(world: &World) -> BTreeMap<String, String> {
    let text = world.git(&["ls-remote", "-q", "origin"]);
    text.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(oid, name)| (name.to_owned(), oid.to_owned()))
        .collect()
}

fn as_we_list(url: &str, options: &GitOptions) -> BTreeMap<String, String> {
    let mut refs = BTreeMap::new();
    for listed in list_refs(url, options).unwrap().refs {
        refs.insert(listed.name.clone(), listed.oid.to_string());
        if let Some(peeled) = listed.peeled {
            refs.insert(format!("{}^{{}}", listed.name), peeled.to_string());
        }
    }
    refs
}

#[test]
fn refs_are_listed_as_git_lists_them() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let expected = as_git_lists(&world);
    assert_eq!(expected.len(), 6);
    assert_eq!(as_we_list(&world.serve(), &options()), expected);
    let local = GitOptions { allow_file: true, ..options() };
    assert_eq!(as_we_list(world.path("origin").to_str().unwrap(), &local), expected);
    assert_eq!(as_we_list(&format!("file://{}", world.path("origin").display()), &local), expected);
}

#[test]
fn everything_is_fetched_and_again_only_what_is_new() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let url = world.serve();
    let repo = open_or_init_bare(&world.path("copy")).unwrap();
    let specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
    let stats = fetch(&repo, &url, &specs, None, &options()).unwrap();
    // Three commits, three trees, three files and a tag.
    assert_eq!(stats.objects, 10);
    assert!(stats.bytes > 500, "{stats:?}");
    world.git(&["-C", "copy", "fsck", "--strict"]);
    let refs = |folder| world.git(&["-C", folder, "for-each-ref", "--format=%(objectname) %(refname)"]);
    assert_eq!(refs("copy"), refs("origin"));

    assert_eq!(fetch(&repo, &url, &specs, None, &options()).unwrap().objects, 0);
    world.origin(&["commit", "-q", "--allow-empty", "-m", "one more"]);
    assert_eq!(fetch(&repo, &url, &specs, None, &options()).unwrap().objects, 1);
    assert_eq!(refs("copy"), refs("origin"));
}

#[test]
fn a_shallow_fetch_brings_one_commit() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let repo = open_or_init_bare(&world.path("copy")).unwrap();
    let stats = fetch(&repo, &world.serve(), &["+refs/heads/main:refs/heads/main"], Some(1), &options()).unwrap();
    // One commit, one tree, one file; and the tag of that commit, which servers add unasked (`include-tag`).
    assert_eq!(stats.objects, 4);
    assert_eq!(world.git(&["-C", "copy", "rev-list", "--count", "main"]), "1");
    assert_eq!(world.git(&["-C", "copy", "rev-parse", "main"]), world.origin(&["rev-parse", "main"]));
}

#[test]
fn a_local_repository_is_fetched_when_allowed() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let repo = open_or_init_bare(&world.path("copy")).unwrap();
    let url = format!("file://{}", world.path("origin").display());
    let specs = ["+refs/heads/*:refs/heads/*"];
    let allowed = GitOptions { allow_file: true, ..options() };
    assert_eq!(fetch(&repo, &url, &specs, None, &allowed).unwrap().objects, 10);
    assert_eq!(world.git(&["-C", "copy", "rev-parse", "main"]), world.origin(&["rev-parse", "main"]));
    let error = fetch(&repo, &url, &specs, Some(1), &allowed).unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error:?}");
    for url in [&url, "/etc", "host:path", "ssh://host/path", "git://host/path", "ftp://host/path"] {
        let error = list_refs(url, &options()).unwrap_err();
        assert!(matches!(error, GitError::Refused { .. }), "{url}: {error:?}");
    }
    assert!(matches!(list_refs("host:path", &allowed), Err(GitError::Refused { .. })));
}

#[test]
fn redirects_move_the_whole_conversation() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let target = world.serve();
    let expected = target.clone();
    let url = listen(move |request| {
        let path = request.path.strip_prefix("/old").unwrap();
        let location = format!("{target}{path}?{}", request.query);
        git_server::redirect(request, &location);
    });
    let listing = list_refs(&format!("{url}/old/"), &options()).unwrap();
    assert_eq!(listing.redirected_to.as_deref(), Some(expected.as_str()));
    assert_eq!(list_refs(&expected, &options()).unwrap().redirected_to, None);
    let repo = open_or_init_bare(&world.path("copy")).unwrap();
    let stats = fetch(&repo, &format!("{url}/old"), &["+refs/heads/*:refs/heads/*"], None, &options()).unwrap();
    assert_eq!(stats.objects, 10);
}

#[test]
fn only_public_addresses_by_default() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let public_only = GitOptions { addresses: Addresses::PublicOnly, ..options() };
    let url = world.serve();
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let error = list_refs(&url, &public_only).unwrap_err();
        assert!(matches!(error, GitError::Net(NetError::RefusedAddress { .. })), "{error:?}");
    }
    assert_eq!(GitOptions::default().addresses, Addresses::PublicOnly);
}

#[test]
fn answers_that_are_no_git_have_names() {
    if !has_git() {
        return;
    }
    let world = World::new();
    assert!(matches!(list_refs(&world.serve_at("/no"), &options()), Err(GitError::Gone { status: 404, .. })));
    let check = |answer: &'static str| {
        let url = listen(move |request| say(request, answer));
        list_refs(&url, &options()).unwrap_err()
    };
    let error = check("HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(error, GitError::AuthRequired { status: 401, .. }), "{error:?}");
    let error = check("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi");
    assert!(matches!(error, GitError::NotGit { .. }), "{error:?}");
    let error = check(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 4\r\n\r\nzzzz",
    );
    assert!(matches!(error, GitError::Git(_)), "{error:?}");
}

/// An advertisement that begins well and goes on with `line` until the client has enough.
fn endless(line: &'static str) -> String {
    listen(move |mut request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n\
            001e# service=git-upload-pack\n0000";
        let mut text = head.to_owned();
        while request.stream.write_all(text.as_bytes()).is_ok() {
            text = line.repeat(1000);
            if line.is_empty() {
                // Says nothing more, until the client hangs up.
                let _ = request.stream.read(&mut [0]);
                return;
            }
        }
    })
}

const REF: &str = "003d0123456789012345678901234567890123456789 refs/heads/main\n";

#[test]
fn an_endless_list_of_refs_hits_a_cap() {
    let capped = GitOptions { max_ref_bytes: 1 << 20, ..options() };
    let error = list_refs(&endless(REF), &capped).unwrap_err();
    assert!(matches!(error, GitError::TooLarge { limit: 1_048_576, unit: "bytes" }), "{error:?}");
}

#[test]
fn a_stall_and_a_slow_server_run_into_time_limits() {
    let error = list_refs(&endless(""), &options()).unwrap_err();
    assert!(matches!(error, GitError::Net(NetError::Timeout { .. })), "{error:?}");
    let hurried = GitOptions { total_timeout: Duration::from_millis(50), ..options() };
    let error = list_refs(&endless(""), &hurried).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error:?}");
}

#[test]
fn packs_are_capped_in_bytes_and_objects() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let repo = open_or_init_bare(&world.path("copy")).unwrap();
    let specs = ["+refs/heads/*:refs/heads/*"];
    let check = |limits: GitOptions| fetch(&repo, &world.serve(), &specs, None, &limits).unwrap_err();
    let error = check(GitOptions { max_bytes: 800, ..options() });
    assert!(matches!(error, GitError::TooLarge { unit: "bytes", .. }), "{error:?}");
    let error = check(GitOptions { max_objects: 8, ..options() });
    assert!(matches!(error, GitError::TooLarge { limit: 8, unit: "objects" }), "{error:?}");
    assert_eq!(world.git(&["-C", "copy", "for-each-ref"]), "");
}

#[test]
fn a_ref_name_that_is_no_text_is_left_out() {
    let url = listen(|mut request| {
        let mut text = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n".to_vec();
        text.extend_from_slice(b"001e# service=git-upload-pack\n0000");
        text.extend_from_slice(b"00420123456789012345678901234567890123456789 refs/heads/main\0caps\n".as_slice());
        text.extend_from_slice(b"003d0123456789012345678901234567890123456789 refs/heads/\xff\xfe\xfd\xfc\n0000");
        let _ = request.stream.write_all(&text);
    });
    let refs = list_refs(&url, &options()).unwrap().refs;
    assert_eq!(refs.iter().map(|listed| listed.name.as_str()).collect::<Vec<_>>(), ["refs/heads/main"]);
}

#[test]
fn stale_locks_are_cleared() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let path = world.path("copy");
    drop(open_or_init_bare(&path).unwrap());
    std::fs::create_dir_all(path.join("refs/heads/deep")).unwrap();
    let locks = ["config.lock", "packed-refs.lock", "refs/heads/main.lock", "refs/heads/deep/x.lock"];
    for lock in locks {
        std::fs::write(path.join(lock), "").unwrap();
    }
    let repo = open_or_init_bare(&path).unwrap();
    assert!(locks.iter().all(|lock| !path.join(lock).exists()));
    fetch(&repo, &world.serve(), &["+refs/heads/*:refs/heads/*"], None, &options()).unwrap();
}

#[test]
fn the_machines_configuration_is_not_read() {
    crate::init();
    // With no search path left there is no such file to find.
    assert!(git2::Config::find_global().is_err());
    assert!(git2::Config::find_system().is_err());
    assert!(git2::Config::find_xdg().is_err());
    let seen = Mutex::new(Vec::new());
    let mut config = git2::Config::open_default().unwrap().snapshot().unwrap();
    let _ = config.snapshot().unwrap().entries(None).unwrap().for_each(|entry| {
        seen.lock().unwrap().push(entry.name().unwrap().to_owned());
    });
    assert!(seen.lock().unwrap().is_empty());
}

/// Whether git is on this machine; a test that needs it says so in one line and is skipped (in CI it is a failure).
fn has_git() -> bool {
    let found = git_server::has_git();
    if !found {
        #[expect(clippy::disallowed_methods, reason = "CI must not skip in silence")]
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "git is not on this machine");
        let _ = writeln!(std::io::stderr(), "skipped: no git on this machine");
    }
    found
}
