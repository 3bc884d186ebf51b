//! The claim: what an archive's `.cargo_vcs_info.json` says about its source. Read strictly, believed not at all.

use serde::{Deserialize, Serialize};

/// What the archive says it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The commit id as written: not trimmed, not checked, possibly no id at all (verify judges it).
    pub sha1: String,
    /// Whether cargo saw uncommitted files. Absence proves nothing (cargo 1.90–1.93 missed some; design 03).
    pub dirty: bool,
    /// The package's folder in the repository; `None` when the file does not say, `""` for its root.
    pub path_in_vcs: Option<String>,
}

/// A `.cargo_vcs_info.json` that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a .cargo_vcs_info.json: {0}")]
pub struct ClaimError(#[from] serde_json::Error);

impl Claim {
    /// Reads the file's bytes. A BOM makes it unreadable, as it does for cargo.
    ///
    /// # Errors
    /// When it is no JSON object of the shape `{"git":{"sha1":"…","dirty"?:bool},"path_in_vcs"?:"…"}`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ClaimError> {
        #[derive(Deserialize)]
        struct VcsInfo {
            git: Git,
            path_in_vcs: Option<String>,
        }
        #[derive(Deserialize)]
        struct Git {
            sha1: String,
            dirty: Option<bool>,
        }
        let VcsInfo { git, path_in_vcs } = serde_json::from_slice(bytes)?;
        Ok(Self { sha1: git.sha1, dirty: git.dirty.unwrap_or(false), path_in_vcs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_cargo_writes_are_read() {
        let old = Claim::parse(br#"{"git":{"sha1":"abc"}}"#).unwrap();
        assert_eq!(old, Claim { sha1: "abc".to_owned(), dirty: false, path_in_vcs: None });
        let new = Claim::parse(br#"{"git":{"sha1":"abc","dirty":true},"path_in_vcs":"crates/a"}"#).unwrap();
        assert!(new.dirty);
        assert_eq!(new.path_in_vcs.as_deref(), Some("crates/a"));
    }

    #[test]
    fn anything_else_is_unreadable() {
        for bytes in [&b""[..], b"{}", b"\xef\xbb\xbf{\"git\":{\"sha1\":\"abc\"}}", br#"{"git":{"sha1":1}}"#] {
            assert!(Claim::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
