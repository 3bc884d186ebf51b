//! Indexes read one crate at a time, against a server and folders made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use follow::{
    DirIndex, Fetched, FileIndex, FollowError, SparseIndex, SparseOptions, StoredLine, Validators, looks_stale,
};
use net::{Agent, AgentOptions};
use schema::{Generation, KrateName, ReleaseId, Sha256, VersionNum};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const LINE: &str = r#"{"name":"Demo","vers":"1.0.0","deps":[],"cksum":"0101010101010101010101010101010101010101010101010101010101010101","features":{},"yanked":false}"#;

/// Whole answers by path, and the requests that came, heads in lower case.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<HashMap<&'static str, Vec<u8>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: &[(&'static str, &str, &[u8])]) -> (Self, SparseIndex) {
        let whole = |head: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        };
        let answers = answers.iter().map(|(path, head, body)| (*path, whole(head, body))).collect();
        let server = Self { answers: Arc::new(answers), requests: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/idx/", listener.local_addr().unwrap())).unwrap();
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.answer(stream).await;
            }
        });
        let options = AgentOptions { attempts: 1, backoff: Duration::ZERO, ..AgentOptions::default() };
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let index = SparseIndex::new(base, Agent::new(options).unwrap(), SparseOptions { max_bytes: 10_000 });
        (server, index)
    }

    async fn answer(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.lock().unwrap().push(head.to_lowercase());
        let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
        let answer = self.answers.get(path.as_str()).unwrap_or(&missing);
        stream.get_mut().write_all(answer).await.unwrap();
    }
}

fn name(text: &str) -> KrateName {
    KrateName::parse(text).unwrap()
}

#[tokio::test]
async fn a_file_comes_with_its_validators_and_they_go_back() {
    let (server, index) = Server::start(&[(
        "/idx/de/mo/demo",
        "200 OK\r\nETag: \"abc\"\r\nLast-Modified: Thu, 20 Aug 2026 07:15:00 GMT",
        LINE.as_bytes(),
    )])
    .await;
    let Fetched::File { text, validators } = index.fetch(&name("Demo"), None).await.unwrap() else { panic!() };
    assert_eq!(text, LINE);
    assert_eq!(validators.etag.as_deref(), Some("\"abc\""));
    index.fetch(&name("Demo"), Some(&validators)).await.unwrap();
    let date_only = Validators { etag: None, ..validators };
    index.fetch(&name("Demo"), Some(&date_only)).await.unwrap();
    let requests = server.requests.lock().unwrap().clone();
    assert!(!requests[0].contains("if-"), "{}", requests[0]);
    assert!(requests[1].contains("if-none-match: \"abc\"\r\n") && !requests[1].contains("if-modified-since"));
    assert!(requests[2].contains("if-modified-since: thu, 20 aug 2026 07:15:00 gmt\r\n"));
}

#[tokio::test]
async fn statuses_mean_what_they_mean() {
    let (_server, index) = Server::start(&[
        ("/idx/1/a", "304 Not Modified", b""),
        ("/idx/1/b", "410 Gone", b""),
        ("/idx/1/c", "451 Unavailable For Legal Reasons", b""),
        ("/idx/1/d", "403 Forbidden", b""),
        ("/idx/1/e", "500 Internal Server Error", b""),
        ("/idx/1/f", "204 No Content", b""),
    ])
    .await;
    let held = Validators { etag: Some("\"x\"".to_owned()), last_modified: None };
    assert_eq!(index.fetch(&name("a"), Some(&held)).await.unwrap(), Fetched::NotModified);
    for (krate, status) in [("b", 410), ("c", 451), ("nowhere", 404)] {
        let fetched = index.fetch(&name(krate), Some(&held)).await.unwrap();
        assert_eq!(fetched, Fetched::Missing { status: Some(status) });
    }
    // A 304 that nobody asked for says nothing, and the other statuses say nothing about the crate.
    for krate in ["a", "d", "e", "f"] {
        let error = index.fetch(&name(krate), None).await.unwrap_err();
        assert!(error.to_string().contains(&format!("/idx/1/{krate}")), "{error}");
    }
}

