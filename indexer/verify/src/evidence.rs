//! Evidence a person can read: a unified diff, cut at a limit. Nothing is decided here.

use similar::TextDiff;

/// The most bytes of one diff.
const MAX_DIFF: usize = 8 << 10;
/// The largest file that is diffed; beyond it the digests must do.
const MAX_FILE: usize = 512 << 10;

/// The difference from the repository's bytes to the archive's; `None` for what is no text or too large.
#[must_use]
pub(crate) fn unified_diff(repository: &[u8], archive: &[u8]) -> Option<String> {
    if repository.len() > MAX_FILE || archive.len() > MAX_FILE {
        return None;
    }
    let (old, new) = (std::str::from_utf8(repository).ok()?, std::str::from_utf8(archive).ok()?);
    if old.contains('\0') || new.contains('\0') {
        return None;
    }
    let diff = TextDiff::configure().timeout(std::time::Duration::from_millis(500)).diff_lines(old, new);
    let mut text = diff.unified_diff().context_radius(3).header("repository", "archive").to_string();
    if text.len() > MAX_DIFF {
        let cut = (0..=MAX_DIFF).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let rest = text.len() - cut;
        text.truncate(cut);
        text = format!("{text}\n[{rest} more bytes]\n");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_both_sides_and_is_cut() {
        let diff = unified_diff(b"a\n//b\nc\n", b"a\nb\nc\n").unwrap();
        assert!(diff.contains("-//b\n+b\n"), "{diff}");
        let long = "line\n".repeat(50_000);
        let diff = unified_diff(b"", long.as_bytes()).unwrap();
        assert!(diff.len() < MAX_DIFF + 40 && diff.ends_with("more bytes]\n"));
        assert_eq!(unified_diff(b"\0", b"a"), None);
    }
}
