//! `provenance verify`: compare one archive with the repository it names, and say what came of it.

use std::path::Path;

use anyhow::{Context as _, bail};
use inspect::{CrateArchive, Expected, Limits};
use schema::{Inspection, Severity, Timestamp, Tone, Verdict};
use store::Store;
use verify::{
    CachedRepositories, GivenRepository, Options, Repositories, Repository, SourceCheck, Subject as CheckSubject,
    TrustedPublishing,
};

use super::subject::Subject;
use crate::args::VerifyArgs;
use crate::settings::Settings;
use crate::table::{self, cell, toned};
use crate::text::{say, shown};
use crate::{Exit, document, opening};

pub(crate) async fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let archive = if Path::new(&args.subject).extension().is_some_and(|end| end.eq_ignore_ascii_case("crate")) {
        from_file(Path::new(&args.subject))?
    } else {
        from_store(&args.subject, settings).await?
    };
    let trusted = args.trustpub.as_deref().map(read_trusted).transpose()?;
    let sources = opening::sources(settings)?;
    let check = tokio::task::block_in_place(|| {
        let given = args.repository.as_deref();
        let repositories: Box<dyn Repositories> = match given.map(Path::new).filter(|path| path.is_dir()) {
            Some(folder) => Box::new(opened(folder, &sources.cache.limits)?),
            None => Box::new(CachedRepositories::new(sources.folder.clone(), sources.cache.clone())),
        };
        look(&archive, trusted.as_ref(), repositories.as_ref(), &sources.cache.limits, given)
    })?;
    if settings.json {
        document::print(serde_json::to_value(&check)?);
    } else {
        print(&check, settings);
    }
    Ok(exit_of(check.verdict))
}

/// An archive and what inspect found in it.
struct Archive {
    expected: Expected,
    bytes: Vec<u8>,
    inspection: Inspection,
    published_at: Option<Timestamp>,
}

fn from_file(path: &Path) -> anyhow::Result<Archive> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let expected = Expected::from_file_name(&name)?;
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let inspection = inspect::inspect(bytes.as_slice(), &expected, None, &Limits::default())?;
    Ok(Archive { expected, bytes, inspection, published_at: None })
}

async fn from_store(text: &str, settings: &Settings) -> anyhow::Result<Archive> {
    let subject = Subject::parse(text)?;
    if subject.num.is_none() {
        bail!("verify needs a version, {text}@VER, or a file whose name ends in .crate");
    }
    let opened = opening::to_read(settings).await?;
    let store: &dyn Store = opened.store.as_ref();
    let releases = subject.releases(store).await?;
    let Some(release) = releases.last() else { bail!("{text} is not known") };
    let blobs = opening::blobs(settings)?;
    let Some(bytes) = blobs.get(&release.checksum).await? else {
        bail!("the archive of {text} is not here; `provenance index --crate {text}` fetches it");
    };
    let expected = Expected { name: release.key.name.clone(), num: release.key.num.clone() };
    let line = schema::IndexLine::parse(&release.line).ok();
    let inspection = inspect::inspect(bytes.as_ref(), &expected, line.as_ref(), &Limits::default())?;
    Ok(Archive { expected, bytes: bytes.to_vec(), inspection, published_at: release.published_at })
}

