//! Single files out of an archive, for verify: read anew for each, held to the same limits, never written anywhere.

use std::collections::{HashMap, HashSet};
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
        let mut search = Search::new(&self.prefix, &[path], max_bytes);
        match self.search(&mut search) {
            Ok(()) => {}
            Err(Stop::Found(finding)) => return Err(unreadable(finding.code.to_string())),
            Err(Stop::Read(error)) => return Err(unreadable(error.to_string())),
        }
        match search.last.into_values().next() {
            None | Some(Found::Nothing) => Ok(None),
            Some(Found::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Found::TooLarge(size)) => {
                Err(unreadable(format!("{size} bytes are more than {max_bytes}: {}", shown(path))))
            }
        }
    }

    fn read_many(&self, paths: &[&str], max_bytes: u64) -> Vec<Option<Vec<u8>>> {
        let mut search = Search::new(&self.prefix, paths, max_bytes);
        // What was met before the archive broke off is as good as ever.
        let _ = self.search(&mut search);
        let found = paths.iter().map(|path| match search.last.get(&path::key(path)) {
            Some(Found::Bytes(bytes)) => Some(bytes.clone()),
            _ => None,
        });
        found.collect()
    }
}

impl<B: AsRef<[u8]>> CrateArchive<B> {
    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut member = Member::new(self.bytes.as_ref(), &self.limits, Instant::now() + self.limits.wall_time);
        member.open().and_then(|()| walk(&mut member, &self.limits, search))
    }
}

struct Search<'a> {
    prefix: &'a str,
    wanted: HashSet<String>,
    max_bytes: u64,
    here: Option<String>,
    last: HashMap<String, Found>,
}

impl<'a> Search<'a> {
    fn new(prefix: &'a str, paths: &[&str], max_bytes: u64) -> Self {
        let wanted = paths.iter().map(|path| path::key(path)).collect();
        Self { prefix, wanted, max_bytes, here: None, last: HashMap::new() }
    }
}

enum Found {
    Nothing,
    TooLarge(u64),
    Bytes(Vec<u8>),
}

impl Visitor for Search<'_> {
    fn begin(&mut self, head: Head) -> Result<(), Stop> {
        let path = String::from_utf8_lossy(&head.path);
        self.here = path.strip_prefix(self.prefix).map(path::key).filter(|path| self.wanted.contains(path));
        if let Some(path) = &self.here {
            let found = match head.kind {
                EntryKind::File if head.size > self.max_bytes => Found::TooLarge(head.size),
                EntryKind::File => Found::Bytes(Vec::new()),
                _ => Found::Nothing,
            };
            self.last.insert(path.clone(), found);
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) {
        let Some(path) = &self.here else { return };
        if let Some(Found::Bytes(kept)) = self.last.get_mut(path) {
            kept.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn note(&mut self, _: Finding) {}
}
