//! Which files of a commit are the database's business, under the ids their names state. Contents are not looked at.

use std::collections::BTreeMap;

use git2::{Commit, DiffDelta, DiffFile, FileMode, ObjectType, Oid, TreeWalkMode, TreeWalkResult};
use schema::AdvisoryId;

use crate::AdvisoriesError;
use crate::database::belongs;

/// The files at a commit, by id and path. The loader accepts no file whose name says another id than its text.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<AdvisoryId, BTreeMap<String, Oid>>);

const NO_FILES: &BTreeMap<String, Oid> = &BTreeMap::new();

impl Files {
    /// Lists the files at a commit; symbolic links are none.
    pub(crate) fn at(commit: &Commit<'_>) -> Result<Self, AdvisoriesError> {
        let reading = || AdvisoriesError::git(format!("read commit {} of the advisory database", commit.id()));
        let mut files = Self::default();
        let tree = commit.tree().map_err(reading())?;
        let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() != i32::from(FileMode::Link);
            let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
            if is_file && belongs(&path) {
                files.put(path, Some(entry.id()));
            }
            TreeWalkResult::Ok
        });
        walked.map_err(reading())?;
        Ok(files)
    }

    /// The files that bear an id.
    pub(crate) fn of(&self, id: &AdvisoryId) -> &BTreeMap<String, Oid> {
        self.0.get(id).unwrap_or(NO_FILES)
    }

    /// Every file, by id and path.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Oid)> {
        self.0.values().flatten()
    }

    /// Notes what stands at a path now; `None`: nothing.
    pub(crate) fn put(&mut self, path: String, file: Option<Oid>) {
        let of_id = self.0.entry(id_of(&path)).or_default();
        match file {
            Some(file) => of_id.insert(path, file),
            None => of_id.remove(&path),
        };
    }
}

/// The id that a file's name states; a name without `.md` is its own.
#[must_use]
pub fn id_of(path: &str) -> AdvisoryId {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    AdvisoryId(file_name.strip_suffix(".md").unwrap_or(file_name).to_owned())
}

/// The path of a difference, when it is the database's business.
pub(crate) fn path_of(delta: &DiffDelta<'_>) -> Option<String> {
    let named = |file: DiffFile<'_>| file.path_bytes().map(|path| String::from_utf8_lossy(path).into_owned());
    let path = named(delta.new_file()).or_else(|| named(delta.old_file()))?;
    belongs(&path).then_some(path)
}

/// Whether a side of a difference is a file: neither nothing, nor a link, nor another repository.
pub(crate) fn is_file(side: &DiffFile<'_>) -> bool {
    matches!(side.mode(), FileMode::Blob | FileMode::BlobExecutable | FileMode::BlobGroupWritable)
}
