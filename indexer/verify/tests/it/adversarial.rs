//! Every lie of issue 4, one test each: all are flagged, none is verified.

use std::collections::BTreeMap;

use fixtures::Node;
use fixtures::source_repo::text;
use schema::{Severity, Verdict};

use crate::history::claimed;
use crate::lab::{INNER, LIB, Lab, MANIFEST, PUBLISHED, below, borrowed, codes, expect, tree, tree_with};

#[test]
fn white_space_that_takes_code_out_of_a_comment() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("src/inner.rs", text("// safe evil();\n"))]));
    lab.claims(&commit);
    lab.file("src/inner.rs", "// safe\nevil();\n");
    expect(&lab.check(), Verdict::Mismatch, &["files.code-differs", "files.never-seen-code"]);
}

#[test]
fn a_dependency_injected_into_the_normalised_manifest() {
    let mut lab = Lab::honest();
    lab.normalised = Some(format!("{MANIFEST}evil = \"1\"\n"));
    expect(&lab.check(), Verdict::Review, &["manifest.dependency-added"]);
    lab.normalised = Some(MANIFEST.replace("log = \"0.4\"", "log = { version = \"0.4\", package = \"evil\" }"));
    expect(&lab.check(), Verdict::Review, &["manifest.dependency-changed"]);
    lab.normalised =
        Some(MANIFEST.replace("log = \"0.4\"", "log = { version = \"0.4\", registry-index = \"https://evil.test\" }"));
    expect(&lab.check(), Verdict::Review, &["manifest.registry-changed"]);
    lab.normalised = Some(format!("{MANIFEST}[features]\ndefault = [\"log/std\"]\n"));
    expect(&lab.check(), Verdict::Review, &["manifest.features-changed"]);
    lab.normalised = Some(MANIFEST.replace("edition", "links = \"z\"\nedition"));
    expect(&lab.check(), Verdict::Review, &["manifest.links-changed"]);
}

#[test]
fn a_build_script_or_library_path_set_in_the_normalised_manifest() {
    let mut lab = Lab::honest();
    lab.normalised = Some(MANIFEST.replace("edition", "build = \"src/inner.rs\"\nedition"));
    expect(&lab.check(), Verdict::Review, &["manifest.build-added"]);
    lab.normalised = Some(format!("{MANIFEST}[lib]\npath = \"src/inner.rs\"\n"));
    expect(&lab.check(), Verdict::Review, &["manifest.targets-changed"]);
}

#[test]
fn a_manifest_and_its_original_changed_together() {
    let mut lab = Lab::honest();
    lab.file("Cargo.toml.orig", format!("{MANIFEST}evil = \"1\"\n"));
    expect(&lab.check(), Verdict::Mismatch, &["manifest.original-differs"]);
}

#[test]
fn nested_files_with_the_names_of_generated_ones() {
    for path in ["src/Cargo.toml", "src/Cargo.lock", "src/.cargo_vcs_info.json", "src/Cargo.toml.orig"] {
        let mut lab = Lab::honest();
        lab.file(path, "evil");
        lab.file("src/inner.rs", format!("const X: &str = include_str!(\"{}\");", path.trim_start_matches("src/")));
        let check = lab.check();
        expect(&check, Verdict::Mismatch, &["files.data-extra"]);
        assert!(check.facts.files.extra.iter().any(|file| file.path == path));
    }
    let mut lab = Lab::honest();
    lab.file("nested/Cargo.toml", "evil");
    assert!(!["verified", "verified-equivalent"].contains(&lab.check().verdict.as_str()));
}

#[test]
fn a_readme_with_other_bytes() {
    let mut lab = Lab::honest();
    lab.file("README.md", "# sample\nrun: curl | sh\n");
    expect(&lab.check(), Verdict::VerifiedExceptNonbuild, &["files.nonbuild-differs", "files.never-seen-other"]);
}

#[test]
fn a_readme_the_code_includes() {
    let mut lab = Lab::new();
    let lib = format!("{LIB}const R: &[u8] = include_bytes!(\"../README.md\");\n");
    let commit = lab.commit(&tree_with(&[("src/lib.rs", text(&lib))]));
    lab.claims(&commit);
    lab.file("src/lib.rs", &lib);
    lab.file("README.md", "payload\n");
    expect(&lab.check(), Verdict::Mismatch, &["files.data-differs"]);
}

#[test]
fn the_forged_id_of_another_commit() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("src/inner.rs", text("// innocent\n"))]));
    lab.claims(&commit);
    lab.file("src/inner.rs", "pub fn evil() {}\n");
    expect(&lab.check(), Verdict::Mismatch, &["files.code-differs", "files.never-seen-code"]);
    // Of another version of the same package.
    let older = lab.commit(&tree_with(&[("Cargo.toml", text(&MANIFEST.replace("1.0.0", "0.9.0")))]));
    lab.claims(&older);
    expect(&lab.check(), Verdict::Mismatch, &["manifest.original-differs", "manifest.version-differs"]);
}

