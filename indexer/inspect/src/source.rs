//! The archive's own bytes on their way in: counted and hashed once, read ahead only when a limit must be known.

use std::io::{ErrorKind, Read};
use std::time::Instant;

use schema::Sha256;
use sha2::Digest as _;

const CHUNK: usize = 64 << 10;

/// The compressed bytes, with the digest of all that was read so far.
pub(crate) struct Source<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    hash: sha2::Sha256,
    total: u64,
    ended: bool,
}

impl<R: Read> Source<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, buffer: vec![0; CHUNK], start: 0, end: 0, hash: sha2::Sha256::new(), total: 0, ended: false }
    }

    /// The next bytes; empty at the end of the file.
    pub(crate) fn fill(&mut self) -> std::io::Result<&[u8]> {
        if self.start == self.end && !self.ended {
            (self.start, self.end) = (0, 0);
            self.read_more(CHUNK)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    pub(crate) fn consume(&mut self, n_bytes: usize) {
        self.start = (self.start + n_bytes).min(self.end);
    }

    /// Bytes read from the input so far, consumed or not.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// Bytes consumed so far.
    pub(crate) const fn position(&self) -> u64 {
        self.total - (self.end - self.start) as u64
    }

    /// Reads ahead to the end of the file, but not beyond `limit` bytes of it, and keeps what it read.
    pub(crate) fn read_ahead(&mut self, limit: u64) -> std::io::Result<()> {
        while !self.ended && self.total <= limit {
            if self.buffer.len() - self.end < CHUNK {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
                // A quarter more, not twice as much: the promise is on the peak.
                let more = (self.end / 4).max(CHUNK);
                self.buffer.reserve_exact((self.end + more).saturating_sub(self.buffer.len()));
                self.buffer.resize(self.end + more, 0);
            }
            self.read_more(CHUNK)?;
        }
        Ok(())
    }

    /// Reads and hashes the rest without keeping it; `None` when `deadline` passes first.
    pub(crate) fn drain(mut self, deadline: Instant) -> std::io::Result<Option<(Sha256, u64)>> {
        while !self.ended {
            if Instant::now() > deadline {
                return Ok(None);
            }
            self.end = 0;
            self.read_more(CHUNK)?;
        }
        Ok(Some((Sha256::from_bytes(self.hash.finalize().into()), self.total)))
    }

    fn read_more(&mut self, at_most: usize) -> std::io::Result<()> {
        let room = self.buffer.len().min(self.end + at_most);
        let n_bytes = loop {
            match self.input.read(&mut self.buffer[self.end..room]) {
                Ok(n_bytes) => break n_bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.ended = n_bytes == 0;
        self.hash.update(&self.buffer[self.end..self.end + n_bytes]);
        self.total += n_bytes as u64;
        self.end += n_bytes;
        Ok(())
    }
}
