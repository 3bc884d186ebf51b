//! The reverse pass: what cargo would have packaged from the commit, and the archive does not have (design 04, step 9).

use git2::ObjectType;
use toml::{Table, Value};

use crate::VerifyError;
use crate::pattern::listed;
use crate::tree::{Found, Snapshot};

/// The most paths listed.
const MAX_MISSING: usize = 200;

/// Files below the package's folder that its `include` and `exclude` would take, and that `has` does not know.
///
/// # Errors
/// When git's data cannot be read.
pub(crate) fn missing(
    snapshot: &Snapshot,
    folder: &str,
    manifest: &Table,
    has: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, VerifyError> {
    let Found::Folder { tree } = snapshot.find(folder) else { return Ok(Vec::new()) };
    let list = |name: &str| -> Vec<String> {
        let values = manifest.get("package").and_then(|package| package.get(name)).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (include, exclude) = (list("include"), list("exclude"));
    let wanted = |path: &str| if include.is_empty() { !listed(&exclude, path) } else { listed(&include, path) };
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), tree)];
    let mut n_entries = 0;
    while let Some((folder, tree)) = pending.pop() {
        let tree = snapshot.repository.git.find_tree(tree)?;
        let is_other_package = !folder.is_empty() && tree.get_name("Cargo.toml").is_some();
        if is_other_package || folder == "target" {
            continue;
        }
        for entry in &tree {
            n_entries += 1;
            if n_entries > snapshot.repository.limits.max_tree_entries || found.len() >= MAX_MISSING {
                found.sort();
                return Ok(found);
            }
            let Ok(name) = entry.name() else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            match entry.kind() {
                Some(ObjectType::Tree) => pending.push((path, entry.id())),
                Some(ObjectType::Blob) if path != "Cargo.lock" && !has(&path) && wanted(&path) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
