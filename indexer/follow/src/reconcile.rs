//! The heart: one crate's file against what is held of it, and the decisions that follow. Pure; the caller stores.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use schema::{Change, ChangeKind, Generation, IndexLine, KrateName, ReleaseId, Sha256, Timestamp, VersionNum};

use crate::file::{FileLines, Hidden, Line, Quarantined, ReadLine, read_file};
use crate::many::{n_cores, on_every_core};

/// A release as held, live or deleted; every generation of every version of the crate is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLine {
    /// Its number in the database.
    pub release: ReleaseId,
    /// Its version.
    pub num: VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
    /// The archive's promised sha256.
    pub checksum: Sha256,
    /// Whether it is gone from the index.
    pub deleted: bool,
    /// The line as last seen.
    pub line: String,
}

/// Whether the changes found are history or merely the state in which we met the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The first reading under `--from now`: rows, and no changes.
    Baseline,
    /// Every other one.
    Recorded,
}

/// Where and when the file was read.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The crate, in the spelling of its file's path; it need not be the published one.
    pub krate: &'a KrateName,
    /// The index commit; `None` on an index without commits.
    pub commit: Option<&'a str>,
    /// Commit time, or time of observation where there is no commit.
    pub at: Timestamp,
    /// First reading or not.
    pub reading: Reading,
    /// Lines of this crate already recorded as `duplicate_line`; they are not recorded again.
    pub known_duplicates: &'a [String],
    /// Other spellings of the crate whose files were read along: their lines are in the file, and their silence counts.
    pub also: &'a [KrateName],
}

/// What follows from one reading of one file, in the order in which it is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Deletions first, then the file's lines in order.
    pub decisions: Vec<Decision>,
    /// The lines nobody can read.
    pub quarantine: Vec<Quarantined>,
    /// Releases that are missing and may be behind an unreadable line: they stay as they were.
    pub held: Vec<ReleaseId>,
}

/// One change, and what it does to the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to be recorded; `None` in a baseline.
    pub change: Option<Change>,
    /// What is to be written.
    pub effect: Effect,
}

/// What a decision does to the `release` rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the change is the record, or another decision about the same line has the effect.
    None,
    /// A new row.
    Insert {
        /// The number it gets among the archives of its version.
        generation: Generation,
        /// The live row of the generation before, which is deleted by the same stroke.
        replaces: Option<ReleaseId>,
        /// The line to keep.
        line: Box<ReadLine>,
    },
    /// The row takes over what the line says: yanked, dependencies, times, text.
    Update {
        /// The row.
        release: ReleaseId,
        /// Whether its dependency rows are to be closed and opened anew.
        dependencies: bool,
        /// The line to keep.
        line: Box<ReadLine>,
    },
    /// The row becomes a tombstone and keeps its line.
    Delete {
        /// The row.
        release: ReleaseId,
    },
    /// A tombstone lives again and takes over what the line says; its dependency rows, closed or not, are to be opened anew.
    Revive {
        /// The row.
        release: ReleaseId,
        /// The line to keep.
        line: Box<ReadLine>,
    },
}

impl Reconciled {
    /// How many releases would become tombstones: what the brake on mass deletion counts, and a stale answer shows.
    #[must_use]
    pub fn n_deleted(&self) -> usize {
        self.decisions.iter().filter(|decision| matches!(decision.effect, Effect::Delete { .. })).count()
    }
}

