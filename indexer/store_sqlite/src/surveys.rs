//! Searches, counts by day, and lists page after page, for people who look around. Nothing here is on the way of a release.

use async_trait::async_trait;
use schema::{
    AdvisoryId, AdvisoryKind, AdvisoryState, CanonicalName, ChecksumState, KrateName, ReleaseId, Step, Timestamp,
    Verdict,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};
use store::{
    DayCount, FeedRow, HappenedKind, KrateCount, MarkState, MarksWanted, OpenMark, Span, StoreError, Surveys, Tally,
    Wanted,
};

use crate::SqliteStore;
use crate::error::Failing;
use crate::following::event_row;
use crate::index::change_row;
use crate::row::{get, key, unreadable, unsigned};
use crate::rows::WAITING_ROWS;

/// Microseconds of a UTC day; there are no leap seconds in them.
const DAY: i64 = 86_400_000_000;

#[async_trait]
impl Surveys for SqliteStore {
    async fn krates_named(
        &self,
        part: &str,
        after: Option<&CanonicalName>,
        limit: u32,
    ) -> Result<Vec<KrateCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT k.canonical, k.name, count(r.id) AS n_releases,
                 count(r.id) FILTER (WHERE r.deleted_at IS NULL) AS n_live
             FROM (SELECT id, canonical, name FROM krate WHERE instr(canonical, ?1) > 0 AND canonical > ?2
                   ORDER BY canonical LIMIT ?3) AS k
             LEFT JOIN release AS r ON r.krate_id = k.id
             GROUP BY k.id ORDER BY k.canonical",
        )
        .bind(part)
        .bind(after.map_or("", CanonicalName::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "look for crates")?;
        rows.iter().map(krate_count).collect()
    }

    async fn find(&self, wanted: &Wanted, below: Option<ReleaseId>, limit: u32) -> Result<Vec<ReleaseId>, StoreError> {
        let mut query = finding(wanted, below);
        query.push(" ORDER BY r.id DESC LIMIT ").push_bind(limit);
        let ids: Vec<i64> =
            query.build_query_scalar().fetch_all(&self.readers).await.failing_on(self, "look for releases")?;
        Ok(ids.into_iter().map(ReleaseId).collect())
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "{WAITING_ROWS}
             SELECT verdict, advisory_state, worst_kind, checksum_state, sum(n) AS n FROM (
                 SELECT verdict, advisory_state, worst_kind, checksum_state, count(*) AS n FROM provenance
                 GROUP BY verdict, advisory_state, worst_kind, checksum_state
                 UNION ALL SELECT verdict, 'none-known', worst_kind, checksum_state, -n FROM waiting
                 UNION ALL SELECT verdict, 'pending', worst_kind, checksum_state, n FROM waiting
             ) AS counted GROUP BY verdict, advisory_state, worst_kind, checksum_state HAVING sum(n) > 0"
        )))
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "count what rows say")?;
        rows.iter().map(tally).collect()
    }

    async fn published_by_day(&self, from: Timestamp, until: Timestamp) -> Result<Vec<DayCount>, StoreError> {
        self.by_day(
            "SELECT r.published_at / ?3 AS day, coalesce(p.verdict, 'pending') AS what, count(*) AS n
             FROM release AS r LEFT JOIN provenance AS p ON p.release_id = r.id
             WHERE r.published_at >= ?1 AND r.published_at < ?2 GROUP BY day, what ORDER BY day, what",
            from,
            until,
        )
        .await
    }

    async fn happened_by_day(&self, from: Timestamp, until: Timestamp) -> Result<Vec<DayCount>, StoreError> {
        self.by_day(
            "SELECT at / ?3 AS day, kind AS what, count(*) AS n FROM change WHERE at >= ?1 AND at < ?2 GROUP BY day, what
             UNION ALL
             SELECT at / ?3 AS day, kind AS what, count(*) AS n FROM event
             WHERE at >= ?1 AND at < ?2 AND kind = 'signal' GROUP BY day, what
             ORDER BY day, what",
            from,
            until,
        )
        .await
    }

    async fn happened(&self, span: &Span, limit: u32) -> Result<Vec<FeedRow>, StoreError> {
        let (changes, events) = match span.kind {
            HappenedKind::All => (Some(None), Some(None)),
            HappenedKind::Changes(kind) => (Some(kind.map(schema::ChangeKind::as_str)), None),
            HappenedKind::Signals => (None, Some(Some("signal"))),
            HappenedKind::Rows => (None, Some(Some("provenance_changed"))),
        };
        let mut rows = Vec::new();
        if let Some(kind) = changes {
            let found = self.within("SELECT * FROM change", span, kind, limit).await?;
            for row in &found {
                rows.push(FeedRow::Change(change_row(row)?));
            }
        }
        if let Some(kind) = events {
            let found = self.within("SELECT seq, at, kind, payload FROM event", span, kind, limit).await?;
            for row in &found {
                rows.push(FeedRow::Event(event_row(row)?));
            }
        }
        // Each list is whole up to its own limit, so the first so many of both are whole, too.
        rows.sort_by_key(|row| (row.at(), row.seq()));
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows)
    }

    async fn marks(
        &self,
        wanted: MarksWanted,
        after: Option<(ReleaseId, Step)>,
        limit: u32,
    ) -> Result<Vec<OpenMark>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT d.release_id, k.name, r.num, r.generation, d.step, d.at, d.tries, d.last_error, d.dead
             FROM due AS d JOIN release AS r ON r.id = d.release_id JOIN krate AS k ON k.id = r.krate_id WHERE true",
        );
        if let Some(release) = wanted.release {
            query.push(" AND d.release_id = ").push_bind(release.0);
        }
        if let Some(step) = wanted.step {
            query.push(" AND d.step = ").push_bind(step.as_str());
        }
        match wanted.state {
            None => &mut query,
            Some(MarkState::Waiting) => query.push(" AND d.dead = 0 AND d.tries = 0"),
            Some(MarkState::Retrying) => query.push(" AND d.dead = 0 AND d.tries > 0"),
            Some(MarkState::Dead) => query.push(" AND d.dead = 1"),
        };
        if let Some((release, step)) = after {
            query.push(" AND (d.release_id, d.step) > (").push_bind(release.0).push(", ");
            query.push_bind(step.as_str()).push(")");
        }
        query.push(" ORDER BY d.release_id, d.step LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(&self.readers).await.failing_on(self, "list marks")?;
        rows.iter().map(open_mark).collect()
    }

    async fn covered(&self) -> Result<Vec<(AdvisoryId, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT advisory, count(*) AS n FROM advisory_match WHERE to_db_seq IS NULL
             AND instr(flags, '\"prerelease-of-affected\"') = 0 AND instr(flags, '\"unmatchable\"') = 0
             GROUP BY advisory ORDER BY advisory",
        )
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "count what advisories cover")?;
        rows.iter().map(|row| Ok((AdvisoryId(get(row, "advisory")?), unsigned(row, "n")?))).collect()
    }
}

