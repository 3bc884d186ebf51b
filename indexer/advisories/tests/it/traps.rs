//! Every trap of design 05 by name, each with the smallest advisory that sets it.

use advisories::matches;
use schema::{
    AdvisoryKind, CanonicalName, Generation, KrateName, Licence, MatchFlag, ReleaseId, SeverityWord, Timestamp,
};

use crate::support::{advisory, candidate, database, file, flags, text, version};

/// The versions among `nums` that are affected.
fn affected<'a>(versions: &str, nums: &[&'a str]) -> Vec<&'a str> {
    let advisory = advisory("", versions);
    nums.iter().copied().filter(|num| advisory.affects(&version(num))).collect()
}

#[test]
fn ranges_are_half_open() {
    let nums = ["0.9.9", "1.0.0", "1.5.0", "1.9.9", "2.0.0-0", "2.0.0", "3.0.0"];
    let versions = "patched = [\">= 2.0.0\"]\nunaffected = [\"< 1.0.0\"]";
    assert_eq!(affected(versions, &nums), ["1.0.0", "1.5.0", "1.9.9", "2.0.0-0"]);
}

#[test]
fn a_pre_release_is_judged_by_precedence_and_not_by_requirement() {
    // `VersionReq` says that ">=1.2.0" does not match 1.3.0-rc.1, and would report it as affected.
    assert!(!semver::VersionReq::parse(">=1.2.0").unwrap().matches(&version("1.3.0-rc.1")));
    assert_eq!(affected("patched = [\">= 1.2.0\"]", &["1.2.0-rc.1", "1.2.0", "1.3.0-rc.1"]), ["1.2.0-rc.1"]);
}

#[test]
fn a_caret_ends_before_the_first_pre_release_of_the_next() {
    assert_eq!(
        affected("patched = [\"^1.2.3\"]", &["1.2.2", "1.2.3", "1.99.0", "2.0.0-0", "2.0.0"]),
        ["1.2.2", "2.0.0-0", "2.0.0"]
    );
}

#[test]
fn build_metadata_has_no_precedence() {
    assert_eq!(affected("patched = [\">= 1.0.0\"]", &["0.9.0+x", "1.0.0+x", "1.0.0"]), ["0.9.0+x"]);
    assert_eq!(affected("patched = [\"> 1.0.0\"]", &["1.0.0+x", "1.0.0", "1.0.1"]), ["1.0.0+x", "1.0.0"]);
}

#[test]
fn nothing_patched_and_nothing_unaffected_is_everything() {
    assert_eq!(affected("patched = []", &["0.0.0-0", "0.0.1", "99.0.0"]), ["0.0.0-0", "0.0.1", "99.0.0"]);
}

#[test]
fn ranges_of_zero_width_are_dropped() {
    let touching = advisory("", "patched = [\">= 1.0.0\"]\nunaffected = [\"< 1.0.0\"]");
    assert_eq!(touching.ranges(), []);
    assert!(!touching.affects(&version("1.0.0")));
}

#[test]
fn a_pre_release_of_an_affected_release_is_near_and_not_affected() {
    // The ranges of RUSTSEC-2026-0097, where rand 0.10.0-rc.* is not affected by the official rule and 0.10.0 is.
    let versions =
        "patched = [\">= 0.10.1\", \"< 0.10.0, >= 0.9.3\", \"< 0.9.0, >= 0.8.6\"]\nunaffected = [\"< 0.7.0\"]";
    let advisory = advisory("", versions);
    assert_eq!(flags(&advisory, candidate(1, "0.10.0-rc.1")), Some(vec![MatchFlag::PrereleaseOfAffected]));
    assert_eq!(flags(&advisory, candidate(1, "0.10.0")), Some(vec![]));
    assert_eq!(flags(&advisory, candidate(1, "0.10.1-rc.1")), Some(vec![]));
    assert_eq!(flags(&advisory, candidate(1, "0.10.2-rc.1")), None);
    let found = matches(&advisory, &[candidate(1, "0.10.0-rc.1"), candidate(2, "0.10.0")]).matches;
    let affected: Vec<_> = found.iter().filter(|found| found.is_affected()).map(|found| found.release).collect();
    assert_eq!(affected, [ReleaseId(2)]);
}