/// Compares a crate's file with what is held. `None` means that the file is gone.
///
/// Idempotent: once the decisions are written, the same file gives none. Lines are compared by what they say; another
/// spacing or key order gives no decision. Takes time in proportion to the lines, and parses only those not held as they are.
#[must_use]
pub fn reconcile(stored: &[StoredLine], file: Option<&[u8]>, context: &Context<'_>) -> Reconciled {
    let latest = latest_generations(stored);
    let Some(bytes) = file else {
        let deletions = delete_missing(stored, &latest, &Present::default(), ChangeKind::CrateDeleted, context);
        return finish(deletions, Vec::new(), context);
    };
    let by_text: HashMap<&str, usize> = latest
        .values()
        .filter(|&&at| !stored[at].deleted)
        .map(|&at| (stored[at].line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']), at))
        .collect();
    let FileLines { lines, quarantine, hidden } = read_file(bytes, context.krate, &by_text);
    let last = last_lines(&lines, stored);

    let present = Present { last: Some(&last), hidden };
    let mut reconciled = delete_missing(stored, &latest, &present, ChangeKind::VersionDeleted, context);
    let known_duplicates: HashSet<&str> = context.known_duplicates.iter().map(String::as_str).collect();
    let counts: Vec<bool> =
        lines.iter().enumerate().map(|(at, line)| last.get(num_of(line, stored)) == Some(&at)).collect();
    // A line is taken apart, not copied: a whole index has millions of them.
    if stored.is_empty() {
        reconciled.decisions.reserve(lines.len());
    }
    for (line, counts) in lines.into_iter().zip(counts) {
        if !counts {
            if !known_duplicates.contains(text_of(&line, stored)) {
                reconciled.decisions.push(duplicate(&line, stored, context));
            }
        } else if let Line::Read(read) = line {
            let held = latest.get(read.parsed.num.as_str()).map(|&at| &stored[at]);
            compare(held, read, context, &mut reconciled.decisions);
        }
    }
    finish(reconciled, quarantine, context)
}

/// One crate's file and what is held of it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What is held.
    pub stored: Vec<StoredLine>,
    /// The file; `None` when it is gone.
    pub file: Option<&'a [u8]>,
    /// Where and when it was read.
    pub context: Context<'a>,
}

/// [`reconcile`] for many crates at once, on every core, and what the caller makes of each; in the order of the questions.
///
/// `then` is given the question's place. It runs where the answer was made: a whole index has millions of dependencies, and
/// what is made of them should be made, and freed, by the core that has them at hand.
#[must_use]
pub fn reconcile_all<T: Send>(questions: &[Question<'_>], then: impl Fn(usize, Reconciled) -> T + Sync) -> Vec<T> {
    let questions: Vec<_> = questions.iter().enumerate().collect();
    let answer = |(): &mut (), &(at, question): &(usize, &Question<'_>)| {
        Ok::<_, Infallible>(then(at, reconcile(&question.stored, question.file, &question.context)))
    };
    match on_every_core(&questions, &mut vec![(); n_cores()], answer) {
        Ok(answers) => answers,
    }
}

/// What happened to a file between two of its states, with no memory of what was before them.
///
/// A version that was deleted earlier and is back counts as `added` here: only the tables know that it was there once.
#[must_use]
pub fn changes_of_file(before: Option<&[u8]>, after: Option<&[u8]>, context: &Context<'_>) -> Reconciled {
    let first = Context { reading: Reading::Baseline, known_duplicates: &[], ..*context };
    let stored: Vec<StoredLine> = reconcile(&[], before, &first)
        .decisions
        .into_iter()
        .zip(1..)
        .filter_map(|(decision, id)| match decision.effect {
            Effect::Insert { generation, line, .. } => Some(StoredLine {
                release: ReleaseId(id),
                num: line.parsed.num,
                generation,
                checksum: line.parsed.checksum,
                deleted: false,
                line: line.text,
            }),
            _ => None,
        })
        .collect();
    let known_duplicates = duplicate_lines(before.unwrap_or_default(), context.krate);
    reconcile(&stored, after, &Context { known_duplicates: &known_duplicates, ..*context })
}

/// The lines of a file that a later line of the same version overrules.
fn duplicate_lines(bytes: &[u8], krate: &KrateName) -> Vec<String> {
    let lines = read_file(bytes, krate, &HashMap::new()).lines;
    let last = last_lines(&lines, &[]);
    let overruled = lines.iter().enumerate().filter(|(at, line)| last.get(num_of(line, &[])) != Some(at));
    overruled.map(|(_, line)| text_of(line, &[]).to_owned()).collect()
}

/// The versions a file still has, or may have.
#[derive(Default)]
struct Present<'a> {
    last: Option<&'a HashMap<&'a str, usize>>,
    hidden: Hidden,
}

impl Present<'_> {
    fn has(&self, num: &str) -> bool {
        self.last.is_some_and(|last| last.contains_key(num))
    }
}

