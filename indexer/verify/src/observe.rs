//! What is said of a chosen commit: files with evidence, manifest, missing files, tags; and the facts of the registry.

use std::collections::BTreeSet;

use git2::Oid;
use schema::{FindingCode, Inspection, Reason, Severity, Timestamp};
use serde_json::{Value, json};

use crate::archive::Archive;
use crate::check::{Options, Subject, path_mismatch};
use crate::classify::{Classes, tidy};
use crate::compare::{Comparison, Standing, is_compiled, settled_class};
use crate::evidence::unified_diff;
use crate::examine::{Candidate, Examination};
use crate::facts::{
    DifferingFile, ExtraFile, Facts, FilesFacts, FilesStatus, ManifestOutcome, ManifestStatus, RepositoryStatus,
};
use crate::generated::is_generated;
use crate::judge::reason;
use crate::lock::{Oddity, Registry, oddities};
use crate::manifest::{Context, NotCompared, differences};
use crate::repository::Repository;
use crate::reverse::missing;
use crate::tree::join;
use crate::{VerifyError, git_oid};

/// Fact G: findings that speak of the archive as such; what is inside the files is the row's own affair.
pub(crate) fn registry_findings(inspection: &Inspection) -> Vec<Reason> {
    let speaks = |code: FindingCode| !code.as_str().starts_with("content.");
    let findings = inspection.findings.kept().iter().filter(|finding| speaks(finding.code));
    findings
        .map(|finding| Reason {
            code: finding.code.as_str().to_owned(),
            severity: finding.severity,
            detail: finding.detail.clone(),
        })
        .collect()
}

/// Step 11.
pub(crate) fn lock(
    archive: &Archive<'_>,
    published_at: Option<Timestamp>,
    registry: Option<&dyn Registry>,
    observed: &mut Vec<Reason>,
) {
    let Some(text) = archive.text("Cargo.lock") else { return };
    observed.extend(oddities(&text, published_at, registry).into_iter().map(|oddity| match oddity {
        Oddity::Unreadable(why) => reason("lock.unreadable", Severity::Low, json!({ "why": why })),
        Oddity::Foreign { name, origin } => {
            reason("lock.foreign-source", Severity::Medium, json!({ "package": name, "origin": origin }))
        }
        Oddity::Newer { name, num, published_at } => {
            let detail = json!({ "package": name, "num": num, "published_at": published_at });
            reason("lock.newer-than-publish", Severity::Medium, detail)
        }
        Oddity::Checksum { name, num, locked, registry } => {
            let detail = json!({ "package": name, "num": num, "locked": locked, "registry": registry });
            reason("lock.checksum-differs", Severity::Medium, detail)
        }
    }));
}

impl Examination {
    /// Writes what this repository said into the facts.
    pub(crate) fn conclude(
        self,
        subject: &Subject<'_>,
        archive: &Archive<'_>,
        classes: &Classes,
        options: &Options<'_>,
        facts: &mut Facts,
    ) -> Result<(), VerifyError> {
        facts.commit.claimed_status = self.claimed_status;
        self.tag_reasons(options, facts);
        if let Some(commit) = self.whitewash {
            let (_, made_at) = self.repository.commit(commit)?;
            let detail =
                json!({ "commit": commit.to_string(), "committed_at": made_at, "published_at": subject.published_at });
            facts.observed.push(reason("commit.after-publish", Severity::Medium, detail));
        }
        if facts.repository.status == RepositoryStatus::PackageNotInRepo {
            facts.observed.push(reason("repo.package-not-found", Severity::High, json!({ "package": subject.name })));
        }
        let Some(chosen) = &self.chosen else { return Ok(()) };
        if self.folder_misleads {
            let path = subject.inspection.claim.as_ref().and_then(|claim| claim.path_in_vcs.as_deref());
            facts.observed.push(path_mismatch(path.unwrap_or_default()));
        }
        self.commit_facts(chosen, facts)?;
        facts.files = files(&self.repository, &chosen.comparison, archive, classes)?;
        if facts.files.status == FilesStatus::Partial || facts.files.status == FilesStatus::Mismatch {
            self.tag_mismatch(chosen, facts);
        }
        extras(subject, chosen, archive, facts)?;
        facts.manifest = Some(manifest(subject, &chosen.comparison, archive, &mut facts.observed));
        Ok(())
    }