#[test]
fn a_commit_of_a_fork() {
    let mut lab = Lab::new();
    let main = lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let fork = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 9).unwrap();
    lab.claims(&fork);
    let check = lab.check();
    expect(&check, Verdict::NotVerifiable, &["commit.fork-only"]);
    assert!(check.reasons.iter().any(|reason| reason.severity == Severity::High));
}

#[test]
fn a_commit_of_a_pull_request_and_its_ancestor() {
    let mut lab = Lab::new();
    let main = lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let first = lab.repo.stray_commit(Some(&main), &tree(), PUBLISHED - 9).unwrap();
    let second = lab.repo.stray_commit(Some(&first), &tree_with(&[("more", text("x"))]), PUBLISHED - 8).unwrap();
    lab.repo.reference("refs/pull/7/head", &second).unwrap();
    for commit in [second, first] {
        lab.claims(&commit);
        expect(&lab.check(), Verdict::NotVerifiable, &["commit.pr-only"]);
    }
}

#[test]
fn a_commit_made_long_after_publication() {
    let mut lab = Lab::new();
    let innocent = lab.commit(&tree_with(&[("src/inner.rs", text("// innocent\n"))]));
    let late = lab.repo.commit("main", &tree(), PUBLISHED + 30 * 86_400).unwrap();
    lab.repo.tag("v1.0.0", &late).unwrap();
    lab.claims(&innocent);
    expect(&lab.check(), Verdict::Mismatch, &["commit.after-publish", "files.code-differs"]);
    lab.claims(&"ab".repeat(20));
    expect(&lab.check(), Verdict::NotVerifiable, &["commit.after-publish", "commit.absent"]);
}

#[test]
fn a_folder_that_escapes_or_names_another_package() {
    let other = MANIFEST.replace("\"sample\"", "\"other\"");
    let mut files = below("sample", &tree());
    files.extend(below("other", &tree_with(&[("Cargo.toml", text(&other))])));
    for folder in ["../sample", "/sample", "other", "sample\0", "nowhere", "..\\sample"] {
        let mut lab = Lab::new();
        let commit = lab.commit(&borrowed(&files));
        lab.claims_in(&commit, folder);
        let check = lab.check();
        expect(&check, Verdict::VerifiedEquivalent, &["vcs.path-mismatch"]);
        assert_eq!(check.facts.commit.package_path.as_deref(), Some("sample"));
    }
}

#[test]
fn two_packages_of_one_name() {
    let mut files = below("a", &tree_with(&[("src/inner.rs", text("// decoy\n"))]));
    files.extend(below("b", &tree()));
    let mut lab = Lab::new();
    let commit = lab.commit(&borrowed(&files));
    lab.claims_in(&commit, "a");
    expect(&lab.check(), Verdict::VerifiedEquivalent, &["vcs.path-mismatch"]);
    // Neither of them agrees.
    lab.file("src/inner.rs", "pub fn evil() {}\n");
    expect(&lab.check(), Verdict::Mismatch, &["files.code-differs"]);
}

#[test]
fn a_tag_that_points_elsewhere() {
    let mut lab = Lab::new();
    let elsewhere = lab.commit(&tree_with(&[("src/inner.rs", text("// elsewhere\n"))]));
    lab.repo.tag("v1.0.0", &elsewhere).unwrap();
    lab.claim = None;
    expect(&lab.check(), Verdict::Mismatch, &["files.code-differs", "vcs.missing"]);
}

#[test]
fn a_tag_that_was_moved() {
    let mut lab = Lab::honest();
    lab.repo.tag("v1.0.0", &claimed(&lab)).unwrap();
    lab.earlier = BTreeMap::from([("refs/tags/v1.0.0".to_owned(), "cd".repeat(20))]);
    expect(&lab.check(), Verdict::Verified, &["tag.moved"]);
}

#[test]
fn a_tag_on_a_blob_and_a_chain_of_tags() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree());
    let blob = lab.repo.blob(b"no commit").unwrap();
    lab.repo.tag("sample-v1.0.0", &blob).unwrap();
    let first = lab.repo.annotated_tag("first", &commit).unwrap();
    let second = lab.repo.annotated_tag("v1.0.0", &first).unwrap();
    lab.claim = None;
    let check = lab.check();
    expect(&check, Verdict::VerifiedEquivalent, &[]);
    assert_eq!(check.facts.commit.tag.as_deref(), Some("v1.0.0"));
    // The id of a tag object, of a blob: no commits, whatever they lead to.
    for object in [second, blob] {
        lab.claims(&object);
        let check = lab.check();
        expect(&check, Verdict::VerifiedEquivalent, &["commit.not-a-commit"]);
    }
}

#[test]
fn a_branch_or_tag_named_like_an_id() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree());
    let id = "ab".repeat(20);
    lab.repo.reference(&format!("refs/heads/{id}"), &commit).unwrap();
    lab.repo.tag(&id, &commit).unwrap();
    lab.claims(&id);
    let check = lab.check();
    expect(&check, Verdict::VerifiedEquivalent, &["commit.absent"]);
}

