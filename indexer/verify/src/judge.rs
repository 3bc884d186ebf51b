//! The verdict: a pure function of the five facts with a version of its own, so that a new rule needs no new fetch.

use schema::{Reason, Severity, Verdict};
use serde_json::{Map, Value, json};

use crate::facts::{
    ClaimSource, CommitStatus, Facts, FileClass, FilesStatus, ManifestStatus, RepositoryFacts, RepositoryStatus,
    SourceCheck,
};
use crate::url::normalise;

/// Version of the rule below. Its number grows with any change of verdict, reason or severity.
pub const RULES: &str = "verify-2";

/// The most paths one reason lists.
const MAX_PATHS: usize = 20;

/// What the facts amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub verdict: Verdict,
    /// Why, worst first.
    pub reasons: Vec<Reason>,
    /// The outcome in words, as on the badge.
    pub words: String,
}

/// Judges.
#[must_use]
pub fn judge(facts: &Facts) -> Judgement {
    let reasons = reasons(facts);
    let verdict = verdict(facts, &reasons);
    Judgement { verdict, words: words(verdict, facts), reasons }
}

/// Judges a stored check's facts by the rule of today. Nothing is looked at.
#[must_use]
pub fn judge_again(check: SourceCheck) -> SourceCheck {
    let Judgement { verdict, reasons, words } = judge(&check.facts);
    SourceCheck { verdict, reasons, words, rules: RULES.to_owned(), ..check }
}

/// Whether a check judged by this version is to be judged again.
#[must_use]
pub fn is_outdated(rules: &str) -> bool {
    let number = |rules: &str| rules.rsplit('-').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    number(rules) < number(RULES)
}

