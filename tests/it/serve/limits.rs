//! Bad input and bad manners, over real sockets: nothing of it is a 500, and nobody keeps the others from being answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use fixtures::AdvisoryBuilder;
use serve::ServeOptions;

use super::indexed;
use super::lab::Lab;
use crate::harness::{Home, small_world};
use crate::http::{Answer, get, raw, request};

#[test]
fn names_and_numbers_that_cannot_be_are_refused_in_words() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    let long = "a".repeat(65);
    for (path, status) in [
        ("/api/v1/crates/..%2f..%2fetc%2fpasswd", 404),
        ("/api/v1/crates/%2e%2e/1.0.0", 404),
        ("/api/v1/crates/a%00b", 404),
        ("/api/v1/crates/%F0%9F%A6%80", 404),
        ("/api/v1/crates/%ff", 400),
        (&format!("/api/v1/crates/{long}"), 404),
        ("/api/v1/crates/1a", 404),
        ("/api/v1/crates/alpha/1%200", 400),
        ("/api/v1/crates/alpha/..%2f..", 400),
        (&format!("/api/v1/crates/alpha/{}", "1".repeat(151)), 400),
        ("/api/v1/crates/alpha?per_page=0", 400),
        ("/api/v1/crates/alpha?per_page=101", 400),
        ("/api/v1/crates/alpha?per_page=ten", 400),
        ("/api/v1/crates/alpha?seek=nowhere", 400),
        ("/api/v1/crates/alpha?per_page=1&per_page=2", 400),
        ("/api/v1/crates/alpha/dependents?at=yesterday", 400),
        ("/api/v1/crates/alpha/dependents?transitive=maybe", 400),
        ("/api/v1/crates/alpha/dependents?req=%3E%3D", 400),
        ("/api/v1/crates/alpha/dependents?advisory=nothing", 404),
        ("/api/v1/checksums/xyz", 400),
        ("/api/v1/purl", 400),
        ("/api/v1/purl?purl=pkg:cargo/alpha", 400),
        ("/api/v1/purl?purl=%ff", 400),
        ("/api/v1/advisories/%00", 404),
        ("/api/v1/advisories/'%20OR%201=1--", 404),
        ("/api/v1/nothing", 404),
        ("//", 404),
    ] {
        let answer = lab.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert!(!answer.detail().is_empty(), "{path}");
    }
}

#[test]
fn the_wrong_method_is_told_the_right_ones() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    for (method, path, allowed) in [
        ("POST", "/api/v1/crates/alpha", "GET,HEAD"),
        ("DELETE", "/badges/alpha.svg", "GET,HEAD"),
        ("PUT", "/livez", "GET,HEAD"),
        ("GET", "/api/v1/query", "POST"),
        ("BREW", "/api/v1/summary", "GET,HEAD"),
    ] {
        let answer = request(&lab.address, method, path, &[], "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert!(!answer.detail().is_empty());
    }
    let asked = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "if-none-match"),
    ];
    let preflight = request(&lab.address, "OPTIONS", "/api/v1/crates/alpha", &asked, "");
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some("*")));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("if-none-match"));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    let long = lab.get(&format!("/api/v1/crates/{}", "a".repeat(9000)));
    assert_eq!((long.status, long.detail()), (414, "the address is longer than 8192 bytes".to_owned()));
    let header = "x".repeat(70_000);
    assert_eq!(request(&lab.address, "GET", "/livez", &[("x-large", &header)], "").status, 431);
    let body = request(&lab.address, "POST", "/api/v1/query", &[("content-length", "999999999")], "");
    assert_eq!(body.status, 413);
}

/// Text that no compression makes much smaller: three quarters of it at best.
fn noise(length: usize, seed: u64) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut state = seed;
    let mut letter = || {
        // Xorshift (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[(state >> 32) as usize % 64])
    };
    (0..length).map(|_| letter()).collect()
}

