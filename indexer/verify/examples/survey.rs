//! Checks every archive of a folder whose repository has a local copy and prints one line each: how docs/VERIFIED.md was made.
//!
//! `cargo run --release -p provenance-verify --example survey -- MIRRORS.toml FOLDER…`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use inspect::{CrateArchive, Expected};
use verify::{Limits, LocalMirrors, Mirrors, Options, SourceCheck, Subject};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mirrors = Mirrors::parse(&std::fs::read_to_string(arguments.next().ok_or("which mirrors?")?)?)?;
    let limits = Limits::default();
    let repositories = LocalMirrors::new(mirrors, limits.clone());
    let mut out = std::io::stdout().lock();
    for folder in arguments {
        let mut archives: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
        archives.sort();
        for path in archives.iter().filter(|path| path.extension().is_some_and(|extension| extension == "crate")) {
            let started = Instant::now();
            match checked(path, &repositories, &limits) {
                Ok(None) => {}
                Ok(Some(check)) => writeln!(out, "{}", line(&check, started.elapsed().as_millis()))?,
                Err(error) => writeln!(out, "{}\terror\t{error}", path.display())?,
            }
        }
    }
    Ok(())
}

/// `None` when there is no local copy of its repository.
fn checked(path: &Path, repositories: &LocalMirrors, limits: &Limits) -> Result<Option<SourceCheck>, Failure> {
    let file_name = path.file_name().and_then(|name| name.to_str()).ok_or("odd file name")?;
    let expected = Expected::from_file_name(file_name)?;
    let bytes = std::fs::read(path)?;
    let inspection = inspect::inspect(bytes.as_slice(), &expected, None, &inspect::Limits::default())?;
    let files = CrateArchive::new(bytes, &expected, inspect::Limits::default());
    let subject = Subject {
        name: &expected.name,
        num: &expected.num,
        published_at: None,
        inspection: &inspection,
        files: &files,
        trusted: None,
    };
    let check = verify::check(&subject, repositories, limits, &Options::default())?;
    let status = check.facts.repository.status;
    Ok((status != verify::RepositoryStatus::Blocked && status != verify::RepositoryStatus::Gone).then_some(check))
}

fn line(check: &SourceCheck, millis: u128) -> String {
    let codes: Vec<_> = check.reasons.iter().map(|reason| format!("{}:{}", reason.severity, reason.code)).collect();
    let found_by = check.facts.commit.found_by.map_or("-", verify::ClaimSource::as_str);
    format!(
        "{}\t{}\t{}\t{found_by}\t{millis} ms\t{}\t{}",
        check.name,
        check.num,
        check.verdict,
        check.words,
        codes.join(" ")
    )
}
