//! Where a person can look at a commit: each forge has its own way to write that. Unknown forges give nothing.

use crate::url::{Forge, forge_of, normalise};

/// The page of a commit's tree on the forge of a clone address.
#[must_use]
pub fn browse_url(clone_address: &str, commit: &str) -> Option<String> {
    let url = normalise(clone_address).ok()?;
    let way = match forge_of(&url.host).ok()? {
        Forge::Github | Forge::Sourcehut => "tree",
        Forge::Gitlab => "-/tree",
        Forge::Gitea => "src/commit",
        Forge::Bitbucket => "src",
        Forge::Googlesource => "+",
        Forge::Gist | Forge::Unknown => return None,
    };
    Some(format!("{}/{way}/{commit}", url.url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forge_has_its_way() {
        for (address, page) in [
            ("https://github.com/o/r", Some("https://github.com/o/r/tree/abc")),
            ("https://gitlab.com/g/s/r", Some("https://gitlab.com/g/s/r/-/tree/abc")),
            ("https://codeberg.org/o/r", Some("https://codeberg.org/o/r/src/commit/abc")),
            ("https://forge.example/o/r", None),
        ] {
            assert_eq!(browse_url(address, "abc").as_deref(), page);
        }
    }
}
