//! Short ways to say a finding, and to stop; shared by the files that see the evidence.

use schema::{Finding, FindingCode, Severity};
use serde_json::{Value, json};

/// Why the reading of an archive ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The archive is at fault: this finding says how.
    Found(Finding),
    /// Our own read failed.
    Read(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

pub(crate) fn high(code: FindingCode, detail: Value) -> Finding {
    Finding::new(code, Severity::High, detail)
}

pub(crate) fn medium(code: FindingCode, detail: Value) -> Finding {
    Finding::new(code, Severity::Medium, detail)
}

pub(crate) fn low(code: FindingCode, detail: Value) -> Finding {
    Finding::new(code, Severity::Low, detail)
}

/// A limit was crossed: which, what it is, and what was met (at least).
pub(crate) fn over_limit(limit: &str, allowed: u64, met: u64) -> Finding {
    high(FindingCode::Limit, json!({ "limit": limit, "allowed": allowed, "met": met }))
}

/// Hostile text cut to what fits a detail.
pub(crate) fn shown(text: &str) -> String {
    const KEPT: usize = 512;
    match text.char_indices().nth(KEPT) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}
