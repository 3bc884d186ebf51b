//! The next safe version.

use advisories::next_safe;
use schema::VersionNum;

use crate::support::advisory;

/// `(compatible, any)` above `num`, when the versions are covered by the given ranges.
fn safe(num: &str, live: &[&str], versions: &str) -> (Option<String>, Option<String>) {
    let advisory = advisory("", versions);
    let live: Vec<_> = live.iter().map(|num| VersionNum::parse(num).unwrap()).collect();
    let num = VersionNum::parse(num).unwrap();
    let found = next_safe(&num, &live, |version| advisory.affects(version) || advisory.nearly_affects(version));
    (found.compatible.map(|num| num.to_string()), found.any.map(|num| num.to_string()))
}

fn pair(compatible: &str, any: &str) -> (Option<String>, Option<String>) {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    (some(compatible), some(any))
}

#[test]
fn the_nearest_fix_within_the_range_and_of_any_range() {
    let live = ["0.9.0", "1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"];
    assert_eq!(safe("1.0.0", &live, "patched = [\">= 1.2.0\"]"), pair("1.2.0", "1.2.0"));
    assert_eq!(safe("1.0.0", &live, "patched = [\">= 2.0.0\"]"), pair("", "2.0.0"));
    assert_eq!(safe("1.0.0", &live, "patched = []"), pair("", ""));
}

#[test]
fn a_range_below_one_is_narrow() {
    let live = ["0.1.0", "0.1.5", "0.2.0", "0.0.3", "0.0.4"];
    assert_eq!(safe("0.1.0", &live, "patched = [\">= 0.2.0\"]"), pair("", "0.2.0"));
    assert_eq!(safe("0.0.3", &live, "patched = [\">= 0.0.4\"]"), pair("", "0.0.4"));
}

#[test]
fn an_unaffected_version_above_counts_like_a_fixed_one() {
    let live = ["1.0.0", "1.5.0", "1.6.0"];
    assert_eq!(safe("1.0.0", &live, "patched = []\nunaffected = [\">= 1.5.0\"]"), pair("1.5.0", "1.5.0"));
    // What was never affected below is no way out.
    assert_eq!(safe("1.5.0", &live, "patched = []\nunaffected = [\"< 1.5.0\"]"), pair("", ""));
}

#[test]
fn pre_releases_are_offered_to_pre_releases_only() {
    let live = ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "1.1.0-rc.1", "1.1.0"];
    let versions = "patched = [\">= 1.0.0-rc.2\"]";
    assert_eq!(safe("1.0.0-rc.1", &live, versions), pair("1.0.0-rc.2", "1.0.0-rc.2"));
    assert_eq!(safe("1.0.0", &live, "patched = [\">= 1.0.1\"]"), pair("1.1.0", "1.1.0"));
}

#[test]
fn within_the_range_a_pre_release_must_be_one_cargo_takes() {
    let live = ["1.0.0-rc.1", "1.1.0-rc.1", "1.2.0"];
    assert_eq!(safe("1.0.0-rc.1", &live, "patched = [\">= 1.1.0-rc.1\"]"), pair("1.2.0", "1.1.0-rc.1"));
}

#[test]
fn nobody_is_sent_to_a_nearly_affected_pre_release() {
    let versions = "patched = [\">= 0.10.1\", \"< 0.10.0, >= 0.9.3\"]";
    assert_eq!(safe("0.9.0-rc.1", &["0.10.0-rc.1", "0.10.0", "0.10.1"], versions), pair("", "0.10.1"));
}

#[test]
fn a_twin_that_differs_in_build_metadata_is_no_step_up() {
    assert_eq!(safe("1.0.0", &["1.0.0+fixed"], "patched = [\">= 1.0.1\"]"), pair("", ""));
}