    fn commit_facts(&self, chosen: &Candidate, facts: &mut Facts) -> Result<(), VerifyError> {
        let commit = chosen.comparison.snapshot.commit;
        let (_, made_at) = self.repository.commit(commit)?;
        let status = match chosen.status {
            // Tags and content nominate what is reachable; where exactly is only known now.
            status if status.is_reachable() => self.repository.stands(commit)?,
            status => status,
        };
        let own = self.tags.iter().find(|(_, at)| *at == commit).map(|(name, _)| name.clone());
        let at_commit = self.repository.tags_at(commit);
        if own.is_none() {
            let code = if at_commit.is_empty() { "tag.none" } else { "tag.sibling-only" };
            facts.observed.push(reason(code, Severity::Info, Value::Null));
        }
        facts.commit.tag = own.or_else(|| at_commit.first().map(|name| (*name).to_owned()));
        facts.commit.matched = Some(git_oid(commit));
        facts.commit.matched_status = Some(status);
        facts.commit.found_by = Some(chosen.found_by);
        facts.commit.package_path = Some(chosen.comparison.package.folder.clone());
        facts.commit.committed_at = Some(made_at);
        facts.commit.committed_after_publish = chosen.is_late;
        Ok(())
    }

    fn tag_reasons(&self, options: &Options<'_>, facts: &mut Facts) {
        let Some(earlier) = options.earlier_refs else { return };
        for (name, commit) in &self.tags {
            let was = earlier.get(&format!("refs/tags/{name}"));
            if let Some(was) = was.filter(|was| **was != commit.to_string()) {
                let detail = json!({ "tag": name, "was": was, "is": commit.to_string() });
                facts.observed.push(reason("tag.moved", Severity::Medium, detail));
            }
        }
    }

    /// The version's own tag is elsewhere, and what was chosen does not match: the tag is part of the story.
    fn tag_mismatch(&self, chosen: &Candidate, facts: &mut Facts) {
        let commit = chosen.comparison.snapshot.commit;
        let elsewhere = self.tags.first().filter(|_| !self.tags.iter().any(|(_, at)| *at == commit));
        if let Some((name, at)) = elsewhere {
            let detail = json!({ "tag": name, "tagged": at.to_string(), "compared": commit.to_string() });
            facts.observed.push(reason("tag.mismatch", Severity::Medium, detail));
        }
    }
}

/// Fact F, with evidence for what is not identical.
fn files(
    repository: &Repository,
    comparison: &Comparison,
    archive: &Archive<'_>,
    classes: &Classes,
) -> Result<FilesFacts, VerifyError> {
    let mut files = FilesFacts::not_compared();
    for (path, standing) in &comparison.files {
        let Some(entry) = archive.get(path) else { continue };
        files.total += 1;
        let seen = |wanted: bool| -> Result<Option<bool>, VerifyError> {
            if !wanted {
                return Ok(None);
            }
            repository.has_seen(Oid::from_bytes(entry.git_blob.as_bytes())?).map(Some)
        };
        match standing {
            Standing::Identical => files.identical += 1,
            Standing::Explained(explanation) => {
                *files.explained.entry(explanation.as_str().to_owned()).or_default() += 1;
            }
            Standing::Differs(blob) => {
                let seen = seen(true)?;
                let bytes = repository.blob(*blob).zip(archive.read(path));
                files.differing.push(DifferingFile {
                    path: path.clone(),
                    class: settled_class(classes, path, seen),
                    sha256: entry.sha256,
                    archive_blob: entry.git_blob,
                    repository_blob: git_oid(*blob),
                    seen,
                    diff: bytes.and_then(|(old, new)| unified_diff(&old, &new)),
                });
            }
            Standing::Extra | Standing::Unverified => {
                let seen = seen(*standing == Standing::Extra)?;
                let bytes = archive.read(path);
                let folder = &comparison.package.folder;
                let file = ExtraFile {
                    path: path.clone(),
                    class: settled_class(classes, path, seen),
                    sha256: entry.sha256,
                    seen,
                    binary: bytes.as_deref().is_some_and(is_compiled),
                    generated: is_generated(&comparison.snapshot, folder, path, bytes.as_deref()),
                };
                if *standing == Standing::Extra { files.extra.push(file) } else { files.unverified.push(file) }
            }
        }
    }
    let classes = files.differing.iter().map(|file| file.class).chain(files.extra.iter().map(|file| file.class));
    let mut classes = classes.peekable();
    files.status = if classes.peek().is_none() && files.unverified.is_empty() {
        if files.explained.is_empty() { FilesStatus::Identical } else { FilesStatus::Equivalent }
    } else if classes.any(crate::FileClass::is_build) {
        FilesStatus::Mismatch
    } else {
        FilesStatus::Partial
    };
    Ok(files)
}