/// `{"repository": "…", "sha1": "…"}`
fn read_trusted(path: &Path) -> anyhow::Result<TrustedPublishing> {
    #[derive(serde::Deserialize)]
    struct Recorded {
        repository: String,
        sha1: String,
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let Recorded { repository, sha1 } =
        serde_json::from_str(&text).with_context(|| format!("read {} as repository and sha1", path.display()))?;
    Ok(TrustedPublishing { repository, sha1 })
}

fn opened(folder: &Path, limits: &verify::Limits) -> anyhow::Result<GivenRepository> {
    match Repository::open(folder, limits) {
        Ok(repository) => Ok(GivenRepository::new(repository)),
        Err(status) => bail!("{} cannot be used as a repository: {status}", folder.display()),
    }
}

fn look(
    archive: &Archive,
    trusted: Option<&TrustedPublishing>,
    repositories: &dyn Repositories,
    limits: &verify::Limits,
    given: Option<&str>,
) -> anyhow::Result<SourceCheck> {
    let files = CrateArchive::new(&archive.bytes, &archive.expected, Limits::default());
    let subject = CheckSubject {
        name: &archive.expected.name,
        num: &archive.expected.num,
        published_at: archive.published_at,
        inspection: &archive.inspection,
        files: &files,
        trusted,
    };
    let options = Options { repository: given, ..Options::default() };
    Ok(verify::check(&subject, repositories, limits, &options)?)
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Verified | Verdict::VerifiedEquivalent | Verdict::VerifiedExceptNonbuild => Exit::Done,
        Verdict::Mismatch | Verdict::Review => Exit::Differs,
        Verdict::NotVerifiable => Exit::NotVerifiable,
        Verdict::Unchecked | Verdict::Pending | Verdict::Error => Exit::Failed,
    }
}

fn print(check: &SourceCheck, settings: &Settings) {
    say(&format!("{}@{}: {}", check.name, check.num, check.verdict));
    say(&format!("  {}", shown(&check.words)));
    for line in story(check) {
        say(&format!("  {line}"));
    }
    if check.reasons.is_empty() {
        return;
    }
    let mut table = table::table(settings.color, &["severity", "reason", "detail"]);
    for reason in &check.reasons {
        let tone = match reason.severity {
            Severity::High => Tone::Bad,
            Severity::Medium => Tone::Caution,
            Severity::Low | Severity::Info => Tone::Neutral,
        };
        let detail = serde_json::Value::Object(reason.detail.clone()).to_string();
        table.add_row([toned(reason.severity.as_str(), tone), cell(&reason.code), cell(&detail)]);
    }
    say(&format!("\n{}", table.trim_fmt()));
    for differing in &check.facts.files.differing {
        if let Some(diff) = &differing.diff {
            say(&format!("\n{}", diff.lines().map(shown).collect::<Vec<_>>().join("\n")));
        }
    }
}

/// The five facts in words.
pub(crate) fn story(check: &SourceCheck) -> Vec<String> {
    let (repository, commit, files) = (&check.facts.repository, &check.facts.commit, &check.facts.files);
    let or_none = |text: Option<&String>| text.map_or_else(|| "none".to_owned(), |text| shown(text));
    let mut lines = vec![
        format!(
            "repository: {} (claimed: {}), {}",
            or_none(repository.normalised.as_ref()),
            or_none(repository.claimed.as_ref()),
            repository.status
        ),
        format!(
            "commit: claimed {}{}{}",
            or_none(commit.claimed.as_ref()),
            commit.claimed_status.map(|status| format!(", {status}")).unwrap_or_default(),
            if commit.dirty { ", dirty" } else { "" }
        ),
    ];
    if let Some(to) = &repository.redirected_to {
        lines.push(format!("redirected to {}", shown(to)));
    }
    if let Some(matched) = commit.matched {
        let by = commit.found_by.map(|by| format!(", found by {by}")).unwrap_or_default();
        let tag = commit.tag.as_ref().map(|tag| format!(", tag {}", shown(tag))).unwrap_or_default();
        let folder = commit.package_path.as_deref().filter(|folder| !folder.is_empty());
        let folder = folder.map(|folder| format!(", in {}", shown(folder))).unwrap_or_default();
        let made = commit.committed_at.map(|at| format!(", made {at}")).unwrap_or_default();
        lines.push(format!("compared with {matched}{by}{tag}{folder}{made}"));
    }
    let explained: u64 = files.explained.values().sum();
    lines.push(format!(
        "files: {}; {} compared, {} identical, {explained} explained, {} differing, {} extra, {} missing",
        files.status,
        files.total,
        files.identical,
        files.differing.len(),
        files.extra.len(),
        files.missing.len()
    ));
    if let Some(manifest) = &check.facts.manifest {
        lines.push(format!("manifest: {}", manifest.status));
        lines.extend(manifest.notes.iter().map(|note| format!("  {}", shown(note))));
    }
    lines.push(format!("judged by {}", check.rules));
    lines
}
