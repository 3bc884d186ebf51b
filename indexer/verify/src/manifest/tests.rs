//! Every archive of cargo's download cache: the published manifest follows from the original one. A difference is a false alarm.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use inspect::{CrateArchive, Expected};
use schema::ArchiveFiles as _;

use super::{Context, NotCompared, differences};

#[test]
fn no_archive_of_cargos_cache_raises_a_false_alarm() {
    let archives = cached();
    let mut alarms = Vec::new();
    let (mut n_derived, mut n_inheriting, mut n_without) = (0, 0, 0);
    for path in &archives {
        match compared(path) {
            None => n_without += 1,
            Some(Err(NotCompared::WorkspaceUnresolved(_))) => n_inheriting += 1,
            Some(Err(NotCompared::Unreadable(why))) => alarms.push(format!("{}: {why}", path.display())),
            Some(Ok(found)) if found.is_empty() => n_derived += 1,
            Some(Ok(found)) => alarms.push(format!("{}: {found:?}", path.display())),
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "{} archives: {n_derived} derived, {n_inheriting} inherit from a workspace that is not in them, {n_without} have no original",
        archives.len()
    );
    assert!(alarms.is_empty(), "{} false alarms:\n{}", alarms.len(), alarms.join("\n"));
}

fn compared(path: &Path) -> Option<Result<Vec<super::Difference>, NotCompared>> {
    let expected = Expected::from_file_name(path.file_name()?.to_str()?).ok()?;
    let bytes = std::fs::read(path).ok()?;
    let limits = inspect::Limits::default();
    let inspection = inspect::inspect(bytes.as_slice(), &expected, None, &limits).ok()?;
    let sources: BTreeSet<String> = inspection.files.iter().map(|entry| entry.path.clone()).collect();
    let files = CrateArchive::new(bytes, &expected, limits);
    let text = |name: &str| String::from_utf8(files.read(name, 1 << 20).ok()??).ok();
    let has_file = |name: &str| sources.contains(name);
    let context = Context { workspace: None, has_file: &has_file, sources: &sources };
    Some(differences(&text("Cargo.toml")?, &text("Cargo.toml.orig")?, &context))
}

/// None where cargo has no cache.
fn cached() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the cache is where cargo's own variables say")]
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = named("CARGO_HOME").or_else(|| Some(named("HOME")?.join(".cargo")));
    let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let registries = home.map(|home| home.join("registry/cache")).into_iter().flat_map(|cache| below(&cache));
    let archives = registries.flat_map(|registry| below(&registry));
    archives.filter(|path| path.extension().is_some_and(|extension| extension == "crate")).collect()
}
