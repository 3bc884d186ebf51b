//! How an advisory and a release it covers are shown, wherever they are shown.

use std::collections::BTreeMap;

use export::WayOut;
use schema::{
    AdvisoryId, AdvisoryKind, Generation, KrateName, Licence, MatchFlag, ReleaseId, SeverityWord, Sha256, Timestamp,
    VersionNum,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{MatchRow, StoredAdvisory};

use crate::{ApiError, Service};

/// An advisory without its prose. Title, functions and address are other people's text.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct AdvisoryEntry {
    /// Its id.
    pub(crate) id: AdvisoryId,
    /// The package as its database spells it.
    package: String,
    /// What it reports.
    kind: AdvisoryKind,
    /// Whether the kind was derived here, because the database has no such kind.
    kind_derived: bool,
    /// How severe; `unscored` is a value of its own and is never low.
    severity: SeverityWord,
    /// CVSS score, 0.0 to 10.0; `null` when unscored.
    score: Option<f64>,
    /// CVSS vector, as written.
    vector: Option<String>,
    /// The heading, or the id where the licence or the snapshot lets none be shown.
    title: String,
    /// Ids of the same thing elsewhere.
    aliases: Vec<String>,
    /// Ids of other things that have to do with it.
    related: Vec<String>,
    /// Day of the report.
    date: String,
    /// Day of withdrawal; a withdrawn advisory covers nothing.
    withdrawn: Option<String>,
    /// Requirements of the versions with a fix, as written.
    patched: Vec<String>,
    /// Requirements of the versions never affected, as written.
    unaffected: Vec<String>,
    /// The affected intervals of SemVer precedence.
    ranges: Vec<Range>,
    /// Affected functions with their requirements, as written.
    functions: BTreeMap<String, Vec<String>>,
    /// The database's own categories.
    categories: Vec<String>,
    /// Where to read on.
    url: Option<String>,
    /// Licence of its text.
    license: Licence,
    /// The commit of the database that last changed it.
    changed_in: String,
    /// When that was.
    changed_at: Timestamp,
}

/// An affected interval, half open.
#[derive(Clone, Serialize, JsonSchema)]
struct Range {
    /// The first version affected; `null`: from the beginning.
    introduced: Option<String>,
    /// The first version that is not affected any more; `null`: there is none.
    fixed: Option<String>,
}

/// A release that an advisory covers, or nearly.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct AffectedRelease {
    /// Its crate, in its published spelling.
    name: KrateName,
    /// Its number.
    num: VersionNum,
    /// Which archive of that number.
    generation: Generation,
    /// sha256 of its archive.
    checksum: Sha256,
    /// The advisory.
    pub(crate) advisory: AdvisoryId,
    /// What else is to be known of the match.
    #[schemars(with = "Vec<String>")]
    flags: Vec<MatchFlag>,
    /// Withdrawn from resolution.
    yanked: bool,
    /// When it was seen to be gone from the index.
    deleted_at: Option<Timestamp>,
    /// When it was published, where the index says it.
    published_at: Option<Timestamp>,
    /// Where to go from it.
    next_safe: NextSafe,
    #[serde(skip)]
    pub(crate) release: ReleaseId,
}

/// The nearest versions above that no advisory of the crate covers.
#[derive(Clone, Default, Serialize, JsonSchema)]
struct NextSafe {
    /// Within the same caret range.
    compatible: Option<VersionNum>,
    /// Of any range.
    any: Option<VersionNum>,
}

impl AdvisoryEntry {
    pub(crate) fn new(service: &Service, stored: &StoredAdvisory) -> Result<Self, ApiError> {
        let reading = service.rules.reading(stored)?;
        let facts = &stored.facts;
        let title = if facts.licence == Licence::Other { &facts.id.0 } else { &facts.title };
        Ok(Self {
            id: facts.id.clone(),
            package: facts.package.clone(),
            kind: facts.kind,
            kind_derived: facts.kind_derived,
            severity: facts.score.severity,
            score: facts.score.score_x10.map(|tenths| f64::from(tenths) / 10.0),
            vector: facts.score.vector.clone(),
            title: title.clone(),
            aliases: facts.aliases.clone(),
            related: reading.related,
            date: facts.date.clone(),
            withdrawn: facts.withdrawn.clone(),
            patched: facts.patched.clone(),
            unaffected: facts.unaffected.clone(),
            ranges: reading
                .intervals
                .into_iter()
                .map(|interval| Range { introduced: interval.introduced, fixed: interval.fixed })
                .collect(),
            functions: facts.functions.clone(),
            categories: reading.categories,
            url: facts.url.as_deref().and_then(export::plain_address).map(str::to_owned),
            license: facts.licence,
            changed_in: stored.changed_in.clone(),
            changed_at: stored.changed_at,
        })
    }
}

impl AffectedRelease {
    pub(crate) fn new(row: MatchRow, way_out: Option<&WayOut>) -> Self {
        let MatchRow { release, found } = row;
        let next_safe = way_out
            .map(|way| NextSafe { compatible: way.compatible.clone(), any: way.any.clone() })
            .unwrap_or_default();
        Self {
            name: release.key.name,
            num: release.key.num,
            generation: release.key.generation,
            checksum: release.checksum,
            advisory: found.advisory,
            flags: found.flags,
            yanked: release.yanked,
            deleted_at: release.deleted_at,
            published_at: release.published_at,
            next_safe,
            release: release.id,
        }
    }
}
