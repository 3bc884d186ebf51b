//! How many cached answers a second, and how long each takes: many connections, each asks again as soon as it was answered.
//!
//! `cargo bench -p provenance-cli --bench serve -- ADDR:PORT PATH…` asks a server that runs; without arguments one is started on
//! a database of two releases, which measures the way from socket to socket and nothing of the database.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::{CrateFile, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if !args.is_empty() {
        let address = args.remove(0);
        return measure(&address, &args);
    }
    let home = tempfile::tempdir()?;
    let alpha = |num: &str| CrateFile::honest("alpha", num).build();
    let world = World::new().publish("alpha", "1.0.0", "2026-08-01T00:00:00Z", alpha("1.0.0")?).publish(
        "alpha",
        "1.1.0",
        "2026-08-02T00:00:00Z",
        alpha("1.1.0")?,
    );
    world.write_index(&home.path().join("index"), None)?;
    let indexed = program(home.path(), &["index", "--crate", "alpha", "--index", "index", "--no-source"]).status()?;
    if !indexed.success() {
        return Err("the small registry could not be indexed".into());
    }
    let mut server = program(home.path(), &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stderr.take().ok_or("no stderr")?).read_line(&mut line)?;
    let address = line.trim().rsplit('/').next().unwrap_or_default().to_owned();
    let measured = measure(&address, &["/api/v1/crates/alpha/1.0.0".to_owned()]);
    Command::new("kill").args(["-TERM", &server.id().to_string()]).status()?;
    server.wait()?;
    measured
}

fn program(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provenance"));
    command.args(args).env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn measure(address: &str, paths: &[String]) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
            all.extend(client.await??);
        }
        Outcome::Ok(all)
    })?;
    took.sort_unstable();
    // Of a thousand answers, how long the so-manieth took.
    let at = |of_thousand: usize| took.get((took.len() * of_thousand / 1000).min(took.len().saturating_sub(1)));
    let at = |of_thousand| at(of_thousand).copied().unwrap_or_default();
    let per_second = took.len() as u64 / MEASURED.as_secs();
    writeln!(
        std::io::stdout(),
        "{per_second} answers/s over {CONNECTIONS} connections: p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?}",
        at(500),
        at(990),
        at(999),
        at(1000)
    )?;
    Ok(())
}

/// Asks until the end; gives how long each answer took that was asked for after the beginning.
async fn ask(
    address: &str,
    requests: &[String],
    client: usize,
    begin: Instant,
    end: Instant,
) -> Outcome<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut took, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    for request in requests.iter().cycle().skip(client) {
        let asked = Instant::now();
        if asked >= end {
            break;
        }
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        if asked >= begin {
            took.push(asked.elapsed());
        }
    }
    Ok(took)
}

/// Reads one answer to its end, and wants it to be 200.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<()> {
    buffer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| buffer.len() < whole) {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed".into());
        }
        let end = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let (None, Some(end)) = (whole, end) {
            let text = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).to_lowercase();
            if !text.starts_with("http/1.1 200") {
                return Err(text.into());
            }
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
            whole = Some(end + 4 + length.parse::<usize>()?);
        }
    }
    Ok(())
}
