//! Bytes that differ and are one file all the same: links, submodules, line endings, ident, LFS, encodings, copies from outside.

use std::collections::BTreeMap;

use fixtures::source_repo::text;
use fixtures::{Node, SourceRepo};
use schema::Verdict;

use crate::lab::{Lab, MANIFEST, PUBLISHED, Several, below, borrowed, expect, opened, tree, tree_with};

/// The commit has these files more, the archive those.
fn lab_with(commit: &[(&'static str, Node)], archive: &[(&str, &[u8])]) -> Lab {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(commit));
    lab.claims(&commit);
    for (path, content) in archive {
        lab.file(path, content);
    }
    lab
}

#[test]
fn links_to_files_and_folders_are_followed() {
    let lab = lab_with(
        &[
            ("real/a.rs", text("a")),
            ("src/a.rs", Node::Link("../real/a.rs".into())),
            ("src/dir", Node::Link("../real".into())),
        ],
        &[("src/a.rs", b"a"), ("src/dir/a.rs", b"a"), ("real/a.rs", b"a")],
    );
    expect(&lab.check(), Verdict::Verified, &["files.symlink-flattened"]);
}

#[test]
fn a_link_written_as_text_is_explained() {
    let lab = lab_with(&[("LICENSE", Node::Link("../LICENSE".into()))], &[("LICENSE", b"../LICENSE")]);
    expect(&lab.check(), Verdict::Verified, &["files.symlink-as-text"]);
}

#[test]
fn line_endings_are_explained_as_a_whole_or_not_at_all() {
    let lab = lab_with(&[("src/inner.rs", text("a\nb\n"))], &[("src/inner.rs", b"a\r\nb\r\n")]);
    expect(&lab.check(), Verdict::Verified, &["files.line-endings"]);
    let lab = lab_with(&[("src/inner.rs", text("a\nb\n"))], &[("src/inner.rs", b"a\r\nb\n")]);
    expect(&lab.check(), Verdict::Mismatch, &["files.code-differs"]);
}

#[test]
fn ident_is_explained_where_the_attributes_say_so() {
    let blob = "055c8729cdcc372500a08db659c045e16c4409fb";
    let written = format!("// $Id: {blob} $\n");
    // printf '// $Id$\n' | git hash-object --stdin
    let content = text("// $Id$\n");
    let id = Lab::new().repo.blob(b"// $Id$\n").unwrap();
    let written = written.replace(blob, &id);
    let with = lab_with(
        &[("src/inner.rs", content.clone()), (".gitattributes", text("*.rs ident\n"))],
        &[("src/inner.rs", written.as_bytes()), (".gitattributes", b"*.rs ident\n")],
    );
    expect(&with.check(), Verdict::Verified, &["files.ident-expanded"]);
    let without = lab_with(&[("src/inner.rs", content)], &[("src/inner.rs", written.as_bytes())]);
    expect(&without.check(), Verdict::Mismatch, &["files.code-differs"]);
}

#[test]
fn an_lfs_pointer_stands_for_the_bytes_it_names() {
    // printf 'abc' | sha256sum
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nsize 3\n";
    let lab = lab_with(&[("src/data.bin", text(pointer))], &[("src/data.bin", b"abc")]);
    expect(&lab.check(), Verdict::Verified, &["files.lfs-pointer"]);
}

#[test]
fn a_working_tree_encoding_is_undone() {
    let utf16: Vec<u8> = "é\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let attributes = "src/a.txt working-tree-encoding=UTF-16LE\n";
    let lab = lab_with(
        &[("src/a.txt", text("é\n")), (".gitattributes", text(attributes))],
        &[("src/a.txt", &utf16), (".gitattributes", attributes.as_bytes())],
    );
    expect(&lab.check(), Verdict::Verified, &["files.encoding"]);
}

#[test]
fn a_readme_from_outside_the_package_is_found() {
    let manifest = MANIFEST.replace("edition", "readme = \"../README.md\"\nlicense-file = \"../LICENSE\"\nedition");
    let mut inside = tree_with(&[("Cargo.toml", text(&manifest))]);
    inside.retain(|(path, _)| *path != "README.md");
    let mut files = below("sample", &inside);
    files.extend([("README.md".to_owned(), text("# outside\n")), ("LICENSE".to_owned(), text("licence\n"))]);
    let mut lab = Lab::new();
    let commit = lab.commit(&borrowed(&files));
    lab.claims_in(&commit, "sample");
    lab.file("Cargo.toml.orig", &manifest);
    lab.normalised = Some(manifest.replace("../", ""));
    lab.file("README.md", "# outside\n");
    lab.file("LICENSE", "licence\n");
    expect(&lab.check(), Verdict::Verified, &["files.outside-root-copy"]);
}

/// A repository with a submodule at `native`, and the submodule's own.
fn with_submodule(url: &str) -> (Lab, SourceRepo, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let inner = SourceRepo::create(&folder.path().join("inner")).unwrap();
    let at = inner.commit("main", &[("a.c", text("int a;\n"))], PUBLISHED - 99).unwrap();
    let modules = format!("[submodule \"native\"]\n\tpath = native\n\turl = {url}\n");
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("native", Node::Submodule(at)), (".gitmodules", text(&modules))]));
    lab.claims(&commit);
    lab.file("native/a.c", "int a;\n");
    (lab, inner, folder)
}

