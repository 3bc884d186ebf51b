//! What must hold for any input. The fuzz targets and `tests/it/properties.rs` share this file.

use inspect::{CrateArchive, Expected, Limits, inspect};
use schema::{ArchiveFiles as _, EntryKind, IndexLine};
use verify::normalise;

/// A link becomes one clean clone address that leads to itself, or no address.
pub fn address(text: &str) {
    let Ok(found) = normalise(text) else { return };
    let rest = found.url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    assert!(!host.is_empty() && !host.contains('@'), "{text:?} became {}", found.url);
    assert!(!rest.contains(['?', '#', '\\']), "{text:?} became {}", found.url);
    assert!(!found.url.contains(char::is_whitespace) && !found.url.contains(char::is_control), "{text:?}");
    let components = found.path.split('/');
    assert!(components.clone().all(|part| !part.is_empty() && part != "." && part != ".."), "{text:?}: {}", found.path);
    let again = normalise(&found.url).map(|again| again.url);
    assert_eq!(again.as_ref(), Ok(&found.url), "{text:?}");
    let _ = found.folder_hint(&|name| name.len() % 2 == 0);
    let _ = verify::browse_url(&found.url, "0123");
}

/// A line is read or refused with words; what is read has its own place in the index and says the same again.
pub fn index_line(text: &str) {
    match IndexLine::parse(text) {
        Ok(line) => {
            assert!(line.name.index_path().ends_with(&line.name.as_str().to_lowercase()), "{text:?}");
            assert_eq!(IndexLine::parse(text).ok(), Some(line), "{text:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "{text:?}"),
    }
}

/// An archive is looked into within its limits, whatever its bytes: what is listed has a path, and can be read as it was.
pub fn archive(bytes: &[u8]) {
    let Ok(expected) = Expected::from_file_name("a-1.0.0.crate") else { return };
    let limits = Limits { unpacked_floor: 4 << 20, entries: 1000, ..Limits::default() };
    let Ok(inspection) = inspect(bytes, &expected, None, &limits) else { return };
    assert!(inspection.files.len() <= 1000);
    assert_eq!(inspection.archive.compressed_size, bytes.len() as u64);
    let files = CrateArchive::new(bytes.to_vec(), &expected, limits);
    let first = inspection.files.iter().find(|entry| entry.kind == EntryKind::File && entry.size < 4096);
    let n_of_name = |path: &str| inspection.files.iter().filter(|entry| entry.path == path).count();
    if let Some(entry) = first.filter(|entry| n_of_name(&entry.path) == 1)
        && let Ok(Some(content)) = files.read(&entry.path, 1 << 20)
    {
        assert_eq!(content.len() as u64, entry.size, "{}", entry.path);
    }
}
