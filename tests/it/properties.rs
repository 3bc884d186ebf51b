//! The fuzz targets' properties against made-up input, in every run of the tests.

use fixtures::crate_file::gzip;
use fixtures::{CrateFile, IndexLineBuilder};
use proptest::prelude::*;

#[path = "../fuzz/src/checks.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzz targets")]
mod checks;

/// Pieces that links are made of, and some that they are not.
fn pieces_of_links() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "https://",
            "http://",
            "git+",
            "scm:git:",
            "git@",
            "ssh://",
            "github.com",
            "gitlab.com",
            "git.sr.ht",
            "codeberg.org",
            "x.googlesource.com",
            "gist.github.com",
            "host.test",
            "/",
            ":",
            "@",
            ".git",
            "/tree/",
            "/-/",
            "/+/",
            "/src/branch/",
            "~u",
            "..",
            ".",
            "%7E",
            "%2e%2e",
            "?q",
            "#f",
            " ",
            "\\",
            ":22",
            "[::1]",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9._-]{1,8}",
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// An index line with some of its bytes changed.
fn spoiled_line() -> impl Strategy<Value = String> {
    let line = IndexLineBuilder::new("a", "1.0.0").pubtime("2026-08-01T00:00:00Z").build();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..6);
    changes.prop_map(move |changes| {
        let mut characters: Vec<char> = line.chars().collect();
        for (at, character) in changes {
            let at = at.index(characters.len());
            characters[at] = character;
        }
        characters.into_iter().collect()
    })
}

/// The tar of an honest archive with some of its bytes changed, packed.
fn spoiled_archive() -> impl Strategy<Value = Vec<u8>> {
    let tar = CrateFile::honest("a", "1.0.0").tar();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    changes.prop_map(move |changes| {
        let mut bytes = tar.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        gzip(&bytes).unwrap_or_default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_link_becomes_one_clean_address_or_none(text in pieces_of_links()) {
        checks::address(&text);
    }

    #[test]
    fn any_line_is_read_or_refused(text in prop_oneof![spoiled_line(), ".{0,200}"]) {
        checks::index_line(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_archive_is_looked_into(bytes in spoiled_archive()) {
        checks::archive(&bytes);
    }
}
