//! Tar by its 512-byte blocks, by hand: every header is seen as it stands, and read on as cargo's reader would.

use std::io::Read;

use schema::{EntryKind, Finding, FindingCode};
use serde_json::json;
use tar::Header;

use crate::Limits;
use crate::extension::{Extensions, malformed};
use crate::facts::{Stop, high, low, medium, over_limit};
use crate::member::{Member, corrupt, truncated};
use crate::numbers::{self, Number};

const BLOCK: usize = 512;

/// One entry's header with what its extensions change.
pub(crate) struct Head {
    /// The path as the archive spells it.
    pub(crate) path: Vec<u8>,
    /// The header's type byte.
    pub(crate) type_byte: u8,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) mtime: u64,
    /// Bytes of content in the archive.
    pub(crate) size: u64,
    pub(crate) link: Option<Vec<u8>>,
}

/// Who is told of the entries, in archive order.
pub(crate) trait Visitor {
    /// An entry begins.
    fn begin(&mut self, head: Head) -> Result<(), Stop>;
    /// Some of its content.
    fn data(&mut self, bytes: &[u8]);
    /// Its content is complete.
    fn end(&mut self) -> Result<(), Stop>;
    /// Something was odd between the entries.
    fn note(&mut self, finding: Finding);
}

/// Reads the whole member, telling `visitor` of each entry.
pub(crate) fn walk<R: Read>(member: &mut Member<R>, limits: &Limits, visitor: &mut impl Visitor) -> Result<(), Stop> {
    let mut extensions = Extensions::default();
    let mut notes = Vec::new();
    loop {
        let block = next_block(member)?;
        let Some(block) = block.filter(|block| block.iter().any(|byte| *byte != 0)) else {
            if !extensions.is_empty() {
                visitor.note(malformed("dangling", &[]));
            }
            if block.is_none() {
                visitor.note(low(FindingCode::Truncated, json!({ "in": "tar: no end mark" })));
            }
            return read_behind_end(member, visitor);
        };
        let header = Header::from_byte_slice(&block);
        check_sum(&block)?;
        let size = content_size(&block)?;
        let type_byte = block[156];
        match type_byte {
            b'x' | b'L' | b'K' | b'g' => {
                let content = extension_content(member, limits, type_byte, size, visitor)?;
                if type_byte == b'g' {
                    notes.push(malformed("global", &content));
                } else {
                    extensions.add(type_byte, content, &mut notes);
                }
            }
            _ => {
                let head = head(header, size, &mut extensions, &mut notes);
                extensions = Extensions::default();
                notes.drain(..).for_each(|note| visitor.note(note));
                let size = head.size;
                visitor.begin(head)?;
                read_content(member, size, |bytes| visitor.data(bytes))?;
                visitor.end()?;
            }
        }
        notes.drain(..).for_each(|note| visitor.note(note));
    }
}

fn head(header: &Header, header_size: u64, extensions: &mut Extensions, notes: &mut Vec<Finding>) -> Head {
    let block = header.as_bytes();
    let type_byte = block[156];
    let path = extensions.take_path(notes).unwrap_or_else(|| header.path_bytes().into_owned());
    let link = extensions.take_link(notes).or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let pax = extensions.pax.take().unwrap_or_default();
    if let Some(size) = pax.size.filter(|size| *size != header_size) {
        let path = crate::facts::shown(&String::from_utf8_lossy(&path));
        notes.push(high(FindingCode::PaxSizeMismatch, json!({ "path": path, "pax": size, "header": header_size })));
    }
    let is_old_directory = header.as_ustar().is_none() && header.as_gnu().is_none() && path.ends_with(b"/");
    let kind = match type_byte {
        b'0' | 0 if pax.sparse => EntryKind::Other,
        b'0' | 0 if is_old_directory => EntryKind::Directory,
        b'0' | 0 => EntryKind::File,
        b'5' => EntryKind::Directory,
        b'2' => EntryKind::Symlink,
        b'1' => EntryKind::Hardlink,
        _ => EntryKind::Other,
    };
    note_hidden_name(&block[..100], &path, notes);
    let mode = small_number(&block[100..108], "tar mode", notes);
    let mtime = small_number(&block[136..148], "tar mtime", notes);
    Head {
        path,
        type_byte,
        kind,
        mode: u32::try_from(mode).unwrap_or(u32::MAX) & 0o7777,
        mtime,
        size: pax.size.unwrap_or(header_size),
        link,
    }
}