/// Version, modes, lock file, and the reverse pass of step 9.
fn extras(
    subject: &Subject<'_>,
    chosen: &Candidate,
    archive: &Archive<'_>,
    facts: &mut Facts,
) -> Result<(), VerifyError> {
    let comparison = &chosen.comparison;
    let package = &comparison.package;
    let num = subject.num.as_str();
    if package.version.as_deref() != Some(num) {
        let detail = json!({ "published": num, "in_repository": package.version });
        facts.observed.push(reason("manifest.version-differs", Severity::High, detail));
    }
    if !comparison.modes.is_empty() {
        let paths = &comparison.modes[..comparison.modes.len().min(20)];
        let detail = json!({ "count": comparison.modes.len(), "paths": paths });
        facts.observed.push(reason("files.mode", Severity::Info, detail));
    }
    if let Some(lock) = archive.get("Cargo.lock") {
        let own = comparison.snapshot.find(&join(&package.folder, "Cargo.lock"));
        match own {
            crate::tree::Found::File { blob, .. } if blob.as_bytes() == lock.git_blob.as_bytes() => {}
            crate::tree::Found::File { .. } => facts.observed.push(reason("lock.differs", Severity::Info, Value::Null)),
            _ => facts.observed.push(reason("lock.generated", Severity::Info, Value::Null)),
        }
    }
    let missing = missing(&comparison.snapshot, &package.folder, &package.manifest, &|path| archive.has(path))?;
    let published = subject.inspection.manifest.as_ref();
    let roots = published.into_iter().flat_map(|manifest| &manifest.targets).filter(|target| {
        use schema::TargetKind::{Bin, Build, Lib};
        matches!(target.kind, Lib | Bin | Build)
    });
    let mut needed: BTreeSet<String> =
        roots.filter_map(|target| tidy(&target.path)).filter(|path| !archive.has(path)).collect();
    // cargo packages and names a build script it finds, unless the manifest says there is none.
    let says = package.manifest.get("package").and_then(|table| table.get("build"));
    if says.is_none() && missing.iter().any(|path| path == "build.rs") {
        needed.insert("build.rs".to_owned());
    }
    if !needed.is_empty() {
        let detail = json!({ "paths": needed });
        facts.observed.push(reason("files.missing-build-input", Severity::High, detail));
    }
    facts.files.missing = missing;
    Ok(())
}

/// Fact M: the published manifest against the archive's own original and the workspace of the commit.
fn manifest(
    subject: &Subject<'_>,
    comparison: &Comparison,
    archive: &Archive<'_>,
    observed: &mut Vec<Reason>,
) -> ManifestOutcome {
    let package = &comparison.package;
    let has_original = archive.has("Cargo.toml.orig");
    let original = if has_original {
        archive.text("Cargo.toml.orig")
    } else {
        let bytes = comparison.snapshot.read(&join(&package.folder, "Cargo.toml"));
        bytes.and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let outcome = |status, notes| ManifestOutcome { status, notes };
    let (Some(published), Some(original)) = (archive.text("Cargo.toml"), original) else {
        return outcome(ManifestStatus::NoOrig, vec!["a manifest is missing or no text".to_owned()]);
    };
    let is_same = comparison.files.get("Cargo.toml") == Some(&Standing::Identical);
    if is_same && !has_original {
        return outcome(ManifestStatus::Derived, Vec::new());
    }
    let sources: BTreeSet<String> = archive.entries().map(|(path, _)| path.to_owned()).collect();
    let has_file = |path: &str| archive.has(path);
    let context = Context { workspace: package.inherits_from(), has_file: &has_file, sources: &sources };
    let mut notes = Vec::new();
    match differences(&published, &original, &context) {
        Err(NotCompared::WorkspaceUnresolved(what)) => return outcome(ManifestStatus::WorkspaceUnresolved, vec![what]),
        Err(NotCompared::Unreadable(what)) => return outcome(ManifestStatus::NotDerivable, vec![what]),
        Ok(found) => {
            for difference in found {
                let severity = match difference.part {
                    crate::manifest::Part::Edition | crate::manifest::Part::Other => Severity::Medium,
                    _ => Severity::High,
                };
                let detail = json!({ "note": difference.note });
                observed.push(reason(difference.part.as_str(), severity, detail));
                notes.push(difference.note);
            }
        }
    }
    if subject.num.as_str() != published_version(&published).unwrap_or_default() {
        notes.push("the manifest's version is not the release's".to_owned());
    }
    let status = match (notes.is_empty(), has_original) {
        (true, true) => ManifestStatus::Derived,
        (true, false) => ManifestStatus::DerivedWithNotes,
        (false, true) => ManifestStatus::NotDerivable,
        (false, false) => ManifestStatus::NoOrig,
    };
    outcome(status, notes)
}

fn published_version(manifest: &str) -> Option<String> {
    let table: toml::Table = manifest.parse().ok()?;
    Some(table.get("package").or_else(|| table.get("project"))?.get("version")?.as_str()?.to_owned())
}
