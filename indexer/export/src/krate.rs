//! A crate as one document: what the API answers for it and what a static export keeps of it.

use schema::{AsOf, ProvenanceRow};
use serde_json::{Value, json};

/// The document of a crate: the crate, all its rows on one page (the highest version first, tombstones too), and what they
/// rest on. It is the API's answer for `GET /api/v1/crates/{name}` with nothing left for another page.
///
/// `rows` are all rows of one crate, in version order. `None`: there are none, and nothing can be said of the crate.
#[must_use]
pub fn krate_document(rows: &[ProvenanceRow], as_of: &AsOf) -> Option<Value> {
    let newest = default_version(rows)?;
    let (deleted, live): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.deleted_at.is_some());
    Some(json!({
        "crate": {
            "name": newest.name,
            "canonical": newest.canonical,
            "default_version": newest.num,
            "releases": rows.len(),
            "live": live.len(),
            "yanked": live.iter().filter(|row| row.yanked).count(),
            "deleted": deleted.len(),
        },
        "releases": rows.iter().rev().collect::<Vec<_>>(),
        "meta": { "total": rows.len(), "next_page": null, "prev_page": null },
        "as_of": as_of,
        "schema_version": 1,
    }))
}

/// A crate in a list: enough to choose by, and when its rows last said something new.
#[must_use]
pub fn krate_summary(rows: &[ProvenanceRow]) -> Option<Value> {
    let newest = default_version(rows)?;
    let affected = rows.iter().filter(|row| row.advisories.state == schema::AdvisoryState::Affected).count();
    Some(json!({
        "name": newest.name,
        "canonical": newest.canonical,
        "default_version": newest.num,
        "deleted": rows.iter().all(|row| row.deleted_at.is_some()),
        "versions": rows.len(),
        "affected_versions": affected,
        "verdict": newest.source.verdict,
        "advisory_state": newest.advisories.state,
        "tone": newest.badge.tone,
        "changed_at": rows.iter().map(|row| row.changed_at).max(),
    }))
}

/// The version that stands for a crate, as the registry's page chooses it: the highest that is neither yanked nor a
/// pre-release; else the highest not yanked; else the highest there is; and of a deleted crate the highest tombstone.
#[must_use]
pub fn default_version(rows: &[ProvenanceRow]) -> Option<&ProvenanceRow> {
    let rank = |row: &ProvenanceRow| {
        let version = row.num.semver();
        let is_release = version.as_ref().is_some_and(|version| version.pre.is_empty());
        (row.deleted_at.is_none(), !row.yanked, is_release, version, row.generation)
    };
    let first = rows.first()?;
    // Of equals the last one counts: rows come in version order.
    let best = |best, row| if rank(row) >= rank(best) { row } else { best };
    Some(rows.iter().skip(1).fold(first, best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::row;

    fn check(rows: &[(&str, &str)], expected: &str) {
        let rows: Vec<_> = rows
            .iter()
            .map(|(num, state)| {
                let mut row = row("serde-json", num);
                row.yanked = state.contains("yanked");
                row.deleted_at = state.contains("deleted").then_some(row.checked_at);
                row
            })
            .collect();
        assert_eq!(default_version(&rows).unwrap().num.as_str(), expected);
    }

    #[test]
    fn the_version_that_stands_for_a_crate() {
        check(&[("1.0.0", ""), ("1.10.0", ""), ("2.0.0-rc.1", "")], "1.10.0");
        check(&[("1.0.0", ""), ("1.10.0", "yanked")], "1.0.0");
        check(&[("1.0.0", "yanked"), ("2.0.0-rc.1", "")], "2.0.0-rc.1");
        check(&[("1.0.0", "yanked"), ("1.1.0", "yanked")], "1.1.0");
        check(&[("1.0.0", ""), ("1.1.0", "deleted")], "1.0.0");
        check(&[("1.0.0", "yanked"), ("1.1.0", "deleted")], "1.0.0");
        check(&[("1.0.0", "deleted"), ("1.1.0", "deleted")], "1.1.0");
        assert_eq!(default_version(&[]), None);
    }

    #[test]
    fn a_document_has_every_row_and_what_it_rests_on() {
        let rows = [row("serde-json", "1.0.0"), row("serde-json", "1.1.0")];
        let as_of = AsOf { advisory_db: None, index: None, rules: "publish/1".to_owned() };
        let document = krate_document(&rows, &as_of).unwrap();
        assert_eq!(document["crate"]["canonical"], "serde_json");
        assert_eq!(document["crate"]["default_version"], "1.1.0");
        let nums: Vec<_> = document["releases"].as_array().unwrap().iter().map(|row| &row["num"]).collect();
        assert_eq!(nums, ["1.1.0", "1.0.0"]);
        assert_eq!((&document["crate"]["live"], &document["meta"]["total"]), (&json!(2), &json!(2)));
        assert_eq!(document["as_of"]["rules"], "publish/1");
        assert_eq!(krate_document(&[], &as_of), None);
    }
}
