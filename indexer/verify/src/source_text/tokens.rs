//! Rust's surface as words, strings and marks. Comments and character literals carry nothing and are left out.

use std::borrow::Cow;

/// One piece of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// An identifier or keyword.
    Word(&'s str),
    /// A string literal's value, escapes resolved.
    Text(Cow<'s, str>),
    /// A character, byte or number: a part a `concat!` may have.
    Atom,
    /// Any other character.
    Mark(char),
}

/// The pieces of a source. Text that ends in the middle of something ends the list quietly.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        rest = if rest.starts_with("//") {
            rest.find('\n').map_or("", |end| &rest[end..])
        } else if rest.starts_with("/*") {
            after_comment(rest)
        } else if first == '"' {
            plain_string(&rest[1..], &mut tokens)
        } else if first == '\'' {
            after_quote(rest, &mut tokens)
        } else if is_word(first) {
            word(rest, &mut tokens)
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Comments nest.
fn after_comment(text: &str) -> &str {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return &text[at..];
                }
            }
            _ => at += 1,
        }
    }
    ""
}

/// The rest after a string whose opening quote is gone.
fn plain_string<'s>(text: &'s str, tokens: &mut Vec<Token<'s>>) -> &'s str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    let end = at.min(bytes.len());
    // A broken escape may end within a character, in text that is no Rust.
    let value = text.get(..end).unwrap_or_default();
    tokens.push(Token::Text(if value.contains('\\') { unescaped(value).into() } else { value.into() }));
    text.get(end + 1..).unwrap_or("")
}

/// Escapes as the reference has them; a line that ends in `\` goes on after the next line's white space.
fn unescaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else { break };
        rest = &rest[kind.len_utf8()..];
        let mut coded = |digits: &str, length: usize| {
            value.extend(u32::from_str_radix(&digits.replace('_', ""), 16).ok().and_then(char::from_u32));
            length
        };
        let used = match kind {
            'x' => rest.get(..2).map_or(0, |digits| coded(digits, 2)),
            'u' => match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((digits, _)) => coded(digits, digits.len() + 2),
                None => 0,
            },
            '\n' | '\r' => rest.len() - rest.trim_start().len(),
            other => {
                value.push(match other {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0' => '\0',
                    other => other,
                });
                0
            }
        };
        rest = &rest[used..];
    }
    value.push_str(rest);
    value
}

/// A character literal is an atom; a lifetime is only its quote.
fn after_quote<'s>(text: &'s str, tokens: &mut Vec<Token<'s>>) -> &'s str {
    let inside = &text[1..];
    let mut characters = inside.chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), Some(escaped)) => {
            tokens.push(Token::Atom);
            let from = 1 + escaped.len_utf8();
            inside[from..].find('\'').map_or("", |end| &inside[from + end + 1..])
        }
        (Some(one), Some('\'')) => {
            tokens.push(Token::Atom);
            &inside[one.len_utf8() + 1..]
        }
        _ => inside,
    }
}

/// A word, or the string it introduces: `r"…"`, `br#"…"#`, `b"…"`, `c"…"`; `r#word` is a word.
fn word<'s>(text: &'s str, tokens: &mut Vec<Token<'s>>) -> &'s str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if matches!(word, "r" | "br" | "cr") {
        let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
        if rest[hashes..].starts_with('"') {
            return raw_string(&rest[hashes + 1..], hashes, tokens);
        }
        if hashes == 1 {
            return &rest[1..];
        }
    }
    if matches!(word, "b" | "c") && rest.starts_with('"') {
        return plain_string(&rest[1..], tokens);
    }
    let is_number = word.starts_with(|c: char| c.is_ascii_digit());
    tokens.push(if is_number { Token::Atom } else { Token::Word(word) });
    rest
}

fn raw_string<'s>(text: &'s str, hashes: usize, tokens: &mut Vec<Token<'s>>) -> &'s str {
    let closes = format!("\"{}", "#".repeat(hashes));
    let (value, rest) = text.split_once(&closes).unwrap_or((text, ""));
    tokens.push(Token::Text(value.into()));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_as_the_compiler_does() {
        for (source, value) in [
            (r#""\x2e\x2e/\u{74}ests/a.rs""#, "../tests/a.rs"),
            ("\"a\\\n   b\"", "ab"),
            (r#""a\"b\\c\n""#, "a\"b\\c\n"),
            (r##"r#"a\"b"#"##, r#"a\"b"#),
            (r#"b"a""#, "a"),
        ] {
            assert_eq!(tokens(source), [Token::Text(value.into())], "{source}");
        }
    }

    #[test]
    fn quotes_in_characters_and_lifetimes_open_no_string() {
        let source = r#"const A: char = '"'; fn f<'a>(x: &'a str) { '\''; '\u{22}'; b'"'; "text" }"#;
        let texts: Vec<_> = tokens(source).into_iter().filter(|token| matches!(token, Token::Text(_))).collect();
        assert_eq!(texts, [Token::Text("text".into())]);
    }

    #[test]
    fn unfinished_text_ends_the_scan_quietly() {
        for source in ["\"", "'", "'\\", "r#\"", "/*", "\"\\", "\"\\x", "\"\\u{", "br##", "b'", "'é", "\"\\é", "/**"]
        {
            let _ = tokens(source);
        }
    }
}
