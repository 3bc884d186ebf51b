//! One repository: commits nominated by claim, tags and content, each compared, the best one kept (design 04, steps 4 to 6, 12).

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use git2::Oid;

use crate::access::{Repositories, Unopened};
use crate::archive::Archive;
use crate::check::Subject;
use crate::claim::{ClaimedId, claimed_folder, claimed_id};
use crate::classify::Classes;
use crate::compare::{Comparer, Comparison, Standing};
use crate::facts::{ClaimSource, CommitStatus, RefObservation};
use crate::package::{Package, by_name};
use crate::repository::Repository;
use crate::tree::{Found, Snapshot};
use crate::url::{NormalisedUrl, normalise};
use crate::{Limits, VerifyError, tags};

/// A commit that was compared.
pub(crate) struct Candidate {
    pub(crate) comparison: Comparison,
    pub(crate) found_by: ClaimSource,
    pub(crate) status: CommitStatus,
    pub(crate) is_late: bool,
}

/// What one repository had to say.
pub(crate) struct Examination {
    pub(crate) repository: Rc<Repository>,
    pub(crate) claimed_status: Option<CommitStatus>,
    pub(crate) chosen: Option<Candidate>,
    pub(crate) has_package: bool,
    /// The exact tags of this version, with their commits.
    pub(crate) tags: Vec<(String, Oid)>,
    /// A commit that matches and was made long after publication, when it was not chosen.
    pub(crate) whitewash: Option<Oid>,
    /// Whether the claimed folder turned out to hold no package of this name, or not the one that matches.
    pub(crate) folder_misleads: bool,
    pub(crate) refs: Vec<RefObservation>,
}

/// A day: clocks and time zones differ by less.
const GRACE_SECONDS: i64 = 86_400;

struct Run<'a> {
    subject: &'a Subject<'a>,
    repository: &'a Rc<Repository>,
    comparer: Comparer<'a>,
    folders: Vec<String>,
    limits: &'a Limits,
}

pub(crate) fn examine(
    subject: &Subject<'_>,
    repository: &Rc<Repository>,
    url: &NormalisedUrl,
    repositories: &dyn Repositories,
    archive: &Archive<'_>,
    classes: &Classes,
    limits: &Limits,
) -> Result<Examination, VerifyError> {
    let ours = RefCell::new(None);
    let submodules = |written: &str, _: Oid| -> Option<Rc<Repository>> {
        let address = normalise(&absolute(&url.url, written)?).ok()?;
        match repositories.open(&address) {
            Ok(opened) => Some(opened.repository),
            Err(Unopened::Fact(_)) => None,
            Err(Unopened::Ours(error)) => {
                ours.replace(Some(error));
                None
            }
        }
    };
    let has_original = archive.has("Cargo.toml.orig");
    let known: HashSet<&str> = repository.refs().iter().filter_map(|found| found.name.splitn(3, '/').nth(2)).collect();
    let claimed = subject.inspection.claim.as_ref().and_then(|claim| claim.path_in_vcs.as_deref());
    let claimed = claimed.and_then(claimed_folder);
    let hinted = url.folder_hint(&|name| known.contains(name)).and_then(|folder| crate::classify::tidy(&folder));
    let run = Run {
        subject,
        repository,
        comparer: Comparer { archive, classes, submodules: &submodules, has_original },
        folders: claimed.clone().into_iter().chain(hinted).collect(),
        limits,
    };
    let examination = run.examine(url, claimed.as_deref())?;
    // A submodule we failed to look at is no finding about the crate.
    ours.into_inner().map_or(Ok(examination), |error| Err(VerifyError::Access(error)))
}