#[tokio::test]
async fn garbage_is_an_error_that_names_the_url_and_never_a_deletion() {
    let long = LINE.repeat(100);
    let (_server, index) = Server::start(&[
        ("/idx/1/a", "200 OK", b"<!doctype html><title>Log in</title>"),
        ("/idx/1/b", "200 OK", b"\xff\xfe\x00"),
        ("/idx/1/c", "200 OK", b"\n"),
        ("/idx/1/d", "200 OK", long.as_bytes()),
        ("/idx/config.json", "200 OK", b"<html>"),
    ])
    .await;
    for krate in ["a", "b", "c"] {
        let error = index.fetch(&name(krate), None).await.unwrap_err();
        assert!(matches!(&error, FollowError::NotAnIndexFile { place, .. } if place.ends_with(krate)), "{error}");
    }
    let error = index.fetch(&name("d"), None).await.unwrap_err();
    assert!(matches!(&error, FollowError::TooLarge { limit: 10_000, .. }), "{error}");
    let error = index.config().await.unwrap_err();
    assert!(error.to_string().contains("/idx/config.json"), "{error}");
}

#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let (_server, index) = Server::start(&[("/idx/1/a", "200 OK\r\ncontent-length: 9999", LINE.as_bytes())]).await;
    assert!(index.fetch(&name("a"), None).await.is_err());
}

#[tokio::test]
async fn any_spelling_finds_the_crate_and_an_unknown_one_tells_what_was_tried() {
    let (server, index) = Server::start(&[("/idx/se/rd/serde-json", "200 OK", LINE.as_bytes())]).await;
    let index = FileIndex::Sparse(index);
    assert_eq!(index.find(&name("serde_json")).await.unwrap().name.as_str(), "serde-json");
    assert_eq!(server.requests.lock().unwrap().len(), 2);

    let error = index.find(&name("no_such-crate")).await.unwrap_err();
    let FollowError::UnknownKrate { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried, &["no_such-crate", "no-such-crate", "no_such_crate", "no-such_crate"]);
}

#[tokio::test]
async fn a_folder_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("config.json", r#"{"dl":"x"}"#);
    write("de/mo/demo", LINE);
    write("3/a/abc", "<html>");
    write(".github/workflows/check", "no crate");
    write("README.md", "no crate");
    write("wr/on/elsewhere", LINE);
    let index = DirIndex::new(folder.path().to_owned(), 1000);
    assert_eq!(index.config().await.unwrap().unwrap().dl, "x");
    let krates = index.krates().await.unwrap();
    assert_eq!(krates.iter().map(KrateName::as_str).collect::<Vec<_>>(), ["abc", "demo"]);
    assert!(matches!(index.fetch(&name("Demo"), None).await.unwrap(), Fetched::File { text, .. } if text == LINE));
    assert_eq!(index.fetch(&name("gone"), None).await.unwrap(), Fetched::Missing { status: None });
    assert!(matches!(index.fetch(&name("abc"), None).await, Err(FollowError::NotAnIndexFile { .. })));
    let small = DirIndex::new(folder.path().to_owned(), 100);
    assert!(matches!(small.fetch(&name("demo"), None).await, Err(FollowError::TooLarge { .. })));
    // A disk that is not mounted deletes no crate.
    let nowhere = DirIndex::new(folder.path().join("nowhere"), 100);
    assert!(matches!(nowhere.fetch(&name("demo"), None).await, Err(FollowError::Unreadable { .. })));
}

#[test]
fn an_answer_that_lacks_a_live_version_may_be_old() {
    let held = |num: &str, line: &str, deleted: bool| StoredLine {
        release: ReleaseId(1),
        num: VersionNum::parse(num).unwrap(),
        generation: Generation::FIRST,
        checksum: Sha256::from_bytes([1; 32]),
        deleted,
        line: line.to_owned(),
    };
    let newer = LINE.replace("1.0.0", "2.0.0");
    let stored = [held("1.0.0", LINE, false), held("2.0.0", &newer, false)];
    assert!(looks_stale(&stored, LINE, &name("demo")));
    assert!(!looks_stale(&stored, &format!("{LINE}\n{newer}\n"), &name("demo")));
    let stored = [held("1.0.0", LINE, false), held("2.0.0", &newer, true)];
    assert!(!looks_stale(&stored, LINE, &name("demo")));
}
