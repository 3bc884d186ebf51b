//! Single files out of an archive, for verify: read anew for each, held to the same limits, never written anywhere.

use std::time::Instant;

use schema::{ArchiveFiles, EntryKind, FileUnreadable, Finding};

use crate::blocks::{Head, Visitor, walk};
use crate::facts::{Stop, shown};
use crate::member::Member;
use crate::{Expected, Limits, path};

/// An archive's compressed bytes and where its files lie in it.
pub struct CrateArchive<B> {
    bytes: B,
    prefix: String,
    limits: Limits,
}

impl<B: AsRef<[u8]>> CrateArchive<B> {
    /// Takes the archive as downloaded (`Vec<u8>`, `Bytes`, a map of the file).
    #[must_use]
    pub fn new(bytes: B, expected: &Expected, limits: Limits) -> Self {
        Self { bytes, prefix: expected.prefix(), limits }
    }
}

impl<B: AsRef<[u8]>> ArchiveFiles for CrateArchive<B> {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, FileUnreadable> {
        let unreadable = |reason: String| FileUnreadable { path: path.to_owned(), reason };
        let mut search =
            Search { prefix: &self.prefix, wanted: path::key(path), max_bytes, is_here: false, last: Found::Nothing };
        let mut member = Member::new(self.bytes.as_ref(), &self.limits, Instant::now() + self.limits.wall_time);
        let ended = member.open().and_then(|()| walk(&mut member, &self.limits, &mut search));
        match ended {
            Ok(()) => {}
            Err(Stop::Found(finding)) => return Err(unreadable(finding.code.to_string())),
            Err(Stop::Read(error)) => return Err(unreadable(error.to_string())),
        }
        match search.last {
            Found::Nothing => Ok(None),
            Found::Bytes(bytes) => Ok(Some(bytes)),
            Found::TooLarge(size) => {
                Err(unreadable(format!("{size} bytes are more than {max_bytes}: {}", shown(path))))
            }
        }
    }
}

struct Search<'a> {
    prefix: &'a str,
    wanted: String,
    max_bytes: u64,
    is_here: bool,
    last: Found,
}

enum Found {
    Nothing,
    TooLarge(u64),
    Bytes(Vec<u8>),
}

impl Visitor for Search<'_> {
    fn begin(&mut self, head: Head) -> Result<(), Stop> {
        let path = String::from_utf8_lossy(&head.path);
        self.is_here = path.strip_prefix(self.prefix).is_some_and(|below| path::key(below) == self.wanted);
        if self.is_here {
            self.last = match head.kind {
                EntryKind::File if head.size > self.max_bytes => Found::TooLarge(head.size),
                EntryKind::File => Found::Bytes(Vec::new()),
                _ => Found::Nothing,
            };
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Found::Bytes(kept) = &mut self.last
            && self.is_here
        {
            kept.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn note(&mut self, _: Finding) {}
}
