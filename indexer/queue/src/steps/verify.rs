//! Comparing the releases of one repository with it: opened once, looked at by one job at a time, release by release.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use ::inspect::{CrateArchive, Expected, unpack_entries};
use ::verify::{CachedRepositories, Promised, Registry, SourceCheck, Subject};
use bytes::Bytes;
use schema::{ArchiveFacts, Inspection, Priority, Release, SourceSummary, Step, Timestamp};
use store::{CheckRow, InspectionRow, Mark, Store};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use crate::blocking::blocking;
use crate::engine::Sources;
use crate::retries::recheck_at;
use crate::{Engine, QueueError};

/// Reasons kept in the published row; the document has them all.
const REASONS_IN_ROW: usize = 20;

/// How soon a repository is asked for again that another process has under way.
const AWAY_SECONDS: i64 = 5;

/// How long one waits for another process before both look at once, each into its own folder: it may be frozen, and the lock
/// spares the repository's server work, no more.
const PATIENCE_SECONDS: i64 = 15 * 60;

/// Who was not found under way for so long is waited for anew: the other process did what there was to do.
const FORGOTTEN_SECONDS: i64 = 5 * 60;

/// Since when repositories were found under way in another process, and when they were last.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, (Timestamp, Timestamp)>>);

impl Turns {
    fn has_waited_enough(&self, repository: &str, now: Timestamp) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (_, last)| last.plus_seconds(FORGOTTEN_SECONDS) > now);
        let (since, last) = waiting.entry(repository.to_owned()).or_insert((now, now));
        *last = now;
        since.plus_seconds(PATIENCE_SECONDS) <= now
    }

    fn came(&self, repository: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(repository);
    }
}

/// Sorts marks into one job per repository. Releases without a repository share one: there is nothing to open for them.
pub(crate) async fn by_repository(engine: &Engine, marks: &[Mark]) -> Result<Vec<Vec<Mark>>, QueueError> {
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let named: BTreeMap<_, _> = engine.store.repositories(&ids).await?.into_iter().collect();
    let mut jobs: BTreeMap<Option<String>, Vec<Mark>> = BTreeMap::new();
    for mark in marks {
        let key = named.get(&mark.release).and_then(|named| repository_key(named.as_deref()));
        jobs.entry(key).or_default().push(*mark);
    }
    Ok(jobs.into_values().collect())
}

fn repository_key(named: Option<&str>) -> Option<String> {
    ::verify::normalise(named?).ok().map(|url| url.key())
}

/// Checks each release of the job, unless another process has its repository under way: then it is delivered again soon.
pub(crate) async fn verify(engine: &Arc<Engine>, marks: &[Mark]) -> Result<(), QueueError> {
    let Some(sources) = engine.options.sources.clone() else { return Ok(()) };
    let Some(key) = key_of(engine, marks).await? else { return check_each(engine, marks, sources).await };
    if !engine.store.lock_repository(&key).await? && !engine.turns.has_waited_enough(&key, engine.clock.now()) {
        debug!(repository = key, "another process has it under way");
        return Ok(engine.store.give_back(marks, Step::Verify, engine.clock.now().plus_seconds(AWAY_SECONDS)).await?);
    }
    engine.turns.came(&key);
    let outcome = check_each(engine, marks, sources).await;
    let unlocked = engine.store.unlock_repository(&key).await;
    if let Err(error) = unlocked {
        // It ends with the connection, at the latest; what was checked is stored.
        warn!(repository = key, "{error}");
    }
    outcome
}

/// The repository that the releases of one job share.
async fn key_of(engine: &Engine, marks: &[Mark]) -> Result<Option<String>, QueueError> {
    let Some(mark) = marks.first() else { return Ok(None) };
    let named = engine.store.repositories(&[mark.release]).await?.pop().and_then(|(_, named)| named);
    Ok(repository_key(named.as_deref()))
}

/// Checks each release; a failure is that release's, unless it is one that stops everything.
async fn check_each(engine: &Arc<Engine>, marks: &[Mark], sources: Sources) -> Result<(), QueueError> {
    let (engine, marks, handle) = (Arc::clone(engine), marks.to_vec(), Handle::current());
    // The repositories stay on this one thread; what the store has to do goes back to the others.
    blocking("checking sources", move || check_all(&engine, &marks, &sources, &handle)).await?
}

fn check_all(engine: &Arc<Engine>, marks: &[Mark], sources: &Sources, handle: &Handle) -> Result<(), QueueError> {
    let repositories = CachedRepositories::new(sources.folder.clone(), sources.cache.clone());
    for mark in marks {
        match check_one(engine, *mark, sources, &repositories, handle) {
            Ok(()) => {}
            Err(failure) if failure.is_fatal() => return Err(failure),
            Err(failure) => handle.block_on(engine.note_failure(Step::Verify, &[*mark], failure)),
        }
    }
    Ok(())
}

fn check_one(
    engine: &Arc<Engine>,
    mark: Mark,
    sources: &Sources,
    repositories: &CachedRepositories,
    handle: &Handle,
) -> Result<(), QueueError> {
    let Some(loaded) = handle.block_on(load(engine, mark))? else { return Ok(()) };
    let Loaded { release, inspection, archive, earlier_refs, neighbours } = loaded;
    let expected = Expected { name: release.key.name.clone(), num: release.key.num.clone() };
    let files = CrateArchive::new(archive, &expected, engine.options.inspect_limits.clone());
    let subject = Subject {
        name: &release.key.name,
        num: &release.key.num,
        published_at: release.published_at,
        inspection: &inspection,
        files: &files,
        trusted: None,
    };
    let registry = KnownRegistry { store: engine.store.as_ref(), handle };
    let options = ::verify::Options {
        neighbours: &neighbours,
        earlier_refs: Some(&earlier_refs),
        registry: Some(&registry),
        ..::verify::Options::default()
    };
    let check = ::verify::check(&subject, repositories, &sources.cache.limits, &options)
        .map_err(|error| QueueError::Missing(format!("the source of {} could not be checked: {error}", release.key)))?;
    handle.block_on(store_check(engine, mark, &check))
}

