//! How many cached answers a second, and how long each takes: many connections, each asks again as soon as it was answered.
//!
//! `cargo bench -p provenance-cli --bench serve -- ADDR:PORT PATH…` asks a server that runs; without arguments one is started on
//! a database of three releases, which measures the way from socket to socket and nothing of the database.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::{CrateFile, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if args.is_empty() {
        measure_small();
    } else {
        let address = args.remove(0);
        measure(&address, &args);
    }
}

/// Starts a server of its own and measures it.
fn measure_small() {
    let home = tempfile::tempdir().unwrap();
    let archive = CrateFile::honest("alpha", "1.0.0").build().unwrap();
    let world = World::new().publish("alpha", "1.0.0", "2026-08-01T00:00:00Z", archive);
    world.write_index(&home.path().join("index"), None).unwrap();
    let indexed = program(home.path(), &["index", "--crate", "alpha", "--index", "index", "--no-source"]).status();
    assert!(indexed.unwrap().success());
    let mut server =
        program(home.path(), &["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().to_owned();
    measure(&address, &["/api/v1/crates/alpha/1.0.0".to_owned()]);
    server.kill().unwrap();
    server.wait().unwrap();
}

fn program(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provenance"));
    command.args(args).env_clear().env("HOME", home).current_dir(home).stdout(Stdio::null()).stderr(Stdio::null());
    command
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
    // Nearest rank, in thousandths.
    let at = |thousandths: usize| took[(took.len() * thousandths).div_ceil(1000).max(1) - 1];
    let per_second = took.len() as u64 / MEASURED.as_secs();
    println!(
        "{per_second} answers/s over {CONNECTIONS} connections: p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?}",
        at(500),
        at(990),
        at(999),
        at(1000)
    );
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
