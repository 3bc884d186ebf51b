//! Due marks: marking, delivering, failing, reviving.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schema::{Priority, ReleaseId, Step, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::{DeadMark, Mark, Postponed, StoreError, Work, WorkCount};

use crate::PostgresStore;
use crate::error::Failing;
use crate::row::{get, ids, key, optional_text, small, time, unreadable, unsigned};
use crate::text::kept;

#[async_trait]
impl Work for PostgresStore {
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
             WHERE r.id < $1 AND r.deleted_at IS NULL
             AND ($2 IS NULL OR coalesce(r.published_at, r.first_seen_at) >= $2)
             AND NOT EXISTS (SELECT 1 FROM archive AS a WHERE a.release_id = r.id)
             AND NOT EXISTS (SELECT 1 FROM due AS d WHERE d.release_id = r.id AND d.step = 'download')
             ORDER BY r.id DESC LIMIT $3",
        )
        .bind(below.0)
        .bind(since.map(Timestamp::as_micros))
        .bind(i64::from(limit))
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
        // On the connection that proves that this process lives: what nobody would give back is not taken.
        let taken = self.membership.with(async |member| {
            sqlx::query(
                "WITH next AS (
                     SELECT release_id FROM due
                     WHERE step = $1 AND NOT dead AND at <= $2 AND coalesce(delivered_until, 0) <= $2
                     ORDER BY priority, at, release_id LIMIT $4 FOR UPDATE SKIP LOCKED)
                 UPDATE due SET delivered_until = $3, delivered_to = $5 FROM next
                 WHERE due.step = $1 AND due.release_id = next.release_id
                 RETURNING due.release_id, due.token, due.tries, due.priority, due.at",
            )
            .bind(step.as_str())
            .bind(now.as_micros())
            .bind(until.as_micros())
            .bind(i64::from(limit))
            .bind(member.number)
            .fetch_all(&mut member.connection)
            .await
        });
        let rows = taken.await.failing_on(self, "take due marks")?;
        let mut ordered = rows
            .iter()
            .map(|row| Ok(((get::<i16>(row, "priority")?, get::<i64>(row, "at")?), mark(row)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        ordered.sort_by_key(|(urgency, mark)| (*urgency, mark.release));
        Ok(ordered.into_iter().map(|(_, mark)| mark).collect())
    }

    async fn forget_deliveries(&self) -> Result<(), StoreError> {
        self.forget(FORGET_OWN_AND_LOST).await.map(|_| ())
    }

    async fn forget_lost_deliveries(&self) -> Result<u64, StoreError> {
        self.forget(FORGET_LOST).await
    }

    async fn give_back(&self, marks: &[Mark], step: Step, at: Timestamp) -> Result<(), StoreError> {
        let (releases, tokens): (Vec<i64>, Vec<i64>) = marks.iter().map(|mark| (mark.release.0, mark.token)).unzip();
        sqlx::query(
            "UPDATE due SET delivered_until = $4, delivered_to = NULL
             FROM unnest($2::bigint[], $3::bigint[]) AS held (release_id, token)
             WHERE due.step = $1 AND due.release_id = held.release_id AND due.token = held.token",
        )
        .bind(step.as_str())
        .bind(releases)
        .bind(tokens)
        .bind(at.as_micros())
        .execute(&self.pool)
        .await
        .failing_on(self, "give marks back")?;
        Ok(())
    }

    async fn lock_repository(&self, repository: &str) -> Result<bool, StoreError> {
        let locked = self.membership.lock(repository).await;
        locked.failing_on(self, "lock a repository")
    }

    async fn unlock_repository(&self, repository: &str) -> Result<(), StoreError> {
        let unlocked = self.membership.unlock(repository).await;
        unlocked.failing_on(self, "free a repository")
    }

    async fn start(&self, mark: Mark, step: Step) -> Result<Option<u32>, StoreError> {
        let row = sqlx::query(
            "UPDATE due SET starts = starts + 1 WHERE release_id = $1 AND step = $2 AND token = $3 AND NOT dead
             RETURNING starts",
        )
        .bind(mark.release.0)
        .bind(step.as_str())
        .bind(mark.token)
        .fetch_optional(&self.pool)
        .await
        .failing_on(self, "start a step")?;
        row.as_ref().map(|row| small(row, "starts")).transpose()
    }

    async fn postpone(&self, mark: Mark, step: Step, outcome: &Postponed, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let touched = sqlx::query(
            "UPDATE due SET at = $4, last_error = $5, dead = $6, tries = tries + 1, starts = 0, delivered_until = NULL,
                 delivered_to = NULL
             WHERE release_id = $1 AND step = $2 AND token = $3",
        )
        .bind(mark.release.0)
        .bind(step.as_str())
        .bind(mark.token)
        .bind(outcome.at.as_micros())
        .bind(kept(&outcome.error))
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
        let result = sqlx::query(
            "UPDATE due SET dead = false, tries = 0, starts = 0, at = $1, delivered_until = NULL, delivered_to = NULL
             WHERE dead AND ($2 IS NULL OR release_id = ANY($2))",
        )
        .bind(now.as_micros())
        .bind(releases.map(ids))
        .execute(&self.pool)
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
            "SELECT step, count(*) FILTER (WHERE NOT dead) AS waiting,
                 count(*) FILTER (WHERE NOT dead AND tries > 0) AS retrying, count(*) FILTER (WHERE dead) AS dead
             FROM due GROUP BY step",
        )
        .fetch_all(&self.pool)
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
            "{OPEN_MARKS} WHERE d.dead ORDER BY k.canonical, r.semver_ord NULLS FIRST, d.step"
        )))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "list dead marks")?;
        rows.iter().map(open_mark).collect()
    }

    async fn next_due(&self, steps: &[Step]) -> Result<Option<Timestamp>, StoreError> {
        let steps: Vec<_> = steps.iter().map(|step| step.as_str()).collect();
        let row = sqlx::query("SELECT min(at) AS at FROM due WHERE NOT dead AND step = ANY($1)")
            .bind(steps)
            .fetch_one(&self.pool)
            .await
            .failing_on(self, "look for the next due mark")?;
        time(&row, "at")
    }
}

