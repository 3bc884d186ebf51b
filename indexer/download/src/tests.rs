//! The step against hand-made servers on the loopback interface, and against stores that fail.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use net::{Agent, AgentOptions, NetError};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, UploadPart,
};
use schema::{KrateName, Sha256, VersionNum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{Address, Blobs, DownloadError, DownloadLimits, IgnoredLocal, Origin, Outcome, Wanted, download};

/// `printf 'good bytes' | sha256sum` and `printf 'bad bytes' | sha256sum`.
const GOOD: &str = "d6004ba597d097dfd95ac55076dbf03325b89d41b94fe8366c310a779ae57be5";
const BAD: &str = "5faad966fc8ed5e51da6f1f4a351d6432af30635c3cedaa13cdfa9fa625400d6";

struct Bench {
    folder: tempfile::TempDir,
    agent: Agent,
    blobs: Blobs,
    wanted: Wanted,
}

impl Bench {
    fn new() -> Self {
        net::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let options =
            AgentOptions { attempts: 1, stall_timeout: Duration::from_millis(200), ..AgentOptions::default() };
        Self {
            agent: Agent::new(options).unwrap(),
            blobs: Blobs::open_dir(&folder.path().join("blobs")).unwrap(),
            wanted: Wanted {
                name: KrateName::parse("krate").unwrap(),
                num: VersionNum::parse("1.0.0+x").unwrap(),
                checksum: Sha256::parse(GOOD).unwrap(),
            },
            folder,
        }
    }

    async fn download(&self, address: Option<&Address>, archives: &[PathBuf]) -> Result<Outcome, DownloadError> {
        let limits = DownloadLimits { compressed_size: 20 };
        download(&self.agent, &self.blobs, &self.wanted, address, archives, &limits).await
    }

    fn archives(&self, folder: &str, bytes: &str) -> PathBuf {
        let folder = self.folder.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("krate-1.0.0+x.crate"), bytes).unwrap();
        folder
    }

    /// The files below the blob store, which must never hold leftovers.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().join("blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(self.folder.path().join("blobs")).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }
}

/// Answers the n-th connection with the n-th text, the last one again and again; notes the requests.
async fn serve(replies: &[&str]) -> (Address, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new(format!("http://{}/dl", listener.local_addr().unwrap()));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let replies: Vec<String> = replies.iter().map(|&reply| reply.to_owned()).collect();
    tokio::spawn(async move {
        for n in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap());
            let reply = replies.get(n).or(replies.last()).unwrap();
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (address, requests)
}

fn body(bytes: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{bytes}", bytes.len())
}

fn key(hex: &str) -> String {
    format!("sha256/{}/{}/{hex}", &hex[..2], &hex[2..4])
}

fn stored(origin: Origin) -> Outcome {
    Outcome::Stored { size: 10, origin, ignored_local: Vec::new() }
}

#[tokio::test]
async fn blobs_are_kept_by_their_sha256() {
    let bench = Bench::new();
    let digest = bench.blobs.put(Bytes::from("good bytes")).await.unwrap();
    assert_eq!(digest.to_string(), GOOD);
    assert_eq!(bench.files(), [key(GOOD)]);
    assert_eq!(bench.blobs.get(&digest).await.unwrap().unwrap(), "good bytes");
    assert!(bench.blobs.contains(&digest).await.unwrap());
    bench.blobs.delete(&digest).await.unwrap();
    bench.blobs.delete(&digest).await.unwrap();
    assert_eq!(bench.blobs.get(&digest).await.unwrap(), None);
}

#[tokio::test]
async fn the_promised_bytes_are_stored_once() {
    let bench = Bench::new();
    let (address, requests) = serve(&[&body("good bytes")]).await;
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), stored(Origin::Url));
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), stored(Origin::AlreadyThere));
    assert_eq!(bench.files(), [key(GOOD)]);
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /dl/krate/1.0.0%2Bx/download "), "{requests:?}");
}

#[tokio::test]
async fn a_local_archive_is_an_answer_only_with_the_right_bytes() {
    let bench = Bench::new();
    let wrong = bench.archives("wrong", "bad bytes");
    let large = bench.archives("large", "much more than twenty bytes");
    let right = bench.archives("right", "good bytes");
    let missing = bench.folder.path().join("missing");
    let ignored_local = vec![
        IgnoredLocal { path: wrong.join("krate-1.0.0+x.crate"), found: Some(Sha256::parse(BAD).unwrap()) },
        IgnoredLocal { path: large.join("krate-1.0.0+x.crate"), found: None },
    ];
    let outcome = bench.download(None, &[missing.clone(), wrong.clone(), large.clone()]).await.unwrap();
    assert_eq!(outcome, Outcome::NoAddress { ignored_local: ignored_local.clone() });
    assert!(bench.files().is_empty());
    let origin = Origin::Local(right.join("krate-1.0.0+x.crate"));
    let outcome = bench.download(None, &[missing, wrong, large, right]).await.unwrap();
    assert_eq!(outcome, Outcome::Stored { size: 10, origin, ignored_local });
}

