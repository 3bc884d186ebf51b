//! The spellings under which a crate may stand in an index: files keep `-` and `_` apart, names do not.

use schema::KrateName;

/// How many spellings are tried at most; each is a request.
const LIMIT: usize = 8;

/// The spellings to look up, as given first, then with separators exchanged; never more than eight.
///
/// Cargo does the same, so that `serde_json` finds `serde-json`. All `-` and all `_` go before the mixtures, because hardly
/// anybody mixes them.
#[must_use]
pub fn spellings(name: &KrateName) -> Vec<KrateName> {
    let given = name.as_str();
    let separators: Vec<usize> =
        given.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'-' | b'_')).map(|(at, _)| at).collect();
    let uniform = [given.replace('_', "-"), given.replace('-', "_")];
    // Three separators have eight spellings; more separators have more than are tried.
    let mixtures = (0..LIMIT).map(|mask| mix(given, &separators, mask));

    let mut found: Vec<KrateName> = vec![name.clone()];
    for text in uniform.into_iter().chain(mixtures) {
        match KrateName::parse(&text) {
            Ok(spelling) if !found.contains(&spelling) && found.len() < LIMIT => found.push(spelling),
            _ => {}
        }
    }
    found
}

/// `given` with the separator at `separators[n]` exchanged wherever bit n of `mask` is set.
fn mix(given: &str, separators: &[usize], mask: usize) -> String {
    let exchanged =
        |at: usize| separators.iter().take(3).position(|&place| place == at).is_some_and(|n| mask >> n & 1 == 1);
    given
        .char_indices()
        .map(|(at, letter)| match letter {
            '-' if exchanged(at) => '_',
            '_' if exchanged(at) => '-',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        let found = spellings(&KrateName::parse(name).unwrap());
        assert_eq!(found.iter().map(KrateName::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_given_spelling_goes_first_and_mixtures_last() {
        check("serde", &["serde"]);
        check("serde_json", &["serde_json", "serde-json"]);
        check("a-b_c", &["a-b_c", "a-b-c", "a_b_c", "a_b-c"]);
    }

    #[test]
    fn a_name_of_many_separators_costs_eight_requests() {
        let name = KrateName::parse("a-b-c-d-e-f-g").unwrap();
        let found = spellings(&name);
        assert_eq!(found.len(), 8);
        assert!(found.iter().all(|spelling| spelling.canonical() == name.canonical()));
    }
}
