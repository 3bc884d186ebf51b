//! Commits: recorded, tagged, found by content; behind branches, tags, pull requests, forks or nothing.

use fixtures::Node;
use fixtures::source_repo::text;
use schema::Verdict;
use verify::{ClaimSource, CommitStatus};

use crate::lab::{INNER, Lab, MANIFEST, PUBLISHED, below, borrowed, codes, expect, tree, tree_with};

#[test]
fn an_honest_archive_is_verified() {
    let lab = Lab::honest();
    let check = lab.check();
    expect(&check, Verdict::Verified, &["tag.none"]);
    assert_eq!(check.facts.commit.claimed_status, Some(CommitStatus::Head));
    assert_eq!(check.facts.files.identical, check.facts.files.total);
    assert!(check.words.starts_with("Source matches commit "));
}

#[test]
fn an_ancestor_of_a_branch_is_reachable_and_the_tag_is_named() {
    let lab = Lab::honest();
    lab.repo.tag("v1.0.0", &claimed(&lab)).unwrap();
    lab.commit(&tree_with(&[("src/inner.rs", text("// later\n"))]));
    let check = lab.check();
    expect(&check, Verdict::Verified, &[]);
    assert_eq!(check.facts.commit.tag.as_deref(), Some("v1.0.0"));
    assert!(check.words.ends_with("(tag v1.0.0)"), "{}", check.words);
}

#[test]
fn a_commit_behind_a_tag_only_is_reachable() {
    let mut lab = Lab::new();
    lab.commit(&[("other", text("x"))]);
    let commit = lab.repo.stray_commit(None, &tree(), PUBLISHED - 5).unwrap();
    lab.repo.annotated_tag("sample-v1.0.0", &commit).unwrap();
    lab.claims(&commit);
    expect(&lab.check(), Verdict::Verified, &["commit.tag-only"]);
}

#[test]
fn a_missing_claim_is_made_good_by_the_tag() {
    let mut lab = Lab::honest();
    lab.repo.tag("v1.0.0", &claimed(&lab)).unwrap();
    lab.claim = None;
    let check = lab.check();
    expect(&check, Verdict::VerifiedEquivalent, &["vcs.missing"]);
    assert_eq!(check.facts.commit.found_by, Some(ClaimSource::Tag));
}

#[test]
fn an_absent_commit_is_made_good_by_content() {
    let mut lab = Lab::honest();
    let true_commit = claimed(&lab);
    lab.commit(&tree_with(&[("src/inner.rs", text("// later\n"))]));
    lab.claims(&"ab".repeat(20));
    let check = lab.check();
    expect(&check, Verdict::VerifiedEquivalent, &["commit.absent"]);
    assert_eq!(check.facts.commit.matched.map(|oid| oid.to_string()), Some(true_commit));
    assert_eq!(check.facts.commit.found_by, Some(ClaimSource::ContentSearch));
}

#[test]
fn a_dirty_commit_that_agrees_is_verified_and_one_that_does_not_is_searched_for() {
    let mut lab = Lab::honest();
    let commit = claimed(&lab);
    lab.claims_dirty(&commit);
    expect(&lab.check(), Verdict::Verified, &["vcs.dirty"]);
    // The package was made from the next commit's files before they were committed.
    let next = "pub fn next() {}\n";
    lab.commit(&tree_with(&[("src/inner.rs", text(next))]));
    lab.file("src/inner.rs", next);
    expect(&lab.check(), Verdict::VerifiedEquivalent, &["vcs.dirty"]);
}

#[test]
fn a_commit_that_is_nowhere_cannot_be_checked_and_raises_no_alarm() {
    let mut lab = Lab::honest();
    lab.claims(&"ab".repeat(20));
    lab.file("src/inner.rs", "pub fn unpushed() {}\n");
    let check = lab.check();
    expect(&check, Verdict::NotVerifiable, &["commit.absent", "files.never-seen-code"]);
    assert!(check.reasons.iter().all(|reason| reason.severity != schema::Severity::High), "{:?}", codes(&check));
}

#[test]
fn a_package_in_a_workspace_is_found_where_it_says_by_its_link_or_by_name() {
    let root = "[workspace]\nmembers = [\"crates/sample\"]\n[workspace.package]\nversion = \"1.0.0\"\n[workspace.dependencies]\nlog = { version = \"0.4\", features = [\"std\"] }\n";
    let member = MANIFEST
        .replace("version = \"1.0.0\"", "version.workspace = true")
        .replace("log = \"0.4\"", "log = { workspace = true, features = [\"serde\"], optional = true }");
    let mut files = below("crates/sample", &tree_with(&[("Cargo.toml", text(&member))]));
    files.push(("Cargo.toml".to_owned(), text(root)));
    let mut lab = Lab::new();
    let commit = lab.commit(&borrowed(&files));
    lab.file("Cargo.toml.orig", &member);
    lab.normalised = Some(
        MANIFEST
            .replace("log = \"0.4\"", "log = { version = \"0.4\", features = [\"std\", \"serde\"], optional = true }"),
    );
    for folder in ["crates/sample", "", "crates"] {
        lab.claims_in(&commit, folder);
        let check = lab.check();
        let is_right = folder == "crates/sample";
        let verdict = if is_right { Verdict::Verified } else { Verdict::VerifiedEquivalent };
        expect(&check, verdict, if is_right { &[] } else { &["vcs.path-mismatch"] });
        assert_eq!(check.facts.commit.package_path.as_deref(), Some("crates/sample"));
    }
    // A dependency that follows from no workspace value.
    lab.claims_in(&commit, "crates/sample");
    lab.normalised = lab.normalised.map(|text| text.replace("\"serde\"]", "\"serde\", \"kv\"]"));
    expect(&lab.check(), Verdict::Review, &["manifest.dependency-changed"]);
}

