//! Paths in a commit's tree, as a checkout would have them: symbolic links followed, loops and escapes absent. Nothing is written.

use std::collections::VecDeque;
use std::rc::Rc;

use git2::{ObjectType, Oid};

use crate::VerifyError;
use crate::repository::Repository;

/// The most symbolic links followed for one path, as Linux has it.
const MAX_LINKS: usize = 40;
const LINK: i32 = 0o120_000;

/// One commit's tree in one repository.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) repository: Rc<Repository>,
    pub(crate) commit: Oid,
    pub(crate) root: Oid,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A file.
    File {
        /// Its content.
        blob: Oid,
        /// Whether it has the executable bit.
        executable: bool,
        /// Whether a symbolic link led there.
        through_link: bool,
    },
    /// A symbolic link that was not to be followed; the blob is its target.
    Link {
        /// The target's text.
        blob: Oid,
    },
    /// A folder.
    Folder {
        /// Its tree.
        tree: Oid,
    },
    /// A submodule on the way: the rest of the path is in another repository.
    Submodule {
        /// Where it is mounted.
        at: String,
        /// The commit it is at.
        commit: Oid,
        /// The path inside it.
        rest: String,
    },
    /// Nothing, or nothing inside this repository.
    Absent,
}

impl Snapshot {
    /// The tree of a commit.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub(crate) fn of(repository: &Rc<Repository>, commit: Oid) -> Result<Self, VerifyError> {
        let (root, _) = repository.commit(commit)?;
        Ok(Self { repository: Rc::clone(repository), commit, root })
    }

    /// What stands at a path, links followed.
    #[must_use]
    pub(crate) fn find(&self, path: &str) -> Found {
        self.resolve(path, true)
    }

    /// What stands at a path; a link in its last component is the answer itself.
    #[must_use]
    pub(crate) fn find_link(&self, path: &str) -> Found {
        self.resolve(path, false)
    }

    /// The bytes of the file at a path, links followed.
    #[must_use]
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.find(path) {
            Found::File { blob, .. } => self.repository.blob(blob),
            _ => None,
        }
    }

    fn resolve(&self, path: &str, follow_last: bool) -> Found {
        let mut pending: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut trail: Vec<(String, Oid)> = vec![(String::new(), self.root)];
        let mut links = 0;
        while let Some(component) = pending.pop_front() {
            match component.as_str() {
                "" | "." => continue,
                ".." if trail.len() > 1 => {
                    trail.pop();
                    continue;
                }
                ".." => return Found::Absent,
                _ => {}
            }
            if trail.len() > self.repository.limits.max_depth {
                return Found::Absent;
            }
            let Some((id, kind, mode)) = self.entry(trail.last().map_or(self.root, |(_, tree)| *tree), &component)
            else {
                return Found::Absent;
            };
            match kind {
                ObjectType::Tree => trail.push((component, id)),
                ObjectType::Commit => {
                    let mut at: Vec<_> = trail[1..].iter().map(|(name, _)| name.as_str()).collect();
                    at.push(&component);
                    let rest: Vec<String> = pending.into();
                    return Found::Submodule { at: at.join("/"), commit: id, rest: rest.join("/") };
                }
                ObjectType::Blob if mode == LINK => {
                    if pending.is_empty() && !follow_last {
                        return Found::Link { blob: id };
                    }
                    links += 1;
                    let Some(target) = self.link_target(id).filter(|_| links <= MAX_LINKS) else {
                        return Found::Absent;
                    };
                    for component in target.split('/').rev() {
                        pending.push_front(component.to_owned());
                    }
                }
                ObjectType::Blob if pending.iter().all(String::is_empty) => {
                    return Found::File { blob: id, executable: mode & 0o111 != 0, through_link: links > 0 };
                }
                _ => return Found::Absent,
            }
        }
        trail.last().map_or(Found::Absent, |(_, tree)| Found::Folder { tree: *tree })
    }

    fn entry(&self, tree: Oid, name: &str) -> Option<(Oid, ObjectType, i32)> {
        let tree = self.repository.git.find_tree(tree).ok()?;
        let entry = tree.get_name(name)?;
        // git makes no tree with two entries of one name; which of them a person is shown depends on who shows it.
        if !self.repository.has_plain_names(&tree) {
            return None;
        }
        Some((entry.id(), entry.kind()?, entry.filemode_raw()))
    }

    /// A relative target; an absolute one leaves the repository.
    fn link_target(&self, blob: Oid) -> Option<String> {
        let target = String::from_utf8(self.repository.blob(blob)?).ok()?;
        (!target.starts_with('/') && !target.is_empty() && target.len() <= 4096).then_some(target)
    }
}

/// `folder/path`, with an empty folder meaning the root.
#[must_use]
pub(crate) fn join(folder: &str, path: &str) -> String {
    match folder.trim_end_matches('/') {
        "" => path.to_owned(),
        folder => format!("{folder}/{path}"),
    }
}