/// A reason with its evidence.
#[must_use]
pub(crate) fn reason(code: &str, severity: Severity, detail: Value) -> Reason {
    let detail = match detail {
        Value::Object(detail) => detail,
        Value::Null => Map::new(),
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    Reason { code: code.to_owned(), severity, detail }
}

/// The first that applies: not-verifiable, mismatch, review, verified, verified-equivalent, verified-except-nonbuild.
fn verdict(facts: &Facts, reasons: &[Reason]) -> Verdict {
    let files = &facts.files;
    if !is_checkable(facts) {
        return Verdict::NotVerifiable;
    }
    if files.status == FilesStatus::Mismatch {
        return Verdict::Mismatch;
    }
    if reasons.iter().any(|reason| reason.severity == Severity::High) {
        return Verdict::Review;
    }
    let is_derived = facts
        .manifest
        .as_ref()
        .is_some_and(|manifest| matches!(manifest.status, ManifestStatus::Derived | ManifestStatus::DerivedWithNotes));
    if !is_derived {
        return Verdict::NotVerifiable;
    }
    if files.status == FilesStatus::Partial {
        return Verdict::VerifiedExceptNonbuild;
    }
    let has_bad_path = reasons.iter().any(|reason| reason.code == "vcs.path-mismatch");
    let is_clean = !facts.commit.dirty || files.status == FilesStatus::Identical;
    if is_recorded(facts) && is_clean && !has_bad_path { Verdict::Verified } else { Verdict::VerifiedEquivalent }
}

/// Whether there is a commit to hold the archive against, and nothing the build reads was left unlooked at.
fn is_checkable(facts: &Facts) -> bool {
    let commit = &facts.commit;
    let is_open = matches!(facts.repository.status, RepositoryStatus::Ok | RepositoryStatus::OkRedirected);
    let is_reachable = commit.matched.is_some() && commit.matched_status.is_some_and(CommitStatus::is_reachable);
    let is_late = commit.committed_after_publish && !is_recorded(facts);
    let is_covered = !facts.files.unverified.iter().any(|file| file.class.is_build());
    is_open
        && is_reachable
        && is_nominated(facts)
        && !is_late
        && is_covered
        && facts.files.status != FilesStatus::NotCompared
}

/// Whether somebody named the commit that was compared, or all of its files speak for it.
fn is_nominated(facts: &Facts) -> bool {
    let is_complete = matches!(facts.files.status, FilesStatus::Identical | FilesStatus::Equivalent);
    facts.commit.found_by != Some(ClaimSource::ContentSearch) || is_complete
}

/// Reasons that come from holding the archive against a commit.
fn speaks_of_the_commit(code: &str) -> bool {
    code.starts_with("files.") || code.starts_with("manifest.")
}

/// Whether the commit that was compared is the one that was recorded at publication.
fn is_recorded(facts: &Facts) -> bool {
    matches!(facts.commit.found_by, Some(ClaimSource::VcsInfo | ClaimSource::TrustedPublishing))
}

fn reasons(facts: &Facts) -> Vec<Reason> {
    let mut found = facts.observed.clone();
    found.extend(redirect_reasons(&facts.repository));
    found.extend(repository_reason(facts));
    commit_reasons(facts, &mut found);
    file_reasons(facts, &mut found);
    manifest_reason(facts, &mut found);
    if !is_nominated(facts) {
        // The nearest commit by content is evidence of where to look, and nobody claimed that it is the source.
        for reason in found.iter_mut().filter(|reason| speaks_of_the_commit(&reason.code)) {
            reason.severity = reason.severity.max(Severity::Medium);
        }
    }
    found.sort_by(|a, b| (a.severity, &a.code).cmp(&(b.severity, &b.code)));
    // One cause seen by two rooms (a missing claim, say) is said once.
    found
        .dedup_by(|later, first| later.code == first.code && (later.detail.is_empty() || later.detail == first.detail));
    found
}

fn repository_reason(facts: &Facts) -> Option<Reason> {
    let severity = match facts.repository.status {
        // That the package is not there is said by the step that looked, with the commits it looked at.
        RepositoryStatus::Ok | RepositoryStatus::OkRedirected | RepositoryStatus::PackageNotInRepo => return None,
        RepositoryStatus::None | RepositoryStatus::UnsupportedHost => Severity::Info,
        _ => Severity::Medium,
    };
    let detail = json!({ "repository": facts.repository.claimed });
    Some(reason(&format!("repo.{}", facts.repository.status), severity, detail))
}

/// A repository that moved: under the same owner that is common, to another one it is worth a look.
fn redirect_reasons(repository: &RepositoryFacts) -> Vec<Reason> {
    let (Some(from), Some(to)) = (&repository.normalised, &repository.redirected_to) else { return Vec::new() };
    let detail = json!({ "from": from, "to": to });
    let mut found = vec![reason("repo.redirected", Severity::Info, detail.clone())];
    if owner(from) != owner(to) {
        found.push(reason("repo.redirected-owner-changed", Severity::Medium, detail));
    }
    found
}

/// Host and everything above the repository's own name, folded; what cannot be read is nobody's.
fn owner(address: &str) -> Option<String> {
    let key = normalise(address).ok()?.key();
    Some(key.rsplit_once('/')?.0.to_owned())
}

fn commit_reasons(facts: &Facts, found: &mut Vec<Reason>) {
    let commit = &facts.commit;
    let claimed = json!({ "commit": commit.claimed });
    let status = match commit.claimed_status {
        Some(CommitStatus::ForkOnly) => Some(("commit.fork-only", Severity::High)),
        Some(CommitStatus::PrOnly) => Some(("commit.pr-only", Severity::Medium)),
        Some(CommitStatus::Unreachable) => Some(("commit.unreachable", Severity::Medium)),
        Some(CommitStatus::Absent) => Some(("commit.absent", Severity::Medium)),
        Some(CommitStatus::Malformed) => Some(("commit.malformed", Severity::Medium)),
        Some(CommitStatus::NotACommit) => Some(("commit.not-a-commit", Severity::Medium)),
        Some(CommitStatus::TagOnly) => Some(("commit.tag-only", Severity::Info)),
        Some(CommitStatus::Head) | None => None,
    };
    found.extend(status.map(|(code, severity)| reason(code, severity, claimed)));
    if commit.claimed.is_none() && !found.iter().any(|reason| reason.code.starts_with("vcs.")) {
        found.push(reason("vcs.missing", Severity::Info, Value::Null));
    }
    if commit.dirty {
        let differing: Vec<_> = facts.files.differing.iter().map(|file| &file.path).take(MAX_PATHS).collect();
        found.push(reason("vcs.dirty", Severity::Medium, json!({ "differing": differing })));
    }
    if commit.committed_after_publish {
        let detail = json!({ "commit": commit.matched, "committed_at": commit.committed_at });
        found.push(reason("commit.after-publish", Severity::Medium, detail));
    }
    let was_there = commit.claimed_status.is_some_and(CommitStatus::is_reachable) && !commit.dirty;
    if was_there && commit.matched.is_some() && !is_recorded(facts) {
        let detail = json!({ "claimed": commit.claimed, "matched": commit.matched });
        found.push(reason("commit.other-matched", Severity::Medium, detail));
    }
}

fn file_reasons(facts: &Facts, found: &mut Vec<Reason>) {
    let files = &facts.files;
    for (code, count) in &files.explained {
        found.push(reason(code, Severity::Info, json!({ "count": count })));
    }
    let mut groups: std::collections::BTreeMap<(String, Severity), Vec<&str>> = std::collections::BTreeMap::new();
    let mut add =
        |code: &str, severity: Severity, path| groups.entry((code.to_owned(), severity)).or_default().push(path);
    for file in &files.differing {
        match class_word(file.class) {
            Some(word) => add(&format!("files.{word}-differs"), Severity::High, file.path.as_str()),
            None if file.class == FileClass::Manifest => add("manifest.original-differs", Severity::High, &file.path),
            None => add("files.nonbuild-differs", Severity::Info, &file.path),
        }
        never_seen(file.seen, file.class, &file.path, &mut add);
    }
    for file in &files.extra {
        match class_word(file.class) {
            Some(word) => add(&format!("files.{word}-extra"), Severity::High, file.path.as_str()),
            None if file.class == FileClass::Manifest => add("manifest.original-differs", Severity::High, &file.path),
            None => add("files.extra-nonbuild", Severity::Info, &file.path),
        }
        if file.binary {
            add("files.binary-extra", Severity::High, &file.path);
        }
        if file.generated && file.class.is_build() {
            add("files.generated-unreproduced", Severity::Medium, &file.path);
        }
        never_seen(file.seen, file.class, &file.path, &mut add);
    }
    for file in &files.unverified {
        add("submodule.unverified", Severity::Medium, &file.path);
    }
    for path in &files.missing {
        add("files.missing-in-crate", Severity::Info, path);
    }
    for ((code, severity), paths) in groups {
        let detail = json!({ "count": paths.len(), "paths": &paths[..paths.len().min(MAX_PATHS)] });
        found.push(reason(&code, severity, detail));
    }
}

fn never_seen<'a>(seen: Option<bool>, class: FileClass, path: &'a str, add: &mut impl FnMut(&str, Severity, &'a str)) {
    if seen == Some(false) {
        let (code, severity) = if class.is_build() {
            ("files.never-seen-code", Severity::High)
        } else {
            ("files.never-seen-other", Severity::Medium)
        };
        add(code, severity, path);
    }
}

/// The word of a build class in its reasons' codes.
fn class_word(class: FileClass) -> Option<&'static str> {
    match class {
        FileClass::BuildScript | FileClass::ProcMacro | FileClass::Code | FileClass::Native | FileClass::Data => {
            Some(class.as_str())
        }
        _ => None,
    }
}

