//! The front matter as written: the strings `rustsec` would normalise are kept here. It judges nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The TOML of one advisory, every requirement and vector in the spelling of its author.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FrontMatter {
    pub(crate) advisory: Metadata,
    #[serde(default)]
    pub(crate) affected: Affected,
    #[serde(default)]
    pub(crate) versions: Versions,
}

/// `[advisory]`, without its keywords.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Metadata {
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) date: String,
    pub(crate) withdrawn: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) source: Option<String>,
    #[serde(default)]
    pub(crate) references: Vec<String>,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) related: Vec<String>,
    pub(crate) cvss: Option<String>,
    #[serde(default)]
    pub(crate) categories: Vec<String>,
    pub(crate) informational: Option<String>,
    #[serde(default)]
    pub(crate) expect_deleted: bool,
    pub(crate) license: Option<String>,
}

/// `[affected]`
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Affected {
    #[serde(default)]
    pub(crate) arch: Vec<String>,
    #[serde(default)]
    pub(crate) os: Vec<String>,
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, Vec<String>>,
}

/// `[versions]`
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Versions {
    #[serde(default)]
    pub(crate) patched: Vec<String>,
    #[serde(default)]
    pub(crate) unaffected: Vec<String>,
}

impl FrontMatter {
    /// Reads the TOML between the fences; the newest layout leaves the leading `[advisory]` out.
    pub(crate) fn parse(toml: &str) -> Result<Self, toml::de::Error> {
        if toml.starts_with("[advisory]") {
            toml::from_str(toml)
        } else {
            toml::from_str(&format!("[advisory]\n{toml}"))
        }
    }

    /// The same facts as a file of the database's own layout: no keywords, no prose, the id in place of the title.
    pub(crate) fn to_file(&self) -> String {
        let advisory = &self.advisory;
        let mut out = Lines::default();
        out.table("[advisory]");
        out.text("id", Some(&advisory.id));
        out.text("package", Some(&advisory.package));
        out.text("date", Some(&advisory.date));
        out.text("withdrawn", advisory.withdrawn.as_ref());
        out.text("url", advisory.url.as_ref());
        out.text("source", advisory.source.as_ref());
        out.list("references", &advisory.references);
        out.list("aliases", &advisory.aliases);
        out.list("related", &advisory.related);
        out.text("cvss", advisory.cvss.as_ref());
        out.list("categories", &advisory.categories);
        out.text("informational", advisory.informational.as_ref());
        if advisory.expect_deleted {
            out.line("expect-deleted = true");
        }
        out.text("license", advisory.license.as_ref());
        self.write_affected(&mut out);
        out.table("[versions]");
        out.line(&format!("patched = {}", array(&self.versions.patched)));
        out.list("unaffected", &self.versions.unaffected);
        format!("```toml\n{}```\n\n# {}\n", out.0, advisory.id)
    }

    fn write_affected(&self, out: &mut Lines) {
        let affected = &self.affected;
        if !affected.arch.is_empty() || !affected.os.is_empty() {
            out.table("[affected]");
            out.list("arch", &affected.arch);
            out.list("os", &affected.os);
        }
        if !affected.functions.is_empty() {
            out.table("[affected.functions]");
            for (path, requirements) in &affected.functions {
                out.line(&format!("{} = {}", quoted(path), array(requirements)));
            }
        }
    }
}

/// Lines of TOML as they are written.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn table(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.line(heading);
    }

    fn text(&mut self, key: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.line(&format!("{key} = {}", quoted(value)));
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.line(&format!("{key} = {}", array(values)));
        }
    }
}

fn array(values: &[String]) -> String {
    let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A TOML basic string on one line: hostile text cannot leave it, nor begin a line of the snapshot.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => out.extend(format!("\\u{:04X}", u32::from(control)).chars()),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}
