//! Keeping the number of packs down: every fetch leaves one, and a repository that is fetched into every minute has a
//! thousand of them by tomorrow, each with its file handle and its place in every search.

use std::path::{Path, PathBuf};
use std::{fs, io};

use git2::{Odb, Oid, Repository};

use crate::GitError;
use crate::repository::unusable;

/// Packs larger than this are left alone; a large one is not written anew for the sake of a small one.
const SMALL: u64 = 64 << 20;

/// Puts the small packs of a bare repository together into one, when there are more than `at_most`. Gives how many there were.
///
/// The new pack is whole before an old one goes, so a crash leaves objects twice and never not at all. Objects that nothing
/// reaches are kept, too. Open handles on the repository find the new pack when they refresh.
///
/// # Errors
/// When a pack cannot be read, which means that the repository is damaged, or the disk does not allow it.
pub fn consolidate_packs(path: &Path, at_most: usize) -> Result<Option<usize>, GitError> {
    let folder = path.join("objects/pack");
    let small = small_packs(&folder).map_err(|error| unusable(path, error))?;
    if small.len() <= at_most {
        return Ok(None);
    }
    let aside = path.join("provenance-packs");
    let done = merge(path, &folder, &small, &aside);
    remove_if_there(&aside).map_err(|error| unusable(path, error))?;
    done.map_err(|error| unusable(path, error))?;
    tracing::info!(path = %path.display(), packs = small.len(), "packs are put together");
    Ok(Some(small.len()))
}

fn merge(
    path: &Path,
    folder: &Path,
    small: &[PathBuf],
    aside: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let repository = Repository::open_bare(path)?;
    let mut builder = repository.packbuilder()?;
    for object in objects_of(small, aside)? {
        builder.insert_object(object, None)?;
    }
    builder.write(folder, 0o644)?;
    let written = builder.name()?.map(|name| format!("pack-{name}.pack"));
    for pack in small {
        let is_new = pack.file_name().and_then(|name| name.to_str()) == written.as_deref();
        if !is_new {
            // The index first: a pack without one is no pack to git, an index without its pack is an error.
            remove_if_there(&pack.with_extension("idx"))?;
            remove_if_there(pack)?;
        }
    }
    Ok(())
}

/// The objects of these packs alone, each once: linked into a folder that is an object database of its own.
fn objects_of(packs: &[PathBuf], aside: &Path) -> Result<Vec<Oid>, Box<dyn std::error::Error + Send + Sync>> {
    remove_if_there(aside)?;
    let folder = aside.join("pack");
    fs::create_dir_all(&folder)?;
    for pack in packs {
        for file in [pack.clone(), pack.with_extension("idx")] {
            if let Some(name) = file.file_name() {
                let to = folder.join(name);
                fs::hard_link(&file, &to).or_else(|_| fs::copy(&file, &to).map(drop))?;
            }
        }
    }
    let database = Odb::new()?;
    database.add_disk_alternate(&aside.to_string_lossy())?;
    let mut objects = Vec::new();
    database.foreach(|object| {
        objects.push(*object);
        true
    })?;
    objects.sort_unstable();
    objects.dedup();
    Ok(objects)
}

/// Packs with an index and without a note that says to keep them.
fn small_packs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut packs = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(packs),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let is_pack = path.extension().is_some_and(|extension| extension == "pack");
        let is_free = is_pack && path.with_extension("idx").exists() && !path.with_extension("keep").exists();
        if is_free && fs::metadata(&path)?.len() <= SMALL {
            packs.push(path);
        }
    }
    packs.sort();
    Ok(packs)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
