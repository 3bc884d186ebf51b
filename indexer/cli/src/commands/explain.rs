//! `provenance explain`: why a row is what it is, in words: which line, which check, which rule.

use anyhow::bail;
use schema::{AdvisoryState, AsOf, ChecksumState, Clock as _, Findings, Generation, ProvenanceRow, Release};
use serde_json::json;
use store::Store;

use super::show::rows_of_releases;
use super::subject::Subject;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{count, say, shown};
use crate::{Exit, document, opening};

pub(crate) async fn run(subject: &str, settings: &Settings) -> anyhow::Result<Exit> {
    let subject = Subject::parse(subject)?;
    if subject.num.is_none() {
        bail!("explain needs a version: NAME@VER; `provenance show {}` lists them", subject.name);
    }
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    let as_of = document::as_of(store).await?;
    let releases = subject.releases(store).await?;
    let rows = rows_of_releases(store, &releases).await?;
    let mut documents = Vec::new();
    for (release, row) in releases.iter().zip(&rows) {
        let paragraphs = paragraphs(store, release, row, &as_of).await?;
        if settings.json {
            documents.push(json!({ "row": row, "because": paragraphs }));
        } else {
            say(&format!("{}\n", shown(&release.key.to_string())));
            for paragraph in &paragraphs {
                say(&format!("  {paragraph}"));
            }
            say("");
        }
    }
    if settings.json {
        document::print(json!({ "as_of": as_of, "releases": documents }));
    } else {
        say(&document::as_of_words(&as_of, SystemClock.now()));
    }
    Ok(Exit::Done)
}

async fn paragraphs(
    store: &dyn Store,
    release: &Release,
    row: &ProvenanceRow,
    as_of: &AsOf,
) -> anyhow::Result<Vec<String>> {
    let mut because = vec![about_index(release)];
    let changes = store.changes(0, Some(&release.key.name.canonical()), u32::MAX).await?;
    for change in changes.iter().filter(|change| change.change.num.as_ref() == Some(&release.key.num)) {
        let fields = if change.change.fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", shown(&change.change.fields.join(", ")))
        };
        because.push(format!("index change #{}: {}{fields} at {}", change.seq, change.change.kind, change.change.at));
    }
    because.push(about_archive(store, release, row).await?);
    because.extend(about_inspection(store, release).await?);
    because.push(format!("source: {}", shown(&row.source.words)));
    because.extend(about_source(store, release).await?);
    because.push(about_advisories(row, as_of));
    because.push(format!("badge: {} ({})", shown(&row.badge.message), row.badge.tone));
    because.push(format!(
        "rule {} wrote this row; it last changed at {} and was last checked at {}",
        row.rules, row.changed_at, row.checked_at
    ));
    Ok(because)
}

fn about_index(release: &Release) -> String {
    let published = release
        .published_at
        .map_or_else(|| "the index does not say when it was published".to_owned(), |at| format!("published {at}"));
    let generation = match release.key.generation {
        Generation::FIRST => String::new(),
        later => format!("; this is archive number {later} of that version"),
    };
    let deleted = release.deleted_at.map(|at| format!("; gone from the index since {at}")).unwrap_or_default();
    let yanked = if release.yanked { "; yanked" } else { "" };
    format!("index: {published}, first seen here {}{yanked}{deleted}{generation}", release.first_seen_at)
}

async fn about_archive(store: &dyn Store, release: &Release, row: &ProvenanceRow) -> anyhow::Result<String> {
    let archive = store.archive(release.id).await?;
    let of = |text: Option<String>| text.map_or_else(|| "nowhere".to_owned(), |text| shown(&text));
    Ok(match (row.checksum_state, archive) {
        (ChecksumState::Ok, Some(archive)) => format!(
            "archive: {} bytes from {}, sha256 {} as the index promises, at {}",
            archive.size.unwrap_or_default(),
            of(archive.origin),
            release.checksum,
            archive.at
        ),
        (ChecksumState::Mismatch, Some(archive)) => format!(
            "archive: sha256 {} came from {}, the index promises {}; both were looked at twice ({})",
            archive.found.map(|found| found.to_string()).unwrap_or_default(),
            of(archive.origin),
            release.checksum,
            archive.at
        ),
        (ChecksumState::Gone, Some(archive)) => match archive.http_status {
            Some(status) => format!("archive: the registry answered {status} at {}", archive.at),
            None => format!("archive: the registry serves another one under this number since {}", archive.at),
        },
        (ChecksumState::NoAddress, _) => {
            "archive: the index names no address, and no local folder has it (--archives DIR)".to_owned()
        }
        (ChecksumState::Unchecked, _) => format!(
            "archive: not asked for; `provenance index --crate {}@{}` fetches it",
            release.key.name, release.key.num
        ),
        (state, _) => format!("archive: {state}{}", open_errors(store, release).await?),
    })
}

