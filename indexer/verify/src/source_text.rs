//! Just enough of Rust's surface to follow `mod`, `#[path]` and the include macros, and to see which files a source names.

mod tokens;

use std::borrow::Cow;

use tokens::{Token, tokens};

/// One file another may be read from, or the pieces to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mention<'s> {
    /// `mod name;` inside these inline modules.
    Module { inside: Vec<String>, name: String },
    /// `mod $name;`: a macro decides, so every source below may be meant.
    AnyModule { inside: Vec<String> },
    /// `#[path = "…"]`.
    Path { inside: Vec<String>, path: String },
    /// A file inside `include!`, `include_str!` or `include_bytes!`, or a piece of its path; `source` for the first.
    Include { path: String, source: bool },
    /// A file is read here, and which one cannot be told from the text.
    AnyFile,
    /// A string literal in an attribute or in the call of a macro nobody here knows; that may read the file it names.
    Handed(Cow<'s, str>),
    /// Any other string literal; it may name a file.
    Literal(Cow<'s, str>),
}

/// Macros that print, compare or make a text, and read no file.
const PLAIN_MACROS: [&str; 37] = [
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "cfg",
    "compile_error",
    "concat",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "ensure",
    "env",
    "eprint",
    "eprintln",
    "error",
    "format",
    "format_args",
    "info",
    "json",
    "matches",
    "option_env",
    "panic",
    "print",
    "println",
    "stringify",
    "thread_local",
    "todo",
    "trace",
    "unimplemented",
    "unreachable",
    "vec",
    "warn",
    "write",
    "writeln",
];

const INCLUDES: [&str; 3] = ["include", "include_str", "include_bytes"];

/// Everything a source mentions.
pub(crate) fn mentions(source: &str) -> Vec<Mention<'_>> {
    let tokens = tokens(source);
    let mut reader = Reader::default();
    let mut at = 0;
    while at < tokens.len() {
        at = reader.step(&tokens, at);
    }
    reader.found
}

#[derive(Default)]
struct Reader<'s> {
    found: Vec<Mention<'s>>,
    /// The inline modules around: name, folder when `#[path]` gives another one, depth of its brace.
    inside: Vec<(String, Option<String>, usize)>,
    depth: usize,
    /// The brackets around: whether a macro or an attribute takes what stands in them.
    brackets: Vec<bool>,
    /// The last `#[path]`, until its module comes.
    path: Option<String>,
}

