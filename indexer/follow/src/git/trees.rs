//! Tree objects kept from one comparison to the next: the tree after one commit is the tree before the following one.

use std::collections::HashMap;
use std::sync::Arc;

use git2::Oid;

/// What is kept of one comparison, in bytes; the trees on the way to a few files take a hundredth of it.
const KEPT_BYTES: usize = 8 << 20;

/// The tree objects of the last comparison and of the present one.
#[derive(Default)]
pub(super) struct Trees {
    last: HashMap<Oid, Arc<[u8]>>,
    present: HashMap<Oid, Arc<[u8]>>,
    bytes: usize,
}

impl Trees {
    /// Begins a comparison: what the one before the last needed is forgotten.
    pub(super) fn turn(&mut self) {
        self.last = std::mem::take(&mut self.present);
        self.bytes = 0;
    }

    /// A tree that was read lately.
    pub(super) fn get(&mut self, id: Oid) -> Option<Arc<[u8]>> {
        if let Some(tree) = self.present.get(&id) {
            return Some(Arc::clone(tree));
        }
        let tree = self.last.remove(&id)?;
        self.keep(id, &tree);
        Some(tree)
    }

    /// Keeps a tree, unless this comparison has read too much to be worth keeping.
    pub(super) fn keep(&mut self, id: Oid, tree: &Arc<[u8]>) {
        self.bytes += tree.len();
        if self.bytes <= KEPT_BYTES {
            self.present.insert(id, Arc::clone(tree));
        }
    }
}