/// For each version the index of its newest generation; older ones are history.
fn latest_generations(stored: &[StoredLine]) -> HashMap<&str, usize> {
    let mut latest: HashMap<&str, usize> = HashMap::with_capacity(stored.len());
    for (at, line) in stored.iter().enumerate() {
        let known = latest.entry(line.num.as_str()).or_insert(at);
        if stored[*known].generation < line.generation {
            *known = at;
        }
    }
    latest
}

/// For each version the index of its last line, which is the one that counts, as in cargo.
fn last_lines<'a>(lines: &'a [Line], stored: &'a [StoredLine]) -> HashMap<&'a str, usize> {
    lines.iter().enumerate().map(|(at, line)| (num_of(line, stored), at)).collect()
}

fn num_of<'a>(line: &'a Line, stored: &'a [StoredLine]) -> &'a str {
    match line {
        Line::Held(at) => stored[*at].num.as_str(),
        Line::Read(read) => read.parsed.num.as_str(),
    }
}

fn text_of<'a>(line: &'a Line, stored: &'a [StoredLine]) -> &'a str {
    match line {
        Line::Held(at) => &stored[*at].line,
        Line::Read(read) => &read.text,
    }
}

/// Whether a line of this name belongs in the file of this spelling, whose silence therefore speaks of it.
///
/// `a-b` and `a_b` are one crate in two files; so are `A` and `a` where paths keep the case, as they did in 2014.
fn stands_in(name: &KrateName, file: &KrateName) -> bool {
    let keeps_case = file.as_str().bytes().any(|byte| byte.is_ascii_uppercase());
    if keeps_case { name == file } else { name.index_path() == file.index_path() }
}

/// Decides what becomes of live releases that the file lacks, in the order in which they are held.
fn delete_missing(
    stored: &[StoredLine],
    latest: &HashMap<&str, usize>,
    present: &Present<'_>,
    kind: ChangeKind,
    context: &Context<'_>,
) -> Reconciled {
    let mut reconciled = Reconciled::default();
    for (at, line) in stored.iter().enumerate() {
        let num = line.num.as_str();
        if line.deleted || latest.get(num) != Some(&at) || present.has(num) {
            continue;
        }
        let name = published_name(line, context);
        if !stands_in(&name, context.krate) && !context.also.iter().any(|file| stands_in(&name, file)) {
            continue;
        }
        if present.hidden.may_hide(num, &line.checksum.to_string()) {
            reconciled.held.push(line.release);
            continue;
        }
        let change = Change {
            checksum: Some(line.checksum),
            line_before: Some(line.line.clone()),
            ..change(kind, name, line.num.clone(), context)
        };
        let effect = Effect::Delete { release: line.release };
        reconciled.decisions.push(Decision { change: Some(change), effect });
    }
    reconciled
}

/// The change that tells of a line overruled by a later one.
fn duplicate(line: &Line, stored: &[StoredLine], context: &Context<'_>) -> Decision {
    let (name, num, checksum) = match line {
        Line::Held(at) => (published_name(&stored[*at], context), stored[*at].num.clone(), stored[*at].checksum),
        Line::Read(read) => (read.parsed.name.clone(), read.parsed.num.clone(), read.parsed.checksum),
    };
    let change = Change {
        checksum: Some(checksum),
        line_after: Some(text_of(line, stored).to_owned()),
        ..change(ChangeKind::DuplicateLine, name, num, context)
    };
    Decision { change: Some(change), effect: Effect::None }
}

