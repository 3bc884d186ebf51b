//! The packager's age by the entries' times (design 03): one archive is made by one cargo, so its times agree.

use schema::{Entry, EntryKind, Finding, FindingCode, Severity};
use serde_json::json;

/// Files that cargo writes itself.
const GENERATED: [&str; 3] = ["Cargo.toml", "Cargo.lock", ".cargo_vcs_info.json"];
/// The fixed times cargo gives to files it copies: 1.54 and later, then the one before and after 1.93.
const FIXED: [u64; 2] = [123_456_789, 1_153_704_088];

/// A finding when files bear times of two ages of cargo.
pub(crate) fn check(entries: &[Entry]) -> Option<Finding> {
    let files = || entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let copied = files().filter(|entry| !GENERATED.contains(&entry.path.as_str()));
    let generated = files().filter(|entry| GENERATED.contains(&entry.path.as_str()));
    let first = copied.clone().next()?;
    let odd_one = copied
        .clone()
        .find(|entry| entry.mtime != first.mtime && (FIXED.contains(&entry.mtime) || FIXED.contains(&first.mtime)));
    let odd_one = odd_one.or_else(|| {
        let allowed = |mtime: u64| mtime == first.mtime || mtime == 1;
        let first_generated = generated.clone().next().map(|entry| entry.mtime);
        let mut generated = generated.clone();
        match first.mtime {
            fixed if fixed == FIXED[1] => {
                generated.find(|entry| !allowed(entry.mtime) || Some(entry.mtime) != first_generated)
            }
            _ => generated.find(|entry| FIXED.contains(&entry.mtime) && entry.mtime != first.mtime),
        }
    })?;
    let detail = json!({
        "path": first.path, "mtime": first.mtime, "other_path": odd_one.path, "other_mtime": odd_one.mtime,
    });
    Some(Finding::new(FindingCode::PackagerInconsistent, Severity::Info, detail))
}
