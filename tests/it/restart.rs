//! Killed at any moment, the next run completes the work, and the end is that of an undisturbed run.

use std::process::Child;

use fixtures::{RegistryServer, World};

use crate::harness::{Home, archive, rows};

const KRATES: usize = 12;

fn world() -> World {
    (0..KRATES).fold(World::new(), |world, n| {
        let name = format!("krate{n:02}");
        world.publish(&name, "1.0.0", "2026-08-01T00:00:00Z", archive(&name, "1.0.0")).publish(
            &name,
            "1.1.0",
            "2026-08-02T00:00:00Z",
            archive(&name, "1.1.0"),
        )
    })
}

fn names() -> Vec<String> {
    (0..KRATES).map(|n| format!("krate{n:02}")).collect()
}

fn args(server: &RegistryServer) -> Vec<String> {
    let mut args: Vec<String> =
        ["index", "--all-versions", "--no-source", "--index", &server.index_url()].map(str::to_owned).into();
    for name in names() {
        args.extend(["--crate".to_owned(), name]);
    }
    args
}

/// Waits until the server has seen `n` more requests, or the program has ended. No clock: the requests are the measure.
fn until_requests(server: &RegistryServer, before: usize, n: usize, child: &mut Child) {
    while server.requests().len() < before + n && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

fn undisturbed(names: &[&str]) -> Vec<serde_json::Value> {
    let (home, server) = (Home::new(), world().serve().unwrap());
    let args = args(&server);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(home.run(&args).code, Some(0));
    rows(&home, names)
}

#[test]
fn killed_again_and_again_it_ends_as_if_nothing_had_happened() {
    let owned = names();
    let names: Vec<_> = owned.iter().map(String::as_str).collect();
    let (home, server) = (Home::new(), world().serve().unwrap());
    let args = args(&server);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    // Ever later points, from the first request to the last downloads.
    for n in (1..=40).step_by(3) {
        let before = server.requests().len();
        let mut child = home.start(&args);
        until_requests(&server, before, n, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(home.run(&args).code, Some(0));
    assert_eq!(rows(&home, &names), undisturbed(&names));
    let status = home.json(&["status"]);
    assert_eq!((status["work"].as_array().unwrap().len(), status["releases"].as_u64()), (0, Some(2 * KRATES as u64)));
}

#[cfg(unix)]
#[test]
fn an_interruption_is_said_and_nothing_is_lost() {
    let (home, server) = (Home::new(), world().serve().unwrap());
    // The last archive never comes, so that the program is surely at work when it is interrupted.
    server.fault("/dl/krate00/1.0.0", &fixtures::Fault::Hang, 1);
    let args = args(&server);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let child =
        home.command(&args).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while !server.requests().iter().any(|request| request.path.starts_with("/dl/")) {
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert_eq!(home.run(&args).code, Some(0));
    assert_eq!(home.json(&["status"])["work"].as_array().unwrap().len(), 0);
}

#[test]
fn two_at_once_take_turns() {
    let (home, server) = (Home::new(), world().serve().unwrap());
    let args = args(&server);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (mut first, mut second) = (home.start(&args), home.start(&args));
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    let downloads = server.requests().iter().filter(|request| request.path.starts_with("/dl/")).count();
    assert_eq!(downloads, 2 * KRATES, "nothing is downloaded twice");
}
