//! Where an index says its archives are: the `dl` of its `config.json`. It asks for nothing.

use net::Url;

use crate::{DownloadError, Wanted};

/// The `dl` template of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Takes the template as it stands in `config.json`.
    #[must_use]
    pub fn new(dl: impl Into<String>) -> Self {
        Self(dl.into())
    }

    /// The URL of one archive.
    ///
    /// Without any marker, `/{crate}/{version}/download` is appended: cargo's rule ("Registry Index", index
    /// configuration). A `+` of the version is written `%2B`, because some servers read it as a space.
    ///
    /// # Errors
    /// When what comes out is no URL.
    pub fn url(&self, wanted: &Wanted) -> Result<Url, DownloadError> {
        let text = self.resolve(wanted);
        text.parse().map_err(|_| DownloadError::BadAddress { address: text })
    }

    fn resolve(&self, wanted: &Wanted) -> String {
        let name = wanted.name.as_str();
        let markers = [
            ("{crate}", name.to_owned()),
            ("{version}", wanted.num.as_str().replace('+', "%2B")),
            ("{prefix}", prefix(name)),
            ("{lowerprefix}", prefix(&name.to_ascii_lowercase())),
            ("{sha256-checksum}", wanted.checksum.to_string()),
        ];
        let has_marker = markers.iter().any(|(marker, _)| self.0.contains(marker));
        let template = if has_marker { self.0.clone() } else { format!("{}/{{crate}}/{{version}}/download", self.0) };
        // No value can hold a brace, so the order does not matter.
        markers.iter().fold(template, |text, (marker, value)| text.replace(marker, value))
    }
}

/// The folders of a name in the index, in the name's own case. Names are ASCII.
fn prefix(name: &str) -> String {
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

#[cfg(test)]
mod tests {
    use schema::{KrateName, Sha256, VersionNum};

    use super::*;

    fn check(dl: &str, name: &str, num: &str, expected: &str) {
        let wanted = Wanted {
            name: KrateName::parse(name).unwrap(),
            num: VersionNum::parse(num).unwrap(),
            checksum: Sha256::from_bytes([0xab; 32]),
        };
        assert_eq!(Address::new(dl).url(&wanted).unwrap().as_str(), expected);
    }

    #[test]
    fn markers_are_filled_in() {
        check("https://a.example/api", "serde", "1.0.0", "https://a.example/api/serde/1.0.0/download");
        check("https://a.example/{crate}-{version}.crate", "Ab", "1.0.0+x", "https://a.example/Ab-1.0.0%2Bx.crate");
        check("https://a.example/{prefix}/{lowerprefix}", "Inflector", "1.0.0", "https://a.example/In/fl/in/fl");
        check("https://a.example/{prefix}/{lowerprefix}", "Abc", "1.0.0", "https://a.example/3/A/3/a");
        check("https://a.example/{prefix}", "ab", "1.0.0", "https://a.example/2");
        check("https://a.example/{sha256-checksum}", "a", "1.0.0", &format!("https://a.example/{}", "ab".repeat(32)));
    }
}