impl Run<'_> {
    fn examine(&self, url: &NormalisedUrl, claimed_folder: Option<&str>) -> Result<Examination, VerifyError> {
        let mut examination = Examination {
            repository: Rc::clone(self.repository),
            claimed_status: None,
            chosen: None,
            has_package: false,
            tags: self.tags(url),
            whitewash: None,
            folder_misleads: false,
            refs: self.repository.refs().to_vec(),
        };
        let recorded = self.recorded(&mut examination)?;
        let mut nominated: Vec<Candidate> = recorded.into_iter().collect();
        if !nominated.iter().any(|candidate| self.is_accepted(candidate)) {
            for (_, commit) in &examination.tags {
                let tagged = self.candidate(*commit, ClaimSource::Tag, CommitStatus::TagOnly)?;
                // A shared tag often marks a sibling's version: with another version, it does not speak of this release.
                nominated.extend(tagged.filter(|tagged| self.has_version(&tagged.comparison)));
                if nominated.last().is_some_and(|candidate| self.is_accepted(candidate)) {
                    break;
                }
            }
        }
        if !nominated.iter().any(|candidate| self.is_accepted(candidate) || self.is_uncontradicted(candidate)) {
            nominated.extend(self.by_content()?);
        }
        examination.chosen = self.choose(nominated, &mut examination.whitewash);
        examination.has_package = examination.chosen.is_some() || self.is_anywhere()?;
        let chosen_folder = examination.chosen.as_ref().map(|chosen| chosen.comparison.package.folder.as_str());
        examination.folder_misleads = match (claimed_folder, chosen_folder) {
            (Some(claimed), Some(chosen)) => !leads_to(examination.chosen.as_ref(), claimed, chosen),
            _ => false,
        };
        Ok(examination)
    }

    /// The commit the registry or the archive recorded.
    fn recorded(&self, examination: &mut Examination) -> Result<Option<Candidate>, VerifyError> {
        let (text, source) = match (self.subject.trusted, &self.subject.inspection.claim) {
            (Some(trusted), _) => (trusted.sha1.as_str(), ClaimSource::TrustedPublishing),
            (None, Some(claim)) => (claim.sha1.as_str(), ClaimSource::VcsInfo),
            (None, None) => return Ok(None),
        };
        let commit = match claimed_id(text) {
            ClaimedId::Sha1(commit) => commit,
            ClaimedId::Sha256 => {
                examination.claimed_status = Some(CommitStatus::Absent);
                return Ok(None);
            }
            ClaimedId::Malformed => {
                examination.claimed_status = Some(CommitStatus::Malformed);
                return Ok(None);
            }
        };
        let status = self.repository.stands(commit)?;
        examination.claimed_status = Some(status);
        if matches!(status, CommitStatus::Absent | CommitStatus::NotACommit) || !self.repository.obtain(commit) {
            return Ok(None);
        }
        self.candidate(commit, source, status)
    }

    fn tags(&self, url: &NormalisedUrl) -> Vec<(String, Oid)> {
        let known = self.repository.tags();
        let names = tags::names(self.subject.name.as_str(), self.subject.num.as_str(), Some(url.repository_name()));
        names.into_iter().filter_map(|name| known.get(name.as_str()).map(|commit| (name, *commit))).collect()
    }

    /// The best package of this name in a commit, compared.
    fn candidate(
        &self,
        commit: Oid,
        found_by: ClaimSource,
        status: CommitStatus,
    ) -> Result<Option<Candidate>, VerifyError> {
        if !self.repository.obtain(commit) {
            return Ok(None);
        }
        let snapshot = Snapshot::of(self.repository, commit)?;
        let name = self.subject.name.as_str();
        let direct = self.folders.iter().find_map(|folder| {
            Package::in_folder(&snapshot, folder).filter(|(found, _)| found == name).map(|(_, package)| package)
        });
        let mut best = direct.map(|package| self.comparer.compare(&snapshot, package));
        if !best.as_ref().is_some_and(|best| self.is_whole(best)) {
            for package in by_name(&snapshot, name)? {
                if best.as_ref().is_some_and(|best| best.package.folder == package.folder) {
                    continue;
                }
                let other = self.comparer.compare(&snapshot, package);
                if best.as_ref().is_none_or(|best| other.beats(best)) {
                    best = Some(other);
                }
            }
        }
        best.map(|comparison| self.dated(comparison, found_by, status)).transpose()
    }

    fn dated(
        &self,
        comparison: Comparison,
        found_by: ClaimSource,
        status: CommitStatus,
    ) -> Result<Candidate, VerifyError> {
        let (_, made_at) = self.repository.commit(comparison.snapshot.commit)?;
        let published_at = self.subject.published_at;
        let is_late = published_at.is_some_and(|published_at| made_at > published_at.plus_seconds(GRACE_SECONDS));
        Ok(Candidate { comparison, found_by, status, is_late })
    }

    /// Commits that hold the source manifest's bytes; only a complete match is taken, the best other is kept as evidence.
    fn by_content(&self) -> Result<Option<Candidate>, VerifyError> {
        let Some(manifest) = self.subject.source_manifest() else { return Ok(None) };
        let mut blobs = vec![Oid::from_bytes(manifest.git_blob.as_bytes())?];
        // A manifest packaged with CRLF stands in the history with LF.
        let text = self.comparer.archive.text(&manifest.path);
        // One state of a folder has as many versions as the manifests above it give it.
        let inherits = text.as_ref().is_none_or(|text| text.contains("workspace"));
        if let Some(text) = text.filter(|text| text.contains("\r\n")) {
            blobs.push(Oid::hash_object(git2::ObjectType::Blob, text.replace("\r\n", "\n").as_bytes())?);
        }
        let started = Instant::now();
        let mut seen = HashSet::new();
        let mut best: Option<Candidate> = None;
        let mut n_compared = 0;
        // Cannot be accepted, and may still be the nearest there is to show.
        let mut another_version = None;
        for blob in blobs {
            for hit in self.repository.commits_with_manifest(blob)? {
                if n_compared >= self.limits.max_candidates || started.elapsed() > self.limits.search_time {
                    return Ok(best);
                }
                if !inherits && !seen.insert((hit.tree, None)) {
                    continue;
                }
                let snapshot = Snapshot::of(self.repository, hit.commit)?;
                let Some(package) = self.named(&snapshot, &hit.folder) else { continue };
                if inherits && !seen.insert((hit.tree, package.version.clone())) {
                    continue;
                }
                if package.version.as_deref() != Some(self.subject.num.as_str()) {
                    another_version.get_or_insert((snapshot, package));
                    continue;
                }
                n_compared += 1;
                let comparison = self.comparer.compare(&snapshot, package);
                let candidate = self.dated(comparison, ClaimSource::ContentSearch, CommitStatus::Head)?;
                if self.is_accepted(&candidate) {
                    return Ok(Some(candidate));
                }
                let better = |best: &Candidate| {
                    candidate.comparison.beats(&best.comparison) || (best.is_late && !candidate.is_late)
                };
                if best.as_ref().is_none_or(better) {
                    best = Some(candidate);
                }
            }
        }
        match another_version.filter(|_| best.is_none()) {
            None => Ok(best),
            Some((snapshot, package)) => {
                let comparison = self.comparer.compare(&snapshot, package);
                self.dated(comparison, ClaimSource::ContentSearch, CommitStatus::Head).map(Some)
            }
        }
    }

    fn named(&self, snapshot: &Snapshot, folder: &str) -> Option<Package> {
        let (found, package) = Package::in_folder(snapshot, folder)?;
        (found == self.subject.name.as_str()).then_some(package)
    }

    /// Every file, and the version.
    fn is_whole(&self, comparison: &Comparison) -> bool {
        comparison.is_complete() && self.has_version(comparison)
    }

    fn has_version(&self, comparison: &Comparison) -> bool {
        comparison.package.version.as_deref() == Some(self.subject.num.as_str())
    }

    /// Nothing differs, and what is below submodules could not be looked at: no other commit would say more.
    fn is_uncontradicted(&self, candidate: &Candidate) -> bool {
        let comparison = &candidate.comparison;
        let agrees = |standing: &Standing| !matches!(standing, Standing::Differs(_) | Standing::Extra);
        candidate.status.is_reachable() && self.has_version(comparison) && comparison.files.values().all(agrees)
    }

    fn is_accepted(&self, candidate: &Candidate) -> bool {
        let is_recorded = matches!(candidate.found_by, ClaimSource::VcsInfo | ClaimSource::TrustedPublishing);
        self.is_whole(&candidate.comparison) && candidate.status.is_reachable() && (is_recorded || !candidate.is_late)
    }

    /// An accepted one; else the best reachable nomination; else what the search found; else what is behind no branch and no tag.
    fn choose(&self, nominated: Vec<Candidate>, whitewash: &mut Option<Oid>) -> Option<Candidate> {
        let late = nominated.iter().find(|candidate| candidate.is_late && self.is_whole(&candidate.comparison));
        let late = late.map(|candidate| candidate.comparison.snapshot.commit);
        let rank = |candidate: &Candidate| {
            let is_recorded = matches!(candidate.found_by, ClaimSource::VcsInfo | ClaimSource::TrustedPublishing);
            let is_nominated = is_recorded || candidate.found_by == ClaimSource::Tag;
            (
                self.is_accepted(candidate),
                candidate.status.is_reachable() && is_nominated && (is_recorded || !candidate.is_late),
                candidate.status.is_reachable(),
                self.has_version(&candidate.comparison),
                candidate.comparison.matched,
                candidate.comparison.build_matches,
                is_recorded,
            )
        };
        let mut best: Option<Candidate> = None;
        for candidate in nominated {
            if best.as_ref().is_none_or(|best| rank(&candidate) > rank(best)) {
                best = Some(candidate);
            }
        }
        *whitewash = late.filter(|late| best.as_ref().is_none_or(|best| best.comparison.snapshot.commit != *late));
        best
    }

    /// Whether any commit on a branch, or any manifest in the history, has a package of this name.
    fn is_anywhere(&self) -> Result<bool, VerifyError> {
        let name = self.subject.name.as_str();
        let tips = self.repository.refs().iter().filter(|found| !found.name.starts_with("refs/tags/")).take(20);
        for tip in tips {
            let commit = Oid::from_bytes(tip.commit.as_bytes())?;
            if self.repository.obtain(commit) && !by_name(&Snapshot::of(self.repository, commit)?, name)?.is_empty() {
                return Ok(true);
            }
        }
        self.repository.has_manifest_naming(name)
    }
}

/// The claimed folder is the chosen one, or a link to it.
fn leads_to(candidate: Option<&Candidate>, claimed: &str, chosen: &str) -> bool {
    let Some(candidate) = candidate else { return false };
    let found = |folder: &str| match candidate.comparison.snapshot.find(folder) {
        Found::Folder { tree } => Some(tree),
        _ => None,
    };
    claimed == chosen || (found(claimed).is_some() && found(claimed) == found(chosen))
}

/// A submodule's address as written may be relative to its parent's.
fn absolute(parent: &str, written: &str) -> Option<String> {
    if !written.starts_with("./") && !written.starts_with("../") {
        return Some(written.to_owned());
    }
    let base = ::url::Url::parse(&format!("{}/", parent.trim_end_matches('/'))).ok()?;
    base.join(written).ok().map(String::from)
}
