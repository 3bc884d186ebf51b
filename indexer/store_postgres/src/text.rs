//! Text that PostgreSQL can store: U+0000 is written with an escape, and read back as it was. Everything else stays as it is.

use std::borrow::Cow;

/// From the private use area: no text means anything by it, and text that holds it all the same is kept, too.
const ESCAPE: char = '\u{f8ff}';

/// The text as it is stored.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => kept.extend([ESCAPE, '0']),
            ESCAPE => kept.extend([ESCAPE, '1']),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

/// The text as it was.
pub(crate) fn told(kept: String) -> String {
    if !kept.contains(ESCAPE) {
        return kept;
    }
    let mut told = String::with_capacity(kept.len());
    let mut letters = kept.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE if letters.next() == Some('0') => told.push('\0'),
            other => told.push(other),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{kept, told};

    #[test]
    fn every_text_comes_back_as_it_was() {
        let cases = ["", "plain", "a\0b", "\0\0", "\u{f8ff}", "\u{f8ff}0", "\u{f8ff}\0", "0\0\u{f8ff}1", "ü\u{10ffff}"];
        for text in cases {
            let stored = kept(text).into_owned();
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(told(stored), text);
        }
        assert_eq!(kept("plain"), "plain");
    }
}
