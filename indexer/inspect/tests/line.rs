//! The index line against the manifest: every lie is found, no way of spelling is one. And archives broken at random.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use fixtures::CrateFile;
use inspect::{CrateArchive, Expected, Limits, compare_with_line, inspect, pack_entries, unpack_entries};
use proptest::prelude::*;
use schema::{ArchiveFiles, IndexLine, TargetKind};

const HEAD: &str = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";

fn expected() -> Expected {
    Expected::from_file_name("a-1.0.0.crate").unwrap()
}

fn facts(rest: &str) -> schema::ManifestFacts {
    let archive = CrateFile::with_manifest("a", "1.0.0", &format!("{HEAD}{rest}")).build().unwrap();
    inspect(archive.as_slice(), &expected(), None, &Limits::default()).unwrap().manifest.unwrap()
}

fn line(dependencies: &str, rest: &str) -> IndexLine {
    let checksum = "0".repeat(64);
    IndexLine::parse(&format!(
        r#"{{"name":"a","vers":"1.0.0","deps":[{dependencies}],"cksum":"{checksum}","features":{{}}{rest}}}"#
    ))
    .unwrap()
}

fn dependency(name: &str, req: &str, rest: &str) -> String {
    format!(r#"{{"name":"{name}","req":"{req}"{rest}}}"#)
}

#[test]
fn spelling_is_no_difference() {
    for (index, rest, manifest) in [
        (dependency("b", "^1", ""), "", "[dependencies]\nb = '1'"),
        (dependency("b", "*", ""), "", "[dependencies.b]\n"),
        (dependency("b", ">=1, <2", ""), "", "[dependencies]\nb = '>= 1,<2'"),
        (dependency("b", "^1", r#","features":["y","x"]"#), "", "[dependencies.b]\nversion='1'\nfeatures=['x','y']"),
        (dependency("c", "^1", r#","package":"b""#), "", "[dependencies.c]\nversion='1'\npackage='b'"),
        (
            dependency("b", "^1", r#","kind":"build","optional":true"#),
            "",
            "[build-dependencies.b]\nversion='1'\noptional=true",
        ),
        (
            dependency("b", "^1", r#","kind":"normal","registry":null,"target":"cfg(all(unix, target_os = \"x\"))""#),
            "",
            "[target.'cfg(all(unix,target_os=\"x\",))'.dependencies]\nb='1'",
        ),
        (
            dependency("b", "^1", ""),
            "",
            "[dependencies.b]\nversion='1'\nregistry-index='https://example.invalid/crates.io-index'",
        ),
        (String::new(), "", "[dev-dependencies.b]\npath='../b'"),
        (String::new(), "", "rust-version='1.70'\nlinks='z'"),
        (String::new(), r#","links":"z","rust_version":"1.70""#, "rust-version='1.70'\nlinks='z'"),
        (String::new(), r#","features2":{"x":["dep:b"]},"v":2"#, "[features]\nx=['dep:b']"),
        (
            dependency("b", "^1", r#","optional":true"#),
            r#","features2":{"b":["dep:b"]}"#,
            "[dependencies.b]\nversion='1'\noptional=true",
        ),
    ] {
        let findings = compare_with_line(&line(&index, rest), &facts(manifest));
        assert!(findings.is_empty(), "{manifest}: {findings:?}");
    }
}

#[test]
fn every_lie_is_found() {
    for (index, rest, manifest, field) in [
        (String::new(), "", "[dependencies]\nb = '1'", "dependencies"),
        (dependency("b", "^1", ""), "", "", "dependencies"),
        (dependency("b", "^1.0", ""), "", "[dependencies]\nb = '1.1'", "dependencies"),
        (dependency("b", "^1", ""), "", "[dependencies.b]\nversion='1'\npackage='evil'", "dependencies"),
        (dependency("b", "^1", ""), "", "[dependencies.b]\nversion='1'\noptional=true", "dependencies"),
        (dependency("b", "^1", ""), "", "[dependencies.b]\nversion='1'\ndefault-features=false", "dependencies"),
        (dependency("b", "^1", ""), "", "[dependencies.b]\nversion='1'\nfeatures=['x']", "dependencies"),
        (dependency("b", "^1", ""), "", "[build-dependencies]\nb = '1'", "dependencies"),
        (dependency("b", "^1", ""), "", "[target.'cfg(unix)'.dependencies]\nb = '1'", "dependencies"),
        (
            dependency("b", "^1", ""),
            "",
            "[dependencies.b]\nversion='1'\nregistry-index='https://evil.invalid/index'",
            "dependencies",
        ),
        (format!("{0},{0}", dependency("b", "^1", "")), "", "[dependencies]\nb = '1'", "dependencies"),
        (dependency("b", "^1", r#","kind":"dev""#), "", "", "dependencies"),
        (String::new(), "", "[features]\nx=[]", "features"),
        (String::new(), r#","features2":{"x":[]}"#, "", "features"),
        (String::new(), r#","features2":{"x":["y"]}"#, "[features]\nx=['z']\ny=[]\nz=[]", "features"),
        (String::new(), r#","links":"z""#, "", "links"),
        (String::new(), r#","links":"z""#, "links='y'", "links"),
        (String::new(), r#","rust_version":"1.60""#, "rust-version='1.70'", "rust_version"),
    ] {
        let findings = compare_with_line(&line(&index, rest), &facts(manifest));
        let fields: Vec<_> = findings.iter().map(|finding| finding.detail["field"].as_str().unwrap()).collect();
        assert_eq!(fields, [field], "{manifest}: {findings:?}");
    }
}

#[test]
fn inspect_compares_when_a_line_is_given() {
    let archive = CrateFile::honest("a", "1.0.0").build().unwrap();
    let line = line(&dependency("b", "^1", ""), "");
    let inspection = inspect(archive.as_slice(), &expected(), Some(&line), &Limits::default()).unwrap();
    let codes: Vec<_> = inspection.findings.totals().keys().map(|code| code.as_str()).collect();
    assert_eq!(codes, ["index.dependency-differs"]);
}

#[test]
fn targets_are_those_cargo_finds() {
    let manifest = format!("{HEAD}edition = '2021'\n[lib]\nproc-macro = true\n[[bin]]\nname = 'two'\n");
    let archive = CrateFile::with_manifest("a", "1.0.0", &manifest)
        .file("build.rs", b"")
        .file("src/main.rs", b"")
        .file("src/bin/two/main.rs", b"")
        .file("src/bin/two/part.rs", b"")
        .file("src/bin/three.rs", b"")
        .file("examples/e.rs", b"")
        .file("tests/t/main.rs", b"")
        .file("benches/data.txt", b"")
        .build()
        .unwrap();
    let facts = inspect(archive.as_slice(), &expected(), None, &Limits::default()).unwrap().manifest.unwrap();
    let mut targets: Vec<_> = facts.targets.iter().map(|t| (t.kind, t.name.as_str(), t.path.as_str())).collect();
    targets.sort_unstable();
    assert_eq!(
        targets,
        [
            (TargetKind::Lib, "a", "src/lib.rs"),
            (TargetKind::Bin, "a", "src/main.rs"),
            (TargetKind::Bin, "three", "src/bin/three.rs"),
            (TargetKind::Bin, "two", "src/bin/two/main.rs"),
            (TargetKind::Example, "e", "examples/e.rs"),
            (TargetKind::Test, "t", "tests/t/main.rs"),
            (TargetKind::Build, "build-script-build", "build.rs"),
        ]
    );
    assert!(facts.proc_macro && facts.has_lib);
    assert_eq!(facts.build.as_deref(), Some("build.rs"));
}

#[test]
fn the_document_goes_round_and_refuses_others() {
    let archive = CrateFile::honest("a", "1.0.0").build().unwrap();
    let files = inspect(archive.as_slice(), &expected(), None, &Limits::default()).unwrap().files;
    let packed = pack_entries(&files).unwrap();
    assert_eq!(unpack_entries(&packed).unwrap(), files);
    for bad in [&b""[..], b"{}", &packed[..packed.len() / 2]] {
        assert!(unpack_entries(bad).is_err());
    }
}

#[test]
fn the_last_entry_of_a_path_is_read() {
    let archive = CrateFile::honest("a", "1.0.0").file("x", b"first").file("./x", b"last").build().unwrap();
    let archive = CrateArchive::new(archive, &expected(), Limits::default());
    assert_eq!(archive.read("x", 4).unwrap().as_deref(), Some(&b"last"[..]));
    assert!(archive.read("x", 3).is_err());
    assert!(archive.read("y", 3).unwrap().is_none());
}

proptest! {
    /// Whatever happens to the tar, there is an inspection, and no more is listed than was in it.
    #[test]
    fn a_broken_tar_is_inspected(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut tar = CrateFile::honest("a", "1.0.0").file("x", &[7; 2000]).tar();
        for (at, byte) in changes {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        let archive = fixtures::crate_file::gzip(&tar).unwrap();
        let inspection = inspect(archive.as_slice(), &expected(), None, &Limits::default()).unwrap();
        prop_assert!(inspection.archive.unpacked_size <= tar.len() as u64);
    }

    /// Nor does damage to the gzip itself, or any bytes at all, bring the inspection down.
    #[test]
    fn a_broken_file_is_inspected(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let honest = CrateFile::honest("a", "1.0.0").build().unwrap();
        let mut archive = honest.clone();
        archive.splice(at.index(honest.len()).., bytes.iter().copied());
        prop_assume!(archive != honest);
        let inspection = inspect(archive.as_slice(), &expected(), None, &Limits::default()).unwrap();
        prop_assert!(!inspection.findings.is_empty());
        prop_assert_eq!(inspection.archive.compressed_size, archive.len() as u64);
    }
}