fn manifest_reason(facts: &Facts, found: &mut Vec<Reason>) {
    let Some(manifest) = &facts.manifest else { return };
    let code = match manifest.status {
        ManifestStatus::Derived | ManifestStatus::DerivedWithNotes => return,
        ManifestStatus::NotDerivable if found.iter().any(|reason| reason.code.starts_with("manifest.")) => return,
        ManifestStatus::NotDerivable => ("manifest.not-derivable", Severity::High),
        ManifestStatus::NoOrig => ("manifest.no-orig", Severity::Medium),
        ManifestStatus::WorkspaceUnresolved => ("manifest.workspace-unresolved", Severity::Medium),
    };
    found.push(reason(code.0, code.1, json!({ "notes": manifest.notes })));
}

fn words(verdict: Verdict, facts: &Facts) -> String {
    let commit = &facts.commit;
    let short = commit.matched.map(|matched| matched.to_string()[..7].to_owned()).unwrap_or_default();
    let files = &facts.files;
    let plural = |n: usize| if n == 1 { "1 file differs".to_owned() } else { format!("{n} files differ") };
    match verdict {
        Verdict::Verified => match &commit.tag {
            Some(tag) => format!("Source matches commit {short} (tag {tag})"),
            None => format!("Source matches commit {short}"),
        },
        Verdict::VerifiedEquivalent => match commit.found_by {
            Some(ClaimSource::Tag) => format!("Source matches commit {short}, found by its tag"),
            Some(ClaimSource::ContentSearch) => format!("Source matches commit {short}, found by content"),
            _ => format!("Source is equivalent to commit {short}"),
        },
        Verdict::VerifiedExceptNonbuild => {
            let n = files.differing.len() + files.extra.len() + files.unverified.len();
            let others = if n == 1 { "1 other file is".to_owned() } else { format!("{n} other files are") };
            format!("Code matches; {others} not in the repository")
        }
        Verdict::Mismatch => {
            let in_build = files.differing.iter().filter(|file| file.class.is_build()).count()
                + files.extra.iter().filter(|file| file.class.is_build()).count();
            format!("{} from the repository", plural(in_build))
        }
        Verdict::Review => "Needs review".to_owned(),
        Verdict::NotVerifiable => format!("Cannot be checked: {}", obstacle(facts)),
        Verdict::Unchecked => "Not checked yet".to_owned(),
        Verdict::Pending => "Waiting to be checked".to_owned(),
        Verdict::Error => "Could not be checked yet".to_owned(),
    }
}

