//! Every request over the network fails once, in several ways; the next run makes it good.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fixtures::git_server::{self, GitRequest};
use fixtures::{Fault, RegistryServer, World};
use follow::GitSource;

use super::{Lab, here, replay, told};
use crate::harness::{Home, archive, rows, skip};

/// What a server does to the request it fails.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Hangs up.
    Silence,
    /// Says that it is busy.
    Busy,
    /// Promises more than it gives.
    Cut,
}

fn trouble(trouble: Trouble, mut request: GitRequest) {
    let answer = match trouble {
        Trouble::Silence => return,
        Trouble::Busy => "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Trouble::Cut => {
            let kind = if request.method == "POST" { "result" } else { "advertisement" };
            let kind = format!("Content-Type: application/x-git-upload-pack-{kind}");
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{kind}\r\nContent-Length: 999\r\n\r\n0008NAK\n")
        }
    };
    let _ = request.stream.write_all(answer.as_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_to_a_git_server_may_fail() {
    if !git_server::has_git() {
        return skip("git is not on this machine, so no index can be served");
    }
    net::install_crypto_provider();
    let lab = Lab::new();
    let (folder, store) = lab.fresh("undisturbed").await;
    replay(store.clone(), here(&lab), &folder).await.unwrap();
    let undisturbed = told(store.as_ref()).await;

    let agent = net::AgentOptions { attempts: 1, breaker_pause: Duration::ZERO, ..net::AgentOptions::default() };
    let git = git_transport::GitOptions {
        addresses: net::Addresses::Any,
        agent: Some(net::BlockingAgent::new(agent).unwrap()),
        ..git_transport::GitOptions::default()
    };
    for kind in [Trouble::Silence, Trouble::Busy, Trouble::Cut] {
        for n in 0.. {
            let (asked, failed) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
            let (root, was_asked) = (lab.home.path().to_owned(), Arc::clone(&failed));
            let url = git_server::listen(move |request| {
                if asked.fetch_add(1, Ordering::SeqCst) == n {
                    was_asked.store(true, Ordering::SeqCst);
                    trouble(kind, request);
                } else {
                    let _ = git_server::backend(&root, request);
                }
            });
            let url = format!("{}/index.git", url.unwrap());
            let (folder, store) = lab.fresh(&format!("{kind:?}-{n}")).await;
            let clone = || GitSource::clone_of(&url, &folder.join("clone"), git.clone(), None);
            let disturbed = replay(store.clone(), clone(), &folder).await;
            if !failed.load(Ordering::SeqCst) {
                disturbed.unwrap();
                assert!(n > 1, "only {n} requests were met");
                break;
            }
            assert!(disturbed.is_err(), "{kind:?} of request {n} went unnoticed");
            replay(store.clone(), clone(), &folder).await.unwrap();
            assert_eq!(told(store.as_ref()).await, undisturbed, "{kind:?} of request {n}");
        }
    }
}

#[test]
fn every_request_to_a_registry_may_fail() {
    let world = World::new().publish("alpha", "1.0.0", "2026-08-01T00:00:00Z", archive("alpha", "1.0.0")).publish(
        "alpha",
        "1.1.0",
        "2026-08-02T00:00:00Z",
        archive("alpha", "1.1.0"),
    );
    let run = |home: &Home, server: &RegistryServer| {
        home.run(&["index", "--crate", "alpha", "--all-versions", "--no-source", "--index", &server.index_url()])
    };
    let (home, server) = (Home::new(), world.serve().unwrap());
    assert_eq!(run(&home, &server).code, Some(0));
    let (undisturbed, n_requests) = (rows(&home, &["alpha"]), server.requests().len());
    assert_eq!(n_requests, 4, "config.json, one file, two archives");
    for fault in [Fault::Status(503, None), Fault::Truncate(10), Fault::Garbage] {
        for n in 0..n_requests {
            let (home, server) = (Home::new(), world.serve().unwrap());
            server.fault_request(n, &fault);
            run(&home, &server);
            assert_eq!(run(&home, &server).code, Some(0), "{fault:?} of request {n}");
            assert_eq!(rows(&home, &["alpha"]), undisturbed, "{fault:?} of request {n}");
        }
    }
}
