//! The claim, judged for shape: a commit id is 40 or 64 lower-case hex digits, a folder is relative and stays inside (design 04, step 1).

use git2::Oid;

/// The longest folder a claim may name.
const MAX_PATH: usize = 4096;

/// What a commit id is worth by its shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimedId {
    /// An id of a sha1 repository.
    Sha1(Oid),
    /// An id of a sha256 repository; none is read today.
    Sha256,
    /// No id: not trimmed, not abbreviated, lower case only.
    Malformed,
}

/// Reads a commit id strictly.
#[must_use]
pub(crate) fn claimed_id(text: &str) -> ClaimedId {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match (is_hex, text.len()) {
        (true, 40) => Oid::from_str(text).map_or(ClaimedId::Malformed, ClaimedId::Sha1),
        (true, 64) => ClaimedId::Sha256,
        _ => ClaimedId::Malformed,
    }
}

/// The folder a claim names, with `.` and doubled slashes removed; `None` when it is no folder inside a repository.
#[must_use]
pub(crate) fn claimed_folder(path: &str) -> Option<String> {
    let components: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let bad = path.starts_with('/')
        || path.len() > MAX_PATH
        || path.contains(['\0', '\\'])
        || components.iter().any(|part| *part == ".." || part.eq_ignore_ascii_case(".git"));
    (!bad).then(|| components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_40_or_64_lower_case_hex_digits() {
        let good = "3f2a9c1b00000000000000000000000000000000";
        assert!(matches!(claimed_id(good), ClaimedId::Sha1(_)));
        assert_eq!(claimed_id(&"a".repeat(64)), ClaimedId::Sha256);
        for bad in ["", "3f2a9c1", "HEAD", "v1.0.0", &good.to_uppercase(), &format!(" {good}"), &format!("{good}\n")] {
            assert_eq!(claimed_id(bad), ClaimedId::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn a_folder_stays_inside() {
        for (path, folder) in [("", ""), ("a/b", "a/b"), ("./a//b/", "a/b")] {
            assert_eq!(claimed_folder(path).as_deref(), Some(folder), "{path:?}");
        }
        for path in ["..", "a/../b", "/a", "a\0b", "a\\b", ".git", "a/.GIT/b", &"a".repeat(5000)] {
            assert_eq!(claimed_folder(path), None, "{path:?}");
        }
    }
}
