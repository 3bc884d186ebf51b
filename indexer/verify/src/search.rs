//! Finding commits by content: which commits hold this manifest, which blobs does the history hold. Indexed per repository.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use git2::{ObjectType, Oid};

use crate::VerifyError;
use crate::facts::RepositoryStatus;
use crate::repository::{Manifests, Repository};

/// Every blob that stood at any `Cargo.toml`, with where and in which trees; commits by root tree.
#[derive(Default)]
pub(crate) struct ManifestIndex {
    places: HashMap<Oid, Vec<(Oid, String)>>,
    commits: HashMap<Oid, Vec<Oid>>,
}

/// A commit that holds a wanted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The commit.
    pub commit: Oid,
    /// The folder of the manifest.
    pub folder: String,
}

impl Repository {
    /// The `Cargo.toml` files below a tree: folder and blob, submodules and links left out.
    pub(crate) fn manifests(&self, tree: Oid) -> Result<Manifests, VerifyError> {
        self.manifests_below(tree, 0)
    }

    fn manifests_below(&self, tree: Oid, depth: usize) -> Result<Manifests, VerifyError> {
        if let Some(known) = self.memo.manifests.borrow().get(&tree) {
            return Ok(Rc::clone(known));
        }
        let mut found = Vec::new();
        let mut folders = Vec::new();
        for entry in &self.git.find_tree(tree)? {
            match entry.kind() {
                Some(ObjectType::Blob) if entry.name_bytes() == b"Cargo.toml" && entry.filemode_raw() != 0o120_000 => {
                    found.push((String::new(), entry.id()));
                }
                Some(ObjectType::Tree) => folders.extend(entry.name().map(|name| (name.to_owned(), entry.id()))),
                _ => {}
            }
        }
        for (name, folder) in folders.into_iter().filter(|_| depth < self.limits.max_depth) {
            for (below, blob) in self.manifests_below(folder, depth + 1)?.iter() {
                let path = if below.is_empty() { name.clone() } else { format!("{name}/{below}") };
                found.push((path, *blob));
            }
            if found.len() > self.limits.max_tree_entries {
                return Err(VerifyError::Repository(RepositoryStatus::TooLarge));
            }
        }
        let found = Rc::new(found);
        self.memo.manifests.borrow_mut().insert(tree, Rc::clone(&found));
        Ok(found)
    }

    /// Commits behind branches and tags that hold this blob at any `Cargo.toml`, newest first, one per distinct root tree.
    pub(crate) fn commits_with_manifest(&self, blob: Oid) -> Result<Vec<Hit>, VerifyError> {
        let index = self.manifest_index()?;
        let places = index.places.get(&blob).map(Vec::as_slice).unwrap_or_default();
        let hits = places.iter().filter_map(|(tree, folder)| {
            // The oldest commit of one tree is its first appearance.
            let commit = *index.commits.get(tree)?.last()?;
            Some(Hit { commit, folder: folder.clone() })
        });
        Ok(hits.collect())
    }

    fn manifest_index(&self) -> Result<&ManifestIndex, VerifyError> {
        if let Some(index) = self.memo.index.get() {
            return Ok(index);
        }
        let mut index = ManifestIndex::default();
        for commit in self.commits()? {
            let Ok((tree, _)) = self.commit(*commit) else { continue };
            let commits = index.commits.entry(tree).or_default();
            commits.push(*commit);
            if commits.len() == 1 {
                for (folder, blob) in self.manifests(tree)?.iter() {
                    index.places.entry(*blob).or_default().push((tree, folder.clone()));
                }
            }
        }
        Ok(self.memo.index.get_or_init(|| index))
    }

    /// Whether any commit behind a branch or tag holds this blob anywhere.
    pub(crate) fn has_seen(&self, blob: Oid) -> Result<bool, VerifyError> {
        if !self.git.odb()?.exists(blob) {
            // Nothing less than the whole history at hand makes absence a fact.
            self.commits()?;
            if !self.git.odb()?.exists(blob) {
                return Ok(false);
            }
        }
        if let Some(blobs) = self.memo.blobs.get() {
            return Ok(blobs.contains(&blob));
        }
        let mut blobs = HashSet::new();
        let mut trees = HashSet::new();
        for commit in self.commits()? {
            let Ok((tree, _)) = self.commit(*commit) else { continue };
            self.collect(tree, &mut trees, &mut blobs)?;
        }
        let seen = blobs.contains(&blob);
        let _ = self.memo.blobs.set(blobs);
        Ok(seen)
    }

    fn collect(&self, root: Oid, trees: &mut HashSet<Oid>, blobs: &mut HashSet<Oid>) -> Result<(), VerifyError> {
        let mut pending = vec![root];
        while let Some(tree) = pending.pop() {
            if !trees.insert(tree) {
                continue;
            }
            if trees.len() + blobs.len() > self.limits.max_objects {
                return Err(VerifyError::Repository(RepositoryStatus::TooLarge));
            }
            for entry in &self.git.find_tree(tree)? {
                match entry.kind() {
                    Some(ObjectType::Tree) => pending.push(entry.id()),
                    Some(ObjectType::Blob) => {
                        blobs.insert(entry.id());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Repository {
    /// Whether any manifest behind a branch or tag, at any time, names this package.
    pub(crate) fn has_manifest_naming(&self, name: &str) -> Result<bool, VerifyError> {
        let index = self.manifest_index()?;
        let names = |blob: Oid| {
            let text = String::from_utf8(self.blob(blob)?).ok().filter(|text| text.contains(name))?;
            let manifest: toml::Table = text.parse().ok()?;
            let package = manifest.get("package").or_else(|| manifest.get("project"))?;
            Some(package.get("name")?.as_str()? == name)
        };
        Ok(index.places.keys().any(|blob| names(*blob) == Some(true)))
    }
}
