//! The walk and the scan of a git index against git itself and against tame-index, on the same repositories in the same run.
//!
//! `PROVENANCE_TEST_DATA=../shared/data cargo bench -p provenance-follow --bench index`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use follow::{Batch, Context, Effect, GitIndex, GitOptions, Question, Reading, Start, reconcile_all};
use git2::{ObjectType, Repository, TreeWalkMode};
use tame_index::IndexKrate;

/// The last lines are held back and come one a commit.
const COMMITS: usize = 2000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    #[expect(clippy::disallowed_methods, reason = "benches find the test data through the environment")]
    let data = std::env::var_os("PROVENANCE_TEST_DATA").map(PathBuf::from);
    let Some(data) = data.filter(|data| data.join("index-2020.jsonl.zst").is_file()) else {
        say("skipped: PROVENANCE_TEST_DATA names no folder with index-2020.jsonl.zst");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let staging = folder.path().join("staging.git");
    git(&[
        "clone",
        "--quiet",
        "--mirror",
        "-c",
        "init.defaultBranch=master",
        &data.join("staging-index.bundle").to_string_lossy(),
        &staging.to_string_lossy(),
    ])?;
    let large = folder.path().join("large.git");
    generate(&data.join("index-2020.jsonl.zst"), &large)?;
    commits("staging index", &staging, Start::Beginning)?;
    commits("43,451 crates", &large, Start::Beginning)?;
    scan(&large)?;
    say(&format!("peak memory of this process: {}", peak_memory()));
    Ok(())
}

/// Every commit after the first: what differs, its files read, against what git prints of it. Three runs, the best of each.
fn commits(what: &str, repository: &Path, start: Start) -> Outcome<()> {
    let options = GitOptions { start, ..GitOptions::default() };
    let (mut ours, mut gits, mut n) = (f64::MAX, f64::MAX, 0);
    for _ in 0..3 {
        let mut index = GitIndex::open(repository)?;
        // The root holds everything and is a scan, not a commit.
        let mut cursor = first(&mut index, &options)?;
        let begin = Instant::now();
        n = 0;
        while let Some(batch) = index.next_batch(Some(&cursor), &options)? {
            n += 1;
            cursor = batch.cursor;
        }
        ours = ours.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let output = Command::new("git")
            .args([
                "-C",
                &repository.to_string_lossy(),
                "log",
                "--raw",
                "--no-renames",
                "--first-parent",
                "--all",
                "--format=%H",
            ])
            .output()?;
        gits = gits.min(begin.elapsed().as_secs_f64());
        if !output.status.success() {
            return Err("git log failed".into());
        }
    }
    let each = ours * 1e6 / f64::from(n);
    say(&format!(
        "{what}: {n} commits in {ours:.3} s ({each:.0} µs each), git log --raw {gits:.3} s: ratio {:.2}",
        ours / gits
    ));
    Ok(())
}

fn first(index: &mut GitIndex, options: &GitOptions) -> Outcome<follow::Cursor> {
    let mut cursor = None;
    loop {
        let batch = index.next_batch(cursor.as_ref(), options)?.ok_or("an index without commits")?;
        cursor = Some(batch.cursor);
        if batch.cursor.within.is_none() {
            return Ok(batch.cursor);
        }
    }
}

/// Every line of the head into rows, against two libraries parsing the same files; all read them from the repository. What a
/// library refuses (a `null` dependency kind, say) is work it is spared.
fn scan(repository: &Path) -> Outcome<()> {
    let (mut ours, mut reads, mut tames, mut theirs) = (f64::MAX, f64::MAX, f64::MAX, f64::MAX);
    let (mut n, mut tame, mut their) = (0, (0, 0), (0, 0));
    for _ in 0..3 {
        let mut timed = Instant::now();
        let mut lap = || std::mem::replace(&mut timed, Instant::now()).elapsed().as_secs_f64();
        n = scan_ours(repository)?;
        ours = ours.min(lap());
        parse(repository, |_| Some(0))?;
        reads = reads.min(lap());
        tame = parse(repository, |file| IndexKrate::from_slice(file).ok().map(|krate| krate.versions.len()))?;
        tames = tames.min(lap());
        let read = |file: &[u8]| crates_index::Crate::from_slice(file).ok().map(|krate| krate.versions().len());
        their = parse(repository, read)?;
        theirs = theirs.min(lap());
    }
    say(&format!("scan: {n} versions into rows in {ours:.2} s; reading the files alone, one thread: {reads:.2} s"));
    for (name, (versions, refused), seconds) in [("tame-index", tame, tames), ("crates-index", their, theirs)] {
        let ratio = seconds / ours;
        say(&format!("  {name}: {versions} versions ({refused} files refused) in {seconds:.2} s, ratio {ratio:.2}"));
    }
    Ok(())
}