/// Decides about one line that counts: identity first (design 01), then what it says.
fn compare(held: Option<&StoredLine>, line: Box<ReadLine>, context: &Context<'_>, decisions: &mut Vec<Decision>) {
    let Some(held) = held else {
        let kind = if line.parsed.yanked { ChangeKind::AddedYanked } else { ChangeKind::Added };
        let change = told(kind, &line, None, Vec::new(), context);
        let effect = Effect::Insert { generation: Generation::FIRST, replaces: None, line };
        return decisions.push(Decision { change, effect });
    };
    let before = IndexLine::parse(&held.line).ok();
    let fields = before.as_ref().map(|before| before.differing_fields(&line.parsed)).unwrap_or_default();
    if held.checksum != line.parsed.checksum {
        let replaced = (!held.deleted).then_some(held);
        let change = told(ChangeKind::ChecksumChanged, &line, replaced, fields, context);
        let (generation, before) = (held.generation.next(), replaced.map(|held| held.release));
        return decisions.push(Decision { change, effect: Effect::Insert { generation, replaces: before, line } });
    }
    if held.deleted {
        let change = told(ChangeKind::ReAdded, &line, None, fields, context);
        return decisions.push(Decision { change, effect: Effect::Revive { release: held.release, line } });
    }
    edited(held, before.is_some(), fields, line, context, decisions);
}

/// The edit of a live line: an edit of what it says and a yank are two changes, even when one line brings both.
fn edited(
    held: &StoredLine,
    was_readable: bool,
    fields: Vec<&'static str>,
    line: Box<ReadLine>,
    context: &Context<'_>,
    decisions: &mut Vec<Decision>,
) {
    let (yank, metadata): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| *field == "yanked");
    // What was written for a line that cannot be read any more is unknown, so it is written again.
    let dependencies = !was_readable || metadata.contains(&"deps");
    let mut changes = Vec::new();
    if !metadata.is_empty() || !was_readable {
        changes.push(told(ChangeKind::MetadataChanged, &line, Some(held), metadata, context));
    }
    if !yank.is_empty() {
        let kind = if line.parsed.yanked { ChangeKind::Yanked } else { ChangeKind::Unyanked };
        changes.push(told(kind, &line, Some(held), yank, context));
    }
    // The first of them has the effect of both.
    let mut effect = Some(Effect::Update { release: held.release, dependencies, line });
    let taken = changes.into_iter().map(|change| Decision { change, effect: effect.take().unwrap_or(Effect::None) });
    decisions.extend(taken);
}

/// The change that tells what a line did; a baseline tells nothing.
fn told(
    kind: ChangeKind,
    line: &ReadLine,
    before: Option<&StoredLine>,
    fields: Vec<&'static str>,
    context: &Context<'_>,
) -> Option<Change> {
    (context.reading == Reading::Recorded).then(|| Change {
        checksum: Some(line.parsed.checksum),
        fields: fields.into_iter().map(str::to_owned).collect(),
        line_before: before.map(|held| held.line.clone()),
        line_after: Some(line.text.clone()),
        ..change(kind, line.parsed.name.clone(), line.parsed.num.clone(), context)
    })
}

/// A change with its name, place and time, and nothing else yet.
fn change(kind: ChangeKind, name: KrateName, num: VersionNum, context: &Context<'_>) -> Change {
    Change {
        kind,
        name: Some(name),
        num: Some(num),
        checksum: None,
        fields: Vec::new(),
        commit: context.commit.map(str::to_owned),
        at: context.at,
        line_before: None,
        line_after: None,
    }
}

fn published_name(held: &StoredLine, context: &Context<'_>) -> KrateName {
    IndexLine::parse(&held.line).map_or_else(|_| context.krate.clone(), |line| line.name)
}

/// Leaves the changes out of a baseline, and with them the decisions that had no other effect.
fn finish(mut reconciled: Reconciled, quarantine: Vec<Quarantined>, context: &Context<'_>) -> Reconciled {
    if context.reading == Reading::Baseline {
        reconciled.decisions.retain(|decision| decision.effect != Effect::None);
        for decision in &mut reconciled.decisions {
            decision.change = None;
        }
    }
    reconciled.quarantine = quarantine;
    reconciled
}

/// Whether a file lacks a version that is held as live: an old copy from a cache looks so, and so does a deletion.
pub(crate) fn lacks_held(stored: &[StoredLine], bytes: &[u8], krate: &KrateName) -> bool {
    let context = Context {
        krate,
        commit: None,
        at: Timestamp::from_micros(0),
        reading: Reading::Baseline,
        known_duplicates: &[],
        also: &[],
    };
    reconcile(stored, Some(bytes), &context).n_deleted() > 0
}
