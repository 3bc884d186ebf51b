//! Finding the package in a commit: where it says it is, else by name anywhere; its version, its workspace root (design 04, step 6).

use std::rc::Rc;

use toml::{Table, Value};

use crate::VerifyError;
use crate::tree::{Found, Snapshot, join};

/// Manifests kept parsed: a search meets the same ones in many commits.
const MAX_PARSED: usize = 4096;

/// A package in a commit.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its folder; `""` for the repository's root.
    pub folder: String,
    /// Its manifest.
    pub manifest: Rc<Table>,
    /// Its workspace root's folder and manifest, when it has one that is not itself.
    pub workspace: Option<(String, Rc<Table>)>,
    /// Its version, inherited or literal.
    pub version: Option<String>,
}

impl Package {
    /// The package in this folder, whatever its name.
    #[must_use]
    pub(crate) fn in_folder(snapshot: &Snapshot, folder: &str) -> Option<(String, Self)> {
        let manifest = read(snapshot, folder)?;
        let name = manifest.get("package").or_else(|| manifest.get("project"))?.get("name")?.as_str()?.to_owned();
        let workspace = workspace_of(snapshot, folder, &manifest);
        let version = version(&manifest, workspace.as_ref().map(|(_, root)| root.as_ref()));
        Some((name, Self { folder: folder.to_owned(), manifest, workspace, version }))
    }

    /// The manifest whose `[workspace]` this package inherits from; its own when it is the root.
    #[must_use]
    pub(crate) fn inherits_from(&self) -> Option<&Table> {
        let own = || self.manifest.contains_key("workspace").then_some(self.manifest.as_ref());
        self.workspace.as_ref().map(|(_, root)| root.as_ref()).or_else(own)
    }
}

/// Every package of this name in the commit.
///
/// # Errors
/// When git's data cannot be read or the tree is too large.
pub(crate) fn by_name(snapshot: &Snapshot, name: &str) -> Result<Vec<Package>, VerifyError> {
    let manifests = snapshot.repository.manifests(snapshot.root)?;
    let mut packages = Vec::new();
    for (folder, blob) in manifests.iter() {
        // A cheap look before the parse: most manifests of a monorepo are other packages'.
        let bytes = snapshot.repository.blob(*blob);
        if !bytes.is_some_and(|bytes| String::from_utf8_lossy(&bytes).contains(name)) {
            continue;
        }
        packages.extend(
            Package::in_folder(snapshot, folder).filter(|(found, _)| found == name).map(|(_, package)| package),
        );
    }
    Ok(packages)
}

fn read(snapshot: &Snapshot, folder: &str) -> Option<Rc<Table>> {
    let Found::File { blob, .. } = snapshot.find(&join(folder, "Cargo.toml")) else { return None };
    let mut parsed = snapshot.repository.memo.parsed.borrow_mut();
    if parsed.len() >= MAX_PARSED {
        parsed.clear();
    }
    parsed.entry(blob).or_insert_with(|| parse(&snapshot.repository.blob(blob)?)).clone()
}

fn parse(bytes: &[u8]) -> Option<Rc<Table>> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.trim_start_matches('\u{feff}').parse::<Table>().ok().map(Rc::new)
}

/// `package.workspace` when given, else the nearest manifest above with a `[workspace]`.
fn workspace_of(snapshot: &Snapshot, folder: &str, manifest: &Table) -> Option<(String, Rc<Table>)> {
    if manifest.contains_key("workspace") {
        return None;
    }
    let package = manifest.get("package").and_then(Value::as_table);
    if let Some(path) = package.and_then(|package| package.get("workspace")).and_then(Value::as_str) {
        let folder = crate::classify::tidy(&join(folder, path))?;
        return read(snapshot, &folder).map(|root| (folder, root));
    }
    let mut folder = folder;
    while !folder.is_empty() {
        folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        if let Some(root) = read(snapshot, folder).filter(|root| root.contains_key("workspace")) {
            return Some((folder.to_owned(), root));
        }
    }
    None
}

fn version(manifest: &Table, root: Option<&Table>) -> Option<String> {
    let package = manifest.get("package").or_else(|| manifest.get("project"))?;
    match package.get("version") {
        Some(Value::String(version)) => Some(version.clone()),
        Some(Value::Table(table)) if table.get("workspace").and_then(Value::as_bool) == Some(true) => {
            let root = root.unwrap_or(manifest);
            Some(root.get("workspace")?.get("package")?.get("version")?.as_str()?.to_owned())
        }
        _ => None,
    }
}