async fn open_errors(store: &dyn Store, release: &Release) -> anyhow::Result<String> {
    let mut words = String::new();
    for step in [schema::Step::Download, schema::Step::Inspect] {
        for mark in store.open_marks(&[release.id], step).await? {
            let error = mark.error.map(|error| format!(": {}", shown(&error))).unwrap_or_default();
            let state = if mark.dead { "given up" } else { "due" };
            words = format!("{words}; {step} is {state} after {} tries{error}", mark.tries);
        }
    }
    Ok(words)
}

async fn about_inspection(store: &dyn Store, release: &Release) -> anyhow::Result<Vec<String>> {
    let Some(inspection) = store.inspection(release.id).await? else { return Ok(Vec::new()) };
    let mut lines = vec![format!(
        "inside: {} with {} bytes; claim {}",
        count(usize::try_from(inspection.n_files).unwrap_or(usize::MAX), "entry").replace("entrys", "entries"),
        inspection.unpacked_size,
        inspection.claim.map_or_else(
            || "none".to_owned(),
            |claim| {
                let dirty = if claim.dirty { " (dirty)" } else { "" };
                format!("commit {}{dirty}", shown(&claim.sha1))
            }
        )
    )];
    lines.extend(about_findings(&inspection.findings));
    Ok(lines)
}

fn about_findings(findings: &Findings) -> Vec<String> {
    let mut lines: Vec<_> = findings
        .kept()
        .iter()
        .take(20)
        .map(|finding| {
            let detail = serde_json::Value::Object(finding.detail.clone()).to_string();
            format!("finding: {} ({}) {}", finding.code, finding.severity, shown(&detail))
        })
        .collect();
    let total: u64 = findings.totals().values().sum();
    if total > lines.len() as u64 {
        lines.push(format!("finding: {total} in all; `provenance inspect --json` has the rest"));
    }
    lines
}

/// The story of the last source check, and its reasons.
async fn about_source(store: &dyn Store, release: &Release) -> anyhow::Result<Vec<String>> {
    let Some(check) = store.checks(release.id).await?.pop() else { return Ok(Vec::new()) };
    let told: verify::SourceCheck = serde_json::from_str(&check.document)?;
    let mut lines: Vec<_> = super::verify::story(&told).into_iter().map(|line| format!("  {line}")).collect();
    lines.extend(told.reasons.iter().take(20).map(|reason| {
        let detail = serde_json::Value::Object(reason.detail.clone()).to_string();
        format!("  reason: {} ({}) {}", shown(&reason.code), reason.severity, shown(&detail))
    }));
    Ok(lines)
}

fn about_advisories(row: &ProvenanceRow, as_of: &AsOf) -> String {
    let asked = as_of.advisory_db.as_ref().map_or_else(
        || "no advisory database is loaded".to_owned(),
        |commit| format!("database {}", opening::described(commit, SystemClock.now())),
    );
    let ids = |ids: &[schema::AdvisoryId]| ids.iter().map(|id| shown(&id.0)).collect::<Vec<_>>().join(", ");
    let near = if row.advisories.near.is_empty() {
        String::new()
    } else {
        format!("; it is a pre-release of a version affected by {}", ids(&row.advisories.near))
    };
    match row.advisories.state {
        AdvisoryState::Pending => format!("advisories: not matched yet; {asked}"),
        AdvisoryState::Unknown => format!("advisories: nothing can be said; {asked}"),
        AdvisoryState::NoneKnown => format!("advisories: none known{near}; {asked}"),
        AdvisoryState::Affected => {
            format!("advisories: covered by {}{near}; {asked}", ids(&row.advisories.ids))
        }
    }
}
