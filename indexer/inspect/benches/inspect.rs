//! Throughput of `inspect` over cargo's download cache, one core, against a floor measured in the same run: the same
//! bytes through the inflate and the hashes alone. And the peak of memory over a large synthetic archive.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fixtures::crate_file::{CrateFile, TarEntry};
use flate2::bufread::GzDecoder;
use inspect::{Expected, Limits, inspect};
use sha2::Digest as _;

/// Each measure is the best of so many rounds.
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "a bench reports on stdout")]
fn main() {
    // First, while the heap is fresh: memory kept from earlier work would hide what is needed.
    for (what, archive) in
        [("300 MiB of one file", large_file()), ("100,000 entries", many_entries()), ("TOML flood", flood())]
    {
        report_memory(what, &archive);
    }
    let archives = cached();
    let compressed: usize = archives.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut unpacked = 0;
    let (mut ours, mut floor) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        unpacked = archives.iter().map(|(_, bytes)| pass_through(bytes)).sum::<u64>();
        floor = floor.min(start.elapsed());
        let start = Instant::now();
        for (expected, bytes) in &archives {
            let _inspection = inspect(bytes.as_slice(), expected, None, &Limits::default());
        }
        ours = ours.min(start.elapsed());
    }
    println!("{} archives, {compressed} bytes compressed, {unpacked} unpacked", archives.len());
    let ratio = floor.as_secs_f64() / ours.as_secs_f64();
    println!("floor {floor:?}, inspect {ours:?}, ratio {ratio:.3} (goal 0.8)");
}

/// The peak so far is the kernel's; it only grows, so the archives stand in order of what they should need.
#[expect(clippy::print_stdout, reason = "a bench reports on stdout")]
fn report_memory(what: &str, archive: &[u8]) {
    let Ok(expected) = Expected::from_file_name("a-1.0.0.crate") else { return };
    reset_peak();
    let before = status("VmRSS:");
    let start = Instant::now();
    let inspection = inspect(archive, &expected, None, &Limits::default());
    let n_entries = inspection.map(|inspection| inspection.files.len()).unwrap_or_default();
    let above = status("VmHWM:").saturating_sub(before);
    println!("{what}: {n_entries} entries in {:?}, peak {above} KiB above the start (goal 65536)", start.elapsed());
}

/// Inflate, sha256 and sha1 of what comes out, sha256 of what goes in: nothing less can answer.
fn pass_through(bytes: &[u8]) -> u64 {
    let mut decoder = GzDecoder::new(bytes);
    let mut buffer = vec![0; 128 << 10];
    let (mut sha256, mut sha1) = (sha2::Sha256::new(), sha1::Sha1::new());
    let mut total = 0;
    while let Ok(n_bytes @ 1..) = decoder.read(&mut buffer) {
        sha256.update(&buffer[..n_bytes]);
        sha1.update(&buffer[..n_bytes]);
        total += n_bytes as u64;
    }
    std::hint::black_box((sha256.finalize(), sha1.finalize(), sha2::Sha256::digest(bytes)));
    total
}

#[expect(clippy::disallowed_methods, reason = "the bench finds cargo's cache by itself")]
fn cached() -> Vec<(Expected, Vec<u8>)> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))).unwrap_or_default();
    let folders = std::fs::read_dir(home.join("registry/cache")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let read = files.filter_map(|file| {
        let expected = Expected::from_file_name(&file.file_name().to_string_lossy()).ok()?;
        Some((expected, std::fs::read(file.path()).ok()?))
    });
    read.collect()
}

fn large_file() -> Vec<u8> {
    let archive = CrateFile::honest("a", "1.0.0").file("zeros", &vec![0; 300 << 20]);
    archive.build().unwrap_or_default()
}

fn many_entries() -> Vec<u8> {
    let entry = |n: usize| TarEntry::file(&format!("a-1.0.0/{n:060}"), b"").to_bytes();
    let archive = CrateFile::honest("a", "1.0.0");
    (0..99_000).fold(archive, |archive, n| archive.blocks(&entry(n))).build().unwrap_or_default()
}

fn flood() -> Vec<u8> {
    let manifest = format!("[package]\nname='a'\nversion='1.0.0'\nmetadata.x = [{}]", "1,".repeat(99_000));
    CrateFile::with_manifest("a", "1.0.0", &manifest).build().unwrap_or_default()
}

/// One number of `/proc/self/status` in KiB; 0 where there is no such file.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Linux forgets the peak when told 5.
fn reset_peak() {
    let _no_matter = std::fs::write("/proc/self/clear_refs", "5");
}
