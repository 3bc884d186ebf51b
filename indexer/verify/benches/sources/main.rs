//! A check with its repository at hand, beside `git archive | diff` on the same crates; content search in a long history.
//!
//! `cargo bench -p provenance-verify --bench sources`; `PROVENANCE_MIRRORS=FILE` with `PROVENANCE_ARCHIVES=DIR` adds real
//! repositories and archives. Goals (issue 4): a check ≤ 50 ms CPU in the median; a search ≤ 5 s cold, ≤ 0.2 s warm.
#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it cannot measure"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use fixtures::CrateFile;
use inspect::{CrateArchive, Expected};
use schema::{Inspection, Verdict};
use verify::{ClaimSource, Limits, LocalMirrors, Mirrors, Options, Repositories, SourceCheck, Subject};

mod history;

use history::{Published, Tags};

fn main() {
    if Command::new("git").arg("--version").output().is_err() {
        println!("skipped: no git on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let small = Generated::write(folder.path(), "small", 2_000, Tags::Set);
    let cases: Vec<_> = small.published.iter().rev().take(24).map(|published| small.case(published, true)).collect();
    compared("generated, 2,000 commits", &small.mirrors, &cases, folder.path());
    match real_cases() {
        Some((mirrors, cases)) => compared("real", &mirrors, &cases, folder.path()),
        None => println!("skipped: PROVENANCE_MIRRORS and PROVENANCE_ARCHIVES name no real repositories"),
    }
    let large = Generated::write(folder.path(), "large", 40_000, Tags::Left);
    searched(&large);
}

/// A generated repository with the table that leads to it.
struct Generated {
    folder: PathBuf,
    mirrors: String,
    published: Vec<Published>,
}

/// One archive as a check needs it, and where it stands in its repository, for the peer.
struct Case {
    expected: Expected,
    bytes: Vec<u8>,
    inspection: Inspection,
}

impl Generated {
    fn write(below: &Path, name: &str, n_commits: usize, tags: Tags) -> Self {
        let folder = below.join(name);
        fs::create_dir(&folder).unwrap();
        let started = Instant::now();
        let published = history::write(&folder, n_commits, tags).unwrap();
        println!("{name}: {n_commits} commits written in {:.1} s", started.elapsed().as_secs_f64());
        let mirrors = format!("[[mirror]]\nfrom = \"https://forge.test/{{all}}\"\nto = \"{}\"\n", folder.display());
        Self { folder, mirrors, published }
    }

    /// What cargo would have published then; with the commit it would have recorded, or with one that is nowhere.
    fn case(&self, published: &Published, is_recorded: bool) -> Case {
        let name = history::name(published.package);
        let tag = format!("refs/tags/{name}-v{}", published.num);
        let commit =
            if is_recorded { history::git(&self.folder, &["rev-parse", &tag]).unwrap() } else { "ab".repeat(20) };
        let claim = format!("{{\"git\":{{\"sha1\":\"{commit}\"}},\"path_in_vcs\":\"crates/{name}\"}}");
        let mut krate = CrateFile::empty(&name, &published.num).file(".cargo_vcs_info.json", claim.as_bytes());
        for (path, text) in &published.files {
            if path == "Cargo.toml" {
                let plain = text.replace("version.workspace = true", &format!("version = \"{}\"", published.num));
                krate = krate.file("Cargo.toml", plain.as_bytes()).file("Cargo.toml.orig", text.as_bytes());
            } else {
                krate = krate.file(path, text.as_bytes());
            }
        }
        Case::of(krate.build().unwrap(), &format!("{name}-{}.crate", published.num))
    }
}

impl Case {
    fn of(bytes: Vec<u8>, file_name: &str) -> Self {
        let expected = Expected::from_file_name(file_name).unwrap();
        let inspection = inspect::inspect(bytes.as_slice(), &expected, None, &inspect::Limits::default()).unwrap();
        Self { expected, bytes, inspection }
    }

    fn check(&self, repositories: &dyn Repositories) -> SourceCheck {
        let files = CrateArchive::new(self.bytes.as_slice(), &self.expected, inspect::Limits::default());
        let subject = Subject {
            name: &self.expected.name,
            num: &self.expected.num,
            published_at: None,
            inspection: &self.inspection,
            files: &files,
            trusted: None,
        };
        verify::check(&subject, repositories, &Limits::default(), &Options::default()).unwrap()
    }
}

/// Archives whose recorded commit is in its repository's copy, and the table of copies.
fn real_cases() -> Option<(String, Vec<Case>)> {
    #[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment where its data is")]
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let mirrors = fs::read_to_string(named("PROVENANCE_MIRRORS")?).ok()?;
    let repositories = LocalMirrors::new(Mirrors::parse(&mirrors).unwrap(), Limits::default());
    let mut cases = Vec::new();
    for entry in fs::read_dir(named("PROVENANCE_ARCHIVES")?).ok()? {
        let path = entry.unwrap().path();
        let file_name = path.file_name().unwrap().to_string_lossy().into_owned();
        if Expected::from_file_name(&file_name).is_err() {
            continue;
        }
        let case = Case::of(fs::read(&path).unwrap(), &file_name);
        if case.check(&repositories).verdict == Verdict::Verified {
            cases.push(case);
        }
    }
    Some((mirrors, cases))
}

/// Each case once by us, with the repository opened anew, and once by the peer.
fn compared(what: &str, mirrors: &str, cases: &[Case], scratch: &Path) {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for case in cases {
        let before = cpu_of(CpuOf::Ourselves);
        let repositories = LocalMirrors::new(Mirrors::parse(mirrors).unwrap(), Limits::default());
        let check = case.check(&repositories);
        ours.push(cpu_of(CpuOf::Ourselves) - before);
        assert_eq!(check.verdict, Verdict::Verified, "{} {}", check.name, check.words);
        let repository = Mirrors::parse(mirrors).unwrap().find(check.facts.repository.normalised.as_deref().unwrap());
        let tree = format!(
            "{}:{}",
            check.facts.commit.matched.unwrap(),
            check.facts.commit.package_path.as_deref().unwrap_or_default()
        );
        let before = cpu_of(CpuOf::Children);
        diffed(case, &repository.unwrap(), &tree, scratch);
        peers.push(cpu_of(CpuOf::Children) - before);
    }
    if cases.is_empty() {
        return;
    }
    let (sum, peer_sum) = (ours.iter().sum::<f64>(), peers.iter().sum::<f64>());
    println!(
        "{what}: {} checks, opening included: median {:.1} ms CPU, p90 {:.1} ms, mean {:.1} ms; \
         git archive | diff: mean {:.1} ms CPU; ratio {:.2}",
        cases.len(),
        at(&mut ours, 0.5) * 1e3,
        at(&mut ours, 0.9) * 1e3,
        sum / cases.len() as f64 * 1e3,
        peer_sum / cases.len() as f64 * 1e3,
        sum / peer_sum
    );
}

/// The peer: the same archive unpacked beside the same tree, and the two compared byte by byte. It says nothing of refs,
/// of why files differ, or of the manifest.
fn diffed(case: &Case, repository: &str, tree: &str, scratch: &Path) {
    let place = scratch.join("peer");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(place.join("git")).unwrap();
    fs::write(place.join("archive"), &case.bytes).unwrap();
    let script = "tar -xzf archive && git --git-dir \"$0\" archive \"$1\" | tar -x -C git; diff -rq git \"$2\" > differences; true";
    let unpacked = format!("{}-{}", case.expected.name, case.expected.num);
    let status =
        Command::new("sh").current_dir(&place).args(["-c", script, repository, tree, &unpacked]).status().unwrap();
    assert!(status.success());
}

/// The first search reads the history, the others look it up.
fn searched(large: &Generated) {
    let middle = large.published.len() / 2;
    let cases: Vec<_> = large.published[middle..].iter().step_by(40).map(|one| large.case(one, false)).collect();
    let repositories = LocalMirrors::new(Mirrors::parse(&large.mirrors).unwrap(), Limits::default());
    let mut warm = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let (wall, cpu) = (Instant::now(), cpu_of(CpuOf::Ourselves));
        let check = case.check(&repositories);
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_of(CpuOf::Ourselves) - cpu);
        assert_eq!(check.verdict, Verdict::VerifiedEquivalent, "{}", check.words);
        assert_eq!(check.facts.commit.found_by, Some(ClaimSource::ContentSearch));
        if n == 0 {
            println!("content search, 40,000 commits, cold: {wall:.2} s wall, {cpu:.2} s CPU");
        } else {
            warm.push(wall);
        }
    }
    println!(
        "warm, {} searches: median {:.3} s, worst {:.3} s wall; peak memory {} MB",
        warm.len(),
        at(&mut warm, 0.5),
        at(&mut warm, 1.0),
        peak_memory()
    );
}

fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    let place = (share * (values.len() - 1) as f64).round() as usize;
    values[place]
}

#[derive(Clone, Copy, PartialEq)]
enum CpuOf {
    Ourselves,
    Children,
}

/// CPU seconds as Linux counts them: to the nanosecond for this only thread, in hundredths for the programs it ran.
fn cpu_of(whose: CpuOf) -> f64 {
    if whose == CpuOf::Ourselves {
        let text = fs::read_to_string("/proc/self/schedstat").unwrap();
        return text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9;
    }
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / 100.0
}

fn peak_memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
