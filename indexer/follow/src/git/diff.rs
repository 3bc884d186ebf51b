//! Which crates' files differ between two trees: one walk over both that skips whatever has the same id.
//!
//! libgit2's own diff looks at every entry and takes a hundred times as long on an index (design 02, requirement 5).

use std::cmp::Ordering;
use std::collections::HashMap;

use git2::Oid;
use schema::KrateName;

use crate::git::repository::IndexRepository;
use crate::{FollowError, IndexConfig, Quarantined};

/// What differs between two trees.
pub(super) struct TreeDiff {
    /// The crates' files: those gone first, so that a name given up in the same commit is free; then by path.
    pub(super) files: Vec<FileDiff>,
    /// `config.json`, when it differs. The name in it is of no crate.
    pub(super) config: Option<ConfigDiff>,
    /// What stands where a crate's file should and is none.
    pub(super) odd: Vec<Quarantined>,
}

/// One file; at least one side is there.
#[derive(Clone)]
pub(super) struct FileDiff {
    pub(super) path: String,
    /// The crate, as the path spells it.
    pub(super) name: KrateName,
    pub(super) before: Option<Oid>,
    pub(super) after: Option<Oid>,
}

/// `config.json` on both sides.
#[derive(Clone, Copy)]
pub(super) struct ConfigDiff {
    pub(super) before: Option<Oid>,
    pub(super) after: Option<Oid>,
}

/// Compares two trees; `None` is the empty one.
pub(super) fn diff_trees(
    repository: &IndexRepository,
    from: Option<Oid>,
    to: Option<Oid>,
) -> Result<TreeDiff, FollowError> {
    let diff = TreeDiff { files: Vec::new(), config: None, odd: Vec::new() };
    let mut walk = Walk { repository, diff, path: Vec::new(), depth: 0 };
    if from != to {
        repository.begin_comparison();
        walk.trees(from, to)?;
    }
    let mut diff = walk.diff;
    diff.files = join_moved(diff.files);
    Ok(diff)
}

/// Puts files that are gone before the others, and makes one of two where a crate's file moved.
///
/// In 2014 paths kept the case of the name; when they were lowered, the same lines left one file and came in another. A crate
/// that gives way to one spelled with the other of `-` and `_` is another crate and has gone.
fn join_moved(files: Vec<FileDiff>) -> Vec<FileDiff> {
    if files.iter().all(|file| file.after.is_some()) {
        return files;
    }
    let (gone, mut there): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.after.is_none());
    let is_new = |file: &FileDiff| file.before.is_none();
    let mut new: HashMap<String, usize> = there
        .iter()
        .enumerate()
        .filter(|(_, file)| is_new(file))
        .map(|(at, file)| (file.name.index_path(), at))
        .collect();
    let mut joined = Vec::with_capacity(gone.len() + there.len());
    for file in gone {
        match new.remove(&file.name.index_path()) {
            Some(at) => there[at].before = file.before,
            None => joined.push(file),
        }
    }
    joined.extend(there);
    joined
}

struct Walk<'a> {
    repository: &'a IndexRepository,
    diff: TreeDiff,
    /// The folders above, each followed by a slash.
    path: Vec<u8>,
    /// How many they are.
    depth: usize,
}

/// An entry as the tree object has it.
#[derive(Clone, Copy)]
struct Entry<'a> {
    mode: u32,
    name: &'a [u8],
    id: Oid,
}