fn scan_ours(repository: &Path) -> Outcome<usize> {
    // As a follower does that has fetched it.
    let mut index = GitIndex::open_clone(repository)?;
    let options = GitOptions::default();
    let (mut cursor, mut n) = (None, 0);
    while let Some(batch) = index.next_batch(cursor.as_ref(), &options)? {
        n += rows(&batch);
        cursor = Some(batch.cursor);
    }
    Ok(n)
}

fn rows(batch: &Batch) -> usize {
    let commit = batch.commit.to_string();
    let questions: Vec<_> = batch
        .changed
        .iter()
        .map(|file| Question {
            stored: Vec::new(),
            file: file.after.as_deref(),
            context: Context {
                krate: &file.name,
                commit: Some(&commit),
                at: batch.at,
                reading: Reading::Baseline,
                known_duplicates: &[],
                also: &[],
            },
        })
        .collect();
    let rows = reconcile_all(&questions, |_, reconciled| {
        let decisions = reconciled.decisions.iter();
        decisions.filter(|decision| matches!(decision.effect, Effect::Insert { .. })).count()
    });
    rows.into_iter().sum()
}

/// Reads every file of the head and parses it; versions, and files refused.
fn parse(repository: &Path, parse: impl Fn(&[u8]) -> Option<usize>) -> Outcome<(usize, usize)> {
    let repository = Repository::open(repository)?;
    let tree = repository.head()?.peel_to_tree()?;
    let (mut n, mut refused) = (0, 0);
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob) && !folder.is_empty() {
            match repository.find_blob(entry.id()).ok().and_then(|blob| parse(blob.content())) {
                Some(versions) => n += versions,
                None => refused += 1,
            }
        }
        0
    })?;
    Ok((n, refused))
}

/// The index of 2020 as a git repository: everything but the last lines in one commit, and those one a commit.
fn generate(file: &Path, repository: &Path) -> Outcome<()> {
    let output = Command::new("zstd").arg("-dc").arg(file).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let name = line.split('"').nth(3).ok_or("a line without a name")?;
        files.entry(schema::KrateName::parse(name)?.index_path()).or_default().push(line);
    }
    let step = files.len() / COMMITS;
    let late: Vec<_> = files.keys().step_by(step.max(1)).take(COMMITS).cloned().collect();
    let held_back: Vec<_> = late
        .iter()
        .filter_map(|path| {
            let lines = files.get_mut(path).filter(|lines| lines.len() > 1)?;
            Some((path.clone(), lines.pop()?))
        })
        .collect();
    let mut stream = String::from("commit refs/heads/master\ncommitter a <a@localhost> 1600000000 +0000\ndata 0\n");
    for (path, lines) in &files {
        put(&mut stream, path, lines)?;
    }
    for ((path, line), n) in held_back.into_iter().zip(1..) {
        writeln!(stream, "commit refs/heads/master\ncommitter a <a@localhost> {} +0000\ndata 0", 1_600_000_000 + n)?;
        let lines = files.entry(path.clone()).or_default();
        lines.push(line);
        put(&mut stream, &path, lines)?;
    }
    git(&["init", "--quiet", "--bare", "-b", "master", &repository.to_string_lossy()])?;
    let mut import = Command::new("git")
        .args(["-C", &repository.to_string_lossy(), "fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    import.stdin.take().ok_or("no way to git")?.write_all(stream.as_bytes())?;
    if import.wait()?.success() { Ok(()) } else { Err("git fast-import failed".into()) }
}

fn put(stream: &mut String, path: &str, lines: &[&str]) -> Outcome<()> {
    let text = lines.join("\n") + "\n";
    writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len())?;
    Ok(())
}

fn git(arguments: &[&str]) -> Outcome<()> {
    if Command::new("git").args(arguments).status()?.success() {
        Ok(())
    } else {
        Err(format!("git {arguments:?} failed").into())
    }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "not known".to_owned(), |line| line.trim().to_owned())
}

fn say(line: &str) {
    // A reader that went away is no failure.
    let _ = writeln!(std::io::stdout(), "{line}");
}
