//! The inspection itself: entries to facts and findings, in one pass over the bytes.

use std::io::Read;
use std::time::Instant;

use schema::{
    ArchiveFacts, Claim, Entry, EntryKind, Finding, FindingCode, Findings, GitOid, IndexLine, Inspection,
    ManifestFacts, Severity, Sha256,
};
use serde_json::json;
use sha1::Digest as _;

use crate::blocks::{Head, Visitor, walk};
use crate::content::Content;
use crate::facts::{Stop, high, medium, over_limit, shown};
use crate::member::Member;
use crate::{Expected, Limits, compare_with_line, manifest, names, packager, path};

const MANIFEST: &str = "Cargo.toml";
const VCS_INFO: &str = ".cargo_vcs_info.json";

/// Why there is no inspection: the fault is ours, and the archive may be looked at again.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The bytes could not be read: ask for them again.
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    /// Even the digest of the file took longer than the wall time allows: try on a quieter machine.
    #[error("the archive's bytes did not arrive within {0:?}")]
    TooSlow(std::time::Duration),
}

/// Looks inside one archive. Every lie it tells is a finding; with `line` given, `index.*` findings are among them.
///
/// # Errors
/// Only when our own read fails.
pub fn inspect(
    archive: impl Read,
    expected: &Expected,
    line: Option<&IndexLine>,
    limits: &Limits,
) -> Result<Inspection, InspectError> {
    let deadline = Instant::now() + limits.wall_time;
    let mut member = Member::new(archive, limits, deadline);
    let mut survey = Survey::new(expected, limits);
    let ended = match member.open() {
        Ok(()) => walk(&mut member, limits, &mut survey),
        Err(stop) => Err(stop),
    };
    member.notes.drain(..).for_each(|note| survey.findings.push(note));
    let is_complete = ended.is_ok();
    match ended {
        Err(Stop::Read(error)) => return Err(InspectError::Read(error)),
        Err(Stop::Found(finding)) => survey.findings.push(finding),
        Ok(()) => {}
    }
    let (sha256, compressed_size) = member
        .into_source()
        .drain(Instant::now() + limits.wall_time)
        .map_err(InspectError::Read)?
        .ok_or(InspectError::TooSlow(limits.wall_time))?;
    Ok(survey.conclude(sha256, compressed_size, line, is_complete))
}

/// What is collected while the entries stream by.
struct Survey<'a> {
    expected: &'a Expected,
    limits: &'a Limits,
    prefix: String,
    findings: Findings,
    entries: Vec<Entry>,
    names_size: u64,
    current: Option<Current>,
    manifest: Kept,
    wrong_case: Kept,
    vcs_info: Kept,
}

/// The entry whose content is being read.
struct Current {
    entry: Entry,
    sha256: sha2::Sha256,
    blob: sha1::Sha1,
    content: Content,
    /// The bytes, of the few files that are read.
    kept: Option<(Wanted, Vec<u8>)>,
}

#[derive(Clone, Copy)]
enum Wanted {
    Manifest,
    WrongCase,
    VcsInfo,
}

/// The last file of a wanted name.
#[derive(Default)]
enum Kept {
    #[default]
    Absent,
    TooLarge,
    Bytes(Vec<u8>),
}

impl<'a> Survey<'a> {
    fn new(expected: &'a Expected, limits: &'a Limits) -> Self {
        Self {
            expected,
            limits,
            prefix: expected.prefix(),
            findings: Findings::default(),
            entries: Vec::new(),
            names_size: 0,
            current: None,
            manifest: Kept::Absent,
            wrong_case: Kept::Absent,
            vcs_info: Kept::Absent,
        }
    }

