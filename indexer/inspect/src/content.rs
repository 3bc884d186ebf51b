//! A file's content as it streams by: compiled code by its first bytes, hidden characters in source text.

use schema::{Finding, FindingCode, Severity};
use serde_json::json;

use crate::facts::{low, shown};
use crate::path::is_invisible;

const HEAD: usize = 512;
const SOURCE_ENDINGS: [&str; 24] = [
    "rs", "toml", "c", "h", "cc", "cpp", "cxx", "hpp", "s", "asm", "py", "sh", "js", "mjs", "ts", "pl", "proto", "ron",
    "pest", "lalrpop", "cmake", "mk", "in", "ps1",
];

/// What is known of one file so far.
#[derive(Default)]
pub(crate) struct Content {
    head: Vec<u8>,
    is_source: bool,
    read: u64,
    /// The beginning of a character that the last chunk cut off.
    cut: Vec<u8>,
    first_hidden: Option<(u64, char)>,
    n_hidden: u64,
    reorders: bool,
}

impl Content {
    pub(crate) fn new(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let is_source = ending.is_some_and(|ending| SOURCE_ENDINGS.contains(&ending.as_str()));
        Self { is_source, ..Self::default() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if self.head.len() < HEAD {
            let n_bytes = bytes.len().min(HEAD - self.head.len());
            self.head.extend_from_slice(&bytes[..n_bytes]);
        }
        // Most chunks of most sources are ASCII, and that is quick to see.
        if self.is_source && !(self.cut.is_empty() && bytes.is_ascii()) {
            self.search(bytes);
        }
        self.read += bytes.len() as u64;
    }

    /// The findings of this file.
    pub(crate) fn finish(self, path: &str, notes: &mut Vec<Finding>) {
        if let Some(format) = compiled_format(&self.head) {
            notes.push(low(FindingCode::ContentBinary, json!({ "path": shown(path), "format": format })));
        }
        if let Some((at, c)) = self.first_hidden {
            let detail = json!({
                "path": shown(path), "at": at, "character": format!("U+{:04X}", u32::from(c)), "count": self.n_hidden,
            });
            let severity = if self.reorders { Severity::Medium } else { Severity::Low };
            notes.push(Finding::new(FindingCode::ContentHiddenUnicode, severity, detail));
        }
    }

    fn search(&mut self, bytes: &[u8]) {
        let n_cut = self.cut.len();
        let joined = if n_cut == 0 { None } else { Some([std::mem::take(&mut self.cut).as_slice(), bytes].concat()) };
        let text = joined.as_deref().unwrap_or(bytes);
        let start = self.read - n_cut as u64;
        let mut offset = 0;
        for chunk in text.utf8_chunks() {
            for (at, c) in chunk.valid().char_indices().filter(|(_, c)| is_invisible(*c)) {
                let at = start + (offset + at) as u64;
                // A byte order mark is one only at the very start.
                if c == '\u{feff}' && at == 0 {
                    continue;
                }
                self.n_hidden += 1;
                self.first_hidden.get_or_insert((at, c));
                self.reorders |= !matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}');
            }
            offset += chunk.valid().len() + chunk.invalid().len();
            if offset == text.len() && chunk.invalid().len() < 4 {
                self.cut = chunk.invalid().to_vec();
            }
        }
    }
}

/// The format of compiled code that begins with these bytes.
fn compiled_format(head: &[u8]) -> Option<&'static str> {
    let four: [u8; 4] = head.get(..4)?.try_into().ok()?;
    match four {
        [0x7f, b'E', b'L', b'F'] => Some("elf"),
        [0, b'a', b's', b'm'] => Some("wasm"),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf] | [0xce | 0xcf, 0xfa, 0xed, 0xfe] => Some("mach-o"),
        // A Java class begins the same; its next number is a version of 45 or more.
        [0xca, 0xfe, 0xba, 0xbe | 0xbf]
            if head.get(4..8).is_some_and(|n| n[..3] == [0; 3] && (1..45).contains(&n[3])) =>
        {
            Some("mach-o")
        }
        [b'M', b'Z', ..] if is_pe(head) => Some("pe"),
        _ if head.starts_with(b"!<arch>\n") || head.starts_with(b"!<thin>\n") => Some("static-library"),
        _ => None,
    }
}

/// `MZ` begins many a text; a program has NULs right behind, or its second signature where the first points.
fn is_pe(head: &[u8]) -> bool {
    let at = head.get(60..64).and_then(|at| at.try_into().ok()).map(u32::from_le_bytes);
    let signature =
        at.and_then(|at| head.get(usize::try_from(at).ok()?..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"));
    signature || head.iter().take(64).filter(|byte| **byte == 0).count() >= 4
}
