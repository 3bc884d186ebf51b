//! Whether a lock file's `source` names the public registry; its addresses are tame-index's constants, not ours.

use tame_index::{CRATES_IO_HTTP_INDEX, CRATES_IO_INDEX};

/// Whether a `source` of a lock file is the public registry, by its git or its sparse index.
#[must_use]
pub fn is_public_registry(source: &str) -> bool {
    let address = source.strip_prefix("registry+").or_else(|| source.strip_prefix("sparse+")).unwrap_or(source);
    let bare = |text: &str| text.strip_prefix("sparse+").unwrap_or(text).trim_end_matches('/').to_owned();
    [CRATES_IO_INDEX, CRATES_IO_HTTP_INDEX].iter().any(|known| bare(known) == bare(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_indexes_of_the_registry_are_known_and_nothing_else() {
        assert!(is_public_registry(&format!("registry+{CRATES_IO_INDEX}")));
        assert!(is_public_registry(CRATES_IO_HTTP_INDEX));
        for other in ["registry+https://registry.test/index", "git+https://forge.test/a#1", ""] {
            assert!(!is_public_registry(other), "{other:?}");
        }
    }
}