#[tokio::test]
async fn bytes_are_taken_as_sent_whatever_the_server_calls_them() {
    let bench = Bench::new();
    let (address, requests) =
        serve(&[&body("good bytes").replace("Connection:", "Content-Encoding: gzip\r\nConnection:")]).await;
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), stored(Origin::Url));
    assert!(requests.lock().unwrap()[0].contains("accept-encoding: identity"));
}

#[tokio::test]
async fn a_stale_cache_is_passed_by() {
    let bench = Bench::new();
    let (address, requests) = serve(&[&body("bad bytes"), &body("good bytes")]).await;
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), stored(Origin::Url));
    assert_eq!(bench.files(), [key(GOOD)]);
    let requests = requests.lock().unwrap();
    assert!(!requests[0].contains("no-cache"));
    assert!(requests[1].contains("cache-control: no-cache"), "{requests:?}");
}

#[tokio::test]
async fn wrong_bytes_are_kept_as_evidence() {
    let bench = Bench::new();
    let (address, requests) = serve(&[&body("bad bytes")]).await;
    let found = Sha256::parse(BAD).unwrap();
    let expected = Outcome::Mismatch { found, size: 9, origin: Origin::Url, ignored_local: Vec::new() };
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), expected);
    assert_eq!(bench.files(), [key(BAD)]);
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_gone_is_an_outcome_and_other_statuses_are_errors() {
    for status in [403, 404, 410, 451] {
        let (address, _) = serve(&[&format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n")]).await;
        let outcome = Bench::new().download(Some(&address), &[]).await.unwrap();
        assert_eq!(outcome, Outcome::Gone { status, ignored_local: Vec::new() });
    }
    let (address, _) = serve(&["HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"]).await;
    let error = Bench::new().download(Some(&address), &[]).await.unwrap_err();
    assert!(matches!(error, DownloadError::Status { status: 401, .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_cut_short_is_asked_for_again() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ngood";
    let bench = Bench::new();
    let (address, _) = serve(&[short, short, &body("good bytes")]).await;
    assert_eq!(bench.download(Some(&address), &[]).await.unwrap(), stored(Origin::Url));
    let bench = Bench::new();
    let (address, requests) = serve(&[short]).await;
    let error = bench.download(Some(&address), &[]).await.unwrap_err();
    assert!(matches!(error, DownloadError::Net(NetError::Interrupted { .. })), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(requests.lock().unwrap().len(), 3);
    assert!(bench.files().is_empty(), "{:?}", bench.files());
}

#[tokio::test]
async fn too_large_is_an_outcome_announced_or_not() {
    let long = "x".repeat(21);
    for reply in [body(&long), format!("HTTP/1.1 200 OK\r\n\r\n{long}")] {
        let bench = Bench::new();
        let (address, _) = serve(&[&reply]).await;
        let outcome = bench.download(Some(&address), &[]).await.unwrap();
        assert_eq!(outcome, Outcome::TooLarge { limit: 20, ignored_local: Vec::new() });
        assert!(bench.files().is_empty());
    }
}

#[tokio::test]
async fn a_full_disk_has_its_own_name() {
    let bench = Bench { blobs: Blobs::new(Arc::new(FullDisk)), ..Bench::new() };
    let (address, _) = serve(&[&body("good bytes")]).await;
    let error = bench.download(Some(&address), &[]).await.unwrap_err();
    assert!(matches!(error, DownloadError::Disk { .. }), "{error:?}");
    assert!(!error.is_transient());
}

/// A store that finds nothing and has no room for anything.
#[derive(Debug)]
struct FullDisk;

impl std::fmt::Display for FullDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FullDisk")
    }
}

fn full() -> object_store::Error {
    object_store::Error::Generic { store: "FullDisk", source: io::Error::from(io::ErrorKind::StorageFull).into() }
}

#[async_trait::async_trait]
impl MultipartUpload for FullDisk {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        Box::pin(async { Err(full()) })
    }
    async fn complete(&mut self) -> object_store::Result<PutResult> {
        Err(full())
    }
    async fn abort(&mut self) -> object_store::Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl ObjectStore for FullDisk {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(full())
    }
    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Self))
    }
    async fn get_opts(&self, path: &Path, _: GetOptions) -> object_store::Result<GetResult> {
        Err(object_store::Error::NotFound { path: path.to_string(), source: "nothing is here".into() })
    }
    fn delete_stream(
        &self,
        paths: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        paths
    }
    fn list(&self, _: Option<&Path>) -> futures::stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        Box::pin(futures::stream::empty())
    }
    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        Err(full())
    }
    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(full())
    }
}
