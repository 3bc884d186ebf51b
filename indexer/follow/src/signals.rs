//! What deserves a look at once: patterns in the changes of a crate, stated as facts with their numbers. No judgement of intent.
//!
//! All three stood together on the day of `arrayref` (design 00); each of them alone is everyday.

use std::collections::{BTreeSet, HashMap, HashSet};

use schema::{
    CanonicalName, Change, ChangeKind, DependencyKind, IndexDependency, IndexLine, KrateName, Timestamp, VersionNum,
};
use serde::Serialize;

/// How long changes count as one occasion, and how long a crate is young.
pub const A_DAY: i64 = 86_400;
/// A crate that published nothing for so long was silent, in seconds.
const SILENCE: i64 = 365 * A_DAY;
/// So many yanks at least make a mass of them, …
const MASS: usize = 2;
/// … when they are at least one in this many of the versions offered before.
const MASS_SHARE: usize = 2;

/// What is known around the changes of one crate.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The crate, in its published spelling.
    pub krate: &'a KrateName,
    /// What was held of it before these changes.
    pub held: &'a [HeldLine<'a>],
    /// Publications, yanks and unyanks of its last day before these changes, oldest first.
    pub recent: &'a [Recent],
    /// When it was last published; `None` when it never was, or it is not known.
    pub last_published: Option<Timestamp>,
    /// When other crates began, where that was lately.
    pub began: &'a HashMap<CanonicalName, Timestamp>,
}

/// A release as held.
#[derive(Clone, Copy, Debug)]
pub struct HeldLine<'a> {
    /// Its version.
    pub num: &'a VersionNum,
    /// Its index line.
    pub line: &'a str,
    /// Whether it is gone from the index.
    pub deleted: bool,
}

/// A change of the last day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// What.
    pub kind: ChangeKind,
    /// Of which version.
    pub num: VersionNum,
    /// When.
    pub at: Timestamp,
}

/// Something that deserves a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// The crate.
    pub name: KrateName,
    /// The version it is about.
    pub num: VersionNum,
    /// When it came to be.
    pub at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub kind: SignalKind,
}

/// The kinds of signals, with their evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "signal", rename_all = "kebab-case")]
pub enum SignalKind {
    /// Within a day a version was published and at least half of those offered before were yanked.
    MassYank {
        /// The versions yanked, in order of version text.
        yanked: Vec<VersionNum>,
        /// How many were offered before.
        offered_before: usize,
    },
    /// A crate that was there before began to depend on one that is younger than a day.
    YoungDependency {
        /// The young crate.
        dependency: String,
        /// The requirement.
        req: String,
        /// Normal or build.
        kind: DependencyKind,
        /// Only with a feature that asks for it.
        optional: bool,
        /// When the young crate began.
        began_at: Timestamp,
    },
    /// The first publication after more than a year.
    LongSilence {
        /// The one before.
        last_published_at: Timestamp,
        /// Whole days between the two.
        days: i64,
    },
}

/// The signals that these changes of one crate give rise to; each is given once, when it comes to be.
#[must_use]
pub fn signals(changes: &[&Change], surroundings: &Surroundings<'_>) -> Vec<Signal> {
    let mut found = Vec::new();
    let mut last_published = surroundings.last_published;
    for change in changes {
        let (Some(num), Some(line)) = (&change.num, &change.line_after) else { continue };
        let signal = |kind| Signal { name: surroundings.krate.clone(), num: num.clone(), at: change.at, kind };
        if is_publication(change.kind) {
            // What was published long ago and is told only now was not silent until now.
            let published_at = IndexLine::parse(line).ok().and_then(|line| line.published_at).unwrap_or(change.at);
            found.extend(long_silence(published_at, last_published).map(signal));
            last_published = last_published.max(Some(published_at));
        }
        if is_publication(change.kind) || changes_dependencies(change) {
            found.extend(young_dependencies(line, change, surroundings).into_iter().map(signal));
        }
    }
    found.extend(mass_yank(changes, surroundings));
    found
}

/// The crates that these changes make a crate depend on, whose age is to be found out for [`signals`].
#[must_use]
pub fn named_dependencies(changes: &[&Change]) -> Vec<CanonicalName> {
    let lines = changes.iter().filter(|change| is_publication(change.kind) || changes_dependencies(change));
    let parsed = lines.filter_map(|change| IndexLine::parse(change.line_after.as_deref()?).ok());
    let mut named: Vec<_> = parsed
        .flat_map(|line| line.dependencies)
        .filter_map(|dependency| {
            let counts = dependency.kind != DependencyKind::Dev && dependency.registry.is_none();
            let name = counts.then(|| KrateName::parse(dependency.package_name()).ok())??;
            Some(name.canonical())
        })
        .collect();
    named.sort();
    named.dedup();
    named
}

fn is_publication(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Added | ChangeKind::AddedYanked | ChangeKind::ChecksumChanged)
}

fn changes_dependencies(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::MetadataChanged | ChangeKind::ReAdded)
        && change.fields.iter().any(|field| field == "deps")
}

