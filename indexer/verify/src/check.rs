//! One source check from beginning to end: claim, repositories, commit, files, manifest, verdict (design 04, steps 1 to 12).

use std::collections::BTreeMap;

use schema::{ArchiveFiles, EntryKind, Inspection, KrateName, Reason, Severity, Sha256, Timestamp, VersionNum};
use serde_json::json;

use crate::access::{Repositories, Unopened};
use crate::archive::Archive;
use crate::claim::claimed_folder;
use crate::classify::Classes;
use crate::examine::{Examination, examine};
use crate::facts::{ClaimSource, Facts, RepositoryFacts, RepositoryStatus, SourceCheck};
use crate::judge::{RULES, judge, reason};
use crate::lock::Registry;
use crate::observe;
use crate::url::{NoRepository, NormalisedUrl, forge_shaped, normalise};
use crate::{Limits, VerifyError};

/// What is checked: one archive as inspect saw it, and what the registry knows of its release.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The crate.
    pub name: &'a KrateName,
    /// The version.
    pub num: &'a VersionNum,
    /// When it was published, when that is known.
    pub published_at: Option<Timestamp>,
    /// What inspect found.
    pub inspection: &'a Inspection,
    /// The bytes of its files.
    pub files: &'a dyn ArchiveFiles,
    /// What the registry recorded about the workflow that published it.
    pub trusted: Option<&'a TrustedPublishing>,
}

/// What a registry that saw the publishing workflow says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedPublishing {
    /// The repository's address.
    pub repository: String,
    /// The commit the workflow ran on.
    pub sha1: String,
}

/// What else a check may use.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Look here, whatever the manifest says.
    pub repository: Option<&'a str>,
    /// Repositories neighbouring versions named, tried last.
    pub neighbours: &'a [String],
    /// Refs as they were seen earlier, full name to commit in hex: the evidence for `tag.moved`.
    pub earlier_refs: Option<&'a BTreeMap<String, String>>,
    /// What the registry says of locked packages.
    pub registry: Option<&'a dyn Registry>,
}

/// Checks one archive against the repository it names.
///
/// # Errors
/// When the check could not be made for a reason that is not the crate's: it is to be tried again.
pub fn check(
    subject: &Subject<'_>,
    repositories: &dyn Repositories,
    limits: &Limits,
    options: &Options<'_>,
) -> Result<SourceCheck, VerifyError> {
    let manifest = subject.inspection.manifest.as_ref();
    let archive = Archive::new(subject.inspection, subject.files, limits.max_blob);
    let classes = Classes::of(&archive, manifest);
    let mut facts = Facts::nothing_compared(manifest.and_then(|manifest| manifest.repository.clone()));
    facts.observed = observe::registry_findings(subject.inspection);
    claim(subject, &mut facts);
    observe::lock(&archive, subject.published_at, options.registry, &mut facts.observed);
    let mut refs = Vec::new();
    let examined = first_that_has_it(subject, repositories, limits, options, &archive, &classes, &mut facts)?;
    if let Some(examined) = examined {
        refs.clone_from(&examined.refs);
        let before = facts.clone();
        match examined.conclude(subject, &archive, &classes, options, &mut facts) {
            Ok(()) => {}
            // What was never seen cannot be said without the whole history, and half a comparison is none.
            Err(VerifyError::Repository(status)) => {
                facts = before;
                facts.repository.status = status;
            }
            Err(error) => return Err(error),
        }
    }
    let judgement = judge(&facts);
    Ok(SourceCheck {
        name: subject.name.clone(),
        num: subject.num.clone(),
        checksum: checksum(subject.inspection),
        verdict: judgement.verdict,
        words: judgement.words,
        rules: RULES.to_owned(),
        facts,
        reasons: judgement.reasons,
        refs,
    })
}

fn checksum(inspection: &Inspection) -> Sha256 {
    inspection.archive.sha256
}

