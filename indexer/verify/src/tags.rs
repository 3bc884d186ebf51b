//! The tags that may mark a version, in order of evidence (design 04, step 5). A tag nominates; content decides.

/// Every tag name for one version, best evidence first, without duplicates.
#[must_use]
pub(crate) fn names(krate: &str, num: &str, repository: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for num in spellings_of_number(num) {
        for pattern in OWN {
            for krate in spellings_of_name(krate) {
                push(&mut found, pattern.replace("{n}", &krate).replace("{v}", &num));
            }
        }
    }
    for num in spellings_of_number(num) {
        for pattern in SHARED {
            push(&mut found, pattern.replace("{v}", &num));
        }
        if let Some(repository) = repository {
            push(&mut found, format!("{repository}-{num}"));
        }
    }
    found
}

/// Patterns that name the crate.
const OWN: [&str; 9] =
    ["{n}-v{v}", "{n}-{v}", "{n}@{v}", "{n}@v{v}", "{n}/v{v}", "{n}/{v}", "{n}_v{v}", "{n}_{v}", "{n}v{v}"];
/// Patterns that name the version alone.
const SHARED: [&str; 7] = ["v{v}", "{v}", "V{v}", "v/{v}", "release-{v}", "release/{v}", "rel-{v}"];

fn push(found: &mut Vec<String>, name: String) {
    if !found.contains(&name) {
        found.push(name);
    }
}

/// As published, and with `-` and `_` swapped.
fn spellings_of_name(krate: &str) -> Vec<String> {
    let mut spellings = vec![krate.to_owned()];
    for other in [krate.replace('-', "_"), krate.replace('_', "-")] {
        push(&mut spellings, other);
    }
    spellings
}

/// With and without build metadata, and without a trailing `.0`.
fn spellings_of_number(num: &str) -> Vec<String> {
    let mut spellings = vec![num.to_owned()];
    let plain = num.split('+').next().unwrap_or(num);
    push(&mut spellings, plain.to_owned());
    if let Some(short) = plain.strip_suffix(".0").filter(|short| short.contains('.')) {
        push(&mut spellings, short.to_owned());
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_own_tags_come_first() {
        let names = names("a-b", "1.2.0", Some("mono"));
        let place = |name: &str| names.iter().position(|found| found == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(place("a-b-v1.2.0"), 0);
        let in_order =
            ["a-b-v1.2.0", "a_b-v1.2.0", "a-b-1.2.0", "a-b@1.2.0", "a-b/v1.2.0", "v1.2.0", "1.2.0", "mono-1.2.0"];
        assert!(in_order.map(place).is_sorted());
        assert!(place("v1.2") > place("v1.2.0"));
    }

    #[test]
    fn build_metadata_and_a_trailing_zero_may_be_left_out() {
        let names = names("a", "110.0.0+1.1.0f", None);
        for name in ["v110.0.0+1.1.0f", "v110.0.0", "v110.0", "a-110.0.0"] {
            assert!(names.contains(&name.to_owned()), "{name}");
        }
        assert!(!names.contains(&"v110".to_owned()));
    }
}
