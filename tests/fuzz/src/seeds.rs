//! Writes the first inputs of each target below the folder named, one file each, all made by the fixtures.

use std::error::Error;
use std::path::Path;

use fixtures::crate_file::gzip;
use fixtures::{CrateFile, DependencyBuilder, IndexLineBuilder, TarEntry};

const ADDRESSES: [&str; 12] = [
    "https://github.com/owner/repo",
    "git+https://user:token@github.com/owner/repo.git?a#b",
    "git@github.com:owner/repo.git",
    "ssh://git@host.test:22/~user/repo",
    "scm:git:git://host.test/repo.git.",
    "https://gitlab.com/group/sub/repo/-/tree/main/crates/a",
    "https://codeberg.org/o/r/src/branch/main/x",
    "https://git.sr.ht/%7Euser/repo/tree/master/item/x",
    "https://chromium.googlesource.com/a/b/+/refs/heads/main/x",
    "http://[::1]:8080/a/../b",
    "https://gist.github.com/someone/0123abcd",
    "hg+https://host.test/repo",
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the corpora")?;
    let folder = Path::new(&folder);
    write(folder, "address", ADDRESSES.map(|text| text.as_bytes().to_vec()).to_vec())?;
    write(folder, "index_line", lines())?;
    write(folder, "archive", archives()?)
}

fn lines() -> Vec<Vec<u8>> {
    let plain = || IndexLineBuilder::new("a", "1.0.0");
    let dependency = DependencyBuilder::new("b", "^1");
    let lines =
        [plain(), plain().yanked(true), plain().dependency(dependency), plain().pubtime("2026-08-01T00:00:00Z")];
    lines.iter().map(|line| line.build().into_bytes()).collect()
}

fn archives() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let honest = || CrateFile::honest("a", "1.0.0");
    let path = |name: &str| format!("a-1.0.0/{name}");
    let archives = [
        honest(),
        honest().file("src/lib.rs", b"twice"),
        honest().entry(&TarEntry::of_type(b'2', &path("link"), "../../etc/passwd", b"")),
        honest().entry(&TarEntry::pax(&[("path", "a-1.0.0/long"), ("size", "3")])).file("x", b"abc"),
        honest().entry(&TarEntry::of_type(b'L', "././@LongLink", "", b"a-1.0.0/gnu\0")).file("y", b"abc"),
        honest().entry(&TarEntry { size_field: Some([0xff; 12]), ..TarEntry::file(&path("huge"), b"") }),
    ];
    let mut bytes = archives.iter().map(CrateFile::build).collect::<Result<Vec<_>, _>>()?;
    bytes.push(gzip(honest().tar_without_end())?);
    bytes.push(honest().tar());
    Ok(bytes)
}

fn write(folder: &Path, target: &str, inputs: Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder)?;
    for (n, input) in inputs.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{n}")), input)?;
    }
    Ok(())
}