fn long_silence(at: Timestamp, last_published: Option<Timestamp>) -> Option<SignalKind> {
    let last = last_published?;
    let seconds = (at.as_micros() - last.as_micros()) / 1_000_000;
    (seconds >= SILENCE).then_some(SignalKind::LongSilence { last_published_at: last, days: seconds / A_DAY })
}

fn young_dependencies(line: &str, change: &Change, surroundings: &Surroundings<'_>) -> Vec<SignalKind> {
    // A new crate is made of new crates, as workspaces are; what changed its ways is one that was there.
    if surroundings.held.is_empty() || surroundings.began.is_empty() {
        return Vec::new();
    }
    let Ok(line) = IndexLine::parse(line) else { return Vec::new() };
    let day_before = change.at.plus_seconds(-A_DAY);
    let mut young = Vec::new();
    let mut known = None;
    let counts =
        |dependency: &&IndexDependency| dependency.kind != DependencyKind::Dev && dependency.registry.is_none();
    for dependency in line.dependencies.iter().filter(counts) {
        let Ok(name) = KrateName::parse(dependency.package_name()) else { continue };
        let canonical = name.canonical();
        let is_of_today = |began: &&Timestamp| **began > day_before && **began <= change.at;
        let Some(began) = surroundings.began.get(&canonical).filter(is_of_today) else { continue };
        let known = known.get_or_insert_with(|| known_dependencies(surroundings.held));
        if canonical == surroundings.krate.canonical() || known.contains(&canonical) {
            continue;
        }
        young.push(SignalKind::YoungDependency {
            dependency: dependency.package_name().to_owned(),
            req: dependency.req.clone(),
            kind: dependency.kind,
            optional: dependency.optional,
            began_at: *began,
        });
    }
    young.dedup();
    young
}

/// Every crate that a held release of this one depends on, development aside.
fn known_dependencies(held: &[HeldLine<'_>]) -> HashSet<CanonicalName> {
    let lines = held.iter().filter_map(|held| IndexLine::parse(held.line).ok());
    let dependencies = lines.flat_map(|line| line.dependencies);
    let counted = dependencies.filter(|dependency| dependency.kind != DependencyKind::Dev);
    counted
        .filter_map(|dependency| KrateName::parse(dependency.package_name()).ok())
        .map(|name| name.canonical())
        .collect()
}

/// Given when the changes make it true and it was not true before them, whichever came first, the yanks or the publication.
fn mass_yank(changes: &[&Change], surroundings: &Surroundings<'_>) -> Option<Signal> {
    let now = changes.last()?.at;
    let day_before = now.plus_seconds(-A_DAY);
    let before: Vec<_> = surroundings.recent.iter().filter(|recent| recent.at > day_before).cloned().collect();
    let mut after = before.clone();
    after.extend(
        changes.iter().filter_map(|change| Some(Recent { kind: change.kind, num: change.num.clone()?, at: change.at })),
    );
    let held = surroundings.held;
    if yanked_in_mass(&before, held, day_before).is_some() {
        return None;
    }
    let (num, yanked, offered_before) = yanked_in_mass(&after, held, day_before)?;
    let kind = SignalKind::MassYank { yanked, offered_before };
    Some(Signal { name: surroundings.krate.clone(), num, at: now, kind })
}

/// The version published last, the earlier ones yanked and how many were offered, when that is a mass.
fn yanked_in_mass(
    recent: &[Recent],
    held: &[HeldLine<'_>],
    day_before: Timestamp,
) -> Option<(VersionNum, Vec<VersionNum>, usize)> {
    // Nearly every change ends here, before a line is read.
    let n_yanks = recent.iter().filter(|recent| recent.kind == ChangeKind::Yanked).count();
    if n_yanks < MASS || !recent.iter().any(|recent| is_publication(recent.kind)) {
        return None;
    }
    let lines: Vec<_> = held.iter().filter_map(|held| Some((held, IndexLine::parse(held.line).ok()?))).collect();
    // An index that is read from its start tells of old versions as if they were new; their lines know better.
    let old = lines.iter().filter(|(_, line)| line.published_at.is_some_and(|published_at| published_at <= day_before));
    let old: BTreeSet<&VersionNum> = old.map(|(held, _)| held.num).collect();
    let is_new = |recent: &&Recent| is_publication(recent.kind) && !old.contains(&recent.num);
    let published: BTreeSet<&VersionNum> = recent.iter().filter(is_new).map(|recent| &recent.num).collect();
    let last = recent.iter().rfind(is_new)?;
    let mut yanked = BTreeSet::new();
    for change in recent.iter().filter(|recent| !published.contains(&recent.num)) {
        match change.kind {
            ChangeKind::Yanked => yanked.insert(change.num.clone()),
            ChangeKind::Unyanked => yanked.remove(&change.num),
            _ => false,
        };
    }
    if yanked.len() < MASS {
        return None;
    }
    let offered = lines.iter().filter(|(held, line)| !held.deleted && !line.yanked).map(|(held, _)| held.num);
    let offered: BTreeSet<&VersionNum> = offered.filter(|num| !published.contains(num)).collect();
    let offered_before = offered.len() + yanked.iter().filter(|num| !offered.contains(num)).count();
    let is_mass = yanked.len() * MASS_SHARE >= offered_before;
    is_mass.then(|| (last.num.clone(), yanked.into_iter().collect(), offered_before))
}
