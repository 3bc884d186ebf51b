//! A crate's file taken apart into lines: those already held, those read anew, those nobody can read. Compares nothing.

use std::collections::{HashMap, HashSet};

use memchr::memchr_iter;
use schema::{IndexLine, KrateName};

/// A line that was read, with the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLine {
    /// The line byte for byte, without its end and without a byte order mark.
    pub text: String,
    /// What it says.
    pub parsed: IndexLine,
}

/// A line (or file) that cannot be read; its text is kept until somebody can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The file, below the index's root.
    pub path: String,
    /// The line's number, counted from 1; 0 means the whole file.
    pub line: usize,
    /// Its text; bytes that are not UTF-8 are shown as U+FFFD.
    pub raw: String,
    /// Why it cannot be read.
    pub reason: String,
}

/// The lines of one file.
pub(crate) struct FileLines {
    /// The readable lines in order.
    pub(crate) lines: Vec<Line>,
    /// The others.
    pub(crate) quarantine: Vec<Quarantined>,
    /// What may be behind the others.
    pub(crate) hidden: Hidden,
}

/// A readable line.
pub(crate) enum Line {
    /// Its text is that of a held line, given by its index there: nothing to parse, nothing to compare.
    Held(usize),
    /// Anything else.
    Read(Box<ReadLine>),
}

/// The versions that may stand in unreadable lines; none of them counts as deleted.
#[derive(Default)]
pub(crate) struct Hidden {
    nums: HashSet<String>,
    raw: Vec<String>,
    anything: bool,
}

impl Hidden {
    /// Whether the version, or the archive with this checksum, may be behind an unreadable line.
    pub(crate) fn may_hide(&self, num: &str, checksum: &str) -> bool {
        self.anything || self.nums.contains(num) || self.raw.iter().any(|raw| raw.contains(checksum))
    }

    fn add(&mut self, raw: &str) {
        match version_in(raw) {
            Some(num) => drop(self.nums.insert(num.to_owned())),
            // The checksum may have survived; without either, it could be any version.
            None if contains_checksum(raw) => self.raw.push(raw.to_owned()),
            None => self.anything = true,
        }
    }
}

/// Takes the file of `krate` apart; `held` finds a held line by its exact text.
pub(crate) fn read_file(bytes: &[u8], krate: &KrateName, held: &HashMap<&str, usize>) -> FileLines {
    let mut file = FileLines { lines: Vec::new(), quarantine: Vec::new(), hidden: Hidden::default() };
    for (n, line) in split_lines(bytes) {
        let reason = match std::str::from_utf8(line) {
            Ok(text) => match held.get(text) {
                Some(&at) => {
                    file.lines.push(Line::Held(at));
                    continue;
                }
                None => match read_line(text, krate) {
                    Ok(parsed) => {
                        file.lines.push(Line::Read(Box::new(ReadLine { text: text.to_owned(), parsed })));
                        continue;
                    }
                    Err(reason) => reason,
                },
            },
            Err(error) => format!("not UTF-8: {error}"),
        };
        let raw = String::from_utf8_lossy(line).into_owned();
        file.hidden.add(&raw);
        file.quarantine.push(Quarantined { path: krate.index_path(), line: n, raw, reason });
    }
    file
}

/// Whether any line is one of an index, readable or nearly so; a log-in page has none.
pub(crate) fn looks_like_index(text: &str) -> bool {
    split_lines(text.as_bytes()).any(|(_, line)| {
        std::str::from_utf8(line).is_ok_and(|line| IndexLine::parse(line).is_ok() || version_in(line).is_some())
    })
}

/// The lines that say something, with their numbers from 1; line ends, byte order marks and blank lines are gone.
pub(crate) fn split_lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.scan(0, |begin, end| bytes.get(std::mem::replace(begin, end + 1)..end))
        .map(|line| line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .zip(1..)
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(line, n)| (n, line))
}

fn read_line(text: &str, krate: &KrateName) -> Result<IndexLine, String> {
    let parsed = IndexLine::parse(text).map_err(|error| error.to_string())?;
    if !parsed.name.is_same_krate(krate) {
        return Err(format!("the line is about crate {}, the file about {krate}", parsed.name));
    }
    Ok(parsed)
}

/// The version a damaged line is about, as far as it can be made out.
fn version_in(raw: &str) -> Option<&str> {
    let (_, after) = raw.split_once("\"vers\"")?;
    let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (num, _) = value.split_once('"')?;
    schema::VersionNum::parse(num).is_ok().then_some(num)
}

fn contains_checksum(raw: &str) -> bool {
    raw.split(|letter: char| !letter.is_ascii_hexdigit()).any(|run| run.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let bytes = "\u{feff}a\r\n\n \t\r\nb\nc".as_bytes();
        let lines: Vec<_> = split_lines(bytes).collect();
        assert_eq!(lines, [(1, &b"a"[..]), (4, b"b"), (5, b"c")]);
    }

    #[test]
    fn a_damaged_line_still_tells_its_version() {
        assert_eq!(version_in(r#"{"name":"a", "vers" : "1.0.0+x","deps":[{"#), Some("1.0.0+x"));
        for raw in ["<html>", r#"{"vers":1}"#, r#"{"vers":"1.0"#, r#"{"vers":"a b"}"#] {
            assert_eq!(version_in(raw), None, "{raw}");
        }
    }

    #[test]
    fn a_page_is_no_index_file() {
        for text in ["", "\n\n", "<!doctype html>\n<p>log in</p>", r#"{"errors":[{"detail":"no"}]}"#, "null"] {
            assert!(!looks_like_index(text), "{text}");
        }
        assert!(looks_like_index("garbage\n{\"name\":\"a\",\"vers\":\"1.0.0\",\"de"));
    }
}
