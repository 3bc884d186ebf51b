//! A full re-match: every advisory over every version of the index of July 2020, in CPU seconds. Goal: less than one.
//!
//! `PROVENANCE_TEST_DATA=…/data cargo bench -p provenance-advisories --bench rematch`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use advisories::{MatchCandidate, Matcher, bundled_snapshot};
use schema::{CanonicalName, Generation, KrateName, ReleaseId, Timestamp, VersionNum};

fn main() {
    let Some(index) = index() else {
        println!("skipped: PROVENANCE_TEST_DATA has no index-2020.jsonl.zst");
        return;
    };
    let krates = read(&index);
    let n_versions: usize = krates.values().map(Vec::len).sum();
    let database = bundled_snapshot().unwrap();

    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let matcher = Matcher::new(&database.advisories);
    let (mut n_affected, mut n_near, mut n_unmatchable) = (0, 0, 0);
    for (krate, releases) in &krates {
        let outcome = matcher.matches(krate, releases);
        let affected = outcome.matches.iter().filter(|found| found.is_affected()).count();
        n_affected += affected;
        n_near += outcome.matches.len() - affected;
        n_unmatchable += outcome.unmatchable.len();
    }
    let spent = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    let wall = wall.elapsed().as_secs_f64();

    println!("{} advisories over {n_versions} versions of {} crates", database.advisories.len(), krates.len());
    println!("{n_affected} affected, {n_near} near, {n_unmatchable} unmatchable");
    println!("cpu {:.3} s, wall {wall:.3} s", spent.unwrap_or(wall));
}

#[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment where its data is")]
fn index() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("PROVENANCE_TEST_DATA")?).join("index-2020.jsonl.zst");
    path.exists().then_some(path)
}

#[derive(serde::Deserialize)]
struct Line {
    name: String,
    vers: String,
}

fn read(index: &PathBuf) -> HashMap<CanonicalName, Vec<MatchCandidate>> {
    let mut zstd = Command::new("zstd").arg("-dc").arg(index).stdout(Stdio::piped()).spawn().unwrap();
    let mut krates: HashMap<_, Vec<_>> = HashMap::new();
    let mut id = 0;
    for line in BufReader::new(zstd.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&line).unwrap();
        id += 1;
        krates.entry(KrateName::parse(&line.name).unwrap().canonical()).or_default().push(MatchCandidate {
            release: ReleaseId(id),
            num: VersionNum::parse(&line.vers).unwrap(),
            generation: Generation::FIRST,
            published_at: None,
            first_seen_at: Timestamp::from_seconds(0),
            deleted: false,
        });
    }
    assert!(zstd.wait().unwrap().success());
    krates
}

/// Time this (only) thread ran, as Linux counts it.
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}