#[test]
fn an_answer_too_large_to_be_kept_is_given_all_the_same() {
    let home = Home::new();
    let mut world = small_world();
    for n in 0..4 {
        let title = noise(700_000, n + 1);
        let id = format!("RUSTSEC-2026-910{n}");
        world = world.advisory(&AdvisoryBuilder::new(&id, "alpha", "2026-08-05").title(&title));
    }
    world.write_advisories(&home.path().join("advisory-db")).unwrap();
    world.write_index(&home.path().join("index"), None).unwrap();
    let run = home.run(&[
        "index",
        "--crate",
        "alpha",
        "--index",
        "index",
        "--advisory-db",
        "advisory-db",
        "--offline",
        "--no-source",
    ]);
    assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
    let lab = Lab::new(&home, ServeOptions::default());
    let path = "/api/v1/crates/alpha/advisories";
    let plain = lab.get(path);
    assert_eq!(plain.status, 200, "{:?}", plain.headers);
    for _ in 0..2 {
        let packed = request(&lab.address, "GET", path, &[("accept-encoding", "gzip")], "");
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")), "{:?}", packed.headers);
        assert!(packed.body.len() > 1 << 20 && packed.body.len() < plain.body.len(), "{}", packed.body.len());
        assert_eq!(packed.header("etag"), plain.header("etag"));
    }
}

#[test]
fn what_is_no_http_is_refused_and_the_next_is_answered() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET  /livez HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let answer = raw(&lab.address, bytes);
        assert!(answer.is_empty() || Answer::parse(&answer).status == 400, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(lab.get("/livez").status, 200);
}

#[test]
fn who_sends_too_slowly_is_given_up_and_so_is_who_sends_nothing_more() {
    let home = indexed();
    let options = ServeOptions { header_time: Duration::from_millis(100), ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    for begun in
        [&b""[..], b"GET /livez HT", b"GET /livez HTTP/1.1\r\nhost: a\r\n", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(&lab.address).unwrap();
        stream.write_all(begun).unwrap();
        // It ends although nothing more is sent: this read would wait for ever otherwise.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for_longer_than_an_answer_may_take() {
    let home = indexed();
    let options = ServeOptions { answer_time: Duration::from_millis(100), ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    let answer = raw(
        &lab.address,
        b"POST /api/v1/query HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{",
    );
    let answer = Answer::parse(&answer);
    assert_eq!((answer.status, answer.detail()), (503, "the answer took too long; ask again".to_owned()));
}

#[test]
fn who_reads_nothing_is_given_up() {
    let home = indexed();
    let options =
        ServeOptions { write_time: Duration::from_millis(100), max_connections: 1, ..ServeOptions::default() };
    let lab = Lab::new(&home, options);
    let mut stuck = TcpStream::connect(&lab.address).unwrap();
    // So many answers that they fit in no buffer on the way, and none is read.
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2000);
    stuck.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stuck.write_all(request.as_bytes());
    // There is room for one connection: this one is answered when the other is given up.
    assert_eq!(get(&lab.address, "/livez").status, 200);
}

#[test]
fn a_thousand_idle_connections_keep_nobody_from_being_answered() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    let mut idle = Vec::new();
    for _ in 0..1000 {
        match TcpStream::connect(&lab.address) {
            Ok(stream) => idle.push(stream),
            Err(error) => {
                return crate::harness::skip(&format!("this machine does not open 1000 connections: {error}"));
            }
        }
    }
    for _ in 0..20 {
        assert_eq!(lab.get("/api/v1/crates/alpha/1.0.0").status, 200);
    }
    drop(idle);
}

#[test]
fn a_panic_is_one_answer_and_the_next_is_given() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions::default());
    for _ in 0..3 {
        let broken = lab.get("/api/v1/crates/alpha/dependents?at=1970-01-01");
        assert_eq!((broken.status, broken.detail()), (500, "something went wrong here; it is recorded".to_owned()));
    }
    assert_eq!(lab.get("/api/v1/crates/alpha/dependents").status, 200);
}

#[test]
fn more_at_once_than_there_is_room_for_is_told_to_come_again() {
    let home = indexed();
    let lab = Lab::new(&home, ServeOptions { max_answers: 0, ..ServeOptions::default() });
    let busy = lab.get("/api/v1/crates/alpha/1.0.0");
    assert_eq!(
        (busy.status, busy.header("retry-after"), busy.detail()),
        (503, Some("5"), "too much is asked at once; ask again".to_owned())
    );
}