/// Step 1: what the archive claims. A bad folder spoils the folder, not the id.
fn claim(subject: &Subject<'_>, facts: &mut Facts) {
    if let Some(trusted) = subject.trusted {
        facts.commit.claim_source = ClaimSource::TrustedPublishing;
        facts.commit.claimed = Some(trusted.sha1.clone());
    }
    let Some(claim) = &subject.inspection.claim else { return };
    facts.commit.dirty = claim.dirty;
    match subject.trusted {
        Some(trusted) if trusted.sha1 != claim.sha1 => {
            let detail = json!({ "workflow": trusted.sha1, "archive": claim.sha1 });
            facts.observed.push(reason("trustpub.sha-mismatch", Severity::Medium, detail));
        }
        Some(_) => {}
        None => {
            facts.commit.claim_source = ClaimSource::VcsInfo;
            facts.commit.claimed = Some(claim.sha1.clone());
        }
    }
    match &claim.path_in_vcs {
        None => facts.observed.push(reason("vcs.no-path", Severity::Info, json!({}))),
        Some(path) if claimed_folder(path).is_none() => facts.observed.push(path_mismatch(path)),
        Some(_) => {}
    }
}

pub(crate) fn path_mismatch(path: &str) -> Reason {
    let shown: String = path.chars().take(200).collect();
    reason("vcs.path-mismatch", Severity::Medium, json!({ "path_in_vcs": shown }))
}

