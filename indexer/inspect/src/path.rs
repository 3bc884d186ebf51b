//! One path at a time: where it would lead, and what is odd about its letters. No path here is ever opened.

use schema::{Finding, FindingCode};
use serde_json::json;

use crate::facts::{high, low, medium, shown};

/// The path as it unpacks: `.` and empty components removed. Two entries of one key are one file.
pub(crate) fn key(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// All that is odd about one path, given whole as the archive spells it.
pub(crate) fn check(path: &str, is_directory: bool, prefix: &str, notes: &mut Vec<Finding>) {
    let is_root = is_directory && path == prefix.trim_end_matches('/');
    if !is_root && !path.starts_with(prefix) {
        notes.push(high(FindingCode::OutsidePrefix, json!({ "path": shown(path), "prefix": prefix })));
    }
    if leaves(path) {
        notes.push(high(FindingCode::PathEscape, json!({ "path": shown(path) })));
    }
    let mut odd = |severe: bool, what: &str| {
        let detail = json!({ "path": shown(path), "what": what });
        notes.push(if severe { medium(FindingCode::OddPath, detail) } else { low(FindingCode::OddPath, detail) });
    };
    if path.contains('\0') {
        odd(true, "NUL");
    }
    if path.chars().any(|c| c.is_control() && c != '\0') {
        odd(true, "control character");
    }
    if path.contains('\\') {
        odd(true, "backslash");
    }
    let without_slash = if is_directory { path.strip_suffix('/').unwrap_or(path) } else { path };
    if without_slash.split('/').any(|part| part.is_empty() || part == ".") {
        odd(true, "alias: empty or `.` component");
    }
    if without_slash.split('/').any(is_reserved) {
        odd(false, "reserved name");
    }
    if path.chars().any(is_invisible) {
        odd(true, "invisible character");
    }
    if let Some(run) = homoglyph_run(path) {
        notes.push(medium(FindingCode::ContentHomoglyphPath, json!({ "path": shown(path), "run": shown(run) })));
    }
}

/// Whether the path, once unpacked on any system, could lead out of its folder. Every `..` counts: the registry refuses
/// it even where it comes back in.
pub(crate) fn leaves(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    drive || path.starts_with(['/', '\\']) || path.split(['/', '\\']).any(|part| part == "..")
}

/// Names that Windows keeps for devices, or that lose their last character there.
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered =
        |kind: &str| stem.strip_prefix(kind).is_some_and(|digit| digit.len() == 1 && ("1"..="9").contains(&digit));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered("COM")
        || numbered("LPT")
        || (part.ends_with(['.', ' ']) && part != "." && part != "..")
}

/// Characters that change how text looks or reads without being seen.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A run of letters that are all ASCII or look like it, with at least one that only looks like it.
fn homoglyph_run(path: &str) -> Option<&str> {
    if path.is_ascii() {
        return None;
    }
    path.split(|c: char| !c.is_alphanumeric())
        .find(|run| !run.is_ascii() && run.chars().all(|c| c.is_ascii_alphanumeric() || looks_like_ascii(c)))
}

/// The letters of other scripts that most fonts draw as ASCII ones (Unicode TR 39, the common part).
const fn looks_like_ascii(c: char) -> bool {
    matches!(c,
        'а' | 'с' | 'е' | 'о' | 'р' | 'х' | 'у' | 'і' | 'ј' | 'ѕ' | 'ԁ' | 'һ' | 'ԛ' | 'ԝ' | 'ӏ'
        | 'А' | 'В' | 'С' | 'Е' | 'Н' | 'І' | 'Ј' | 'К' | 'М' | 'О' | 'Р' | 'Ѕ' | 'Т' | 'Х' | 'У'
        | 'ο' | 'ν' | 'ρ' | 'α' | 'ι' | 'κ' | 'υ' | 'Α' | 'Β' | 'Ε' | 'Ζ' | 'Η' | 'Ι' | 'Κ' | 'Μ' | 'Ν' | 'Ο' | 'Ρ'
        | 'Τ' | 'Υ' | 'Χ' | 'ı' | 'ɡ' | 'ɑ' | 'ℓ'
        | '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}'
        | '\u{1d400}'..='\u{1d7ff}')
}
