//! What could not be read: replaced file by file, so that what became good is forgotten.

use std::collections::BTreeMap;

use schema::Timestamp;
use sqlx::{Postgres, Transaction};
use store::{QuarantineWrite, StoreError};

use crate::PostgresStore;
use crate::error::Failing;
use crate::text::kept;

impl PostgresStore {
    /// Replaces the quarantine of these files (all of an origin, when `paths` is `None`); an entry that was there keeps its time.
    pub(crate) async fn replace_quarantine(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        origin: &str,
        paths: Option<&[String]>,
        bad: &[&QuarantineWrite],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // The last one of a line counts.
        let bad: BTreeMap<_, _> = bad
            .iter()
            .map(|bad| ((kept(&bad.path), i64::from(bad.line)), (kept(&bad.raw), kept(&bad.reason))))
            .collect();
        let (places, contents): (Vec<_>, Vec<_>) = bad.into_iter().unzip();
        let (bad_paths, lines): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        let (raw, reasons): (Vec<_>, Vec<_>) = contents.into_iter().unzip();
        sqlx::query(
            "DELETE FROM quarantine AS q WHERE q.origin = $1 AND ($2 IS NULL OR q.path = ANY($2))
             AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::bigint[]) AS held (path, line)
                 WHERE held.path = q.path AND held.line = q.line)",
        )
        .bind(origin)
        .bind(paths.map(|paths| paths.iter().map(|path| kept(path)).collect::<Vec<_>>()))
        .bind(&bad_paths)
        .bind(&lines)
        .execute(&mut **transaction)
        .await
        .failing_on(self, "clear the quarantine")?;
        if bad_paths.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO quarantine (origin, path, path_digest, line, raw, reason, first_seen_at)
             SELECT $5, held.path, sha256(convert_to(held.path, 'UTF8')), held.line, held.raw, held.reason, $6
             FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS held (path, line, raw, reason)
             ON CONFLICT (origin, path_digest, line) DO UPDATE SET raw = excluded.raw, reason = excluded.reason",
        )
        .bind(bad_paths)
        .bind(lines)
        .bind(raw)
        .bind(reasons)
        .bind(origin)
        .bind(now.as_micros())
        .execute(&mut **transaction)
        .await
        .failing_on(self, "store the quarantine")?;
        Ok(())
    }
}
