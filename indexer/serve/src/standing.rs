//! What every answer rests on, and whether that is older than it should be.

use std::time::Duration;

use schema::{AsOf, DbSummary, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use store::{SourceState, Store, StoreError};

/// What an answer rests on. It stands in every document as `as_of`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Standing {
    /// States of the advisory database and of the index, and the rule's version.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// When the advisory database was last found to be the present one.
    pub advisory_db_checked_at: Option<Timestamp>,
    /// Whether any of it is older than its limit.
    pub stale: bool,
    /// Why, one sentence for each.
    pub troubles: Vec<String>,
    /// Whether the index is followed: the state of `/readyz`, which the age of the advisories does not change.
    #[serde(skip)]
    pub(crate) ready: bool,
}

impl Standing {
    /// Judges what is known at an instant. Of several indexes, the one read last is named; each may be in trouble.
    pub(crate) fn judge(known: &Known, rules: &str, limit: Duration, now: Timestamp) -> Self {
        let newest = known.sources.iter().filter_map(|source| Some((source.last_success_at?, source)));
        let newest = newest.max_by_key(|(at, _)| *at);
        let index = newest.map(|(at, source)| DbSummary {
            source: without_password(&source.address),
            commit: source.cursor_commit.clone(),
            at,
        });
        let troubles = Troubles::judge(known, limit, now);
        let advisory_db = known.advisory_db.clone().map(|mut db| {
            db.source = without_password(&db.source);
            db
        });
        Self {
            as_of: AsOf { advisory_db, index, rules: rules.to_owned() },
            advisory_db_checked_at: known.advisory_db_checked_at,
            stale: !troubles.all().is_empty(),
            ready: troubles.is_ready(),
            troubles: troubles.all(),
        }
    }
}

/// Why answers are older than they should be, one sentence for each: one rule for `as_of.stale`, `/readyz`, and `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// An index that is not followed, or none: nobody should be sent here.
    pub index: Vec<String>,
    /// Advisories older than their limit: every answer says so, and an answer that says so is better than none.
    pub advisories: Vec<String>,
}

impl Troubles {
    /// Whether the index is followed; the age of the advisories takes no server away.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.index.is_empty()
    }

    /// All of them; with any, answers are stale.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.index.iter().chain(&self.advisories).cloned().collect()
    }

    /// What is known, judged at an instant: advisories that were not looked at for longer than `limit` are old.
    #[must_use]
    pub fn judge(known: &Known, limit: Duration, now: Timestamp) -> Self {
        let mut index: Vec<String> = known
            .sources
            .iter()
            .filter_map(|source| {
                let trouble = source.trouble(now)?;
                Some(format!("index {}: {trouble}", without_password(&source.address)))
            })
            .collect();
        if known.sources.is_empty() {
            index.push("no index was ever read".to_owned());
        }
        Self { index, advisories: advisory_trouble(known, limit, now).into_iter().collect() }
    }
}

/// The part of the memory that every answer rests on. It is read before what rests on it: an index is stored together with
/// what it made due, so that nobody reads of an index as read and misses what came of it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The indexes, by address.
    pub sources: Vec<SourceState>,
    /// The advisory database, when one is loaded.
    pub advisory_db: Option<schema::DbCommit>,
    /// When it was last found to be the present one.
    pub advisory_db_checked_at: Option<Timestamp>,
}

impl Known {
    /// Reads it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let sources = store.sources().await?;
        // Before the state: a later one must not lend its time to this one.
        let advisory_db_checked_at = store.advisory_db_loaded_at().await?;
        Ok(Self { sources, advisory_db: store.advisory_db().await?, advisory_db_checked_at })
    }
}

/// What the compiled-in advisories call themselves.
const SNAPSHOT: &str = "snapshot";

fn advisory_trouble(known: &Known, limit: Duration, now: Timestamp) -> Option<String> {
    let limit = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    match (&known.advisory_db, known.advisory_db_checked_at) {
        (None, _) => Some("no advisory database is loaded".to_owned()),
        // It ships inside and is the present one on no day but its own, however often it is loaded.
        (Some(db), _) if db.source == SNAPSHOT && now > db.at.plus_seconds(limit) => Some(format!(
            "the advisory database is the snapshot of {} that ships inside; --advisory-db follows the database itself",
            db.at.date()
        )),
        (Some(_), Some(at)) if now > at.plus_seconds(limit) => {
            Some(format!("advisory database not looked at since {at}"))
        }
        _ => None,
    }
}

/// An address without the name and password it may carry: answers are read by everybody.
pub(crate) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_told() {
        for (address, shown) in [
            ("git+https://me:secret@example.org/index?x=@1", "git+https://example.org/index?x=@1"),
            ("sparse+https://example.org/a@b/", "sparse+https://example.org/a@b/"),
            ("/var/lib/index", "/var/lib/index"),
            ("snapshot", "snapshot"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }

    #[test]
    fn what_was_never_read_or_is_old_is_said() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let limit = Duration::from_hours(1);
        let commit = schema::DbCommit { commit: "c".to_owned(), at: now, source: "s".to_owned() };
        let source = SourceState { address: "i".to_owned(), last_success_at: Some(now), ..SourceState::default() };
        let fine = Known {
            sources: vec![source.clone()],
            advisory_db: Some(commit),
            advisory_db_checked_at: Some(now.plus_seconds(-3600)),
        };
        let judged = |known: &Known, now| Standing::judge(known, "r", limit, now).troubles;
        assert_eq!(judged(&fine, now), [""; 0]);
        assert_eq!(judged(&fine, now.plus_seconds(1)), ["advisory database not looked at since 2027-01-15T07:00:00Z"]);
        let inside =
            schema::DbCommit { commit: "c".to_owned(), at: now.plus_seconds(-86_400), source: SNAPSHOT.to_owned() };
        let known = Known { advisory_db: Some(inside), advisory_db_checked_at: Some(now), ..fine.clone() };
        assert!(judged(&known, now)[0].contains("the snapshot of 2027-01-14"), "{:?}", judged(&known, now));
        assert_eq!(judged(&Known::default(), now), ["no index was ever read", "no advisory database is loaded"]);
        let behind = SourceState { behind_since: Some(now.plus_seconds(-301)), ..source };
        let known = Known { sources: vec![behind], ..fine };
        assert_eq!(judged(&known, now), ["index i: behind its head since 2027-01-15T07:54:59Z"]);
    }
}
