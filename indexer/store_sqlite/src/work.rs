//! Due marks: marking, delivering, failing, reviving.

use async_trait::async_trait;
use schema::{Priority, ReleaseId, Step, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use store::{DeadMark, Mark, Postponed, StoreError, Work, WorkCount};

use crate::SqliteStore;
use crate::error::Failing;
use crate::row::{get, json, key, time, unreadable, unsigned};

#[async_trait]
impl Work for SqliteStore {
    async fn mark(
        &self,
        releases: &[ReleaseId],
        step: Step,
        priority: Priority,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        self.mark_in(&mut transaction, releases, step, priority, now).await?;
        self.commit(transaction).await
    }

    async fn mark_backfill(
        &self,
        below: ReleaseId,
        since: Option<Timestamp>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<ReleaseId>, StoreError> {
        let mut transaction = self.begin().await?;
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT r.id FROM release AS r
             WHERE r.id < ?1 AND r.deleted_at IS NULL AND (?2 IS NULL OR coalesce(r.published_at, r.first_seen_at) >= ?2)
             AND NOT EXISTS (SELECT 1 FROM archive AS a WHERE a.release_id = r.id)
             AND NOT EXISTS (SELECT 1 FROM due AS d WHERE d.release_id = r.id AND d.step = 'download')
             ORDER BY r.id DESC LIMIT ?3",
        )
        .bind(below.0)
        .bind(since.map(Timestamp::as_micros))
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await
        .failing_on(self, "find what is to be filled back")?;
        let ids: Vec<_> = ids.into_iter().map(ReleaseId).collect();
        self.mark_in(&mut transaction, &ids, Step::Download, Priority::BACKFILL, now).await?;
        // The row says `pending` from now on.
        self.mark_in(&mut transaction, &ids, Step::Publish, Priority::BACKFILL, now).await?;
        self.commit(transaction).await?;
        Ok(ids.last().copied())
    }

    async fn deliver(&self, step: Step, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Mark>, StoreError> {
        let rows = sqlx::query(
            "UPDATE due SET delivered_until = ?3
             WHERE step = ?1 AND release_id IN (
                 SELECT release_id FROM due
                 WHERE step = ?1 AND dead = 0 AND at <= ?2 AND coalesce(delivered_until, 0) <= ?2
                 ORDER BY priority, at, release_id LIMIT ?4)
             RETURNING release_id, token, tries, priority, at",
        )
        .bind(step.as_str())
        .bind(now.as_micros())
        .bind(until.as_micros())
        .bind(limit)
        .fetch_all(&self.writer)
        .await
        .failing_on(self, "take due marks")?;
        let mut ordered = rows
            .iter()
            .map(|row| Ok(((get::<i64>(row, "priority")?, get::<i64>(row, "at")?), mark(row)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        ordered.sort_by_key(|(urgency, mark)| (*urgency, mark.release));
        Ok(ordered.into_iter().map(|(_, mark)| mark).collect())
    }

    async fn forget_deliveries(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE due SET delivered_until = NULL WHERE delivered_until IS NOT NULL")
            .execute(&self.writer)
            .await
            .failing_on(self, "forget deliveries")?;
        Ok(())
    }

    async fn forget_lost_deliveries(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn give_back(&self, marks: &[Mark], step: Step, at: Timestamp) -> Result<(), StoreError> {
        let held: Vec<_> = marks.iter().map(|mark| (mark.release.0, mark.token)).collect();
        sqlx::query(
            "UPDATE due SET delivered_until = ?3 WHERE step = ?1 AND EXISTS (
                 SELECT 1 FROM json_each(?2) AS held
                 WHERE held.value ->> 0 = due.release_id AND held.value ->> 1 = due.token)",
        )
        .bind(step.as_str())
        .bind(json(&held)?)
        .bind(at.as_micros())
        .execute(&self.writer)
        .await
        .failing_on(self, "give marks back")?;
        Ok(())
    }

    /// One process has the file to itself, and the folder of repositories has locks of its own.
    async fn lock_repository(&self, _repository: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn unlock_repository(&self, _repository: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn start(&self, mark: Mark, step: Step) -> Result<Option<u32>, StoreError> {
        sqlx::query_scalar(
            "UPDATE due SET starts = starts + 1 WHERE release_id = ? AND step = ? AND token = ? AND dead = 0
             RETURNING starts",
        )
        .bind(mark.release.0)
        .bind(step.as_str())
        .bind(mark.token)
        .fetch_optional(&self.writer)
        .await
        .failing_on(self, "start a step")
    }

    async fn postpone(&self, mark: Mark, step: Step, outcome: &Postponed, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let touched = sqlx::query(
            "UPDATE due SET at = ?4, last_error = ?5, dead = ?6, tries = tries + 1, starts = 0, delivered_until = NULL
             WHERE release_id = ?1 AND step = ?2 AND token = ?3",
        )
        .bind(mark.release.0)
        .bind(step.as_str())
        .bind(mark.token)
        .bind(outcome.at.as_micros())
        .bind(&outcome.error)
        .bind(outcome.dead)
        .execute(&mut *transaction)
        .await
        .failing_on(self, "note a failed try")?;
        // A failed try is a state readers must see: `error`, no longer `pending`.
        if step != Step::Publish && touched.rows_affected() == 1 {
            self.mark_in(&mut transaction, &[mark.release], Step::Publish, Priority::FRESH, now).await?;
        }
        self.commit(transaction).await
    }

    async fn revive(&self, releases: Option<&[ReleaseId]>, now: Timestamp) -> Result<u64, StoreError> {
        let of_these = releases.map(json).transpose()?;
        let result = sqlx::query(
            "UPDATE due SET dead = 0, tries = 0, starts = 0, at = ?1, delivered_until = NULL
             WHERE dead = 1 AND (?2 IS NULL OR release_id IN (SELECT value FROM json_each(?2)))",
        )
        .bind(now.as_micros())
        .bind(of_these)
        .execute(&self.writer)
        .await
        .failing_on(self, "revive dead marks")?;
        Ok(result.rows_affected())
    }

    async fn open_marks(&self, releases: &[ReleaseId], step: Step) -> Result<Vec<DeadMark>, StoreError> {
        let marks = self.open_marks_of(releases).await?;
        Ok(marks.into_iter().filter(|mark| mark.step == step).collect())
    }

    async fn counts(&self) -> Result<Vec<WorkCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT step, sum(dead = 0) AS waiting, sum(dead = 0 AND tries > 0) AS retrying, sum(dead) AS dead
             FROM due GROUP BY step",
        )
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "count due marks")?;
        let mut counts = rows
            .iter()
            .map(|row| {
                Ok(WorkCount {
                    step: step_of(row)?,
                    waiting: unsigned(row, "waiting")?,
                    retrying: unsigned(row, "retrying")?,
                    dead: unsigned(row, "dead")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        counts.sort_by_key(|count| count.step);
        Ok(counts)
    }

    async fn dead(&self) -> Result<Vec<DeadMark>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "{OPEN_MARKS} WHERE d.dead = 1 ORDER BY k.canonical, r.semver_ord, d.step"
        )))
        .fetch_all(&self.readers)
        .await
        .failing_on(self, "list dead marks")?;
        rows.iter().map(open_mark).collect()
    }

    async fn next_due(&self, steps: &[Step]) -> Result<Option<Timestamp>, StoreError> {
        let row =
            sqlx::query("SELECT min(at) AS at FROM due WHERE dead = 0 AND step IN (SELECT value FROM json_each(?))")
                .bind(json(steps)?)
                .fetch_one(&self.readers)
                .await
                .failing_on(self, "look for the next due mark")?;
        time(&row, "at")
    }
}

const OPEN_MARKS: &str = "SELECT d.release_id, k.name, r.num, r.generation, d.step, d.tries, d.last_error, d.dead \
     FROM due AS d JOIN release AS r ON r.id = d.release_id JOIN krate AS k ON k.id = r.krate_id";

impl SqliteStore {
    /// Marks inside a transaction that also stores why.
    pub(crate) async fn mark_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        releases: &[ReleaseId],
        step: Step,
        priority: Priority,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let with_priority: Vec<_> = releases.iter().map(|release| (*release, priority)).collect();
        self.mark_each_in(transaction, &with_priority, step, now).await
    }

    /// The same, each with its own priority: what follows from urgent work is urgent, what follows from a back-fill can wait.
    pub(crate) async fn mark_each_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        releases: &[(ReleaseId, Priority)],
        step: Step,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if releases.is_empty() {
            return Ok(());
        }
        let token = self.reserve(transaction, 1).await?;
        sqlx::query(
            "INSERT INTO due (release_id, step, token, at, priority)
             SELECT value ->> 0, ?2, ?3, ?4, value ->> 1 FROM json_each(?1) WHERE true
             ON CONFLICT (release_id, step) DO UPDATE SET token = excluded.token, at = excluded.at,
                 priority = min(priority, excluded.priority), tries = 0, last_error = NULL, dead = 0,
                 delivered_until = NULL",
        )
        .bind(json(releases)?)
        .bind(step.as_str())
        .bind(token)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "mark releases due")?;
        Ok(())
    }

    /// Clears the marks that are still the ones read, and says which they were and how urgent.
    pub(crate) async fn clear_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        marks: impl Iterator<Item = Mark>,
        step: Step,
    ) -> Result<Vec<(ReleaseId, Priority)>, StoreError> {
        let held: Vec<[i64; 2]> = marks.map(|mark| [mark.release.0, mark.token]).collect();
        let cleared: Vec<(i64, i16)> = sqlx::query_as(
            "DELETE FROM due WHERE step = ?2 AND (release_id, token) IN
                 (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
             RETURNING release_id, priority",
        )
        .bind(json(&held)?)
        .bind(step.as_str())
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "clear due marks")?;
        Ok(cleared.into_iter().map(|(release, priority)| (ReleaseId(release), Priority(priority))).collect())
    }

    /// Takes `count` numbers of the one sequence and returns the first.
    pub(crate) async fn reserve(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        count: i64,
    ) -> Result<i64, StoreError> {
        let last: i64 = sqlx::query_scalar("UPDATE sequence SET last = last + ? RETURNING last")
            .bind(count)
            .fetch_one(&mut **transaction)
            .await
            .failing_on(self, "take sequence numbers")?;
        Ok(last - count + 1)
    }

    pub(crate) async fn open_marks_of(&self, releases: &[ReleaseId]) -> Result<Vec<DeadMark>, StoreError> {
        let rows =
            sqlx::query(AssertSqlSafe(format!("{OPEN_MARKS} WHERE d.release_id IN (SELECT value FROM json_each(?))")))
                .bind(json(releases)?)
                .fetch_all(&self.readers)
                .await
                .failing_on(self, "read due marks")?;
        rows.iter().map(open_mark).collect()
    }
}

fn mark(row: &SqliteRow) -> Result<Mark, StoreError> {
    Ok(Mark {
        release: ReleaseId(get(row, "release_id")?),
        token: get(row, "token")?,
        tries: row.try_get("tries").map_err(|why| unreadable("tries", &why))?,
    })
}

fn open_mark(row: &SqliteRow) -> Result<DeadMark, StoreError> {
    Ok(DeadMark {
        release: ReleaseId(get(row, "release_id")?),
        key: key(row)?,
        step: step_of(row)?,
        tries: get(row, "tries")?,
        error: get(row, "last_error")?,
        dead: get(row, "dead")?,
    })
}

fn step_of(row: &SqliteRow) -> Result<Step, StoreError> {
    let code: String = get(row, "step")?;
    Step::from_code(&code).ok_or_else(|| unreadable("step", &code))
}
