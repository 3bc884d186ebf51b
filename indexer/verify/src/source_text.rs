//! Just enough of Rust's surface to follow `mod`, `#[path]` and the include macros, and to see which files a source names.

/// One file another may be read from, or the pieces to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    /// `mod name;` inside these inline modules.
    Module { inside: Vec<String>, name: String },
    /// `mod $name;`: a macro decides, so every source below may be meant.
    AnyModule { inside: Vec<String> },
    /// `#[path = "…"]`.
    Path { inside: Vec<String>, path: String },
    /// A literal inside `include!`, `include_str!` or `include_bytes!`; `source` for the first.
    Include { path: String, source: bool },
    /// `#[doc = include_str!("…")]`: text for people.
    Doc,
    /// Any other string literal; it may name a file.
    Literal(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// Everything a source mentions.
pub(crate) fn mentions(source: &str) -> Vec<Mention> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let names = || inside.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        match (&tokens[at], tokens.get(at + 1), tokens.get(at + 2)) {
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Mark(';'))) if word == "mod" => {
                found.push(Mention::Module { inside: names(), name: name.clone() });
                at += 2;
            }
            (Token::Word(word), Some(Token::Word(name)), Some(Token::Mark('{'))) if word == "mod" => {
                depth += 1;
                inside.push((name.clone(), depth));
                at += 2;
            }
            (Token::Word(word), Some(Token::Mark('$')), _) if word == "mod" => {
                found.push(Mention::AnyModule { inside: names() });
            }
            (Token::Word(word), Some(Token::Mark('=')), Some(Token::Text(path))) if word == "path" => {
                found.push(Mention::Path { inside: names(), path: path.clone() });
                at += 2;
            }
            (Token::Word(word), Some(Token::Mark('!')), Some(Token::Mark(open)))
                if ["include", "include_str", "include_bytes"].contains(&word.as_str()) && "([{".contains(*open) =>
            {
                let is_doc =
                    at >= 2 && tokens[at - 1] == Token::Mark('=') && tokens[at - 2] == Token::Word("doc".to_owned());
                let end = closing(&tokens, at + 2);
                for token in &tokens[at + 2..end] {
                    if let Token::Text(path) = token {
                        found.push(if is_doc {
                            Mention::Doc
                        } else {
                            Mention::Include { path: path.clone(), source: word == "include" }
                        });
                    }
                }
                at = end;
            }
            (Token::Text(text), _, _) => found.push(Mention::Literal(text.clone())),
            (Token::Mark('{'), _, _) => depth += 1,
            (Token::Mark('}'), _, _) => {
                if inside.last().is_some_and(|(_, opened)| *opened == depth) {
                    inside.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len().saturating_sub(1).max(open)
}

fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = text.get(at + 1).copied();
        match text[at] {
            '/' if next == Some('/') => at = text[at..].iter().position(|c| *c == '\n').map_or(text.len(), |n| at + n),
            '/' if next == Some('*') => at = after_comment(&text, at),
            '"' => at = plain_string(&text, at, &mut tokens),
            '\'' => at = after_quote(&text, at),
            c if c.is_alphabetic() || c == '_' => at = word(&text, at, &mut tokens),
            c if c.is_whitespace() => at += 1,
            c => {
                tokens.push(Token::Mark(c));
                at += 1;
            }
        }
    }
    tokens
}

/// Comments nest.
fn after_comment(text: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn plain_string(text: &[char], start: usize, tokens: &mut Vec<Token>) -> usize {
    let mut value = String::new();
    let mut at = start + 1;
    while at < text.len() && text[at] != '"' {
        if text[at] == '\\' {
            at += 1;
        }
        value.extend(text.get(at));
        at += 1;
    }
    tokens.push(Token::Text(value));
    at + 1
}

/// A character literal is skipped; a lifetime is only its quote.
fn after_quote(text: &[char], at: usize) -> usize {
    match (text.get(at + 1), text.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = text.get(at + 3..).unwrap_or_default();
            rest.iter().position(|c| *c == '\'').map_or(at + 2, |n| at + 3 + n + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// A word, or the string it introduces: `r"…"`, `br#"…"#`, `b"…"`, `c"…"`; `r#word` is a word.
fn word(text: &[char], start: usize, tokens: &mut Vec<Token>) -> usize {
    let mut at = start;
    while at < text.len() && (text[at].is_alphanumeric() || text[at] == '_') {
        at += 1;
    }
    let word: String = text[start..at].iter().collect();
    let raw = matches!(word.as_str(), "r" | "br" | "cr");
    if raw {
        let hashes = text[at..].iter().take_while(|c| **c == '#').count();
        if text.get(at + hashes) == Some(&'"') {
            return raw_string(text, at + hashes + 1, hashes, tokens);
        }
        if hashes == 1 {
            return at + 1;
        }
    }
    if matches!(word.as_str(), "b" | "c") && text.get(at) == Some(&'"') {
        return plain_string(text, at, tokens);
    }
    tokens.push(Token::Word(word));
    at
}

fn raw_string(text: &[char], start: usize, hashes: usize, tokens: &mut Vec<Token>) -> usize {
    let mut at = start;
    while at < text.len() {
        let closes = text[at] == '"' && text[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            break;
        }
        at += 1;
    }
    tokens.push(Token::Text(text[start..at.min(text.len())].iter().collect()));
    (at + 1 + hashes).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_includes_and_paths_are_seen_and_comments_are_not() {
        let source = r##"
            // mod hidden;
            /* mod also; /* mod nested; */ */
            const A: char = '"'; const B: char = '\''; fn f<'a>() {}
            mod plain;
            mod outer { #[path = "odd.rs"] mod inner; }
            macro_rules! m { ($x:ident) => { mod $x; } }
            #[doc = include_str!("../README.md")]
            const C: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/c.txt"));
            const D: &str = r#"mod text;"#;
        "##;
        let found = mentions(source);
        let modules: Vec<_> = found
            .iter()
            .filter_map(|mention| match mention {
                Mention::Module { inside, name } => Some((inside.join("/"), name.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(modules, [(String::new(), "plain"), ("outer".to_owned(), "inner")]);
        assert!(found.contains(&Mention::Path { inside: vec!["outer".to_owned()], path: "odd.rs".to_owned() }));
        assert!(found.contains(&Mention::AnyModule { inside: vec![] }));
        assert!(found.contains(&Mention::Doc));
        assert!(found.contains(&Mention::Include { path: "/data/c.txt".to_owned(), source: false }));
        assert!(found.contains(&Mention::Literal("mod text;".to_owned())));
    }

    #[test]
    fn unfinished_text_ends_the_scan_quietly() {
        for source in ["\"", "'", "'\\", "r#\"", "/*", "include!(", "mod", "include_str!(\"a", "br##", "b'"] {
            let _ = mentions(source);
        }
    }
}