#[test]
fn submodules_are_followed_to_their_own_repository() {
    for url in ["https://forge.test/o/inner.git", "../inner"] {
        let (lab, inner, _folder) = with_submodule(url);
        let several = Several(BTreeMap::from([
            ("https://forge.test/o/sample".to_owned(), opened(&lab.repo)),
            ("https://forge.test/o/inner".to_owned(), opened(&inner)),
        ]));
        expect(&lab.check_with(&several), Verdict::Verified, &[]);
    }
}

#[test]
fn submodules_of_submodules_are_followed_three_deep_and_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let modules = |name: &str| text(&format!("[submodule \"s\"]\n\tpath = s\n\turl = https://forge.test/o/{name}\n"));
    // The innermost first: each holds the next one at `s`, and a file.
    let mut inner: Option<(String, String)> = None;
    let mut repositories = BTreeMap::new();
    for depth in (1..=4).rev() {
        let name = format!("inner{depth}");
        let repo = SourceRepo::create(&folder.path().join(&name)).unwrap();
        let mut files = vec![("a.c", text("int a;\n"))];
        if let Some((name, commit)) = &inner {
            files.extend([("s", Node::Submodule(commit.clone())), (".gitmodules", modules(name))]);
        }
        let commit = repo.commit("main", &files, PUBLISHED - 99).unwrap();
        repositories.insert(format!("https://forge.test/o/{name}"), opened(&repo));
        inner = Some((name, commit));
    }
    let (name, commit) = inner.unwrap();
    let mut lab = Lab::new();
    let commit = lab.commit(&tree_with(&[("s", Node::Submodule(commit)), (".gitmodules", modules(&name))]));
    lab.claims(&commit);
    repositories.insert("https://forge.test/o/sample".to_owned(), opened(&lab.repo));
    let several = Several(repositories);
    lab.file("s/s/s/a.c", "int a;\n");
    expect(&lab.check_with(&several), Verdict::Verified, &[]);
    lab.file("s/s/s/a.c", "int evil;\n");
    expect(&lab.check_with(&several), Verdict::Mismatch, &["files.native-differs"]);
    lab.files.remove("s/s/s/a.c");
    lab.file("s/s/s/s/a.c", "int a;\n");
    expect(&lab.check_with(&several), Verdict::NotVerifiable, &["submodule.unverified"]);
}

#[test]
fn a_readme_that_the_workspace_gives_is_found() {
    let root = "[workspace]\nmembers = [\"sample\"]\n[workspace.package]\nreadme = \"docs/README.md\"\n";
    let manifest = MANIFEST.replace("edition", "readme.workspace = true\nedition");
    let mut inside = tree_with(&[("Cargo.toml", text(&manifest))]);
    inside.retain(|(path, _)| *path != "README.md");
    let mut files = below("sample", &inside);
    files.extend([("docs/README.md".to_owned(), text("# outside\n")), ("Cargo.toml".to_owned(), text(root))]);
    let mut lab = Lab::new();
    let commit = lab.commit(&borrowed(&files));
    lab.claims_in(&commit, "sample");
    lab.file("Cargo.toml.orig", &manifest);
    lab.normalised = Some(manifest.replace("readme.workspace = true", "readme = \"README.md\""));
    lab.file("README.md", "# outside\n");
    expect(&lab.check(), Verdict::Verified, &["files.outside-root-copy"]);
}

#[test]
fn a_submodule_on_a_private_host_is_not_reached_and_not_believed() {
    let (lab, _inner, _folder) = with_submodule("http://169.254.169.254/inner");
    let several = Several(BTreeMap::from([("https://forge.test/o/sample".to_owned(), opened(&lab.repo))]));
    expect(&lab.check_with(&several), Verdict::NotVerifiable, &["submodule.unverified"]);
}

#[test]
fn a_submodule_at_a_commit_its_repository_does_not_reach_is_not_believed() {
    let (mut lab, inner, _folder) = with_submodule("../inner");
    let stray = inner.stray_commit(None, &[("a.c", text("int evil;\n"))], PUBLISHED - 9).unwrap();
    let modules = "[submodule \"native\"]\n\tpath = native\n\turl = ../inner\n";
    let commit = lab.commit(&tree_with(&[("native", Node::Submodule(stray)), (".gitmodules", text(modules))]));
    lab.claims(&commit);
    lab.file("native/a.c", "int evil;\n");
    let several = Several(BTreeMap::from([
        ("https://forge.test/o/sample".to_owned(), opened(&lab.repo)),
        ("https://forge.test/o/inner".to_owned(), opened(&inner)),
    ]));
    expect(&lab.check_with(&several), Verdict::NotVerifiable, &["submodule.unverified"]);
}

#[test]
fn an_old_archive_without_an_original_is_held_against_the_repository() {
    let mut lab = Lab::new();
    let commit = lab.commit(&tree());
    lab.claims(&commit);
    let manifest = lab.files.remove("Cargo.toml.orig").unwrap();
    lab.file("Cargo.toml", manifest);
    expect(&lab.check(), Verdict::Verified, &[]);
}
