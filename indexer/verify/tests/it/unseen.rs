//! Archives that differ from their repository in something the build reads, hidden where a reader of the text may not look.
//! None of them is verified in any degree.

use std::collections::BTreeMap;

use fixtures::Node;
use fixtures::source_repo::text;
use schema::Verdict;

use crate::lab::{LIB, Lab, MANIFEST, PUBLISHED, Several, codes, expect, opened, tree_with};

/// The commit and the archive have this library; the archive's file at `path` is not the commit's.
fn hidden(library: &str, path: &'static str, more: &[(&'static str, &str)]) -> Lab {
    let lib = format!("{LIB}{library}\n");
    let mut files = vec![("src/lib.rs", text(&lib)), (path, text("// innocent\n"))];
    files.extend(more.iter().map(|(path, content)| (*path, text(content))));
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&files));
    lab.claims(&commit);
    lab.file("src/lib.rs", &lib);
    for (path, content) in more {
        lab.file(path, content);
    }
    lab.file(path, "evil!();\n");
    lab
}

#[track_caller]
fn expect_seen(lab: &Lab, what: &str) {
    let check = lab.check();
    assert!(
        matches!(check.verdict, Verdict::Mismatch | Verdict::Review),
        "{what}: {} {:?}",
        check.verdict,
        codes(&check)
    );
}

