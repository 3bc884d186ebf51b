//! The table of mirrors: where a repository's copy is to be looked for, by pattern, without regard to case. No file is read.

use serde::Deserialize;

/// An ordered table of mirrors.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Mirrors {
    #[serde(default, rename = "mirror")]
    entries: Vec<Mirror>,
}

#[derive(Clone, Debug, Deserialize)]
struct Mirror {
    from: String,
    to: String,
}

/// A table that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a table of mirrors, [[mirror]] with from and to: {0}")]
pub struct MirrorsError(#[from] toml::de::Error);

impl Mirrors {
    /// Reads the table's TOML.
    ///
    /// # Errors
    /// When it is no TOML of that shape.
    pub fn parse(text: &str) -> Result<Self, MirrorsError> {
        Ok(toml::from_str(text)?)
    }

    /// The directory or address for a clone address; the first entry that matches wins.
    #[must_use]
    pub fn find(&self, url: &str) -> Option<String> {
        self.entries.iter().find_map(|mirror| {
            let names = captured(&mirror.from, url)?;
            // One name at a time would let a captured text be taken for a placeholder.
            Some(filled(&mirror.to, &names))
        })
    }
}

/// The values of `{name}` in a pattern that matches the whole text; a name takes one component, the last one the rest.
fn captured<'a>(pattern: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut names = Vec::new();
    let (mut pattern, mut text) = (pattern, text);
    while let Some(open) = pattern.find('{') {
        let literal = &pattern[..open];
        let head = text.get(..literal.len())?;
        if !head.eq_ignore_ascii_case(literal) {
            return None;
        }
        let close = open + pattern[open..].find('}')?;
        let rest = &pattern[close + 1..];
        text = &text[literal.len()..];
        let length = if rest.is_empty() { text.len() } else { text.find('/')? };
        let value = &text[..length];
        if value.is_empty() || value.split('/').any(|part| part == ".." || part == ".") {
            return None;
        }
        names.push((&pattern[open + 1..close], value));
        text = &text[length..];
        pattern = rest;
    }
    pattern.eq_ignore_ascii_case(text).then_some(names)
}

fn filled(pattern: &str, names: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
        text.push_str(&rest[..open]);
        let value = names.iter().find(|(name, _)| *name == &rest[open + 1..close]).map(|(_, value)| *value);
        text.push_str(value.unwrap_or(&rest[open..=close]));
        rest = &rest[close + 1..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_wins_without_regard_to_case() {
        let mirrors = Mirrors::parse(
            "[[mirror]]\nfrom = \"https://Forge.test/{owner}/{repo}\"\nto = \"/copies/{owner}+{repo}/repo\"\n[[mirror]]\nfrom = \"https://forge.test/{all}\"\nto = \"/other\"\n",
        )
        .unwrap();
        assert_eq!(mirrors.find("https://forge.test/Some/Thing").as_deref(), Some("/copies/Some+Thing/repo"));
        assert_eq!(mirrors.find("https://forge.test/alone").as_deref(), Some("/other"));
        assert_eq!(mirrors.find("https://elsewhere.test/a/b"), None);
        assert_eq!(mirrors.find("https://forge.test/a/.."), None);
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(Mirrors::parse("mirror = 1").is_err());
        assert!(Mirrors::parse("").unwrap().find("https://a.test/b").is_none());
    }
}