struct Loaded {
    release: Release,
    inspection: Inspection,
    archive: Bytes,
    earlier_refs: BTreeMap<String, String>,
    /// What other versions name as their repository.
    neighbours: Vec<String>,
}

/// What a check needs; `None` when the release was never inspected, for then inspecting marks this step again.
async fn load(engine: &Engine, mark: Mark) -> Result<Option<Loaded>, QueueError> {
    let Some(release) = engine.store.releases_of(&[mark.release]).await?.pop() else { return Ok(None) };
    let missing = |what: &str| QueueError::Missing(format!("the {what} of {} is not here", release.key));
    let Some(row) = engine.store.inspection(release.id).await? else { return Err(missing("inspection")) };
    let Some(entries) = engine.store.entries(row.checksum).await? else { return Err(missing("list of entries")) };
    let Some(archive) = engine.blobs.get(&row.checksum).await? else {
        // Thrown away, or in the store of another machine: fetching it marks inspecting, and that marks this step again.
        engine.store.mark(&[release.id], Step::Download, Priority::FRESH, engine.clock.now()).await?;
        return Err(missing("archive"));
    };
    let named = row.manifest.as_ref().and_then(|manifest| manifest.repository.as_deref());
    let earlier_refs = match repository_key(named) {
        Some(key) => engine.store.refs_seen(&key).await?,
        None => BTreeMap::new(),
    };
    let neighbours = engine.store.neighbours(release.id).await?;
    let files = unpack_entries(&entries).map_err(|error| QueueError::Missing(error.to_string()))?;
    let inspection = inspection_of(&release, row, files);
    Ok(Some(Loaded { release, inspection, archive, earlier_refs, neighbours }))
}

fn inspection_of(release: &Release, row: InspectionRow, files: Vec<schema::Entry>) -> Inspection {
    Inspection {
        name: release.key.name.clone(),
        num: release.key.num.clone(),
        archive: ArchiveFacts {
            sha256: row.checksum,
            compressed_size: row.compressed_size,
            unpacked_size: row.unpacked_size,
        },
        files,
        manifest: row.manifest,
        claim: row.claim,
        findings: row.findings,
    }
}

async fn store_check(engine: &Engine, mark: Mark, check: &SourceCheck) -> Result<(), QueueError> {
    let now = engine.clock.now();
    let n_before = engine.store.checks(mark.release).await?.len();
    let document = serde_json::to_string(check).map_err(|error| QueueError::Missing(error.to_string()))?;
    let row = CheckRow {
        at: now,
        cause: if n_before == 0 { "first" } else { "recheck" }.to_owned(),
        repository: repository_key(check.facts.repository.normalised.as_deref()),
        summary: summary(check),
        document,
    };
    let refs: Vec<_> = check.refs.iter().map(|seen| (seen.name.clone(), seen.commit.to_string())).collect();
    let next_look = recheck_at(n_before, check, now);
    engine.store.finish_check(mark, &row, &refs, next_look, now).await?;
    Ok(())
}

pub(crate) fn summary(check: &SourceCheck) -> SourceSummary {
    let (repository, commit) = (&check.facts.repository, &check.facts.commit);
    let matched = commit.matched.map(|matched| matched.to_string());
    SourceSummary {
        verdict: check.verdict,
        words: check.words.clone(),
        repository_claimed: repository.claimed.clone(),
        repository: repository.normalised.clone(),
        browse_url: matched
            .as_deref()
            .and_then(|matched| ::verify::browse_url(repository.normalised.as_deref()?, matched)),
        commit_claimed: commit.claimed.clone(),
        commit_matched: matched,
        tag: commit.tag.clone(),
        reasons: check.reasons.iter().take(REASONS_IN_ROW).cloned().collect(),
        rules: Some(check.rules.clone()),
    }
}

/// What the store knows of locked packages.
struct KnownRegistry<'s> {
    store: &'s dyn Store,
    handle: &'s Handle,
}

impl Registry for KnownRegistry<'_> {
    fn is_source(&self, source: &str) -> bool {
        follow::is_public_registry(source)
    }

    fn promised(&self, name: &str, num: &str) -> Option<Promised> {
        // An unknown package is no finding, and a store that fails here fails the whole check a moment later.
        let (checksum, published_at) = self.handle.block_on(self.store.promised(name, num)).ok().flatten()?;
        Some(Promised { checksum, published_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_always_found_under_way_is_waited_for_so_long_and_who_was_long_ago_anew() {
        let (turns, start) = (Turns::default(), Timestamp::from_seconds(1_000_000));
        let waited = |seconds: i64| turns.has_waited_enough("a", start.plus_seconds(seconds));
        assert!((0..PATIENCE_SECONDS).step_by(60).all(|seconds| !waited(seconds)));
        assert!(waited(PATIENCE_SECONDS));
        // A month later it is another process's turn, and nobody's patience has run out.
        assert!(!waited(30 * 86_400));
        assert!(!turns.has_waited_enough("b", start.plus_seconds(60 * 86_400)));
        assert_eq!(turns.0.lock().unwrap().len(), 1, "what was waited for long ago is forgotten");
    }
}