fn obstacle(facts: &Facts) -> &'static str {
    match facts.repository.status {
        RepositoryStatus::None => "no repository link",
        RepositoryStatus::Unparseable => "the repository link is no address",
        RepositoryStatus::UnsupportedHost => "the link leads to no repository",
        RepositoryStatus::NotGit => "the repository is not git",
        RepositoryStatus::Blocked => "the repository's address is not allowed",
        RepositoryStatus::AuthRequired => "the repository asks for a password",
        RepositoryStatus::Gone => "the repository does not exist",
        RepositoryStatus::Timeout => "the repository did not answer",
        RepositoryStatus::TooLarge => "the repository is too large",
        RepositoryStatus::PackageNotInRepo => "the package is not in the repository",
        RepositoryStatus::Ok | RepositoryStatus::OkRedirected => commit_obstacle(facts),
    }
}

fn commit_obstacle(facts: &Facts) -> &'static str {
    let commit = &facts.commit;
    if facts.files.unverified.iter().any(|file| file.class.is_build()) {
        return "a submodule could not be looked at";
    }
    match commit.matched_status {
        Some(status) if status.is_reachable() && commit.committed_after_publish => {
            "the only commit that matches was made after publication"
        }
        Some(status) if status.is_reachable() && commit.found_by == Some(ClaimSource::ContentSearch) => {
            "no commit in the repository matches"
        }
        Some(status) if status.is_reachable() => "the manifest could not be compared",
        Some(CommitStatus::PrOnly) => "the commit is in a pull request only",
        Some(_) => "the commit is on no branch and behind no tag",
        None => "the commit is not in the repository",
    }
}
