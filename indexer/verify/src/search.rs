//! Finding commits by content: which commits hold this manifest, which blobs does the history hold. Indexed per repository.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use git2::{ObjectType, Oid};

use crate::VerifyError;
use crate::facts::RepositoryStatus;
use crate::repository::{Manifests, Repository};

/// The history behind branches and tags, read once: every blob, and where each manifest stood when.
#[derive(Default)]
pub(crate) struct HistoryIndex {
    places: HashMap<Oid, Vec<Place>>,
    blobs: HashSet<Oid>,
    names: Vec<String>,
}

/// A manifest in one state of its package: the folder, its tree, and the first commit that had both together with these
/// manifests above it.
struct Place {
    /// Names of the folders above, outermost first, as numbers in [`HistoryIndex::names`].
    folder: Box<[u32]>,
    tree: Oid,
    commit: Oid,
}

/// A commit that holds a wanted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The first commit with this state of the package.
    pub commit: Oid,
    /// The folder of the manifest.
    pub folder: String,
    /// The folder's tree.
    pub tree: Oid,
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
                Some(ObjectType::Blob) if is_manifest(&entry) => found.push((String::new(), entry.id())),
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

    /// Commits behind branches and tags that hold this blob at any `Cargo.toml`, the latest state of the package first.
    pub(crate) fn commits_with_manifest(&self, blob: Oid) -> Result<Vec<Hit>, VerifyError> {
        let index = self.history_index()?;
        let places = index.places.get(&blob).map(Vec::as_slice).unwrap_or_default();
        let hits = places.iter().rev().map(|place| Hit {
            commit: place.commit,
            folder: place.folder.iter().map(|name| index.names[*name as usize].as_str()).collect::<Vec<_>>().join("/"),
            tree: place.tree,
        });
        Ok(hits.collect())
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
        Ok(self.history_index()?.blobs.contains(&blob))
    }

    /// Whether any manifest behind a branch or tag, at any time, names this package.
    pub(crate) fn has_manifest_naming(&self, name: &str) -> Result<bool, VerifyError> {
        let index = self.history_index()?;
        let names = |blob: Oid| {
            let text = String::from_utf8(self.blob(blob)?).ok().filter(|text| text.contains(name))?;
            let manifest: toml::Table = text.parse().ok()?;
            let package = manifest.get("package").or_else(|| manifest.get("project"))?;
            Some(package.get("name")?.as_str()? == name)
        };
        Ok(index.places.keys().any(|blob| names(*blob) == Some(true)))
    }

    fn history_index(&self) -> Result<&HistoryIndex, VerifyError> {
        if let Some(index) = self.memo.index.get() {
            return Ok(index);
        }
        let mut reader =
            Reader { repository: self, index: HistoryIndex::default(), trees: HashMap::new(), numbers: HashMap::new() };
        // Oldest first: what a commit adds to its parent is new with it.
        for commit in self.commits()?.iter().rev() {
            reader.add(*commit)?;
        }
        Ok(self.memo.index.get_or_init(|| reader.index))
    }
}

fn is_manifest(entry: &git2::TreeEntry<'_>) -> bool {
    entry.name_bytes() == b"Cargo.toml" && entry.filemode_raw() != 0o120_000
}

/// A tree as far as manifests stand in it; equal trees are one node, so that a history shares what did not change.
struct Node {
    tree: Oid,
    manifest: Option<Oid>,
    folders: Vec<(u32, Rc<Node>)>,
}

/// Reads a history into its index, each tree once.
struct Reader<'r> {
    repository: &'r Repository,
    index: HistoryIndex,
    trees: HashMap<Oid, Option<Rc<Node>>>,
    numbers: HashMap<String, u32>,
}

impl Reader<'_> {
    fn add(&mut self, commit: Oid) -> Result<(), VerifyError> {
        let git = &self.repository.git;
        let Ok(found) = git.find_commit(commit) else { return Ok(()) };
        let Some(root) = self.node(found.tree_id(), 0)? else { return Ok(()) };
        let parent = found.parent_id(0).ok().and_then(|parent| git.find_commit(parent).ok());
        let before = parent.and_then(|parent| self.trees.get(&parent.tree_id()).cloned().flatten());
        let mut n_left = self.repository.limits.max_tree_entries;
        self.note(&root, before.as_deref(), Above::Same, &mut Vec::new(), commit, &mut n_left)
    }

    /// The node of a tree, `None` when there is no manifest in or below it. Its blobs are noted when it is met first.
    fn node(&mut self, tree: Oid, depth: usize) -> Result<Option<Rc<Node>>, VerifyError> {
        if let Some(known) = self.trees.get(&tree) {
            return Ok(known.clone());
        }
        let limits = &self.repository.limits;
        if self.trees.len() + self.index.blobs.len() > limits.max_objects {
            return Err(VerifyError::Repository(RepositoryStatus::TooLarge));
        }
        let mut node = Node { tree, manifest: None, folders: Vec::new() };
        for entry in &self.repository.git.find_tree(tree)? {
            match entry.kind() {
                Some(ObjectType::Blob) => {
                    self.index.blobs.insert(entry.id());
                    if is_manifest(&entry) {
                        node.manifest = Some(entry.id());
                    }
                }
                Some(ObjectType::Tree) if depth < limits.max_depth => {
                    let below = self.node(entry.id(), depth + 1)?;
                    if let (Some(below), Ok(name)) = (below, entry.name()) {
                        node.folders.push((self.number(name), below));
                    }
                }
                _ => {}
            }
        }
        let node = (node.manifest.is_some() || !node.folders.is_empty()).then(|| Rc::new(node));
        self.trees.insert(tree, node.clone());
        Ok(node)
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.index.names.len()).unwrap_or(u32::MAX);
        self.index.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Notes every package whose folder, or a manifest above it, is not as it was in the parent.
    fn note(
        &mut self,
        node: &Rc<Node>,
        before: Option<&Node>,
        above: Above,
        folder: &mut Vec<u32>,
        commit: Oid,
        n_left: &mut usize,
    ) -> Result<(), VerifyError> {
        if above == Above::Same && before.is_some_and(|before| before.tree == node.tree) {
            return Ok(());
        }
        // Equal trees are one node, but many paths: a bomb is made of that.
        *n_left = n_left.checked_sub(1).ok_or(VerifyError::Repository(RepositoryStatus::TooLarge))?;
        if let Some(manifest) = node.manifest {
            let place = Place { folder: folder.as_slice().into(), tree: node.tree, commit };
            self.index.places.entry(manifest).or_default().push(place);
        }
        let is_same = before.is_some_and(|before| before.manifest == node.manifest);
        let above = if is_same { above } else { Above::Changed };
        for (at, (name, below)) in node.folders.iter().enumerate() {
            let before = before.and_then(|before| before.folder(*name, at));
            folder.push(*name);
            self.note(below, before, above, folder, commit, n_left)?;
            folder.pop();
        }
        Ok(())
    }
}

impl Node {
    /// The folder of this name, looked for first where it probably is.
    fn folder(&self, name: u32, at: usize) -> Option<&Self> {
        let likely = self.folders.get(at).filter(|(known, _)| *known == name);
        likely.or_else(|| self.folders.iter().find(|(known, _)| *known == name)).map(|(_, node)| node.as_ref())
    }
}

/// Whether the manifests above a folder are as they were: a version may be inherited from them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Above {
    Same,
    Changed,
}