#[test]
fn functions_are_cut_to_the_versions_verdict() {
    let functions = "[affected.functions]\n\"a::old\" = [\"< 1.5.0\"]\n\"a::new\" = [\">= 1.5.0\"]";
    let text = text("RUSTSEC-2026-0001", "a", "", "patched = [\">= 2.0.0\"]")
        .replace("[versions]", &format!("{functions}\n\n[versions]"));
    let advisory = advisories::Advisory::parse("crates/a/RUSTSEC-2026-0001.md", &text, "c0").unwrap();
    assert_eq!(advisory.affected_functions(&version("1.0.0")), ["a::old"]);
    assert_eq!(advisory.affected_functions(&version("1.5.0-rc.1")), ["a::old"]);
    assert_eq!(advisory.affected_functions(&version("1.6.0")), ["a::new"]);
    // The function's own requirement says yes here, the version's verdict says no.
    assert_eq!(advisory.affected_functions(&version("2.1.0")), Vec::<&str>::new());
}

#[test]
fn malware_is_derived_from_its_category_or_from_being_deleted_and_nothing_else() {
    let kind = |lines: &str, versions: &str| {
        let facts = advisory(lines, versions).facts;
        (facts.kind, facts.kind_derived)
    };
    let nothing = "patched = []";
    assert_eq!(kind("categories = [\"malicious\"]", nothing), (AdvisoryKind::Malicious, true));
    assert_eq!(kind("expect-deleted = true", nothing), (AdvisoryKind::Malicious, true));
    // The marks of RUSTSEC-2021-0082: unsound, and deleted by its author.
    let deleted = "expect-deleted = true\ninformational = \"unsound\"\ncategories = [\"memory-corruption\"]";
    assert_eq!(kind(deleted, nothing), (AdvisoryKind::Unsound, false));
    assert_eq!(kind("expect-deleted = true", "patched = [\">= 2.0.0\"]"), (AdvisoryKind::Vulnerability, false));
    assert_eq!(kind("", nothing), (AdvisoryKind::Vulnerability, false));
    for (word, wanted) in
        [("unmaintained", AdvisoryKind::Unmaintained), ("notice", AdvisoryKind::Notice), ("odd", AdvisoryKind::Other)]
    {
        assert_eq!(kind(&format!("informational = \"{word}\""), nothing), (wanted, false));
    }
}

#[test]
fn a_later_release_under_open_ended_malware_is_flagged() {
    // append-only-vec: 0.1.9 was malware on 2026-08-20, 0.1.10 is its author's, two months later.
    let malware = advisory("categories = [\"malicious\"]", "patched = []\nunaffected = [\"<= 0.1.8\"]");
    let published = |num: &str, at: &str| {
        let mut candidate = candidate(1, num);
        candidate.published_at = Some(Timestamp::parse(at).unwrap());
        flags(&malware, candidate)
    };
    let derived = vec![MatchFlag::DerivedKind];
    let later = vec![MatchFlag::OpenEndedPublishedAfter, MatchFlag::DerivedKind];
    assert_eq!(published("0.1.8", "2025-10-20T17:43:45Z"), None);
    assert_eq!(published("0.1.9", "2026-08-20T07:37:49Z"), Some(derived.clone()));
    assert_eq!(published("0.1.9", "2026-08-20T23:59:59Z"), Some(derived.clone()));
    assert_eq!(published("0.1.10", "2026-10-19T22:22:10Z"), Some(later));
    // Without `pubtime` nothing is claimed: it may only have been seen late.
    let mut unknown = candidate(1, "0.1.10");
    unknown.published_at = None;
    assert_eq!(flags(&malware, unknown), Some(derived));
    // A vulnerability that is still open is just that.
    let vulnerable = advisory("", "patched = []");
    let mut newer = candidate(1, "9.0.0");
    newer.published_at = Some(Timestamp::parse("2026-10-19").unwrap());
    assert_eq!(flags(&vulnerable, newer), Some(vec![]));
}

#[test]
fn an_advisory_older_than_this_generation_is_flagged() {
    let advisory = advisory("", "patched = []");
    let mut second = candidate(1, "1.0.0");
    second.generation = Generation(2);
    second.published_at = Some(Timestamp::parse("2026-09-01").unwrap());
    assert_eq!(flags(&advisory, second.clone()), Some(vec![MatchFlag::PriorGeneration]));
    second.published_at = None;
    assert_eq!(flags(&advisory, second.clone()), Some(vec![MatchFlag::PriorGeneration]));
    second.published_at = Some(Timestamp::parse("2026-08-01").unwrap());
    assert_eq!(flags(&advisory, second), Some(vec![]));
}

