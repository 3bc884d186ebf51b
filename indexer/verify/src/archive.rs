//! The archive as verify sees it: the files as they unpack, their bytes on demand. What an archive is, it does not know.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use schema::{ArchiveFiles, Entry, EntryKind, Inspection};

/// The most bytes of files kept at hand during one check.
const KEPT: usize = 64 << 20;

/// How many bytes are at hand, and of which files; `None` for one that could not be read.
type Kept = (usize, HashMap<String, Option<Rc<[u8]>>>);

/// The files of one archive, by the path they unpack to; of duplicates the last one counts, as in cargo.
pub(crate) struct Archive<'a> {
    entries: BTreeMap<String, &'a Entry>,
    files: &'a dyn ArchiveFiles,
    max_bytes: u64,
    kept: RefCell<Kept>,
}

impl<'a> Archive<'a> {
    pub(crate) fn new(inspection: &'a Inspection, files: &'a dyn ArchiveFiles, max_bytes: usize) -> Self {
        let entries = inspection
            .files
            .iter()
            .filter(|entry| entry.kind != EntryKind::Directory)
            .map(|entry| (unpacked(&entry.path), entry))
            .collect();
        let archive = Self { entries, files, max_bytes: max_bytes as u64, kept: RefCell::default() };
        archive.read_sources();
        archive
    }

    /// Sources and manifests are needed in any case: one pass over the archive brings them all.
    fn read_sources(&self) {
        let is_wanted = |path: &str| path.strip_suffix(".rs").is_some() || path.starts_with("Cargo.");
        let mut room = KEPT as u64;
        let wanted: Vec<(&str, &str)> = self
            .entries()
            .filter(|(path, entry)| entry.kind == EntryKind::File && is_wanted(path))
            .take_while(|(_, entry)| {
                let fits = entry.size <= room;
                room = room.saturating_sub(entry.size);
                fits
            })
            .map(|(path, entry)| (path, entry.path.as_str()))
            .collect();
        let asked: Vec<&str> = wanted.iter().map(|(_, as_written)| *as_written).collect();
        let mut kept = self.kept.borrow_mut();
        for ((path, _), bytes) in wanted.iter().zip(self.files.read_many(&asked, self.max_bytes)) {
            kept.0 += bytes.as_ref().map_or(0, Vec::len);
            kept.1.insert((*path).to_owned(), bytes.map(Rc::from));
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &'a Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), *entry))
    }

    pub(crate) fn get(&self, path: &str) -> Option<&'a Entry> {
        self.entries.get(path).copied()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// The bytes of a regular file; `None` when it is no such file, too large or unreadable: such a file explains nothing.
    pub(crate) fn read(&self, path: &str) -> Option<Rc<[u8]>> {
        let entry = self.entries.get(path).filter(|entry| entry.kind == EntryKind::File)?;
        if let Some(bytes) = self.kept.borrow().1.get(path) {
            return bytes.clone();
        }
        let bytes: Option<Rc<[u8]>> = self.files.read(&entry.path, self.max_bytes).ok().flatten().map(Rc::from);
        let mut kept = self.kept.borrow_mut();
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len());
        if kept.0 + size <= KEPT {
            kept.0 += size;
            kept.1.insert(path.to_owned(), bytes.clone());
        }
        bytes
    }

    pub(crate) fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.read(path)?.to_vec()).ok()
    }
}

/// The path a file unpacks to: `.` and doubled slashes removed.
fn unpacked(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}
