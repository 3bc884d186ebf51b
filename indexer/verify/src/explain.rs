//! The exact explanations for bytes that differ: each is a whole-file equality, never a resemblance (design 04, step 8).

use git2::Oid;
use schema::Sha256;

/// Why two different byte strings are one file. The codes are those of the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explanation {
    /// CRLF here, LF there, from the first line to the last.
    LineEndings,
    /// `$Id$` filled in by git.
    Ident,
    /// The repository has an LFS pointer to exactly these bytes.
    LfsPointer,
    /// The working tree has another encoding than the repository, as `.gitattributes` says.
    Encoding,
    /// The file behind a symbolic link.
    SymlinkFlattened,
    /// A symbolic link's target, written as a file.
    SymlinkAsText,
    /// A readme or licence file copied from outside the package, as cargo does.
    OutsideRootCopy,
}

/// What `.gitattributes` says of one path, as far as it changes bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `ident`.
    pub ident: bool,
    /// `working-tree-encoding=…`.
    pub encoding: Option<String>,
}

impl Explanation {
    /// The code of its reason.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LineEndings => "files.line-endings",
            Self::Ident => "files.ident-expanded",
            Self::LfsPointer => "files.lfs-pointer",
            Self::Encoding => "files.encoding",
            Self::SymlinkFlattened => "files.symlink-flattened",
            Self::SymlinkAsText => "files.symlink-as-text",
            Self::OutsideRootCopy => "files.outside-root-copy",
        }
    }
}

/// Explains the archive's bytes by the repository's, or does not.
#[must_use]
pub(crate) fn explain(
    archive: &[u8],
    sha256: Sha256,
    repository: &[u8],
    blob: Oid,
    attributes: &Attributes,
) -> Option<Explanation> {
    if lfs_pointer(repository).is_some_and(|(oid, size)| oid == sha256 && size == archive.len() as u64) {
        return Some(Explanation::LfsPointer);
    }
    if is_text(archive) && is_text(repository) && same_but_line_endings(archive, repository) {
        return Some(Explanation::LineEndings);
    }
    if attributes.ident && is_text(repository) && ident_expanded(repository, blob) == archive {
        return Some(Explanation::Ident);
    }
    let encoding = attributes.encoding.as_deref()?;
    (is_text(repository) && decoded(archive, encoding)? == repository).then_some(Explanation::Encoding)
}

/// git's own rule: no NUL in the first 8,000 bytes.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(8000).any(|byte| *byte == 0)
}

/// One side has only CRLF, the other has no CR at all, and nothing else differs.
fn same_but_line_endings(a: &[u8], b: &[u8]) -> bool {
    let without = |crlf: &[u8], lf: &[u8]| !lf.contains(&b'\r') && only_crlf(crlf).is_some_and(|text| text == lf);
    without(a, b) || without(b, a)
}

/// The text with LF for CRLF; `None` when any CR or LF stands alone.
fn only_crlf(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut previous = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => return None,
            b'\r' => {}
            b'\n' if previous != b'\r' => return None,
            other => text.push(*other),
        }
        previous = *byte;
    }
    Some(text)
}

/// The digest and size an LFS pointer names; the whole blob must be the pointer.
fn lfs_pointer(bytes: &[u8]) -> Option<(Sha256, u64)> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() < 1024)?;
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != "version https://git-lfs.github.com/spec/v1" {
        return None;
    }
    let oid = Sha256::parse(lines.next()?.strip_prefix("oid sha256:")?).ok()?;
    let size = lines.next()?.strip_prefix("size ")?.parse().ok()?;
    lines.next().is_none().then_some((oid, size))
}