#[test]
fn deleted_releases_stay_matched_and_say_so() {
    let advisory = advisory("", "patched = []");
    let mut deleted = candidate(1, "1.0.0");
    deleted.deleted = true;
    assert_eq!(flags(&advisory, deleted), Some(vec![MatchFlag::Deleted]));
}

#[test]
fn a_withdrawn_advisory_is_kept_and_matches_nothing() {
    let withdrawn = advisory("withdrawn = \"2026-09-01\"", "patched = []");
    assert_eq!(withdrawn.facts.withdrawn.as_deref(), Some("2026-09-01"));
    assert_eq!(flags(&withdrawn, candidate(1, "1.0.0")), None);
}

#[test]
fn a_number_that_is_no_semver_is_neither_affected_nor_free() {
    let outcome = matches(&advisory("", "patched = []"), &[candidate(1, "0.0.1-001"), candidate(2, "0.0.1")]);
    assert_eq!(outcome.unmatchable, [ReleaseId(1)]);
    assert_eq!(outcome.matches.iter().map(|found| found.release).collect::<Vec<_>>(), [ReleaseId(2)]);
}

#[test]
fn the_toolchains_own_are_never_matched_to_crates() {
    let text = text("CVE-2021-0001", "std", "", "patched = [\">= 1.50.0\"]");
    let advisory = advisories::Advisory::parse("rust/std/CVE-2021-0001.md", &text, "c0").unwrap();
    assert_eq!(advisory.facts.krate, None);
    assert_eq!(flags(&advisory, candidate(1, "1.0.0")), None);
    let matcher = advisories::Matcher::new([&advisory]);
    assert!(matcher.about(&KrateName::parse("std").unwrap().canonical()).is_empty());
}

#[test]
fn any_spelling_of_a_crate_finds_its_advisories() {
    let text = text("RUSTSEC-2026-0001", "Serde-JSON", "", "patched = []");
    let database = database(vec![file("crates/Serde-JSON/RUSTSEC-2026-0001.md", &text)]);
    let matcher = advisories::Matcher::new(&database.advisories);
    let names: Vec<&CanonicalName> = matcher.krates().collect();
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["serde_json"]);
    let canonical = KrateName::parse("serde_json").unwrap().canonical();
    assert_eq!(matcher.matches(&canonical, &[candidate(7, "1.0.0")]).matches.len(), 1);
}

#[test]
fn unscored_is_its_own_value_and_scores_are_the_calculators() {
    // Scores by the calculators of first.org.
    let score = |vector: &str| advisory(&format!("cvss = \"{vector}\""), "patched = []").facts.score;
    for (vector, version, tenths, word) in [
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "3.0", 98, SeverityWord::Critical),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "3.1", 75, SeverityWord::High),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "3.1", 100, SeverityWord::Critical),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "3.1", 0, SeverityWord::None),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "4.0", 93, SeverityWord::Critical),
    ] {
        let score = score(vector);
        assert_eq!((score.score_x10, score.severity), (Some(tenths), word), "{vector}");
        assert_eq!((score.cvss.as_deref(), score.vector.as_deref()), (Some(version), Some(vector)));
    }
    let unscored = advisory("", "patched = []").facts.score;
    assert_eq!((unscored.severity, unscored.score_x10, unscored.cvss), (SeverityWord::Unscored, None, None));
}

#[test]
fn facts_are_kept_as_written() {
    let lines = "aliases = [\"CVE-2026-1\", \"GHSA-aaaa\"]\nrelated = [\"CVE-2026-2\"]\nlicense = \"CC-BY-4.0\"\nurl = \"https://example.org/x\"";
    let advisory = advisory(lines, "patched = [\">=  1.0.0 \"]");
    assert_eq!(advisory.facts.patched, [">=  1.0.0 "]);
    assert_eq!(advisory.facts.aliases, ["CVE-2026-1", "GHSA-aaaa"]);
    assert_eq!(advisory.related, ["CVE-2026-2"]);
    assert_eq!(advisory.facts.licence, Licence::CcBy);
    assert_eq!(advisory.facts.title, "Title");
}
