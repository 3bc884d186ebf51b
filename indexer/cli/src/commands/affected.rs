//! `provenance affected`: which releases an advisory covers, what covers a crate or release, and the way out.

use std::collections::{BTreeMap, BTreeSet};

use advisories::{Advisory, NextSafe, next_safe};
use anyhow::bail;
use schema::{AdvisoryFacts, AdvisoryId, CanonicalName, Clock as _, Release, ReleaseId, Step, VersionNum};
use store::{MatchRow, Store, StoredAdvisory};

use super::state::Standing;
use super::subject::Subject;
use crate::args::AffectedArgs;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{complain, say, shown};
use crate::{Exit, document, opening};

mod only;
mod print;
mod report;

pub(crate) async fn run(args: &AffectedArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let store = opened.store.as_ref();
    if store::Advisories::advisory_db(store).await?.is_none() {
        bail!("no advisory database is loaded; `provenance index` loads one");
    }
    let mut as_of = document::as_of(store).await?;
    let standing = Standing::named(store, args.at_db.as_deref()).await?;
    let mut answer = Answer::find(store, &standing, args.query.as_deref()).await?;
    only::narrow(&mut answer, &args.only)?;
    if let Standing::Past(state, _) = &standing {
        as_of.advisory_db = Some(state.commit.clone());
    }
    if settings.json {
        let mut answer = answer.as_json();
        answer["as_of"] = serde_json::to_value(&as_of)?;
        document::print(answer);
    } else if args.csv {
        answer.print_csv();
    } else if args.osv || args.vex || args.sarif {
        report::print(args, &answer, as_of)?;
    } else {
        answer.print(settings);
        say(&document::as_of_words(&as_of, SystemClock.now()));
    }
    let denied = answer.affected().any(|row| answer.kind_of(row).is_some_and(|kind| args.deny.contains(&kind)));
    Ok(if denied { Exit::Denied } else { Exit::Done })
}

struct Answer {
    query: Option<String>,
    advisories: Vec<StoredAdvisory>,
    rows: Vec<MatchRow>,
    next: BTreeMap<ReleaseId, NextSafe>,
    /// Releases of the crates concerned that are not matched yet: the answer is not complete without them.
    n_pending: usize,
    /// Crates with advisories of which nothing is indexed: their versions are not known here.
    not_indexed: Vec<String>,
}

impl Answer {
    async fn find(store: &dyn Store, standing: &Standing, query: Option<&str>) -> anyhow::Result<Self> {
        let (advisories, only) = match query {
            None => (standing.all(store).await?, None),
            Some(query) => meant(store, standing, query).await?,
        };
        let (query, rows, next) = (query.map(str::to_owned), Vec::new(), BTreeMap::new());
        let mut answer = Self { query, advisories, rows, next, n_pending: 0, not_indexed: Vec::new() };
        // In this order: what waits no more when it is counted has its matches by then.
        let releases = answer.look_at_krates(store, standing).await?;
        answer.rows = standing.covered(store, &answer.advisories).await?;
        if let Some(num) = &only {
            answer.rows.retain(|row| row.release.key.num == *num);
        }
        answer.look_for_ways_out(store, standing, &releases).await?;
        Ok(answer)
    }

    /// The releases of the crates concerned; notes which crates have none, and how many releases wait.
    async fn look_at_krates(
        &mut self,
        store: &dyn Store,
        standing: &Standing,
    ) -> anyhow::Result<BTreeMap<CanonicalName, Vec<Release>>> {
        let krates: BTreeSet<CanonicalName> =
            self.advisories.iter().filter_map(|stored| stored.facts.krate.clone()).collect();
        let mut known = BTreeMap::new();
        for krate in krates {
            let Some(releases) = store.releases(&krate).await? else {
                self.not_indexed.push(krate.to_string());
                continue;
            };
            if matches!(standing, Standing::Present) {
                let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
                self.n_pending += store.open_marks(&ids, Step::Match).await?.len();
            }
            known.insert(krate, releases);
        }
        Ok(known)
    }