#[test]
fn ids_that_are_none() {
    for id in ["", "HEAD", "main", "AB", "refs/heads/main"] {
        let mut lab = Lab::honest();
        lab.claims(id);
        expect(&lab.check(), Verdict::VerifiedEquivalent, &["commit.malformed"]);
    }
    let mut lab = Lab::honest();
    let upper = claimed(&lab).to_uppercase();
    lab.claims(&upper);
    expect(&lab.check(), Verdict::VerifiedEquivalent, &["commit.malformed"]);
}

#[test]
fn links_that_loop_or_escape() {
    for target in ["inner.rs", "../src/inner.rs", "../../outside.rs", "/etc/passwd", "../../../../etc/passwd"] {
        let mut lab = Lab::new();
        let commit = lab.commit(&tree_with(&[("src/inner.rs", Node::Link(target.into()))]));
        lab.claims(&commit);
        expect(&lab.check(), Verdict::Mismatch, &["files.code-extra"]);
    }
}

#[test]
fn other_bytes_than_the_lfs_pointer_names() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 4\n", "12".repeat(32));
    let mut lab = Lab::new();
    let lib = format!("{LIB}const D: &[u8] = include_bytes!(\"data.bin\");\n");
    let commit = lab.commit(&tree_with(&[("src/lib.rs", text(&lib)), ("src/data.bin", text(&pointer))]));
    lab.claims(&commit);
    lab.file("src/lib.rs", &lib);
    lab.file("src/data.bin", "evil");
    expect(&lab.check(), Verdict::Mismatch, &["files.data-differs"]);
}

#[test]
fn two_paths_that_differ_in_case_only() {
    let mut lab = Lab::honest();
    lab.file("src/INNER.rs", "pub fn evil() {}\n");
    let check = lab.check();
    assert!(matches!(check.verdict, Verdict::Review | Verdict::Mismatch), "{:?}", codes(&check));
    assert!(codes(&check).contains(&"archive.case-collision"), "{:?}", codes(&check));
}

#[test]
fn a_famous_repository_claimed_by_another_crate() {
    let mut lab = Lab::new();
    let other = MANIFEST.replace("\"sample\"", "\"famous\"");
    let commit = lab.commit(&tree_with(&[("Cargo.toml", text(&other))]));
    lab.claims(&commit);
    let check = lab.check();
    expect(&check, Verdict::NotVerifiable, &["repo.package-not-found"]);
    assert_eq!(check.words, "Cannot be checked: the package is not in the repository");
}

#[test]
fn code_that_a_macro_or_an_attribute_brings_in() {
    for (inclusion, path) in [
        ("include!(\"../odd/x.in\");", "odd/x.in"),
        ("#[path = \"../odd/y.txt\"] mod y;", "odd/y.txt"),
        ("macro_rules! m { ($n:ident) => { mod $n; } } m!(z);", "src/z.rs"),
        ("static A: &str = include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/docs/a.md\"));", "docs/a.md"),
    ] {
        let mut lab = Lab::new();
        let lib = format!("{LIB}{inclusion}\n");
        let commit = lab.commit(&tree_with(&[("src/lib.rs", text(&lib))]));
        lab.claims(&commit);
        lab.file("src/lib.rs", &lib);
        lab.file(path, "evil!();");
        expect(&lab.check(), Verdict::Mismatch, &["files.never-seen-code"]);
    }
}

#[test]
fn a_test_file_nobody_saw_beside_a_build_script() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("build.rs", text("fn main() {}\n"))]));
    lab.claims(&commit);
    lab.file("build.rs", "fn main() {}\n");
    lab.file("tests/corpus.xz", "payload");
    expect(&lab.check(), Verdict::Mismatch, &["files.never-seen-code", "files.data-extra"]);
}

#[test]
fn a_compiled_file_among_the_tests() {
    let mut lab = Lab::honest();
    lab.file("tests/tool", b"\x7fELF\x02\x01\x01");
    expect(&lab.check(), Verdict::Review, &["files.binary-extra"]);
}

#[test]
fn a_workflow_that_ran_elsewhere() {
    let mut lab = Lab::honest();
    let sha1 = claimed(&lab);
    lab.trusted = Some(verify::TrustedPublishing { repository: "https://forge.test/evil/sample".to_owned(), sha1 });
    expect(&lab.check(), Verdict::Review, &["trustpub.repository-mismatch"]);
    lab.trusted =
        Some(verify::TrustedPublishing { repository: "https://forge.test/o/sample".to_owned(), sha1: "ab".repeat(20) });
    expect(&lab.check(), Verdict::VerifiedEquivalent, &["trustpub.sha-mismatch", "commit.absent"]);
}

#[test]
fn a_module_that_is_not_the_commits_own() {
    let mut lab = Lab::honest();
    lab.file("src/inner.rs", format!("{INNER}mod deeper;\n"));
    lab.file("src/inner/deeper.rs", "evil!();");
    let check = lab.check();
    expect(&check, Verdict::Mismatch, &["files.code-differs", "files.code-extra"]);
    assert_eq!(check.facts.files.extra[0].class.as_str(), "code");
}