    fn check_limits(&mut self, head: &Head) -> Result<(), Stop> {
        let n_entries = self.entries.len() as u64 + 1;
        if n_entries > self.limits.entries {
            let detail = json!({ "allowed": self.limits.entries, "met": n_entries });
            return Err(Stop::Found(high(FindingCode::TooManyEntries, detail)));
        }
        let longest = head.path.len().max(head.link.as_ref().map_or(0, Vec::len)) as u64;
        if longest > self.limits.path_length {
            return Err(Stop::Found(over_limit("path length", self.limits.path_length, longest)));
        }
        let depth = head.path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count() as u64;
        if depth > self.limits.path_depth {
            return Err(Stop::Found(over_limit("path depth", self.limits.path_depth, depth)));
        }
        self.names_size += (head.path.len() + head.link.as_ref().map_or(0, Vec::len)) as u64;
        if self.names_size > self.limits.names_size {
            return Err(Stop::Found(over_limit("size of all names", self.limits.names_size, self.names_size)));
        }
        Ok(())
    }

    fn check_kind(&mut self, head: &Head, path: &str, link: Option<&str>) {
        let known = matches!(head.kind, EntryKind::File | EntryKind::Directory);
        if !known {
            let detail = json!({
                "path": shown(path), "kind": head.kind, "type": char::from(head.type_byte).to_string(),
                "target": link.map(shown),
            });
            self.findings.push(high(FindingCode::ForbiddenEntry, detail));
        }
        let odd = match head.kind {
            EntryKind::Directory if head.size > 0 => Some("directory with data"),
            EntryKind::File if path.ends_with('/') => Some("file with a folder's name"),
            _ => None,
        };
        if let Some(what) = odd {
            let detail = json!({ "path": shown(path), "what": what, "size": head.size });
            self.findings.push(medium(FindingCode::OddPath, detail));
        }
    }

    /// Whether this entry's bytes are to be read, and as what.
    fn wanted(&mut self, path: &str, entry: &Entry) -> Option<Wanted> {
        if entry.kind != EntryKind::File || !path.starts_with(&self.prefix) {
            return None;
        }
        let key = path::key(&entry.path);
        let (wanted, limit, name) = match key.as_str() {
            MANIFEST => (Wanted::Manifest, self.limits.manifest_size, MANIFEST),
            VCS_INFO => (Wanted::VcsInfo, self.limits.vcs_info_size, VCS_INFO),
            other if other.eq_ignore_ascii_case(MANIFEST) => {
                self.findings.push(medium(FindingCode::ManifestWrongCase, json!({ "path": shown(other) })));
                (Wanted::WrongCase, self.limits.manifest_size, MANIFEST)
            }
            _ => return None,
        };
        if entry.size > limit {
            self.findings.push(over_limit(name, limit, entry.size));
            *self.slot(wanted) = Kept::TooLarge;
            return None;
        }
        Some(wanted)
    }

    const fn slot(&mut self, wanted: Wanted) -> &mut Kept {
        match wanted {
            Wanted::Manifest => &mut self.manifest,
            Wanted::WrongCase => &mut self.wrong_case,
            Wanted::VcsInfo => &mut self.vcs_info,
        }
    }

    fn conclude(
        mut self,
        sha256: Sha256,
        compressed_size: u64,
        line: Option<&IndexLine>,
        is_complete: bool,
    ) -> Inspection {
        self.current = None;
        names::check(&self.entries, &mut self.findings);
        if let Some(finding) = packager::check(&self.entries) {
            self.findings.push(finding);
        }
        let manifest = self.read_manifest(line, is_complete);
        let claim = self.read_claim(is_complete);
        let files = self.entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let unpacked_size = files.fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
        Inspection {
            name: self.expected.name.clone(),
            num: self.expected.num.clone(),
            archive: ArchiveFacts { sha256, compressed_size, unpacked_size },
            files: self.entries,
            manifest,
            claim,
            findings: self.findings,
        }
    }

    /// An archive that could not be read to its end may have a manifest further on: only a whole one can lack it.
    fn read_manifest(&mut self, line: Option<&IndexLine>, is_complete: bool) -> Option<ManifestFacts> {
        let exact = std::mem::take(&mut self.manifest);
        let kept = if matches!(exact, Kept::Absent) { std::mem::take(&mut self.wrong_case) } else { exact };
        let bytes = match kept {
            Kept::Bytes(bytes) => bytes,
            Kept::TooLarge => return None,
            Kept::Absent => {
                if is_complete {
                    self.findings.push(high(FindingCode::ManifestMissing, json!({})));
                }
                return None;
            }
        };
        match manifest::read(&bytes, &self.entries) {
            Ok(facts) => {
                manifest::check(&facts, self.expected, &mut self.findings);
                for finding in line.map(|line| compare_with_line(line, &facts)).unwrap_or_default() {
                    self.findings.push(finding);
                }
                Some(facts)
            }
            Err(reason) => {
                let detail = json!({ "reason": shown(&reason) });
                self.findings.push(high(FindingCode::ManifestInvalid, detail));
                None
            }
        }
    }

