//! git's path patterns (`.gitignore`, `.gitattributes`, cargo's `include` and `exclude`), matched against relative paths.

/// Whether a pattern matches a path or one of its parents. A leading `/` or an inner slash anchors it; a trailing `/` means a folder.
#[must_use]
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let folder_only = pattern.ends_with('/');
    let trimmed = pattern.trim_end_matches('/');
    let anchored = trimmed.contains('/');
    let pattern: Vec<&str> = trimmed.trim_start_matches('/').split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    let last = if folder_only { parts.len() - 1 } else { parts.len() };
    (1..=last).any(|end| {
        if anchored {
            components(&pattern, &parts[..end])
        } else {
            component(pattern[0].as_bytes(), parts[end - 1].as_bytes())
        }
    })
}

/// Whether the last pattern of a list that matches takes the path in; `!` takes it out again.
#[must_use]
pub(crate) fn listed(patterns: &[String], path: &str) -> bool {
    let mut is_listed = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, path) => is_listed = false,
            None if matches(pattern, path) => is_listed = true,
            _ => {}
        }
    }
    is_listed
}

fn components(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) | (Some((&"**", [])), Some(_)) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skipped| components(rest, &path[skipped..])),
        (Some((first, rest)), Some((name, names))) => {
            component(first.as_bytes(), name.as_bytes()) && components(rest, names)
        }
        _ => false,
    }
}

/// One component: `*`, `?`, `[…]` and `\` as in glob(7), without slashes. Linear backtracking: only the last star is retried.
fn component(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, place));
                at += 1;
                continue;
            }
            Some(_) if place < name.len() => one(&pattern[at..], name[place]),
            None if place == name.len() => return true,
            _ => None,
        };
        if let Some(length) = step {
            at += length;
            place += 1;
        } else if let Some((after, taken)) = star.filter(|(_, taken)| *taken < name.len()) {
            star = Some((after, taken + 1));
            at = after;
            place = taken + 1;
        } else {
            return false;
        }
    }
}

/// How many bytes of the pattern match this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern[0] {
        b'?' => Some(1),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        b'[' => {
            let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
            let start = if negated { 2 } else { 1 };
            let end = start + 1 + pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
            let class = &pattern[start..end];
            let mut found = false;
            let mut at = 0;
            while at < class.len() {
                if at + 2 < class.len() && class[at + 1] == b'-' {
                    found |= (class[at]..=class[at + 2]).contains(&byte);
                    at += 3;
                } else {
                    found |= class[at] == byte;
                    at += 1;
                }
            }
            (found != negated).then_some(end + 1)
        }
        other => (other == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hand-made after gitignore(5).
    #[test]
    fn patterns_match_as_in_gitignore() {
        for (pattern, path, expected) in [
            ("*.rs", "src/lib.rs", true),
            ("/*.rs", "src/lib.rs", false),
            ("src/*.rs", "src/lib.rs", true),
            ("src/*.rs", "src/a/lib.rs", false),
            ("src/**/*.rs", "src/a/b/lib.rs", true),
            ("src/**", "src/a/b", true),
            ("**/tests", "a/b/tests/x", true),
            ("tests/", "tests/x.rs", true),
            ("tests/", "tests", false),
            ("tests", "a/tests/x", true),
            ("/tests", "a/tests/x", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_match_decides() {
        let patterns = ["*.md".to_owned(), "!readme.md".to_owned()];
        assert!(listed(&patterns, "a.md"));
        assert!(!listed(&patterns, "readme.md"));
    }
}
