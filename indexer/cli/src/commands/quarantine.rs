//! A quarantined line or file, as `doctor` and `status` show it.

use serde_json::{Value, json};
use store::Quarantined;

use crate::text::shown;

pub(super) fn as_json(bad: &Quarantined) -> Value {
    json!({
        "origin": bad.origin, "path": bad.entry.path, "line": bad.entry.line, "reason": bad.entry.reason,
        "raw": bad.entry.raw, "first_seen_at": bad.first_seen_at,
    })
}

pub(super) fn words(bad: &Quarantined) -> String {
    let entry = &bad.entry;
    format!("       {} {}:{}: {}", bad.origin, shown(&entry.path), entry.line, shown(&entry.reason))
}
