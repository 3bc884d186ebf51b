//! `provenance inspect FILE.crate`: look inside one archive, without database or network.

use std::fs::File;

use anyhow::Context as _;
use inspect::{Expected, Limits};
use schema::{EntryKind, Inspection, Severity, Tone};
use serde_json::json;

use super::subject::Subject;
use crate::args::InspectArgs;
use crate::settings::Settings;
use crate::table::{self, cell, number, toned};
use crate::text::{count, say, shown};
use crate::{Exit, document};

pub(crate) fn run(args: &InspectArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let expected = expected(args)?;
    let file = File::open(&args.file).with_context(|| format!("open {}", args.file.display()))?;
    let defaults = Limits::default();
    let limits = Limits {
        compressed_size: settings.max_archive_size.value,
        entries: args.limits.max_entries.unwrap_or(defaults.entries),
        unpacked_floor: args.limits.max_unpacked.unwrap_or(defaults.unpacked_floor),
        ..defaults
    };
    let inspection = tokio::task::block_in_place(|| inspect::inspect(file, &expected, None, &limits))
        .with_context(|| format!("read {}", args.file.display()))?;
    if settings.json {
        document::print(as_json(&inspection)?);
    } else {
        print(&inspection, settings);
    }
    Ok(Exit::Done)
}

fn expected(args: &InspectArgs) -> anyhow::Result<Expected> {
    if let Some(text) = &args.expect {
        let Subject { name, num } = Subject::parse(text)?;
        let num = num.with_context(|| format!("--expect {text:?} names no version"))?;
        return Ok(Expected { name, num });
    }
    let file_name = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Expected::from_file_name(&file_name)
        .with_context(|| format!("{file_name:?} does not say what it should be; name it with --expect NAME@VER"))
}

fn as_json(inspection: &Inspection) -> anyhow::Result<serde_json::Value> {
    let mut document = serde_json::to_value(inspection)?;
    document["findings"] = json!(inspection.findings.kept());
    document["findings_total"] = json!(inspection.findings.totals());
    Ok(document)
}

fn print(inspection: &Inspection, settings: &Settings) {
    let archive = &inspection.archive;
    say(&format!("{}@{}  sha256 {}", inspection.name, inspection.num, archive.sha256));
    say(&format!(
        "{} compressed bytes, {} unpacked in {}",
        archive.compressed_size,
        archive.unpacked_size,
        count(inspection.files.iter().filter(|entry| entry.kind == EntryKind::File).count(), "file")
    ));
    match &inspection.claim {
        Some(claim) => {
            let dirty = if claim.dirty { ", dirty" } else { "" };
            let path = claim.path_in_vcs.as_deref().filter(|path| !path.is_empty());
            let path = path.map(|path| format!(" in {}", shown(path))).unwrap_or_default();
            say(&format!("claims commit {}{path}{dirty}", shown(&claim.sha1)));
        }
        None => say("claims no commit"),
    }
    if let Some(repository) = inspection.manifest.as_ref().and_then(|manifest| manifest.repository.as_ref()) {
        say(&format!("claims repository {}", shown(repository)));
    }
    let mut table = table::table(settings.color, &["size", "kind", "git blob", "path"]);
    for entry in &inspection.files {
        table.add_row([
            number(entry.size),
            cell(entry.kind.as_str()),
            cell(&entry.git_blob.to_string()),
            cell(&entry.path),
        ]);
    }
    say(&format!("\n{}", table.trim_fmt()));
    print_findings(inspection, settings);
}

fn print_findings(inspection: &Inspection, settings: &Settings) {
    if inspection.findings.is_empty() {
        say("\nnothing odd");
        return;
    }
    let mut table = table::table(settings.color, &["severity", "finding", "detail"]);
    for finding in inspection.findings.kept() {
        let tone = match finding.severity {
            Severity::High => Tone::Bad,
            Severity::Medium => Tone::Caution,
            Severity::Low | Severity::Info => Tone::Neutral,
        };
        let detail = serde_json::Value::Object(finding.detail.clone()).to_string();
        table.add_row([toned(finding.severity.as_str(), tone), cell(finding.code.as_str()), cell(&detail)]);
    }
    say(&format!("\n{}", table.trim_fmt()));
}
