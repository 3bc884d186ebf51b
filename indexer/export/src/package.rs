//! OSV records for the pages of a registry: all of one crate's advisories, each with the state of every version.

use schema::{AdvisoryState, Generation, Licence, MatchFlag, Timestamp, VersionNum};
use serde_json::{Value, json};

use crate::osv::osv;
use crate::report::ReportedAdvisory;

/// An advisory with what its page shows.
#[derive(Clone, Debug)]
pub struct PackageAdvisory {
    /// The advisory; its list of releases is not read.
    pub advisory: ReportedAdvisory,
    /// Its description as Markdown; empty where there is none. Hostile text.
    pub description: String,
    /// What it means for every release that was ever seen, in version order.
    pub states: Vec<VersionState>,
}

/// What one advisory means for one release.
#[derive(Clone, Debug)]
pub struct VersionState {
    /// The version.
    pub num: VersionNum,
    /// Which archive of that number.
    pub generation: Generation,
    /// Which of the four answers.
    pub state: AdvisoryState,
    /// Withdrawn from resolution.
    pub yanked: bool,
    /// When it was seen to be gone from the index.
    pub deleted_at: Option<Timestamp>,
    /// What else is to be known of the match.
    pub flags: Vec<MatchFlag>,
}

/// One OSV record. A page may rely on `summary`, `details` and `affected[].ranges` being there, empty or not.
#[must_use]
pub fn package_osv(package: &PackageAdvisory) -> Value {
    let mut record = osv(&package.advisory);
    let facts = &package.advisory.facts;
    record["summary"] = json!(package.advisory.title());
    record["details"] = json!(details(package));
    let affected = package.states.iter().filter(|state| state.state == AdvisoryState::Affected);
    let mut versions: Vec<_> = affected.map(|state| state.num.as_str()).collect();
    // Generations of one number are one version here.
    versions.dedup();
    let states: Vec<_> = package
        .states
        .iter()
        .map(|state| {
            json!({
                "num": state.num, "generation": state.generation, "state": state.state, "yanked": state.yanked,
                "deleted_at": state.deleted_at, "flags": state.flags,
            })
        })
        .collect();
    if let Some(affected) = record["affected"].get_mut(0) {
        affected["versions"] = json!(versions);
        if affected.get("ranges").is_none() {
            affected["ranges"] = json!([]);
        }
        affected["database_specific"]["kind"] = json!(facts.kind);
        affected["database_specific"]["versions"] = json!(states);
    }
    record
}

/// The text a page shows. What the licence lets nobody pass on is a link; what asks for its source gets it.
fn details(package: &PackageAdvisory) -> String {
    let advisory = &package.advisory;
    let source = advisory.url().map(|url| format!("See <{url}>.")).unwrap_or_default();
    match advisory.facts.licence {
        Licence::Other => source,
        _ if package.description.is_empty() => source,
        Licence::Cc0 => package.description.clone(),
        Licence::CcBy => {
            let text = &package.description;
            format!("{text}\n\n{} under {}. {source}", advisory.facts.id, advisory.facts.licence)
        }
    }
}
