//! How many cached answers a second, and how long each takes: many connections, each asks again as soon as it was answered.
//!
//! `cargo bench -p provenance-cli --bench serve -- ADDR:PORT PATH…` asks a server that runs; without arguments one is started on
//! a database of three releases, which measures the way from socket to socket and nothing of the database.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[path = "../it/databases.rs"]
#[expect(dead_code, reason = "the tests use more of it than the bench does")]
mod databases;
#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "the tests use more of it than the bench does")]
mod harness;

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if args.is_empty() {
        let home = harness::Home::new();
        let world = harness::small_world();
        world.write_advisories(&home.path().join("advisory-db")).unwrap();
        world.write_index(&home.path().join("index"), None).unwrap();
        home.json(&["index", "--crate", "alpha", "--index", "index", "--advisory-db", "advisory-db", "--no-source"]);
        let mut server = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut server = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        measure(&address, &["/api/v1/crates/alpha/1.0.0".to_owned()]);
        let _ = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
        let _ = server.wait();
        return;
    }
    let address = args.remove(0);
    measure(&address, &args);
}

fn measure(address: &str, paths: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now() + WARM_UP;
    let end = begin + MEASURED;
    let mut took: Vec<Duration> = runtime.block_on(async {
        let clients = (0..CONNECTIONS).map(|client| {
            let requests: Vec<_> =
                paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")).collect();
            let address = address.to_owned();
            tokio::spawn(async move { ask(&address, &requests, client, begin, end).await })
        });
        let clients: Vec<_> = clients.collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.unwrap());
        }
        all
    });
    took.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = (took.len() as f64 * share) as usize;
        took.get(index.min(took.len() - 1)).copied().unwrap_or_default()
    };
    let per_second = took.len() as u64 / MEASURED.as_secs();
    let line = format!(
        "{per_second} answers/s over {CONNECTIONS} connections: p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?}\n",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Asks until the end; gives how long each answer took that was asked for after the beginning.
async fn ask(address: &str, requests: &[String], client: usize, begin: Instant, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut took, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    for n in client.. {
        let asked = Instant::now();
        if asked >= end {
            break;
        }
        stream.write_all(requests[n % requests.len()].as_bytes()).await.unwrap();
        answer(&mut stream, &mut buffer).await;
        if asked >= begin {
            took.push(asked.elapsed());
        }
    }
    took
}

/// Reads one answer to its end, and wants it to be 200.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let (mut head, mut whole) = (None, usize::MAX);
    while buffer.len() < whole {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed");
        if head.is_none()
            && let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let text = std::str::from_utf8(&buffer[..end]).unwrap().to_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            whole = end + 4 + length.parse::<usize>().unwrap();
            head = Some(end);
        }
    }
}