impl SqliteStore {
    async fn by_day(&self, sql: &'static str, from: Timestamp, until: Timestamp) -> Result<Vec<DayCount>, StoreError> {
        let rows = sqlx::query(sql)
            .bind(from.as_micros())
            .bind(until.as_micros())
            .bind(DAY)
            .fetch_all(&self.readers)
            .await
            .failing_on(self, "count by day")?;
        let day_count = |row: &SqliteRow| {
            let day = Timestamp::from_micros(get::<i64>(row, "day")?.saturating_mul(DAY));
            Ok(DayCount { day, what: get(row, "what")?, n: unsigned(row, "n")? })
        };
        rows.iter().map(day_count).collect()
    }

    async fn within(
        &self,
        select: &'static str,
        span: &Span,
        kind: Option<&'static str>,
        limit: u32,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(select);
        query.push(" WHERE at >= ").push_bind(span.from.as_micros());
        query.push(" AND at < ").push_bind(span.until.as_micros());
        if let Some(kind) = kind {
            query.push(" AND kind = ").push_bind(kind);
        }
        if let Some((at, seq)) = span.after {
            query.push(" AND (at, seq) > (").push_bind(at.as_micros()).push(", ").push_bind(seq).push(")");
        }
        query.push(" ORDER BY at, seq LIMIT ").push_bind(limit);
        query.build().fetch_all(&self.readers).await.failing_on(self, "read what happened in a span of time")
    }
}

