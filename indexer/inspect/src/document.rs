//! The entries of one archive as one compressed document per checksum, as the store keeps them.

use std::io::Read;

use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use schema::Entry;
use serde::{Deserialize, Serialize};

/// The present shape of the document.
const VERSION: u32 = 1;
/// Bytes it may unpack to: the most that [`crate::Limits`] lets through, with room.
const UNPACKED: u64 = 128 << 20;

/// A document that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The compression is broken: inspect the archive again.
    #[error("cannot compress or expand the entries")]
    Compression(#[from] std::io::Error),
    /// The JSON is not what we write: inspect the archive again.
    #[error("cannot read the entries")]
    Json(#[from] serde_json::Error),
    /// Written by a newer program: use that one.
    #[error("entries are of version {0}, this program knows {VERSION}")]
    Version(u32),
    /// Larger than any inspection makes it.
    #[error("entries unpack to more than {UNPACKED} bytes")]
    TooLarge,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    entries: &'a [Entry],
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct Document {
    entries: Vec<Entry>,
}

/// Packs entries for the store.
///
/// # Errors
/// Practically never: only when the encoders themselves fail.
pub fn pack_entries(entries: &[Entry]) -> Result<Vec<u8>, DocumentError> {
    let json = serde_json::to_vec(&Written { v: VERSION, entries })?;
    let mut packed = Vec::new();
    ZlibEncoder::new(json.as_slice(), Compression::default()).read_to_end(&mut packed)?;
    Ok(packed)
}

/// Reads what [`pack_entries`] wrote.
///
/// # Errors
/// When the bytes are no such document, of another version, or too large.
pub fn unpack_entries(packed: &[u8]) -> Result<Vec<Entry>, DocumentError> {
    let mut json = Vec::new();
    ZlibDecoder::new(packed).take(UNPACKED + 1).read_to_end(&mut json)?;
    if json.len() as u64 > UNPACKED {
        return Err(DocumentError::TooLarge);
    }
    let Version { v } = serde_json::from_slice(&json)?;
    if v != VERSION {
        return Err(DocumentError::Version(v));
    }
    Ok(serde_json::from_slice::<Document>(&json)?.entries)
}
