//! The limits of one inspection, each a named number with its unit.

use std::time::Duration;

/// How much one archive may ask of us. Crossing a limit is a finding that carries the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the archive as downloaded; beyond it nothing more is unpacked.
    pub compressed_size: u64,
    /// Bytes it may always unpack to, whatever its compressed size (cargo's own floor).
    pub unpacked_floor: u64,
    /// How many times its compressed size it may unpack to, when that is more than the floor (cargo's own factor).
    pub unpacked_ratio: u64,
    /// Entries of any kind; extension headers are not counted.
    pub entries: u64,
    /// Bytes of one path or link target.
    pub path_length: u64,
    /// Components of one path.
    pub path_depth: u64,
    /// Bytes of all paths and link targets together: it bounds our memory, where the limits above alone would not.
    pub names_size: u64,
    /// Bytes of the root `Cargo.toml`; a larger one is listed and not read.
    pub manifest_size: u64,
    /// Bytes of `.cargo_vcs_info.json`; a larger one is listed and not read.
    pub vcs_info_size: u64,
    /// Bytes of one pax or GNU extension header.
    pub extension_size: u64,
    /// Time from the first byte to the last entry; the digest of the file may take as long again.
    pub wall_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed_size: 256 << 20,
            unpacked_floor: 512 << 20,
            unpacked_ratio: 20,
            entries: 100_000,
            path_length: 4096,
            path_depth: 64,
            names_size: 8 << 20,
            manifest_size: 1 << 20,
            vcs_info_size: 64 << 10,
            extension_size: 64 << 10,
            wall_time: Duration::from_mins(1),
        }
    }
}