/// Step 2: the repositories in order of trust; the first that holds the package is the one.
fn first_that_has_it(
    subject: &Subject<'_>,
    repositories: &dyn Repositories,
    limits: &Limits,
    options: &Options<'_>,
    archive: &Archive<'_>,
    classes: &Classes,
    facts: &mut Facts,
) -> Result<Option<Examination>, VerifyError> {
    let candidates = match candidates(subject, options) {
        Ok(candidates) => candidates,
        Err(status) => {
            facts.repository.status = status;
            return Ok(None);
        }
    };
    let mut best: Option<(Examination, RepositoryFacts)> = None;
    let mut refused: Option<RepositoryFacts> = None;
    let mut before: Vec<RepositoryFacts> = Vec::new();
    for url in candidates {
        let mut about = RepositoryFacts {
            claimed: facts.repository.claimed.clone(),
            normalised: Some(url.url.clone()),
            redirected_to: None,
            path_hint: url.hint.clone(),
            status: RepositoryStatus::Ok,
        };
        match repositories.open(&url) {
            Err(Unopened::Ours(error)) => return Err(VerifyError::Access(error)),
            Err(Unopened::Fact(status)) => {
                about.status = status;
                before.push(about.clone());
                refused.get_or_insert(about);
            }
            Ok(opened) => {
                if opened.redirected_to.is_some() {
                    about.status = RepositoryStatus::OkRedirected;
                    about.redirected_to = opened.redirected_to;
                }
                let examined = examine(subject, &opened.repository, &url, repositories, archive, classes, limits);
                let examination = match examined {
                    Ok(examination) => examination,
                    // What was needed of it could not be had: the same fact as when it cannot be opened.
                    Err(VerifyError::Repository(status)) => {
                        about.status = status;
                        before.push(about.clone());
                        refused.get_or_insert(about);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if !examination.has_package {
                    about.status = RepositoryStatus::PackageNotInRepo;
                }
                let is_enough = examination.has_package;
                if !is_enough {
                    before.push(about.clone());
                }
                if is_enough || best.is_none() {
                    best = Some((examination, about));
                }
                if is_enough {
                    break;
                }
            }
        }
    }
    // A repository that was read and lacks the package says more than one that could not be read.
    let Some((examination, about)) = best else {
        facts.repository = refused.unwrap_or_else(|| facts.repository.clone());
        return Ok(None);
    };
    notes(subject, &about, facts);
    if about.status != RepositoryStatus::PackageNotInRepo {
        facts.observed.extend(before.iter().map(passed_over));
    }
    url_changed(options, facts);
    facts.repository = about;
    Ok(Some(examination))
}

/// A repository with a better claim that was of no use: what another one says does not speak for it.
fn passed_over(about: &RepositoryFacts) -> Reason {
    let detail = json!({ "repository": about.normalised });
    match about.status {
        RepositoryStatus::PackageNotInRepo => reason("repo.package-not-found", Severity::High, detail),
        status => reason(&format!("repo.{status}"), Severity::Medium, detail),
    }
}

/// Other versions of the crate name other repositories, and none of them this one.
fn url_changed(options: &Options<'_>, facts: &mut Facts) {
    let key = |text: &str| normalise(text).ok().map(|url| url.key());
    let Some(own) = facts.repository.claimed.as_deref().and_then(key) else { return };
    let others: Vec<String> = options.neighbours.iter().filter_map(|text| key(text)).collect();
    if !others.is_empty() && !others.contains(&own) {
        let detail = json!({ "is": own, "elsewhere": others });
        facts.observed.push(reason("repo.url-changed", Severity::Medium, detail));
    }
}

fn notes(subject: &Subject<'_>, about: &RepositoryFacts, facts: &mut Facts) {
    let written = about.claimed.as_deref().unwrap_or_default();
    if written.trim().starts_with("http://") {
        facts.observed.push(reason("repo.http", Severity::Info, json!({})));
    }
    if let Some(hint) = &about.path_hint {
        facts.observed.push(reason("repo.subpath-in-url", Severity::Info, json!({ "hint": hint })));
    }
    let Some(trusted) = subject.trusted else { return };
    let same = |a: &str, b: &str| match (normalise(a), normalise(b)) {
        (Ok(a), Ok(b)) => a.key() == b.key(),
        _ => false,
    };
    if !written.is_empty() && !same(written, &trusted.repository) {
        let detail = json!({ "workflow": trusted.repository, "manifest": written });
        facts.observed.push(reason("trustpub.repository-mismatch", Severity::High, detail));
    }
}

fn candidates(subject: &Subject<'_>, options: &Options<'_>) -> Result<Vec<NormalisedUrl>, RepositoryStatus> {
    let manifest = subject.inspection.manifest.as_ref();
    let claimed = manifest.and_then(|manifest| manifest.repository.as_deref());
    if let Some(given) = options.repository {
        // A folder is opened by whoever hands in the repositories; its name is shown as it is.
        let as_given = || NormalisedUrl {
            url: given.to_owned(),
            host: String::new(),
            path: given.trim_end_matches('/').to_owned(),
            hint: None,
            was_http: false,
        };
        return Ok(vec![normalise(given).unwrap_or_else(|_| as_given())]);
    }
    let mut found: Vec<NormalisedUrl> = Vec::new();
    let mut add = |url: NormalisedUrl| {
        if !found.iter().any(|known| known.key() == url.key()) {
            found.push(url);
        }
    };
    subject.trusted.and_then(|trusted| normalise(&trusted.repository).ok()).into_iter().for_each(&mut add);
    let first = claimed.map(normalise);
    if let Some(Ok(url)) = &first {
        add(url.clone());
    }
    let pages = manifest.into_iter().flat_map(|manifest| [&manifest.homepage, &manifest.documentation]);
    pages.flatten().filter_map(|text| forge_shaped(text)).for_each(&mut add);
    options.neighbours.iter().filter_map(|text| normalise(text).ok()).for_each(&mut add);
    if !found.is_empty() {
        return Ok(found);
    }
    Err(match first {
        None => RepositoryStatus::None,
        Some(Err(NoRepository::Unparseable)) => RepositoryStatus::Unparseable,
        Some(Err(NoRepository::NotGit)) => RepositoryStatus::NotGit,
        Some(_) => RepositoryStatus::UnsupportedHost,
    })
}

impl Subject<'_> {
    /// git's id of the source manifest: `Cargo.toml.orig`, or `Cargo.toml` in archives that have none.
    pub(crate) fn source_manifest(&self) -> Option<&schema::Entry> {
        let last = |path: &str| {
            self.inspection.files.iter().rev().find(|entry| entry.path == path && entry.kind == EntryKind::File)
        };
        last("Cargo.toml.orig").or_else(|| last("Cargo.toml"))
    }
}