const OPEN_MARKS: &str = "SELECT d.release_id, k.name, r.num, r.generation, d.step, d.tries, d.last_error, d.dead \
     FROM due AS d JOIN release AS r ON r.id = d.release_id JOIN krate AS k ON k.id = r.krate_id";

/// `$1` is this process's number.
const FORGET_LOST: &str = "UPDATE due SET delivered_until = NULL, delivered_to = NULL
     WHERE delivered_to IS NOT NULL AND delivered_to <> $1
     AND delivered_to NOT IN (SELECT number FROM living_process)";

const FORGET_OWN_AND_LOST: &str = "UPDATE due SET delivered_until = NULL, delivered_to = NULL
     WHERE delivered_to IS NOT NULL
     AND (delivered_to = $1 OR delivered_to NOT IN (SELECT number FROM living_process))";

impl PostgresStore {
    async fn forget(&self, statement: &'static str) -> Result<u64, StoreError> {
        let forgotten = self
            .membership
            .with(async |member| sqlx::query(statement).bind(member.number).execute(&mut member.connection).await);
        Ok(forgotten.await.failing_on(self, "forget deliveries")?.rows_affected())
    }

    /// Marks inside a transaction that also stores why.
    pub(crate) async fn mark_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
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
        transaction: &mut Transaction<'static, Postgres>,
        releases: &[(ReleaseId, Priority)],
        step: Step,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if releases.is_empty() {
            return Ok(());
        }
        // Each once, at its most urgent, and in order: who marks the same ones waits for the first, not in a ring.
        let mut each: BTreeMap<i64, i16> = BTreeMap::new();
        for (release, priority) in releases {
            let held = each.entry(release.0).or_insert(priority.0);
            *held = (*held).min(priority.0);
        }
        let (numbers, priorities): (Vec<i64>, Vec<i16>) = each.into_iter().unzip();
        sqlx::query(
            "INSERT INTO due AS d (release_id, step, token, at, priority)
             SELECT held.release_id, $3, token.n, $4, held.priority
             FROM (SELECT nextval('due_token') AS n) AS token,
                 unnest($1::bigint[], $2::smallint[]) AS held (release_id, priority)
             ON CONFLICT (release_id, step) DO UPDATE SET token = excluded.token, at = excluded.at,
                 priority = least(d.priority, excluded.priority), tries = 0, last_error = NULL, dead = false,
                 delivered_until = NULL, delivered_to = NULL",
        )
        .bind(numbers)
        .bind(priorities)
        .bind(step.as_str())
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "mark releases due")?;
        Ok(())
    }

    /// Clears the marks that are still the ones read, and says which they were and how urgent.
    pub(crate) async fn clear_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        marks: impl Iterator<Item = Mark>,
        step: Step,
    ) -> Result<Vec<(ReleaseId, Priority)>, StoreError> {
        let (releases, tokens): (Vec<i64>, Vec<i64>) = marks.map(|mark| (mark.release.0, mark.token)).unzip();
        let cleared: Vec<(i64, i16)> = sqlx::query_as(
            "DELETE FROM due USING (
                 SELECT d.release_id, d.token FROM due AS d JOIN unnest($1::bigint[], $2::bigint[]) AS held (release_id, token)
                 ON d.release_id = held.release_id AND d.token = held.token
                 WHERE d.step = $3 ORDER BY d.release_id FOR UPDATE OF d) AS held
             WHERE due.step = $3 AND due.release_id = held.release_id AND due.token = held.token
             RETURNING due.release_id, due.priority",
        )
        .bind(releases)
        .bind(tokens)
        .bind(step.as_str())
        .fetch_all(&mut **transaction)
        .await
        .failing_on(self, "clear due marks")?;
        Ok(cleared.into_iter().map(|(release, priority)| (ReleaseId(release), Priority(priority))).collect())
    }

    /// Marks the next steps, in the order in which every transaction takes them.
    pub(crate) async fn mark_next(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        cleared: &[(ReleaseId, Priority)],
        next: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut next = next.to_vec();
        next.sort();
        for step in next {
            self.mark_each_in(transaction, cleared, step, now).await?;
        }
        Ok(())
    }

    pub(crate) async fn open_marks_of(&self, releases: &[ReleaseId]) -> Result<Vec<DeadMark>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "{OPEN_MARKS} WHERE d.release_id = ANY($1) ORDER BY d.release_id, d.step"
        )))
        .bind(ids(releases))
        .fetch_all(&self.pool)
        .await
        .failing_on(self, "read due marks")?;
        rows.iter().map(open_mark).collect()
    }
}

fn mark(row: &PgRow) -> Result<Mark, StoreError> {
    Ok(Mark { release: ReleaseId(get(row, "release_id")?), token: get(row, "token")?, tries: small(row, "tries")? })
}

fn open_mark(row: &PgRow) -> Result<DeadMark, StoreError> {
    Ok(DeadMark {
        release: ReleaseId(get(row, "release_id")?),
        key: key(row)?,
        step: step_of(row)?,
        tries: small(row, "tries")?,
        error: optional_text(row, "last_error")?,
        dead: get(row, "dead")?,
    })
}

fn step_of(row: &PgRow) -> Result<Step, StoreError> {
    let code: String = get(row, "step")?;
    Step::from_code(&code).ok_or_else(|| unreadable("step", &code))
}