    async fn look_for_ways_out(
        &mut self,
        store: &dyn Store,
        standing: &Standing,
        releases: &BTreeMap<CanonicalName, Vec<Release>>,
    ) -> anyhow::Result<()> {
        let mut asked: BTreeMap<CanonicalName, Vec<&Release>> = BTreeMap::new();
        for row in &self.rows {
            asked.entry(row.release.key.name.canonical()).or_default().push(&row.release);
        }
        for (krate, asked) in asked {
            let mut parsed = Vec::new();
            for stored in standing.of(store, &krate).await?.iter().filter(|stored| stored.facts.withdrawn.is_none()) {
                parsed.push(queue::parsed(stored)?);
            }
            let releases = releases.get(&krate).map_or(&[][..], Vec::as_slice);
            self.next.extend(next_of_each(asked, releases, &parsed));
        }
        Ok(())
    }

    fn affected(&self) -> impl Iterator<Item = &MatchRow> {
        self.rows.iter().filter(|row| row.found.is_affected())
    }

    fn near(&self) -> impl Iterator<Item = &MatchRow> {
        self.rows.iter().filter(|row| !row.found.is_affected())
    }

    fn facts(&self, id: &AdvisoryId) -> Option<&AdvisoryFacts> {
        self.advisories.iter().map(|stored| &stored.facts).find(|facts| facts.id == *id)
    }

    fn kind_of(&self, row: &MatchRow) -> Option<schema::AdvisoryKind> {
        self.facts(&row.found.advisory).map(|facts| facts.kind)
    }

    fn next_of(&self, row: &MatchRow) -> NextSafe {
        self.next.get(&row.release.id).cloned().unwrap_or_default()
    }
}

/// The advisories a query means, and the one version, when it names one.
async fn meant(
    store: &dyn Store,
    standing: &Standing,
    query: &str,
) -> anyhow::Result<(Vec<StoredAdvisory>, Option<VersionNum>)> {
    let by_id = standing.by_id(store, query).await?;
    if !by_id.is_empty() {
        return Ok((by_id, None));
    }
    if let Standing::Past(state, _) = standing
        && is_id(query)
    {
        complain(&format!("note: no advisory had the id {} as of {}", shown(query), state.commit.commit));
        return Ok((Vec::new(), None));
    }
    let Ok(subject) = Subject::parse(query) else {
        bail!("{query:?} is neither an advisory's id nor NAME or NAME@VER");
    };
    let of_krate = standing.of(store, &subject.name.canonical()).await?;
    if of_krate.is_empty() || subject.num.is_some() {
        // Names what is known instead when there is no such crate, so that "none known" is never said of it.
        unknown_is_an_error(store, &subject, query).await?;
    }
    Ok((of_krate, subject.num))
}

/// Whether a text can only be the id of an advisory. Names of crates begin like ids, too, and then go on otherwise.
fn is_id(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let begins =
        |with: &str| text.strip_prefix(with).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    begins("RUSTSEC-") || begins("CVE-") || begins("MAL-") || (text.starts_with("GHSA-") && text.len() == 19)
}

/// Where to go from each of the releases asked about: the next versions that none of these advisories covers, nor nearly.
pub(crate) fn next_of_each<'a>(
    asked: impl IntoIterator<Item = &'a Release>,
    releases: &[Release],
    advisories: &[Advisory],
) -> BTreeMap<ReleaseId, NextSafe> {
    let live = offered(releases);
    let covered = |version: &semver::Version| {
        advisories.iter().any(|advisory| advisory.affects(version) || advisory.nearly_affects(version))
    };
    asked.into_iter().map(|release| (release.id, next_safe(&release.key.num, &live, covered))).collect()
}

/// The versions somebody can be sent to.
fn offered(releases: &[Release]) -> Vec<VersionNum> {
    let is_offered = |release: &&Release| !release.yanked && release.deleted_at.is_none();
    releases.iter().filter(is_offered).map(|release| release.key.num.clone()).collect()
}

async fn unknown_is_an_error(store: &dyn Store, subject: &Subject, query: &str) -> anyhow::Result<()> {
    match subject.releases(store).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.context(format!("no advisory has the id {query:?}"))),
    }
}
