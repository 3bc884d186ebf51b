//! All paths together: duplicates, and paths that are one on some file system.

use std::cmp::Ordering;

use schema::{Entry, EntryKind, Finding, FindingCode, Findings, Severity};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use crate::facts::{high, medium, shown};
use crate::path;

struct Name<'a> {
    folded: String,
    entry: &'a Entry,
}

/// Compares every path with its neighbours in an order that puts equal ones, and folders and their content, together.
pub(crate) fn check(entries: &[Entry], findings: &mut Findings) {
    let mut names: Vec<Name<'_>> =
        entries.iter().map(|entry| Name { folded: folded(&path::key(&entry.path)), entry }).collect();
    names.sort_by(|a, b| by_parts(&a.folded, &b.folded));
    let mut files_above: Vec<&Name<'_>> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        files_above.retain(|file| is_below(&name.folded, &file.folded));
        if let Some(file) = files_above.last() {
            report_file_as_folder(file.entry, name.entry, findings);
        }
        let before = at.checked_sub(1).and_then(|before| names.get(before));
        if let Some(before) = before.filter(|before| before.folded == name.folded) {
            findings.push(compare(before.entry, name.entry));
        }
        if name.entry.kind != EntryKind::Directory {
            files_above.push(name);
        }
    }
}

/// One name on a file system that ignores case and Unicode composition.
fn folded(key: &str) -> String {
    if key.is_ascii() { key.to_ascii_lowercase() } else { key.nfc().collect::<String>().to_lowercase().nfc().collect() }
}

fn by_parts(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn compare(first: &Entry, second: &Entry) -> Finding {
    let (a, b) = (path::key(&first.path), path::key(&second.path));
    let both = json!({ "path": shown(&second.path), "other": shown(&first.path) });
    if a == b {
        if (first.kind == EntryKind::Directory) != (second.kind == EntryKind::Directory) {
            return odd(first, second, "file and folder of one name");
        }
        let same = first.kind == second.kind && first.git_blob == second.git_blob && first.sha256 == second.sha256;
        let detail = json!({
            "path": shown(&a), "same_bytes": same, "sha256": [first.sha256, second.sha256],
            "kinds": [first.kind, second.kind],
        });
        let severity = if same { Severity::Low } else { Severity::High };
        return Finding::new(FindingCode::DuplicatePath, severity, detail);
    }
    if a.nfc().eq(b.nfc()) {
        return odd(first, second, "Unicode twins");
    }
    high(FindingCode::CaseCollision, both)
}

fn report_file_as_folder(file: &Entry, below: &Entry, findings: &mut Findings) {
    if is_below(&path::key(&below.path), &path::key(&file.path)) {
        findings.push(odd(file, below, "file and folder of one name"));
    } else {
        let detail = json!({ "path": shown(&below.path), "other": shown(&file.path) });
        findings.push(high(FindingCode::CaseCollision, detail));
    }
}

fn odd(first: &Entry, second: &Entry, what: &str) -> Finding {
    medium(FindingCode::OddPath, json!({ "path": shown(&second.path), "other": shown(&first.path), "what": what }))
}
