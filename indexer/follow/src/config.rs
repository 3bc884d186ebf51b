//! The index's `config.json`: where archives are. How a download address is made of it is download's affair.

use serde::Deserialize;

use crate::FollowError;

/// What `config.json` says; fields it may gain are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IndexConfig {
    /// The template of download addresses, markers unfilled.
    pub dl: String,
    /// The registry's web address; absent where there is none.
    pub api: Option<String>,
    /// Whether every request needs a token; this system has none to give.
    #[serde(default, rename = "auth-required")]
    pub auth_required: bool,
}

impl IndexConfig {
    /// The name of the file at the root of every index.
    pub const FILE: &'static str = "config.json";

    /// Reads the file's text; `place` is named in the error.
    ///
    /// # Errors
    /// When it is no JSON object with a `dl`.
    pub fn parse(text: &[u8], place: &str) -> Result<Self, FollowError> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        serde_json::from_slice(text).map_err(|source| FollowError::BadConfig { place: place.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dl_is_needed_and_the_rest_is_not() {
        let config = IndexConfig::parse(br#"{"dl":"http://localhost/{crate}","later":[1]}"#, "here").unwrap();
        assert_eq!(config.dl, "http://localhost/{crate}");
        assert_eq!((config.api, config.auth_required), (None, false));
        for text in ["", "{}", "<html>", r#"{"dl":1}"#] {
            let error = IndexConfig::parse(text.as_bytes(), "the/place").unwrap_err();
            assert!(error.to_string().contains("the/place"), "{error}");
        }
    }
}