#[test]
fn a_second_search_in_an_open_repository_finds_the_same() {
    let mut lab = Lab::honest();
    lab.commit(&tree_with(&[("src/inner.rs", text(INNER)), ("more", text("x"))]));
    lab.claim = None;
    let several =
        crate::lab::Several([("https://forge.test/o/sample".to_owned(), crate::lab::opened(&lab.repo))].into());
    let first = lab.check_with(&several);
    expect(&first, Verdict::VerifiedEquivalent, &[]);
    assert_eq!(lab.check_with(&several), first);
}

#[test]
fn what_the_build_does_not_read_may_differ() {
    let mut lab = Lab::honest();
    lab.file("README.md", "# another\n");
    let check = lab.check();
    expect(&check, Verdict::VerifiedExceptNonbuild, &["files.nonbuild-differs", "files.never-seen-other"]);
    assert_eq!(check.words, "Code matches; 1 other file is not in the repository");
    assert!(
        check.facts.files.differing[0].diff.as_deref().is_some_and(|diff| diff.contains("-# sample\n+# another\n"))
    );
}

#[test]
fn a_build_script_that_was_left_out_is_seen() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("build.rs", text("fn main() {}\n")), ("doc/x.md", text("x"))]));
    lab.claims(&commit);
    let check = lab.check();
    expect(&check, Verdict::Review, &["files.missing-build-input", "files.missing-in-crate"]);
    assert_eq!(check.facts.files.missing, ["build.rs", "doc/x.md"]);
}

#[test]
fn neighbouring_versions_name_the_repository_that_this_one_does_not_and_a_new_address_is_said() {
    let manifest = MANIFEST.replace("repository = \"https://forge.test/o/sample\"\n", "");
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("Cargo.toml", text(&manifest))]));
    lab.claims(&commit);
    lab.file("Cargo.toml.orig", &manifest);
    expect(&lab.check(), Verdict::NotVerifiable, &["repo.none"]);
    lab.neighbours = vec!["https://forge.test/o/sample".to_owned()];
    expect(&lab.check(), Verdict::Verified, &[]);
    let mut moved = Lab::honest();
    moved.neighbours = vec!["https://forge.test/another/sample".to_owned()];
    expect(&moved.check(), Verdict::Verified, &["repo.url-changed"]);
}

#[test]
fn a_file_the_repository_ignores_or_that_says_it_was_generated_is_explained_and_not_excused() {
    for (content, ignore) in [("pub fn a() {}\n", "/src/made.rs\n"), ("// @generated by a tool\n", "/target\n")] {
        let mut lab = Lab::new();
        let lib = format!("{}mod made;\n", crate::lab::LIB);
        let commit = lab.commit(&tree_with(&[("src/lib.rs", text(&lib)), (".gitignore", text(ignore))]));
        lab.claims(&commit);
        lab.file("src/lib.rs", &lib);
        lab.file("src/made.rs", content);
        expect(&lab.check(), Verdict::Mismatch, &["files.generated-unreproduced", "files.code-extra"]);
    }
}

#[test]
fn the_document_has_the_promised_shape() {
    let mut lab = Lab::honest();
    lab.file("src/extra.rs", "x");
    lab.repo.commit("main", &tree_with(&[("src/inner.rs", Node::Executable(INNER.into()))]), PUBLISHED).unwrap();
    let json = serde_json::to_value(lab.check()).unwrap();
    for pointer in [
        "/name",
        "/num",
        "/checksum",
        "/verdict",
        "/words",
        "/rules",
        "/repository/claimed",
        "/repository/normalised",
        "/repository/path_hint",
        "/repository/status",
        "/commit/claimed",
        "/commit/claimed_status",
        "/commit/dirty",
        "/commit/matched",
        "/commit/found_by",
        "/commit/tag",
        "/commit/package_path",
        "/files/total",
        "/files/identical",
        "/files/explained",
        "/files/differing",
        "/files/extra/0/path",
        "/files/extra/0/class",
        "/files/extra/0/seen",
        "/files/missing",
        "/manifest/status",
        "/manifest/notes",
        "/reasons/0/code",
        "/reasons/0/severity",
        "/reasons/0/detail",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer} in {json}");
    }
    // The verdict follows from the stored facts alone.
    let facts: verify::Facts = serde_json::from_value(serde_json::to_value(&lab.check().facts).unwrap()).unwrap();
    assert_eq!(verify::judge(&facts).verdict, lab.check().verdict);
}

pub(crate) fn claimed(lab: &Lab) -> String {
    let claim: serde_json::Value = serde_json::from_str(lab.claim.as_deref().unwrap()).unwrap();
    claim["git"]["sha1"].as_str().unwrap().to_owned()
}
