//! Reading typed values out of rows, and the small JSON documents that bulk statements take.

use schema::{Generation, KrateName, Release, ReleaseId, ReleaseKey, Sha256, Timestamp, VersionNum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use store::StoreError;

/// The columns [`release`] reads, of `release AS r` joined with `krate AS k`.
pub(crate) const RELEASE: &str = "r.id, k.name, r.num, r.generation, r.checksum, r.published_at, r.first_seen_at, \
     r.yanked, r.deleted_at, r.line";

pub(crate) fn release(row: &SqliteRow) -> Result<Release, StoreError> {
    let yanked: i64 = get(row, "yanked")?;
    Ok(Release {
        id: ReleaseId(get(row, "id")?),
        key: key(row)?,
        checksum: digest(row, "checksum")?,
        published_at: time(row, "published_at")?,
        first_seen_at: Timestamp::from_micros(get(row, "first_seen_at")?),
        yanked: yanked != 0,
        deleted_at: time(row, "deleted_at")?,
        line: get(row, "line")?,
    })
}

pub(crate) fn key(row: &SqliteRow) -> Result<ReleaseKey, StoreError> {
    let generation: i64 = get(row, "generation")?;
    Ok(ReleaseKey {
        name: KrateName::parse(&get::<String>(row, "name")?).map_err(|why| unreadable("crate name", &why))?,
        num: VersionNum::parse(&get::<String>(row, "num")?).map_err(|why| unreadable("version", &why))?,
        generation: Generation(u32::try_from(generation).map_err(|why| unreadable("generation", &why))?),
    })
}

pub(crate) fn get<'r, T>(row: &'r SqliteRow, column: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(|why| unreadable(column, &why))
}

pub(crate) fn time(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

pub(crate) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(get::<i64>(row, column)?).map_err(|why| unreadable(column, &why))
}

pub(crate) fn digest(row: &SqliteRow, column: &'static str) -> Result<Sha256, StoreError> {
    digest_of(&get::<Vec<u8>>(row, column)?, column)
}

pub(crate) fn optional_digest(row: &SqliteRow, column: &'static str) -> Result<Option<Sha256>, StoreError> {
    get::<Option<Vec<u8>>>(row, column)?.map(|bytes| digest_of(&bytes, column)).transpose()
}

fn digest_of(bytes: &[u8], column: &'static str) -> Result<Sha256, StoreError> {
    bytes.try_into().map(Sha256::from_bytes).map_err(|why| unreadable(column, &why))
}

pub(crate) fn parsed<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|why| unreadable(what, &why))
}

/// A JSON document for `json_each(?)` or a JSON column.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Query { action: "write a JSON document", source: Box::new(source) })
}

pub(crate) fn unreadable(what: &'static str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, reason: why.to_string() }
}
