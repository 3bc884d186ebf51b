//! Reading typed values out of rows, and JSON documents for columns that hold one.

use schema::{Generation, KrateName, Release, ReleaseId, ReleaseKey, Sha256, Timestamp, VersionNum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use store::StoreError;

use crate::text::told;

/// The columns [`release`] reads, of `release AS r` joined with `krate AS k`.
pub(crate) const RELEASE: &str = "r.id, k.name, r.num, r.generation, r.checksum, r.published_at, r.first_seen_at, \
     r.yanked, r.deleted_at, r.line";

pub(crate) fn release(row: &PgRow) -> Result<Release, StoreError> {
    Ok(Release {
        id: ReleaseId(get(row, "id")?),
        key: key(row)?,
        checksum: digest(row, "checksum")?,
        published_at: time(row, "published_at")?,
        first_seen_at: Timestamp::from_micros(get(row, "first_seen_at")?),
        yanked: get(row, "yanked")?,
        deleted_at: time(row, "deleted_at")?,
        line: text(row, "line")?,
    })
}

pub(crate) fn key(row: &PgRow) -> Result<ReleaseKey, StoreError> {
    let generation: i32 = get(row, "generation")?;
    Ok(ReleaseKey {
        name: name(row)?,
        num: num(row)?,
        generation: Generation(u32::try_from(generation).map_err(|why| unreadable("generation", &why))?),
    })
}

pub(crate) fn name(row: &PgRow) -> Result<KrateName, StoreError> {
    KrateName::parse(&get::<String>(row, "name")?).map_err(|why| unreadable("crate name", &why))
}

pub(crate) fn num(row: &PgRow) -> Result<VersionNum, StoreError> {
    VersionNum::parse(&get::<String>(row, "num")?).map_err(|why| unreadable("version", &why))
}

pub(crate) fn get<'r, T>(row: &'r PgRow, column: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(|why| unreadable(column, &why))
}

/// Text of others.
pub(crate) fn text(row: &PgRow, column: &'static str) -> Result<String, StoreError> {
    get::<String>(row, column).map(told)
}

pub(crate) fn optional_text(row: &PgRow, column: &'static str) -> Result<Option<String>, StoreError> {
    Ok(get::<Option<String>>(row, column)?.map(told))
}

pub(crate) fn time(row: &PgRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

pub(crate) fn unsigned(row: &PgRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(get::<i64>(row, column)?).map_err(|why| unreadable(column, &why))
}

/// A count in an INTEGER column.
pub(crate) fn small(row: &PgRow, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(get::<i32>(row, column)?).map_err(|why| unreadable(column, &why))
}

pub(crate) fn digest(row: &PgRow, column: &'static str) -> Result<Sha256, StoreError> {
    digest_of(&get::<Vec<u8>>(row, column)?, column)
}

pub(crate) fn optional_digest(row: &PgRow, column: &'static str) -> Result<Option<Sha256>, StoreError> {
    get::<Option<Vec<u8>>>(row, column)?.map(|bytes| digest_of(&bytes, column)).transpose()
}

fn digest_of(bytes: &[u8], column: &'static str) -> Result<Sha256, StoreError> {
    bytes.try_into().map(Sha256::from_bytes).map_err(|why| unreadable(column, &why))
}

pub(crate) fn parsed<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|why| unreadable(what, &why))
}

/// A JSON document; U+0000 is an escape in it, so that any column takes it.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Query { action: "write a JSON document", source: Box::new(source) })
}

/// Numbers of releases, as arrays take them.
pub(crate) fn ids(releases: &[ReleaseId]) -> Vec<i64> {
    releases.iter().map(|release| release.0).collect()
}

pub(crate) fn unreadable(what: &'static str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, reason: why.to_string() }
}
