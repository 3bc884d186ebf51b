//! A state of the advisory database as a person names it, and the advisories as they stood in it.

use anyhow::{Context as _, bail};
use schema::{CanonicalName, Release, Timestamp};
use store::{AdvisoryState, MatchRow, Store, StoredAdvisory};

const SECONDS_PER_DAY: i64 = 86_400;

/// The state that a commit, the beginning of one, or a time names.
///
/// Of a time the last state stored of those made until then counts. What was never seen is said plainly.
pub(crate) async fn named(store: &dyn Store, text: &str) -> anyhow::Result<AdvisoryState> {
    let states = store.advisory_states().await?;
    let (Some(first), Some(last)) = (states.first(), states.last()) else {
        bail!("no advisory database is loaded; `provenance index` loads one");
    };
    if let Ok(at) = moment(text) {
        let found = states.iter().rfind(|state| state.commit.at <= at).cloned();
        return found.with_context(|| {
            format!("nothing is known of the advisory database as of {text}: {}", range(first, last, states.len()))
        });
    }
    let beginning = text.to_ascii_lowercase();
    let mut found: Vec<_> = states.iter().filter(|state| state.commit.commit.starts_with(&beginning)).collect();
    let Some(newest) = found.pop().filter(|_| !beginning.is_empty()) else {
        bail!("{text:?} was never seen as a state of the advisory database: {}", range(first, last, states.len()));
    };
    if found.iter().any(|other| other.commit.commit != newest.commit.commit) {
        bail!("{text:?} begins the ids of {} states of the advisory database; write more of it", found.len() + 1);
    }
    Ok(newest.clone())
}

/// A time; a day alone means its end, so that what was committed on the day counts.
pub(crate) fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let at = Timestamp::parse(text).with_context(|| format!("read {text:?} as a day or a time"))?;
    Ok(if text.trim().len() == "2026-08-21".len() { at.plus_seconds(SECONDS_PER_DAY - 1) } else { at })
}

fn range(first: &AdvisoryState, last: &AdvisoryState, n: usize) -> String {
    let words = |state: &AdvisoryState| format!("{} ({})", state.commit.commit, state.commit.at);
    match n {
        1 => format!("the only state known is {}", words(first)),
        n => format!(
            "{n} states are known, from {} to {}; `provenance advisories states` lists them",
            words(first),
            words(last)
        ),
    }
}

/// The advisory database as it stands, or as it stood.
pub(crate) enum Standing {
    /// As the tables have it.
    Present,
    /// In a state that was seen, with all its advisories.
    Past(AdvisoryState, Vec<StoredAdvisory>),
}

impl Standing {
    pub(crate) async fn named(store: &dyn Store, text: Option<&str>) -> anyhow::Result<Self> {
        let Some(text) = text else { return Ok(Self::Present) };
        let state = named(store, text).await?;
        let advisories = store.advisories_at(state.seq).await?;
        Ok(Self::Past(state, advisories))
    }

    /// Every advisory.
    pub(crate) async fn all(&self, store: &dyn Store) -> anyhow::Result<Vec<StoredAdvisory>> {
        Ok(match self {
            Self::Present => store.advisories().await?,
            Self::Past(_, all) => all.clone(),
        })
    }

    /// Those with this id or alias, in any letter case.
    pub(crate) async fn by_id(&self, store: &dyn Store, id: &str) -> anyhow::Result<Vec<StoredAdvisory>> {
        let bears = |stored: &&StoredAdvisory| {
            stored.facts.id.0.eq_ignore_ascii_case(id)
                || stored.facts.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(id))
        };
        Ok(match self {
            Self::Present => store.advisories_by_id(id).await?,
            Self::Past(_, all) => all.iter().filter(bears).cloned().collect(),
        })
    }

    /// Those about a crate.
    pub(crate) async fn of(&self, store: &dyn Store, krate: &CanonicalName) -> anyhow::Result<Vec<StoredAdvisory>> {
        Ok(match self {
            Self::Present => store.advisories_of(krate).await?,
            Self::Past(_, all) => {
                all.iter().filter(|stored| stored.facts.krate.as_ref() == Some(krate)).cloned().collect()
            }
        })
    }

    /// The releases that these advisories cover: as stored, or matched anew by the same matcher.
    pub(crate) async fn covered(&self, store: &dyn Store, by: &[StoredAdvisory]) -> anyhow::Result<Vec<MatchRow>> {
        match self {
            Self::Present => {
                let ids: Vec<_> = by.iter().map(|stored| stored.facts.id.clone()).collect();
                Ok(store.matched_by(&ids).await?)
            }
            Self::Past(..) => matched(store, by).await,
        }
    }
}

/// The releases known now that these texts cover, in version order, tombstones included.
pub(crate) async fn matched(store: &dyn Store, by: &[StoredAdvisory]) -> anyhow::Result<Vec<MatchRow>> {
    let advisories = by.iter().map(queue::parsed).collect::<Result<Vec<_>, _>>()?;
    let krates: std::collections::BTreeSet<_> = by.iter().filter_map(|stored| stored.facts.krate.as_ref()).collect();
    let mut rows = Vec::new();
    for krate in krates {
        let releases: Vec<Release> = store.releases(krate).await?.unwrap_or_default();
        let found = queue::match_releases(&advisories, &releases);
        for release in releases {
            let of_release = found.iter().filter(|found| found.release == release.id);
            rows.extend(of_release.map(|found| MatchRow { release: release.clone(), found: found.clone() }));
        }
    }
    Ok(rows)
}