#[test]
fn a_path_written_with_escapes() {
    expect_seen(&hidden(r#"#[path = "../tests/\x65vil.rs"] mod evil;"#, "tests/evil.rs", &[]), "path");
    expect_seen(&hidden(r#"include!("../tests/\u{65}vil.rs");"#, "tests/evil.rs", &[]), "include");
}

#[test]
fn a_path_put_together_from_pieces() {
    for include in [
        r#"include!(concat!("../te", "sts/evil.rs"));"#,
        r#"include!(concat!(env!("CARGO_MANIFEST_DIR"), "/te", "sts/evil.rs"));"#,
        r#"include!(concat!("../tests/evil", '.', "rs"));"#,
        r#"include!(env!("EVIL"));"#,
    ] {
        expect_seen(&hidden(include, "tests/evil.rs", &[]), include);
    }
}

#[test]
fn an_include_under_another_name_or_behind_a_macro() {
    for include in [
        r#"use std::include as inc; inc!("../docs/evil.md");"#,
        r#"macro_rules! m { ($m:ident, $p:expr) => { $m!($p); } } m!(include, "../docs/evil.md");"#,
        r#"macro_rules! m { ($p:expr) => { include!($p); } } m!("../docs/evil.md");"#,
        r#"macro_rules! m { ($p:expr) => { #[path = $p] mod evil; } } m!("../docs/evil.md");"#,
    ] {
        expect_seen(&hidden(include, "docs/evil.md", &[]), include);
    }
}

#[test]
fn a_variable_that_is_called_doc() {
    for include in [
        r#"const fn f() -> &'static str { let doc; doc = include_str!("../README.md"); doc }"#,
        r#"#[evil::attribute(doc = include_str!("../README.md"))] fn f() {}"#,
    ] {
        expect_seen(&hidden(include, "README.md", &[]), include);
    }
}

#[test]
fn an_inline_module_with_a_folder_of_its_own() {
    let library = r#"#[path = "../tests"] pub(crate) mod outer { mod evil; }"#;
    expect_seen(&hidden(library, "tests/evil.rs", &[]), "inline module");
}

#[test]
fn a_document_the_build_script_reads() {
    let script = "fn main() { let _ = std::fs::read(\"README.md\"); }\n";
    expect_seen(&hidden("", "README.md", &[("build.rs", script)]), "readme");
    for folder in ["docs", "docs/.", "./docs//", "docs/more/.."] {
        let script = format!("fn main() {{ for file in std::fs::read_dir(\"{folder}\") {{}} }}\n");
        expect_seen(&hidden("", "docs/evil.md", &[("build.rs", &script)]), folder);
    }
    let script = "fn main() { let _ = std::fs::read(\".github/a file.txt\"); }\n";
    expect_seen(&hidden("", ".github/a file.txt", &[("build.rs", script)]), "with a space");
}

#[test]
fn a_template_or_grammar_that_a_macro_compiles() {
    for (library, path) in [
        (r#"#[template(path = "page.html")] struct Page;"#, "templates/page.html"),
        (r#"#[grammar = "rules.grammar"] struct Rules;"#, "src/rules.grammar"),
        (r#"#[folder = "web/"] struct Web;"#, "web/evil.js"),
        ("sqlx::migrate!();", "migrations/0001.sql"),
    ] {
        expect_seen(&hidden(library, path, &[]), path);
    }
}

#[test]
fn a_document_that_is_handed_to_a_macro() {
    for library in [
        r#"some::modules!("../docs/evil.md");"#,
        r#"some::modules!("$CARGO_MANIFEST_DIR/docs");"#,
        r#"#[some(file = "docs/evil.md")] struct S;"#,
    ] {
        expect_seen(&hidden(library, "docs/evil.md", &[]), library);
    }
}

#[test]
fn a_source_that_no_text_names() {
    let mut lab = Lab::honest();
    lab.file("src/evil.rs", "evil!();");
    expect_seen(&lab, "below src");
}

#[test]
fn a_test_file_that_a_procedural_macro_reads() {
    let manifest = MANIFEST.replace("[dependencies]", "[lib]\nproc-macro = true\n\n[dependencies]");
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("Cargo.toml", text(&manifest)), ("tests/corpus", text("innocent"))]));
    lab.claims(&commit);
    lab.file("Cargo.toml.orig", &manifest);
    lab.normalised = Some(manifest);
    lab.file("tests/corpus", "evil");
    expect_seen(&lab, "procedural macro");
}

#[test]
fn a_lock_file_or_claim_that_is_included() {
    for name in ["Cargo.lock", ".cargo_vcs_info.json"] {
        let library = format!("include!(\"../{name}\");");
        let mut lab = hidden(&library, "tests/a.rs", &[]);
        lab.file("tests/a.rs", "// innocent\n");
        lab.file("Cargo.lock", "evil!()");
        let check = lab.check();
        expect(&check, Verdict::Mismatch, &[]);
        assert!(check.facts.files.extra.iter().any(|file| file.path == name), "{name}");
    }
}

#[test]
fn a_file_that_windows_takes_for_another() {
    for path in ["src\\inner.rs", "src/inner.rs.", "src/inner.rs ", "src/inner.rs::$DATA"] {
        let mut lab = Lab::honest();
        lab.file(path, "evil!();");
        expect_seen(&lab, path);
    }
}

#[test]
fn sections_of_the_manifest_that_cargo_leaves_out() {
    for more in [
        "[patch.crates-io]\nlog = { git = \"https://evil.test/log\" }\n",
        "[replace]\n\"log:0.4.0\" = { path = \"evil\" }\n",
        "[workspace]\nmembers = [\"evil\"]\n",
    ] {
        let mut lab = Lab::honest();
        lab.normalised = Some(format!("{MANIFEST}\n{more}"));
        expect(&lab.check(), Verdict::Review, &["manifest.registry-changed"]);
    }
    for place in ["path = \"evil\"", "git = \"https://evil.test\"", "artifact = \"bin\""] {
        let mut lab = Lab::honest();
        lab.normalised = Some(MANIFEST.replace("log = \"0.4\"", &format!("log = {{ version = \"0.4\", {place} }}")));
        expect(&lab.check(), Verdict::Review, &["manifest.dependency-changed"]);
    }
}

#[test]
fn a_library_under_another_name_or_of_another_kind() {
    for lib in ["name = \"other\"", "crate-type = [\"cdylib\"]"] {
        let mut lab = Lab::honest();
        lab.normalised = Some(format!("{MANIFEST}\n[lib]\npath = \"src/lib.rs\"\n{lib}\n"));
        expect(&lab.check(), Verdict::Review, &["manifest.targets-changed"]);
    }
}

#[test]
fn fields_of_the_manifest_that_a_build_script_or_the_compiler_reads() {
    for more in ["[package.metadata.native]\nlibrary = \"evil\"\n", "[profile.release]\noverflow-checks = false\n"] {
        let mut lab = Lab::honest();
        lab.normalised = Some(format!("{MANIFEST}\n{more}"));
        expect(&lab.check(), Verdict::NotVerifiable, &["manifest.other-changed"]);
    }
    let mut lab = Lab::honest();
    lab.normalised = Some(MANIFEST.replace("edition", "description = \"another\"\nedition"));
    expect(&lab.check(), Verdict::NotVerifiable, &["manifest.other-changed"]);
}

#[test]
fn another_repository_than_the_famous_one_that_is_named() {
    let famous = Lab::new();
    famous.commit(&[("Cargo.toml", text(&MANIFEST.replace("\"sample\"", "\"famous\"")))]);
    // The page shows `repository`; the source is where `homepage` leads.
    let manifest = MANIFEST.replace("https://forge.test/o/sample", "https://github.com/famous/famous");
    let manifest = manifest.replace("edition", "homepage = \"https://github.com/evil/sample\"\nedition");
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("Cargo.toml", text(&manifest))]));
    lab.claims(&commit);
    lab.file("Cargo.toml.orig", &manifest);
    let own = ("https://github.com/evil/sample".to_owned(), opened(&lab.repo));
    let both =
        Several(BTreeMap::from([own.clone(), ("https://github.com/famous/famous".to_owned(), opened(&famous.repo))]));
    expect(&lab.check_with(&both), Verdict::Review, &["repo.package-not-found"]);
    // When it cannot be looked at, that is said.
    expect(&lab.check_with(&Several(BTreeMap::from([own]))), Verdict::Verified, &["repo.blocked"]);
}

#[test]
fn two_files_of_one_name_in_a_tree() {
    let mut lab = Lab::new();
    let honest = lab.commit(&tree_with(&[("build.rs", text("fn main() {}\n"))]));
    for content in ["fn main() {}\n", "fn main() { evil!() }\n"] {
        let twice = lab.repo.with_file_twice("main", &honest, "build.rs", b"fn main() { evil!() }\n").unwrap();
        lab.claims(&twice);
        lab.file("build.rs", content);
        let check = lab.check();
        let matched = check.facts.commit.matched.map(|matched| matched.to_string());
        // The honest commit before it may be found; the one that says two things at once is never believed.
        assert!(check.verdict != Verdict::Verified && matched != Some(twice), "{content:?}: {}", check.words);
    }
}

#[test]
fn a_commit_of_another_remote_in_a_clone() {
    let mut lab = Lab::new();
    lab.commit(&tree_with(&[("src/inner.rs", text("// main\n"))]));
    let fork = lab.repo.stray_commit(None, &tree_with(&[]), PUBLISHED - 9).unwrap();
    lab.repo.reference("refs/remotes/somebody/main", &fork).unwrap();
    lab.claims(&fork);
    expect(&lab.check(), Verdict::NotVerifiable, &["commit.fork-only"]);
}

#[test]
fn a_link_whose_target_is_elsewhere_in_the_archive() {
    let mut lab = Lab::new();
    let commit =
        lab.commit(&tree_with(&[("src/inner.rs", Node::Link("../tests/a.rs".into())), ("tests/a.rs", text("// a\n"))]));
    lab.claims(&commit);
    lab.file("src/inner.rs", "evil!();");
    lab.file("tests/a.rs", "// a\n");
    expect_seen(&lab, "link");
}