/// Whether a release `r` waits to be matched or published anew.
const WAITING: &str = "EXISTS (SELECT 1 FROM due AS d WHERE d.release_id = r.id AND d.step IN ('match', 'publish'))";

/// The numbers of the releases wanted. Rows are joined only when something is asked of them: a release without a row is
/// found by its crate.
fn finding(wanted: &Wanted, below: Option<ReleaseId>) -> QueryBuilder<Sqlite> {
    let states = [
        ("verdict", wanted.verdict.map(Verdict::as_str)),
        ("worst_kind", wanted.worst_kind.map(AdvisoryKind::as_str)),
        ("checksum_state", wanted.checksum.map(ChecksumState::as_str)),
    ];
    let mut query = QueryBuilder::<Sqlite>::new("SELECT r.id FROM release AS r");
    if wanted.advisories.is_some() || states.iter().any(|(_, state)| state.is_some()) {
        query.push(" JOIN provenance AS p ON p.release_id = r.id");
    }
    query.push(" WHERE true");
    for (column, state) in states {
        if let Some(state) = state {
            query.push(" AND p.").push(column).push(" = ").push_bind(state);
        }
    }
    match wanted.advisories {
        None => {}
        // As the row is shown: what waits is pending.
        Some(AdvisoryState::NoneKnown) => {
            query.push(" AND p.advisory_state = 'none-known' AND NOT ").push(WAITING);
        }
        Some(AdvisoryState::Pending) => {
            query.push(" AND p.advisory_state IN ('none-known', 'pending') AND (p.advisory_state = 'pending' OR ");
            query.push(WAITING).push(")");
        }
        Some(state) => {
            query.push(" AND p.advisory_state = ").push_bind(state.as_str());
        }
    }
    if let Some(part) = wanted.part.clone() {
        query.push(" AND r.krate_id IN (SELECT id FROM krate WHERE instr(canonical, ").push_bind(part).push(") > 0)");
    }
    if let Some(yanked) = wanted.yanked {
        query.push(" AND r.yanked = ").push_bind(i64::from(yanked));
    }
    match wanted.deleted {
        None => &mut query,
        Some(true) => query.push(" AND r.deleted_at IS NOT NULL"),
        Some(false) => query.push(" AND r.deleted_at IS NULL"),
    };
    if let Some(below) = below {
        query.push(" AND r.id < ").push_bind(below.0);
    }
    query
}

fn krate_count(row: &SqliteRow) -> Result<KrateCount, StoreError> {
    let name = KrateName::parse(&get::<String>(row, "name")?).map_err(|why| unreadable("crate name", &why))?;
    let (n_releases, n_live) = (unsigned(row, "n_releases")?, unsigned(row, "n_live")?);
    Ok(KrateCount { canonical: name.canonical(), name, n_releases, n_live })
}

fn tally(row: &SqliteRow) -> Result<Tally, StoreError> {
    let word = |column| get::<String>(row, column);
    let worst_kind: Option<String> = get(row, "worst_kind")?;
    let known = |kind: String| AdvisoryKind::from_code(&kind).ok_or_else(|| unreadable("advisory kind", &kind));
    Ok(Tally {
        verdict: word("verdict")?.parse().map_err(|why: String| unreadable("verdict", &why))?,
        advisories: word("advisory_state")?.parse().map_err(|why: String| unreadable("advisory state", &why))?,
        worst_kind: worst_kind.map(known).transpose()?,
        checksum: word("checksum_state")?.parse().map_err(|why: String| unreadable("checksum state", &why))?,
        rows: unsigned(row, "n")?,
    })
}

fn open_mark(row: &SqliteRow) -> Result<OpenMark, StoreError> {
    let step: String = get(row, "step")?;
    let tries: u32 = get(row, "tries")?;
    let state = match (get::<bool>(row, "dead")?, tries) {
        (true, _) => MarkState::Dead,
        (false, 0) => MarkState::Waiting,
        (false, _) => MarkState::Retrying,
    };
    Ok(OpenMark {
        release: ReleaseId(get(row, "release_id")?),
        key: key(row)?,
        step: Step::from_code(&step).ok_or_else(|| unreadable("step", &step))?,
        at: Timestamp::from_micros(get(row, "at")?),
        tries,
        error: get(row, "last_error")?,
        state,
    })
}
