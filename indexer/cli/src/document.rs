//! The JSON documents scripts rely on: one per command, each with `schema_version` and what it rests on.

use schema::{AsOf, DbSummary, Timestamp};
use serde_json::{Value, json};
use serve::Known;
use store::{SourceState, Store};

use crate::text::say;

/// Prints a document; `schema_version` is added to what is given.
pub(crate) fn print(mut document: Value) {
    if let Some(fields) = document.as_object_mut() {
        fields.insert("schema_version".to_owned(), json!(1));
    }
    say(&document.to_string());
}

/// What answers rest on just now. Of several indexes, the one read last. It is asked for before what rests on it, so that no
/// answer claims to be newer than it is.
pub(crate) async fn as_of(store: &dyn Store) -> anyhow::Result<AsOf> {
    Ok(as_of_known(&Known::read(store).await?))
}

/// The same of what is known already.
pub(crate) fn as_of_known(known: &Known) -> AsOf {
    let newest = known.sources.iter().filter_map(|source| Some((source.last_success_at?, source))).max_by_key(|s| s.0);
    AsOf {
        advisory_db: known.advisory_db.clone(),
        index: newest.map(|(at, source)| DbSummary {
            source: source.address.clone(),
            commit: source.cursor_commit.clone(),
            at,
        }),
        rules: publish::RULES.to_owned(),
    }
}

/// Whether every change around the time asked about was seen, so that the answer can lack nothing: the record must have begun
/// by then, and must reach to it.
pub(crate) fn is_complete(known: &Known, at: Option<Timestamp>) -> bool {
    let Some(at) = at else { return true };
    !known.sources.is_empty() && known.sources.iter().all(|source| knows(source, at))
}

/// A source that is behind, or failed last, is known up to the commit it stands at; what comes after may be of any date.
fn knows(source: &SourceState, at: Timestamp) -> bool {
    let is_current = source.behind_since.is_none() && source.last_error.is_none();
    let until = if is_current { source.last_success_at } else { source.cursor_at };
    source.complete_since.is_some_and(|since| since <= at) && until.is_some_and(|until| at <= until)
}

/// The same in words, for the foot of a table.
pub(crate) fn as_of_words(as_of: &AsOf, now: Timestamp) -> String {
    let advisories = as_of.advisory_db.as_ref().map_or_else(
        || "no advisory database".to_owned(),
        |commit| format!("advisories {}", crate::opening::described(commit, now)),
    );
    let index = as_of.index.as_ref().map_or_else(
        || "index never read to its end".to_owned(),
        |index| format!("index {} read {}", crate::text::shown(&index.source), index.at),
    );
    format!("{advisories} · {index}")
}