    fn read_claim(&mut self, is_complete: bool) -> Option<Claim> {
        match std::mem::take(&mut self.vcs_info) {
            Kept::Bytes(bytes) => match Claim::parse(&bytes) {
                Ok(claim) => Some(claim),
                Err(error) => {
                    let detail = json!({ "reason": shown(&error.to_string()) });
                    self.findings.push(medium(FindingCode::VcsInvalid, detail));
                    None
                }
            },
            Kept::TooLarge => None,
            Kept::Absent => {
                if is_complete {
                    self.findings.push(Finding::new(FindingCode::VcsMissing, Severity::Info, json!({})));
                }
                None
            }
        }
    }
}

impl Visitor for Survey<'_> {
    fn begin(&mut self, head: Head) -> Result<(), Stop> {
        self.check_limits(&head)?;
        let path = self.read_path(&head);
        let link = head.link.as_ref().map(|link| String::from_utf8_lossy(link).into_owned());
        let mut notes = Vec::new();
        path::check(&path, head.kind == EntryKind::Directory, &self.prefix, &mut notes);
        for note in notes {
            self.findings.push(note);
        }
        self.check_kind(&head, &path, link.as_deref());
        let below = path.strip_prefix(&self.prefix).unwrap_or(&path).to_owned();
        let is_symlink = head.kind == EntryKind::Symlink;
        let size = if is_symlink { head.link.as_ref().map_or(0, Vec::len) as u64 } else { head.size };
        let entry = Entry {
            path: below,
            kind: head.kind,
            mode: head.mode,
            mtime: head.mtime,
            size,
            sha256: Sha256::from_bytes([0; 32]),
            git_blob: GitOid::from_bytes([0; 20]),
            link_target: link.filter(|_| matches!(head.kind, EntryKind::Symlink | EntryKind::Hardlink)),
        };
        let wanted = self.wanted(&path, &entry);
        let mut current = Current {
            sha256: sha2::Sha256::new(),
            blob: sha1::Sha1::new_with_prefix(format!("blob {size}\0").as_bytes()),
            content: if head.kind == EntryKind::File { Content::new(&entry.path) } else { Content::default() },
            kept: wanted.map(|wanted| (wanted, Vec::new())),
            entry,
        };
        if let Some(target) = head.link.filter(|_| is_symlink) {
            current.sha256.update(&target);
            current.blob.update(&target);
        }
        self.current = Some(current);
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) {
        let Some(current) = &mut self.current else { return };
        if current.entry.kind != EntryKind::Symlink {
            current.sha256.update(bytes);
            current.blob.update(bytes);
        }
        current.content.update(bytes);
        if let Some((_, kept)) = &mut current.kept {
            kept.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let Current { mut entry, sha256, blob, content, kept } = current;
        entry.sha256 = Sha256::from_bytes(sha256.finalize().into());
        entry.git_blob = GitOid::from_bytes(blob.finalize().into());
        let mut notes = Vec::new();
        content.finish(&entry.path, &mut notes);
        for note in notes {
            self.findings.push(note);
        }
        if let Some((wanted, bytes)) = kept {
            *self.slot(wanted) = Kept::Bytes(bytes);
        }
        self.entries.push(entry);
        Ok(())
    }

    fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

impl Survey<'_> {
    fn read_path(&mut self, head: &Head) -> String {
        if let Ok(path) = std::str::from_utf8(&head.path) {
            return path.to_owned();
        }
        let bytes: String = head.path.iter().take(512).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
        self.findings.push(medium(FindingCode::NonUtf8Path, json!({ "bytes": bytes })));
        String::from_utf8_lossy(&head.path).into_owned()
    }
}
