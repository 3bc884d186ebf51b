//! The first gzip member, by RFC 1952: header, deflate, CRC and length. What follows it is named and never unpacked.

use std::io::Read;
use std::time::Instant;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use schema::{Finding, FindingCode};
use serde_json::json;

use crate::Limits;
use crate::facts::{Stop, high, medium, over_limit};
use crate::source::Source;

const CHUNK: usize = 128 << 10;
const HEADER_CRC: u8 = 0x02;
const EXTRA: u8 = 0x04;
const NAME: u8 = 0x08;
const COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xe0;

/// The unpacked bytes of the first member.
pub(crate) struct Member<R> {
    source: Source<R>,
    inflate: Decompress,
    /// `flate2::Crc` does without the processor's own instruction here, and a tenth of the time would go there.
    crc: crc32fast::Hasher,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    unpacked: u64,
    allowed: u64,
    allowed_is_final: bool,
    limits: Limits,
    deadline: Instant,
    ended: bool,
    /// What was odd at the member's end, where it no longer matters for the reading.
    pub(crate) notes: Vec<Finding>,
}

impl<R: Read> Member<R> {
    pub(crate) fn new(input: R, limits: &Limits, deadline: Instant) -> Self {
        Self {
            source: Source::new(input),
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            unpacked: 0,
            allowed: limits.unpacked_floor,
            allowed_is_final: false,
            limits: limits.clone(),
            deadline,
            ended: false,
            notes: Vec::new(),
        }
    }

    /// Reads the member's header; must come before the first `fill`.
    pub(crate) fn open(&mut self) -> Result<(), Stop> {
        let mut head = Crc::new();
        let mut fixed = [0_u8; 10];
        for (at, slot) in fixed.iter_mut().enumerate() {
            let byte = self.next_byte(&mut head, "gzip header")?;
            if at < 2 && byte != [0x1f, 0x8b][at] {
                return Err(Stop::Found(high(FindingCode::NotGzip, json!({ "at": at, "byte": byte }))));
            }
            *slot = byte;
        }
        let [_, _, method, flags, ..] = fixed;
        if method != 8 {
            return Err(corrupt("gzip method", u64::from(method), 8));
        }
        if flags & RESERVED != 0 {
            return Err(corrupt("gzip flags", u64::from(flags), u64::from(flags & !RESERVED)));
        }
        if flags & EXTRA != 0 {
            let length = [self.next_byte(&mut head, "gzip header")?, self.next_byte(&mut head, "gzip header")?];
            for _ in 0..u16::from_le_bytes(length) {
                self.next_byte(&mut head, "gzip header")?;
            }
        }
        for flag in [NAME, COMMENT] {
            while flags & flag != 0 && self.next_byte(&mut head, "gzip header")? != 0 {}
        }
        if flags & HEADER_CRC != 0 {
            let promised = head.sum() & 0xffff;
            let mut unhashed = Crc::new();
            let given = [self.next_byte(&mut unhashed, "gzip header")?, self.next_byte(&mut unhashed, "gzip header")?];
            if u32::from(u16::from_le_bytes(given)) != promised {
                return Err(corrupt("gzip header crc", u64::from(u16::from_le_bytes(given)), u64::from(promised)));
            }
        }
        Ok(())
    }

