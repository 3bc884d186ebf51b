//! Every lie an archive can tell, one line each, with exactly the findings it must raise; honest archives raise none.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use fixtures::crate_file::{gzip, gzip_with_header};
use fixtures::{CrateFile, TarEntry};
use inspect::{Expected, Limits, inspect};
use schema::{Inspection, KrateName, Severity, VersionNum};

/// What is built, and the codes it must raise, in any order and as often as given; `!` after a code means high.
type Case = (&'static str, Vec<u8>, &'static [&'static str]);

fn look(bytes: &[u8], limits: &Limits) -> Inspection {
    let expected = Expected { name: KrateName::parse("a").unwrap(), num: VersionNum::parse("1.0.0").unwrap() };
    inspect(bytes, &expected, None, limits).unwrap()
}

fn check(cases: Vec<Case>, limits: &Limits) {
    for (what, bytes, wanted) in cases {
        let inspection = look(&bytes, limits);
        let mut found: Vec<String> = inspection
            .findings
            .kept()
            .iter()
            .map(|finding| format!("{}{}", finding.code, if finding.severity == Severity::High { "!" } else { "" }))
            .collect();
        found.sort();
        let mut wanted: Vec<_> = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{what}: {:#?}", inspection.findings.kept());
        assert_eq!(inspection.archive.compressed_size, bytes.len() as u64, "{what}");
    }
}

fn honest() -> CrateFile {
    CrateFile::honest("a", "1.0.0")
}

fn built(archive: &CrateFile) -> Vec<u8> {
    archive.build().unwrap()
}

fn with(entry: &TarEntry) -> Vec<u8> {
    built(&honest().entry(entry))
}

fn file(path: &str) -> TarEntry {
    TarEntry::file(path, b"x")
}

fn link(type_byte: u8) -> Vec<u8> {
    with(&TarEntry::of_type(type_byte, "a-1.0.0/l", "src/lib.rs", b""))
}

fn manifest(rest: &str) -> Vec<u8> {
    built(&CrateFile::with_manifest("a", "1.0.0", &format!("[package]\nname = \"a\"\nversion = \"1.0.0\"\n{rest}")))
}

/// The honest archive with this content in `src/x.rs`.
fn source(content: &str) -> Vec<u8> {
    built(&honest().file("src/x.rs", content.as_bytes()))
}

fn changed(at_end: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = built(&honest());
    let at = archive.len() - at_end;
    archive[at..at + bytes.len()].copy_from_slice(bytes);
    archive
}

fn sized(field: &[u8; 12]) -> Vec<u8> {
    with(&TarEntry { size_field: Some(*field), ..file("a-1.0.0/x") })
}

/// An extension header (or two) before the file `a-1.0.0/x`.
fn extended(headers: &[TarEntry]) -> Vec<u8> {
    let archive = headers.iter().fold(honest(), CrateFile::entry);
    built(&archive.entry(&file("a-1.0.0/x")))
}

fn long_name(type_byte: u8, content: &[u8]) -> TarEntry {
    TarEntry::of_type(type_byte, "././@LongLink", "", content)
}

#[test]
fn gzip_lies() {
    let tar = honest().tar();
    let honest = built(&honest());
    let head = |flags: u8, rest: &[u8]| [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], rest].concat();
    let under = |flags: u8, rest: &[u8]| gzip_with_header(&head(flags, rest), &tar).unwrap();
    check(
        vec![
            ("honest", honest.clone(), &[]),
            ("empty file", Vec::new(), &["archive.truncated!"]),
            ("a zip", b"PK\x03\x04".to_vec(), &["archive.not-gzip!"]),
            ("bare tar", tar.clone(), &["archive.not-gzip!"]),
            ("one byte", vec![0x1f], &["archive.truncated!"]),
            ("half the second magic byte", vec![0x1f, 0x8c], &["archive.not-gzip!"]),
            ("method 7", [&[0x1f, 0x8b, 7], &honest[3..]].concat(), &["archive.corrupt!"]),
            ("reserved flag", under(0x20, b""), &["archive.corrupt!"]),
            ("name and comment", under(0x18, b"name\0comment\0"), &[]),
            ("extra field", under(0x04, b"\x03\0abc"), &[]),
            ("wrong header crc", under(0x02, b"\0\0"), &["archive.corrupt!"]),
            ("header cut", head(0x08, b"name"), &["archive.truncated!"]),
            ("cut in the middle", honest[..honest.len() / 2].to_vec(), &["archive.truncated!"]),
            ("cut in the trailer", honest[..honest.len() - 3].to_vec(), &["archive.truncated!"]),
            ("crc", changed(8, &[1, 2, 3, 4]), &["archive.corrupt!"]),
            ("size", changed(4, &[1, 2, 3, 4]), &["archive.corrupt!"]),
            ("deflate", [&head(0, b""), &[0xff; 64][..]].concat(), &["archive.corrupt!"]),
            ("trailing bytes", [&honest[..], b"junk"].concat(), &["archive.trailing-bytes"]),
            ("one trailing byte", [&honest[..], b"\x1f"].concat(), &["archive.trailing-bytes"]),
            ("second member", [&honest[..], &gzip(b"more").unwrap()].concat(), &["archive.second-member"]),
        ],
        &Limits::default(),
    );
}

#[test]
fn tar_lies() {
    let honest_tar = honest().tar();
    let hidden = TarEntry::file("a-1.0.0/hidden.rs", b"x").to_bytes();
    let cut = &honest_tar[..honest_tar.len() - 1024 - 700];
    check(
        vec![
            ("no end mark", gzip(honest().tar_without_end()).unwrap(), &["archive.truncated"]),
            ("one zero block", gzip(&honest_tar[..honest_tar.len() - 512]).unwrap(), &[]),
            (
                "entries behind the end",
                gzip(&[&honest_tar[..], &hidden].concat()).unwrap(),
                &["archive.data-after-end"],
            ),
            ("zeros behind the end", gzip(&[&honest_tar[..], &[0; 4096]].concat()).unwrap(), &[]),
            ("cut in an entry", gzip(cut).unwrap(), &["archive.truncated!"]),
            ("empty tar", built(&CrateFile::empty("a", "1.0.0")), &["manifest.missing!", "vcs.missing"]),
            ("checksum", with(&TarEntry { checksum: Some(1), ..file("a-1.0.0/x") }), &["archive.corrupt!"]),
            ("negative size", sized(&[0xff; 12]), &["archive.corrupt!"]),
            ("overflowing size", sized(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), &["archive.corrupt!"]),
            ("size of 2^63", sized(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), &["archive.corrupt!"]),
            ("size is no number", sized(b"00000000009\0"), &["archive.corrupt!"]),
            ("empty size", sized(&[0; 12]), &["archive.corrupt!"]),
            ("size beyond the end", sized(b"77777777777\0"), &["archive.truncated!"]),
            ("base-256 size", sized(b"\x80\0\0\0\0\0\0\0\0\0\0\x01"), &[]),
            ("symbolic link", link(b'2'), &["archive.forbidden-entry!"]),
            ("hard link", link(b'1'), &["archive.forbidden-entry!"]),
            ("character device", link(b'3'), &["archive.forbidden-entry!"]),
            ("block device", link(b'4'), &["archive.forbidden-entry!"]),
            ("pipe", link(b'6'), &["archive.forbidden-entry!"]),
            ("contiguous file", link(b'7'), &["archive.forbidden-entry!"]),
            ("GNU sparse", link(b'S'), &["archive.forbidden-entry!"]),
            ("unknown type", link(b'Z'), &["archive.forbidden-entry!"]),
            ("directory", with(&TarEntry::of_type(b'5', "a-1.0.0/d/", "", b"")), &[]),
            ("root directory", with(&TarEntry::of_type(b'5', "a-1.0.0", "", b"")), &[]),
            ("directory with data", with(&TarEntry::of_type(b'5', "a-1.0.0/d", "", b"x")), &["archive.odd-path"]),
            (
                "time of another cargo",
                built(&honest().at(123_456_789).file("x", b"")),
                &["archive.packager-inconsistent"],
            ),
            (
                "real time among fixed",
                built(&honest().at(1_600_000_000).file("x", b"")),
                &["archive.packager-inconsistent"],
            ),
        ],
        &Limits::default(),
    );
}

#[test]
fn extension_lies() {
    let pax = TarEntry::pax;
    check(
        vec![
            ("pax path", extended(&[pax(&[("path", "a-1.0.0/y")])]), &[]),
            ("pax size agrees", extended(&[pax(&[("size", "1")])]), &[]),
            (
                "pax size differs",
                extended(&[pax(&[("size", "0")])]),
                &["archive.pax-size-mismatch!", "archive.corrupt!"],
            ),
            ("pax size is no number", extended(&[pax(&[("size", "-1")])]), &["archive.extension-malformed"]),
            (
                "pax key twice",
                extended(&[pax(&[("path", "a-1.0.0/y"), ("path", "a-1.0.0/z")])]),
                &["archive.extension-malformed"],
            ),
            (
                "pax record",
                extended(&[TarEntry::of_type(b'x', "p", "", b"99 path=x\n")]),
                &["archive.extension-malformed"],
            ),
            ("pax sparse", extended(&[pax(&[("GNU.sparse.major", "1")])]), &["archive.forbidden-entry!"]),
            ("two pax headers", extended(&[pax(&[("path", "a-1.0.0/y")]), pax(&[])]), &["archive.extension-malformed"]),
            ("long name", extended(&[long_name(b'L', b"a-1.0.0/y\0")]), &[]),
            (
                "two long names",
                extended(&[long_name(b'L', b"a-1.0.0/y\0"), long_name(b'L', b"a-1.0.0/z\0")]),
                &["archive.extension-malformed"],
            ),
            ("long name hides", extended(&[long_name(b'L', b"a-1.0.0/y\0hidden")]), &["archive.extension-malformed"]),
            (
                "GNU and pax differ",
                extended(&[long_name(b'L', b"a-1.0.0/y\0"), pax(&[("path", "a-1.0.0/z")])]),
                &["archive.extension-malformed"],
            ),
            ("global", extended(&[TarEntry::of_type(b'g', "g", "", b"")]), &["archive.extension-malformed"]),
            ("dangling", with(&pax(&[("path", "a-1.0.0/y")])), &["archive.extension-malformed"]),
            (
                "oversized",
                extended(&[long_name(b'L', &[b'x'; 70_000])]),
                &["archive.extension-malformed", "archive.limit!"],
            ),
        ],
        &Limits::default(),
    );
}

#[test]
fn path_lies() {
    let not_utf8 = TarEntry { path: b"a-1.0.0/\xff".to_vec(), ..file("") };
    let nul = extended(&[TarEntry::pax(&[("path", "a-1.0.0/x\0y")])]);
    let hidden_name = TarEntry { path: b"a-1.0.0/x\0evil".to_vec(), ..file("") };
    check(
        vec![
            ("dot dot", with(&file("a-1.0.0/../x")), &["archive.path-escape!"]),
            (
                "absolute",
                with(&file("/etc/passwd")),
                &["archive.path-escape!", "archive.outside-prefix!", "archive.odd-path"],
            ),
            ("drive", with(&file("C:/x")), &["archive.path-escape!", "archive.outside-prefix!"]),
            ("dot dot by backslash", with(&file("a-1.0.0/..\\x")), &["archive.path-escape!", "archive.odd-path"]),
            ("another prefix", with(&file("b-1.0.0/x")), &["archive.outside-prefix!"]),
            ("prefix of a prefix", with(&file("a-1.0.00/x")), &["archive.outside-prefix!"]),
            ("not UTF-8", with(&not_utf8), &["archive.non-utf8-path"]),
            ("same path, same bytes", built(&honest().file("x", b"1").file("x", b"1")), &["archive.duplicate-path"]),
            ("same path, other bytes", built(&honest().file("x", b"1").file("x", b"2")), &["archive.duplicate-path!"]),
            (
                "same path by alias",
                built(&honest().file("d/x", b"1").file("d/./x", b"2")),
                &["archive.duplicate-path!", "archive.odd-path"],
            ),
            ("case", built(&honest().file("x", b"").file("X", b"")), &["archive.case-collision!"]),
            ("case beyond ASCII", built(&honest().file("é", b"").file("É", b"")), &["archive.case-collision!"]),
            ("case of a folder", built(&honest().file("D", b"").file("d/x", b"")), &["archive.case-collision!"]),
            ("Unicode twins", built(&honest().file("e\u{301}", b"").file("é", b"")), &["archive.odd-path"]),
            ("file and folder", built(&honest().file("d", b"").file("d/x", b"")), &["archive.odd-path"]),
            ("control character", built(&honest().file("x\n", b"")), &["archive.odd-path"]),
            ("NUL", nul, &["archive.odd-path"]),
            ("bytes behind the NUL", with(&hidden_name), &["archive.odd-path"]),
            ("backslash", built(&honest().file("x\\y", b"")), &["archive.odd-path"]),
            ("reserved name", built(&honest().file("src/aux.rs", b"")), &["archive.odd-path"]),
            ("final dot", built(&honest().file("x.", b"")), &["archive.odd-path"]),
            ("two slashes", built(&honest().file("d//x", b"")), &["archive.odd-path"]),
            ("file with a slash", built(&honest().file("x/", b"")), &["archive.odd-path", "archive.odd-path"]),
            ("bidi in a path", built(&honest().file("x\u{202e}y", b"")), &["archive.odd-path"]),
            ("Cyrillic o", built(&honest().file("src/fоo.rs", b"")), &["content.homoglyph-path"]),
            ("wholly Russian", built(&honest().file("документ.txt", b"")), &[]),
        ],
        &Limits::default(),
    );
}

#[test]
fn manifest_and_claim_lies() {
    let bare = || CrateFile::empty("a", "1.0.0");
    let cargo_toml = b"[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
    let claimed = |claim: &[u8]| built(&bare().file(".cargo_vcs_info.json", claim).file("Cargo.toml", cargo_toml));
    check(
        vec![
            ("a manifest and a claim suffice", claimed(b"{\"git\":{\"sha1\":\"x\"}}"), &[]),
            ("wrong case", built(&bare().file("cargo.toml", cargo_toml)), &["manifest.wrong-case", "vcs.missing"]),
            (
                "two cases",
                built(&honest().file("cargo.toml", cargo_toml)),
                &["manifest.wrong-case", "archive.case-collision!"],
            ),
            ("no TOML", built(&CrateFile::with_manifest("a", "1.0.0", "[package")), &["manifest.invalid!"]),
            (
                "no UTF-8",
                built(&honest().file("Cargo.toml", b"\xff")),
                &["manifest.invalid!", "archive.duplicate-path!"],
            ),
            ("no package", built(&CrateFile::with_manifest("a", "1.0.0", "[workspace]")), &["manifest.invalid!"]),
            (
                "TOML flood",
                built(&CrateFile::with_manifest("a", "1.0.0", &format!("x = [{}]", "1,".repeat(200_000)))),
                &["manifest.invalid!"],
            ),
            (
                "TOML depth",
                built(&CrateFile::with_manifest("a", "1.0.0", &format!("x = {}", "[".repeat(90_000)))),
                &["manifest.invalid!"],
            ),
            (
                "other name",
                built(&CrateFile::with_manifest("a", "1.0.0", "[package]\nname='b'\nversion='1.0.0'")),
                &["manifest.name-mismatch!"],
            ),
            (
                "other version",
                built(&CrateFile::with_manifest("a", "1.0.0", "[package]\nname='a'\nversion='1.0.1'")),
                &["manifest.version-mismatch!"],
            ),
            ("build outside", manifest("build = '../build.rs'"), &["manifest.points-outside"]),
            ("lib outside", manifest("[lib]\npath = '/x.rs'"), &["manifest.points-outside"]),
            ("bin outside", manifest("[[bin]]\nname='b'\npath='src/../../x.rs'"), &["manifest.points-outside"]),
            ("licence outside", manifest("license-file = '../LICENSE'"), &["manifest.points-outside"]),
            ("out and in again", manifest("build = 'src/../build.rs'"), &[]),
            ("no claim", built(&bare().file("Cargo.toml", cargo_toml)), &["vcs.missing"]),
            ("claim with BOM", claimed(b"\xef\xbb\xbf{\"git\":{\"sha1\":\"x\"}}"), &["vcs.invalid"]),
            ("claim without sha1", claimed(b"{\"git\":{}}"), &["vcs.invalid"]),
            ("claim of depth", claimed("[".repeat(60_000).as_bytes()), &["vcs.invalid"]),
            ("claim too large", claimed(&[b' '; 70_000]), &["archive.limit!"]),
            ("claim in a folder", built(&honest().file("d/.cargo_vcs_info.json", b"{}")), &[]),
        ],
        &Limits::default(),
    );
}

#[test]
fn content_lies() {
    let bin = |bytes: &[u8]| built(&honest().file("tests/data", bytes));
    check(
        vec![
            ("ELF", bin(b"\x7fELF\x02\x01\x01"), &["content.binary"]),
            ("PE", bin(&[b"MZ\x90\0\x03\0\0\0".as_slice(), &[0; 80]].concat()), &["content.binary"]),
            ("text that begins with MZ", bin(b"MZ is a text"), &[]),
            ("Mach-O", bin(b"\xcf\xfa\xed\xfe\x07\0\0\x01"), &["content.binary"]),
            ("fat Mach-O", bin(b"\xca\xfe\xba\xbe\0\0\0\x02"), &["content.binary"]),
            ("Java class", bin(b"\xca\xfe\xba\xbe\0\0\0\x34"), &[]),
            ("wasm", bin(b"\0asm\x01\0\0\0"), &["content.binary"]),
            ("static library", bin(b"!<arch>\n"), &["content.binary"]),
            ("bidi", source("// \u{202e}txt"), &["content.hidden-unicode"]),
            ("zero width", source("let a\u{200b} = 1;"), &["content.hidden-unicode"]),
            ("tags", source("\u{e0041}"), &["content.hidden-unicode"]),
            ("byte order mark", source("\u{feff}fn main() {}"), &[]),
            ("a mark later", source("fn \u{feff}main() {}"), &["content.hidden-unicode"]),
            ("plain é", source("// é"), &[]),
            ("hidden in prose", built(&honest().file("README.md", "👨\u{200d}👩".as_bytes())), &[]),
        ],
        &Limits::default(),
    );
}

#[test]
fn limits_end_the_inspection_and_say_so() {
    let small = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let bomb = built(&honest().file("zeros", &vec![0; 4 << 20]));
    for (what, bytes, code, limits) in [
        ("entries", built(&honest()), "archive.too-many-entries!", small(|limits| limits.entries = 4)),
        ("path", built(&honest()), "archive.limit!", small(|limits| limits.path_length = 20)),
        ("depth", with(&file("a-1.0.0/b/c/d/e")), "archive.limit!", small(|limits| limits.path_depth = 4)),
        ("names", built(&honest()), "archive.limit!", small(|limits| limits.names_size = 50)),
        ("compressed", built(&honest()), "archive.limit!", small(|limits| limits.compressed_size = 50)),
        ("time", bomb.clone(), "archive.limit!", small(|limits| limits.wall_time = std::time::Duration::from_nanos(1))),
        ("manifest", built(&honest()), "archive.limit!", small(|limits| limits.manifest_size = 10)),
        ("bomb", bomb.clone(), "archive.bomb!", small(|limits| limits.unpacked_floor = 1 << 20)),
    ] {
        if what == "time" {
            // So short a time may not suffice for the digest either; then the fault is ours and there is no inspection.
            let expected = Expected { name: KrateName::parse("a").unwrap(), num: VersionNum::parse("1.0.0").unwrap() };
            assert!(inspect(bytes.as_slice(), &expected, None, &limits).is_err());
        } else {
            check(vec![(what, bytes, Box::leak(Box::new([code])))], &limits);
        }
    }
    // The ratio counts when it allows more than the floor.
    let limits = small(|limits| (limits.unpacked_floor, limits.unpacked_ratio) = (1 << 20, 2000));
    check(vec![("much, but within the ratio", bomb, &[])], &limits);
}

#[test]
fn the_last_of_two_manifests_supplies_the_facts() {
    let manifest = b"[package]\nname = \"a\"\nversion = \"1.0.0\"\nlicense = \"0BSD\"\n";
    let inspection = look(&built(&honest().file("Cargo.toml", manifest)), &Limits::default());
    assert_eq!(inspection.manifest.unwrap().license.as_deref(), Some("0BSD"));
    assert_eq!(inspection.files.len(), 6);
}