/// Bytes behind the NUL that ends a name are seen by no reader.
fn note_hidden_name(field: &[u8], path: &[u8], notes: &mut Vec<Finding>) {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    if field[end..].iter().any(|byte| *byte != 0) {
        let path = crate::facts::shown(&String::from_utf8_lossy(path));
        notes.push(medium(FindingCode::OddPath, json!({ "path": path, "what": "bytes behind the NUL of the name" })));
    }
}

fn small_number(field: &[u8], what: &str, notes: &mut Vec<Finding>) -> u64 {
    match numbers::read(field) {
        Number::Is(number) => number,
        Number::Invalid if field.iter().all(|byte| matches!(byte, 0 | b' ')) => 0,
        odd => {
            notes.push(medium(FindingCode::Corrupt, json!({ "what": what, "number": format!("{odd:?}") })));
            0
        }
    }
}

fn content_size(block: &[u8]) -> Result<u64, Stop> {
    let odd = match numbers::read(&block[124..136]) {
        // Room for the padding, so that the sums below cannot overflow.
        Number::Is(size) if size <= u64::MAX >> 1 => return Ok(size),
        odd => odd,
    };
    let odd = if matches!(odd, Number::Is(_)) { Number::Overflow } else { odd };
    Err(Stop::Found(high(FindingCode::Corrupt, json!({ "what": "tar size", "number": format!("{odd:?}") }))))
}

fn check_sum(block: &[u8]) -> Result<(), Stop> {
    let counted: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let field: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
    let computed = counted - field + 8 * u64::from(b' ');
    match numbers::read(&block[148..156]) {
        Number::Is(given) if given == computed => Ok(()),
        Number::Is(given) => Err(corrupt("tar header checksum", given, computed)),
        _ => Err(corrupt("tar header checksum", 0, computed)),
    }
}

fn extension_content<R: Read>(
    member: &mut Member<R>,
    limits: &Limits,
    type_byte: u8,
    size: u64,
    visitor: &mut impl Visitor,
) -> Result<Vec<u8>, Stop> {
    if size > limits.extension_size {
        visitor.note(malformed("oversized", &[type_byte]));
        return Err(Stop::Found(over_limit("extension header", limits.extension_size, size)));
    }
    let mut content = Vec::new();
    read_content(member, size, |bytes| content.extend_from_slice(bytes))?;
    Ok(content)
}

fn read_content<R: Read>(member: &mut Member<R>, size: u64, mut take: impl FnMut(&[u8])) -> Result<(), Stop> {
    let mut left = size;
    while left > 0 {
        let bytes = member.fill()?;
        if bytes.is_empty() {
            return Err(truncated("tar entry"));
        }
        let n_bytes = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        take(&bytes[..n_bytes]);
        member.consume(n_bytes);
        left -= n_bytes as u64;
    }
    let mut padding = usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or_default();
    while padding > 0 {
        let n_bytes = member.fill()?.len().min(padding);
        if n_bytes == 0 {
            return Err(truncated("tar padding"));
        }
        member.consume(n_bytes);
        padding -= n_bytes;
    }
    Ok(())
}

fn next_block<R: Read>(member: &mut Member<R>) -> Result<Option<[u8; BLOCK]>, Stop> {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    while filled < BLOCK {
        let bytes = member.fill()?;
        if bytes.is_empty() {
            return if filled == 0 { Ok(None) } else { Err(truncated("tar header")) };
        }
        let n_bytes = bytes.len().min(BLOCK - filled);
        block[filled..filled + n_bytes].copy_from_slice(&bytes[..n_bytes]);
        member.consume(n_bytes);
        filled += n_bytes;
    }
    Ok(Some(block))
}

/// Cargo stops at the first zero block; zeros behind it are padding, anything else is hidden.
fn read_behind_end<R: Read>(member: &mut Member<R>, visitor: &mut impl Visitor) -> Result<(), Stop> {
    let (mut read, mut first_odd, mut n_odd) = (0_u64, None, 0_u64);
    loop {
        let bytes = member.fill()?;
        if bytes.is_empty() {
            break;
        }
        let here = bytes.iter().filter(|byte| **byte != 0).count() as u64;
        if here > 0 && first_odd.is_none() {
            first_odd = bytes.iter().position(|byte| *byte != 0).map(|at| read + at as u64);
        }
        n_odd += here;
        let n_bytes = bytes.len();
        read += n_bytes as u64;
        member.consume(n_bytes);
    }
    if let Some(at) = first_odd {
        let detail = json!({ "bytes_behind_end": at, "non_zero_bytes": n_odd });
        visitor.note(medium(FindingCode::DataAfterEnd, detail));
    }
    Ok(())
}