    /// The next unpacked bytes; empty at the member's end.
    pub(crate) fn fill(&mut self) -> Result<&[u8], Stop> {
        while self.start == self.end && !self.ended {
            self.inflate_more()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    pub(crate) fn consume(&mut self, n_bytes: usize) {
        self.start = (self.start + n_bytes).min(self.end);
    }

    /// The rest of the file, for its digest.
    pub(crate) fn into_source(self) -> Source<R> {
        self.source
    }

    fn inflate_more(&mut self) -> Result<(), Stop> {
        if Instant::now() > self.deadline {
            let allowed = u64::try_from(self.limits.wall_time.as_millis()).unwrap_or(u64::MAX);
            return Err(Stop::Found(over_limit("wall time in ms", allowed, allowed)));
        }
        self.check_compressed()?;
        let input = self.source.fill()?;
        let at_end = input.is_empty();
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, &mut self.buffer, FlushDecompress::None)
            .map_err(|_| corrupt("deflate", before_in, before_out))?;
        let n_in = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
        let n_out = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(usize::MAX);
        self.source.consume(n_in);
        (self.start, self.end) = (0, n_out.min(self.buffer.len()));
        self.crc.update(&self.buffer[..self.end]);
        self.unpacked += n_out as u64;
        self.check_unpacked()?;
        match status {
            Status::StreamEnd => self.close(),
            Status::Ok | Status::BufError if n_in == 0 && n_out == 0 && at_end => Err(truncated("deflate")),
            Status::Ok | Status::BufError => Ok(()),
        }
    }

    fn check_compressed(&self) -> Result<(), Stop> {
        let (allowed, met) = (self.limits.compressed_size, self.source.total());
        if met > allowed { Err(Stop::Found(over_limit("compressed size", allowed, met))) } else { Ok(()) }
    }

    /// Past the floor the file's whole size decides, so it is read ahead to its end: that is at most its compressed size.
    fn check_unpacked(&mut self) -> Result<(), Stop> {
        if self.unpacked > self.allowed && !self.allowed_is_final {
            self.source.read_ahead(self.limits.compressed_size)?;
            self.check_compressed()?;
            self.allowed = self.allowed.max(self.source.total().saturating_mul(self.limits.unpacked_ratio));
            self.allowed_is_final = true;
        }
        if self.unpacked > self.allowed {
            let detail =
                json!({ "allowed": self.allowed, "unpacked": self.unpacked, "compressed": self.source.total() });
            return Err(Stop::Found(high(FindingCode::Bomb, detail)));
        }
        Ok(())
    }

    /// The member's trailer, and a look at what follows.
    fn close(&mut self) -> Result<(), Stop> {
        self.ended = true;
        let mut trailer = [0_u8; 8];
        for slot in &mut trailer {
            match self.next_byte(&mut Crc::new(), "gzip trailer") {
                Ok(byte) => *slot = byte,
                Err(Stop::Found(finding)) => {
                    self.notes.push(finding);
                    return Ok(());
                }
                Err(stop) => return Err(stop),
            }
        }
        let (crc, size) = trailer.split_at(4);
        let (crc, size) = (little_endian(crc), little_endian(size));
        let computed = self.crc.clone().finalize();
        if crc != computed {
            self.note_corrupt("gzip crc", crc, computed);
        }
        // The length is counted modulo 2^32.
        let computed = u32::try_from(self.unpacked & u64::from(u32::MAX)).unwrap_or_default();
        if size != computed {
            self.note_corrupt("gzip size", size, computed);
        }
        self.look_behind()
    }

    fn look_behind(&mut self) -> Result<(), Stop> {
        let at = self.source.position();
        let mut first = Vec::with_capacity(2);
        while first.len() < 2 {
            let Some(byte) = self.source.fill()?.first().copied() else { break };
            self.source.consume(1);
            first.push(byte);
        }
        let code = match first.as_slice() {
            [] => return Ok(()),
            [0x1f, 0x8b] => FindingCode::SecondMember,
            _ => FindingCode::TrailingBytes,
        };
        self.notes.push(medium(code, json!({ "at": at })));
        Ok(())
    }

    fn note_corrupt(&mut self, what: &str, given: u32, computed: u32) {
        if let Stop::Found(finding) = corrupt(what, u64::from(given), u64::from(computed)) {
            self.notes.push(finding);
        }
    }

    fn next_byte(&mut self, crc: &mut Crc, place: &str) -> Result<u8, Stop> {
        let Some(byte) = self.source.fill()?.first().copied() else {
            return Err(truncated(place));
        };
        self.check_compressed()?;
        self.source.consume(1);
        crc.update(&[byte]);
        Ok(byte)
    }
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

pub(crate) fn corrupt(what: &str, given: u64, expected: u64) -> Stop {
    Stop::Found(high(FindingCode::Corrupt, json!({ "what": what, "given": given, "expected": expected })))
}

pub(crate) fn truncated(place: &str) -> Stop {
    Stop::Found(high(FindingCode::Truncated, json!({ "in": place })))
}