/// The bytes a checkout writes where `ident` is set: `$Id$` and `$Id: … $` become `$Id: <blob> $`.
fn ident_expanded(bytes: &[u8], blob: Oid) -> Vec<u8> {
    let filled = format!("$Id: {blob} $");
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, b"$Id") {
        let after = &rest[at + 3..];
        let length = match after.first() {
            Some(b'$') => Some(1),
            Some(b':') => {
                let line = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
                line.iter().position(|byte| *byte == b'$').map(|end| end + 1)
            }
            _ => None,
        };
        text.extend_from_slice(&rest[..at]);
        if let Some(length) = length {
            text.extend_from_slice(filled.as_bytes());
            rest = &after[length..];
        } else {
            text.extend_from_slice(b"$Id");
            rest = after;
        }
    }
    text.extend_from_slice(rest);
    text
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The UTF-8 a file in another encoding stands for; unknown encodings explain nothing.
fn decoded(bytes: &[u8], encoding: &str) -> Option<Vec<u8>> {
    let wide = |bytes: &[u8], little: bool| {
        let pairs = bytes.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        let units: Vec<u16> =
            pairs
                .map(|pair| {
                    if little { u16::from_le_bytes([pair[0], pair[1]]) } else { u16::from_be_bytes([pair[0], pair[1]]) }
                })
                .collect();
        String::from_utf16(&units).ok().map(String::into_bytes)
    };
    match encoding.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF-8-BOM" | "UTF8" => bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec),
        "UTF-16" => match bytes {
            [0xff, 0xfe, rest @ ..] => wide(rest, true),
            [0xfe, 0xff, rest @ ..] => wide(rest, false),
            _ => None,
        },
        "UTF-16LE" => wide(bytes, true),
        "UTF-16BE" => wide(bytes, false),
        "UTF-16LE-BOM" => wide(bytes.strip_prefix(b"\xff\xfe")?, true),
        "UTF-16BE-BOM" => wide(bytes.strip_prefix(b"\xfe\xff")?, false),
        "ISO-8859-1" | "LATIN1" | "LATIN-1" => {
            Some(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> Oid {
        Oid::from_str("8baef1b4abc478178b004d62031cf7fe6db6f903").unwrap()
    }

    fn explained(archive: &[u8], repository: &[u8], attributes: &Attributes) -> Option<Explanation> {
        explain(archive, Sha256::from_bytes([7; 32]), repository, blob(), attributes)
    }

    #[test]
    fn line_endings_are_explained_only_when_consistent() {
        let plain = Attributes::default();
        assert_eq!(explained(b"a\r\nb\r\n", b"a\nb\n", &plain), Some(Explanation::LineEndings));
        assert_eq!(explained(b"a\nb\n", b"a\r\nb\r\n", &plain), Some(Explanation::LineEndings));
        for (archive, repository) in [
            (&b"a\r\nb\n"[..], &b"a\nb\n"[..]),
            (b"a\rb\r\n", b"ab\n"),
            (b"a \r\nb\r\n", b"a\nb\n"),
            (b"// a\r\nb\r\n", b"// a b\n"),
            (b"\0a\r\n", b"\0a\n"),
            (b"\xef\xbb\xbfa\n", b"a\n"),
        ] {
            assert_eq!(explained(archive, repository, &plain), None, "{archive:?}");
        }
    }

    #[test]
    fn ident_is_what_git_writes() {
        let attributes = Attributes { ident: true, encoding: None };
        let written = format!("x $Id: {} $ y\n", blob());
        assert_eq!(explained(written.as_bytes(), b"x $Id$ y\n", &attributes), Some(Explanation::Ident));
        assert_eq!(explained(written.as_bytes(), b"x $Id$ y\n", &Attributes::default()), None);
        assert_eq!(explained(b"x $Id: evil(); $ y\n", b"x $Id$ y\n", &attributes), None);
    }

    #[test]
    fn a_pointer_explains_exactly_the_bytes_it_names() {
        let pointer = |digit: &str, size: u32| {
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n", digit.repeat(32))
        };
        let none = Attributes::default();
        assert_eq!(explained(b"abc", pointer("07", 3).as_bytes(), &none), Some(Explanation::LfsPointer));
        assert_eq!(explained(b"abc", pointer("07", 4).as_bytes(), &none), None);
        assert_eq!(explained(b"abc", pointer("08", 3).as_bytes(), &none), None);
    }

    #[test]
    fn encodings_need_the_attribute() {
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("é\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let attributes = Attributes { ident: false, encoding: Some("UTF-16".to_owned()) };
        assert_eq!(explained(&utf16, "é\n".as_bytes(), &attributes), Some(Explanation::Encoding));
        assert_eq!(explained(&utf16, "é\n".as_bytes(), &Attributes::default()), None);
        let bom = Attributes { ident: false, encoding: Some("utf-8".to_owned()) };
        assert_eq!(explained(b"\xef\xbb\xbfa\n", b"a\n", &bom), Some(Explanation::Encoding));
    }
}