impl Walk<'_> {
    /// Both trees are sorted alike, so one pass over both meets every pair.
    fn trees(&mut self, from: Option<Oid>, to: Option<Oid>) -> Result<(), FollowError> {
        let (from, to) = (self.repository.tree(from)?, self.repository.tree(to)?);
        let (from, to) = (from.as_deref().unwrap_or_default(), to.as_deref().unwrap_or_default());
        let (mut from, mut to) = (Entries(from).peekable(), Entries(to).peekable());
        loop {
            let order = match (from.peek(), to.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(after)) => before.tree_order(after),
            };
            let before = if order.is_le() { from.next() } else { None };
            let after = if order.is_ge() { to.next() } else { None };
            if before.map(|entry| (entry.mode, entry.id)) != after.map(|entry| (entry.mode, entry.id)) {
                self.pair(before, after)?;
            }
        }
    }

    fn pair(&mut self, before: Option<Entry<'_>>, after: Option<Entry<'_>>) -> Result<(), FollowError> {
        let Some(either) = before.or(after) else { return Ok(()) };
        if !either.is_tree() {
            self.file(either.name, before, after);
            return Ok(());
        }
        if self.may_hold_krates(either.name) {
            let length = self.path.len();
            self.path.extend_from_slice(either.name);
            self.path.push(b'/');
            self.depth += 1;
            self.trees(before.map(|entry| entry.id), after.map(|entry| entry.id))?;
            self.depth -= 1;
            self.path.truncate(length);
        }
        Ok(())
    }

    /// Folders of the index layout have one or two characters; `.github` and the like are no concern of ours.
    fn may_hold_krates(&self, name: &[u8]) -> bool {
        self.depth < 2 && name.len() <= 2 && !name.starts_with(b".")
    }

    fn file(&mut self, name: &[u8], before: Option<Entry<'_>>, after: Option<Entry<'_>>) {
        if self.path.is_empty() {
            if name == IndexConfig::FILE.as_bytes() {
                // A folder, a link or a submodule of that name says nothing.
                let file = |entry: Option<Entry<'_>>| entry.filter(Entry::is_file).map(|entry| entry.id);
                self.diff.config = Some(ConfigDiff { before: file(before), after: file(after) });
            }
            return;
        }
        let path = [&self.path, name].concat();
        let name = std::str::from_utf8(name).ok().and_then(|name| KrateName::parse(name).ok());
        let odd = |reason: &str| Quarantined {
            path: String::from_utf8_lossy(&path).into_owned(),
            line: 0,
            raw: String::new(),
            reason: reason.to_owned(),
        };
        match name.filter(|name| name.is_index_path(&path)) {
            None => self.diff.odd.extend(after.map(|_| odd("its path is none of a crate"))),
            // A link in its place is damage, not a deletion.
            Some(_) if after.is_some_and(|entry| !entry.is_file()) => self.diff.odd.push(odd("it is no regular file")),
            Some(name) => {
                let id = |entry: Option<Entry<'_>>| entry.filter(Entry::is_file).map(|entry| entry.id);
                let (before, after) = (id(before), id(after));
                // Another mode of the same file is no change.
                if before != after {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    self.diff.files.push(FileDiff { path, name, before, after });
                }
            }
        }
    }
}

impl Entry<'_> {
    fn is_tree(&self) -> bool {
        self.mode == 0o040_000
    }

    fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Git sorts a folder as if its name ended with a slash.
    fn tree_order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| entry.is_tree().then_some(b'/');
        let shorter = self.name.len().min(other.name.len());
        self.name[..shorter].cmp(&other.name[..shorter]).then_with(|| {
            let rest = |entry: &Self| entry.name.get(shorter).copied().or_else(|| key(entry));
            // A name that ends sorts before one that goes on, and a folder's name goes on with its slash.
            rest(self).cmp(&rest(other)).then_with(|| self.name.len().cmp(&other.name.len()))
        })
    }
}

/// Reads a tree object: `mode SP name NUL id`, one after another; it ends where the bytes make no sense.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let space = self.0.iter().position(|&byte| byte == b' ')?;
        let (mode, rest) = (&self.0[..space], &self.0[space + 1..]);
        let nul = rest.iter().position(|&byte| byte == 0)?;
        let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
        let (id, rest) = rest.split_at_checked(20)?;
        self.0 = rest;
        let mode = mode.iter().fold(0, |mode, digit| mode << 3 | u32::from(digit & 7));
        Some(Entry { mode, name, id: Oid::from_bytes(id).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_ordered_as_git_orders_them() {
        let entry = |name: &'static str, mode| Entry { mode, name: name.as_bytes(), id: Oid::ZERO_SHA1 };
        let (file, tree) = (0o100_644, 0o040_000);
        // `git mktree` sorts so: `ab-c`, then the folder `ab` as `ab/`, then `ab0`.
        let sorted = [entry("ab", file), entry("ab-c", file), entry("ab", tree), entry("ab0", file), entry("b", tree)];
        for (n, one) in sorted.iter().enumerate() {
            for (m, other) in sorted.iter().enumerate() {
                assert_eq!(one.tree_order(other), n.cmp(&m), "{n} {m}");
            }
        }
    }
}