impl<'s> Reader<'s> {
    /// Reads what stands here; gives the place of the next piece.
    fn step(&mut self, tokens: &[Token<'s>], at: usize) -> usize {
        match (&tokens[at], tokens.get(at + 1), tokens.get(at + 2)) {
            (Token::Word("mod"), Some(Token::Word(name)), Some(Token::Mark(';'))) => {
                self.path = None;
                self.say(|inside| Mention::Module { inside, name: (*name).to_owned() });
                at + 3
            }
            (Token::Word("mod"), Some(Token::Word(name)), Some(Token::Mark('{'))) => {
                self.open('{', &tokens[..at]);
                self.inside.push(((*name).to_owned(), self.path.take(), self.depth));
                at + 3
            }
            (Token::Word("mod"), Some(Token::Mark('$')), _) => {
                self.say(|inside| Mention::AnyModule { inside });
                at + 1
            }
            (Token::Word("path"), Some(Token::Mark('=')), Some(Token::Text(path))) => {
                self.path = Some(path.to_string());
                self.say(|inside| Mention::Path { inside, path: path.to_string() });
                self.found.push(Mention::Literal(path.clone()));
                at + 3
            }
            (Token::Word("path"), Some(Token::Mark('=')), Some(Token::Mark('$'))) => {
                self.found.push(Mention::AnyFile);
                at + 3
            }
            (Token::Word(word), Some(Token::Mark('!')), Some(Token::Mark('(' | '[' | '{')))
                if INCLUDES.contains(word) =>
            {
                let end = closing(tokens, at + 2);
                if !is_documentation(&tokens[..at]) {
                    included(&tokens[at + 3..end.max(at + 3)], *word == "include", &mut self.found);
                }
                end + 1
            }
            // Under another name, or handed to a macro; `include` alone is also a common name of other things.
            (Token::Word(word), next, _) if INCLUDES.contains(word) => {
                let is_renamed = next == Some(&Token::Word("as"));
                if is_renamed || *word != "include" || is_macro_argument(&tokens[..at]) {
                    self.found.push(Mention::AnyFile);
                }
                at + 1
            }
            (Token::Text(text), _, _) => {
                let is_handed = self.brackets.last() == Some(&true);
                let text = text.clone();
                self.found.push(if is_handed { Mention::Handed(text) } else { Mention::Literal(text) });
                at + 1
            }
            (Token::Mark(mark @ ('(' | '[' | '{')), _, _) => {
                self.open(*mark, &tokens[..at]);
                at + 1
            }
            (Token::Mark(mark @ (')' | ']' | '}')), _, _) => {
                self.close(*mark);
                at + 1
            }
            _ => at + 1,
        }
    }

    fn open(&mut self, mark: char, before: &[Token<'_>]) {
        let takes = match before {
            [.., Token::Word(name), Token::Mark('!')] => !PLAIN_MACROS.contains(name),
            [.., Token::Mark('#')] | [.., Token::Mark('#'), Token::Mark('!')] => mark == '[',
            _ => false,
        };
        self.brackets.push(takes || self.brackets.last() == Some(&true));
        self.depth += usize::from(mark == '{');
    }

    fn close(&mut self, mark: char) {
        self.brackets.pop();
        if mark != '}' {
            return;
        }
        if self.inside.last().is_some_and(|(_, _, opened)| *opened == self.depth) {
            self.inside.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Says it by the names of the modules around, and by their folders where `#[path]` gives others.
    fn say(&mut self, mention: impl Fn(Vec<String>) -> Mention<'s>) {
        let names = self.inside.iter().map(|(name, _, _)| name.clone()).collect();
        self.found.push(mention(names));
        if self.inside.iter().any(|(_, folder, _)| folder.is_some()) {
            let folders = self.inside.iter().map(|(name, folder, _)| folder.as_ref().unwrap_or(name).clone());
            self.found.push(mention(folders.collect()));
        }
    }
}

/// The file an include names: one literal, or several joined by `concat!`, below the package or among what was built.
fn included(arguments: &[Token<'_>], source: bool, found: &mut Vec<Mention<'_>>) {
    let mut joined = String::new();
    let (mut is_built, mut is_certain) = (false, true);
    let mut at = 0;
    while at < arguments.len() {
        match &arguments[at..] {
            [Token::Word("env"), Token::Mark('!'), Token::Mark(_), Token::Text(name), Token::Mark(_), ..] => {
                is_built |= name == "OUT_DIR";
                is_certain &= name == "OUT_DIR" || name == "CARGO_MANIFEST_DIR";
                at += 5;
                continue;
            }
            [Token::Text(text), ..] => {
                joined.push_str(text);
                found.push(Mention::Include { path: text.to_string(), source });
            }
            [Token::Word("concat") | Token::Mark('(' | ')' | '[' | ']' | '{' | '}' | ',' | '!'), ..] => {}
            _ => is_certain = false,
        }
        at += 1;
    }
    if !is_certain {
        found.push(Mention::AnyFile);
    }
    if !is_built {
        found.push(Mention::Include { path: joined, source });
    }
}

/// Whether what follows is the value of `#[doc = …]` or of `#[cfg_attr(…, doc = …)]`: text for people.
fn is_documentation(before: &[Token<'_>]) -> bool {
    let [rest @ .., Token::Word("doc"), Token::Mark('=')] = before else { return false };
    let mut n_closed = 0_usize;
    for (at, token) in rest.iter().enumerate().rev() {
        match token {
            Token::Mark(')' | ']') => n_closed += 1,
            Token::Mark('(' | '[') if n_closed > 0 => n_closed -= 1,
            Token::Mark('[') => {
                let opens = matches!(rest[..at], [.., Token::Mark('#')] | [.., Token::Mark('#'), Token::Mark('!')]);
                let is_bare = at + 1 == rest.len();
                return opens && (is_bare || rest.get(at + 1) == Some(&Token::Word("cfg_attr")));
            }
            Token::Mark('{' | '}' | ';') => return false,
            _ => {}
        }
    }
    false
}

/// Whether what follows stands in the brackets of a macro call.
fn is_macro_argument(before: &[Token<'_>]) -> bool {
    let mut n_closed = 0_usize;
    for (at, token) in before.iter().enumerate().rev() {
        match token {
            Token::Mark(')' | ']' | '}') => n_closed += 1,
            Token::Mark('(' | '[' | '{') if n_closed > 0 => n_closed -= 1,
            Token::Mark('(' | '[' | '{') => return matches!(before[..at], [.., Token::Mark('!')]),
            Token::Mark(';') if n_closed == 0 => return false,
            _ => {}
        }
    }
    false
}

fn closing(tokens: &[Token<'_>], open: usize) -> usize {
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
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(path: &str) -> Mention<'static> {
        Mention::Include { path: path.to_owned(), source: false }
    }

    #[test]
    fn modules_includes_and_paths_are_seen_and_comments_are_not() {
        let source = r##"
            // mod hidden;
            /* mod also; /* mod nested; */ */
            const A: char = '"'; const B: char = '\''; fn f<'a>() {}
            mod plain;
            mod outer { #[path = "odd.rs"] mod inner; }
            macro_rules! m { ($x:ident) => { mod $x; } }
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
        assert!(found.contains(&include("/data/c.txt")));
        assert!(found.contains(&Mention::Literal("mod text;".into())));
        assert!(!found.contains(&Mention::AnyFile));
    }

    #[test]
    fn only_the_attribute_is_documentation() {
        for (source, is_read) in [
            ("#[doc = include_str!(\"a.md\")]", false),
            ("#![doc = include_str!(\"a.md\")]", false),
            ("#![cfg_attr(all(), doc = include_str!(\"a.md\"))]", false),
            ("let doc; doc = include_str!(\"a.md\");", true),
            ("f(x, doc = include_str!(\"a.md\"));", true),
            ("[doc = include_str!(\"a.md\")]", true),
            ("#[evil(doc = include_str!(\"a.md\"))]", true),
        ] {
            assert_eq!(mentions(source).contains(&include("a.md")), is_read, "{source}");
        }
    }

    #[test]
    fn a_path_in_pieces_is_joined_and_one_that_cannot_be_told_is_any() {
        assert!(mentions("include_str!(concat!(\"../te\", \"sts/a\"));").contains(&include("../tests/a")));
        for source in [
            "include_str!(concat!(\"a\", '.', \"rs\"));",
            "include_str!(env!(\"ELSEWHERE\"));",
            "include_str!($path);",
            "use std::include_str as text;",
            "read!(include_str, \"a\");",
            "read!(1, include, \"a\");",
            "#[path = $path] mod a;",
        ] {
            assert!(mentions(source).contains(&Mention::AnyFile), "{source}");
        }
        let built = mentions("include!(concat!(env!(\"OUT_DIR\"), \"/a.rs\"));");
        assert!(!built.contains(&Mention::AnyFile), "{built:?}");
    }

    #[test]
    fn what_is_handed_to_a_macro_is_told_apart_from_what_is_printed() {
        for (source, is_handed) in [
            ("embed!(\"docs\");", true),
            ("#[template(path2 = \"docs\")] struct A;", true),
            ("embed!(f({ \"docs\" }));", true),
            ("println!(\"docs\");", false),
            ("let a = f(\"docs\");", false),
            ("embed!(); f(\"docs\");", false),
        ] {
            assert_eq!(mentions(source).contains(&Mention::Handed("docs".into())), is_handed, "{source}");
        }
    }

    #[test]
    fn the_path_of_an_inline_module_is_the_folder_of_those_in_it() {
        let found = mentions("#[path = \"../tests\"] pub mod a { mod b; }");
        let module = |folder: &str| Mention::Module { inside: vec![folder.to_owned()], name: "b".to_owned() };
        assert!(found.contains(&module("a")) && found.contains(&module("../tests")), "{found:?}");
    }
}
