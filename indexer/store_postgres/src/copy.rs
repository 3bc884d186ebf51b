//! New rows of a table as one stream in PostgreSQL's binary form of COPY: the quickest way in, and one statement's text.

use sqlx::{Postgres, Transaction};
use store::StoreError;

use crate::PostgresStore;
use crate::error::Failing;
use crate::text::kept;

/// <https://www.postgresql.org/docs/15/sql-copy.html>, "Binary Format".
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// Bytes in one message.
const CHUNK: usize = 1 << 20;

/// Rows to be copied in. Each kind of value has the width of its column.
pub(crate) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
    count: usize,
}

impl Rows {
    pub(crate) fn of(columns: i16) -> Self {
        Self { bytes: HEAD.to_vec(), columns, count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins a row; as many values as there are columns follow.
    pub(crate) fn row(&mut self) -> &mut Self {
        self.count += 1;
        self.bytes.extend(self.columns.to_be_bytes());
        self
    }

    pub(crate) fn bigint(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        self.value(value.into().map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    pub(crate) fn integer(&mut self, value: i32) -> &mut Self {
        self.value(Some(&value.to_be_bytes()))
    }

    pub(crate) fn boolean(&mut self, value: bool) -> &mut Self {
        self.value(Some(&[u8::from(value)]))
    }

    pub(crate) fn bytea<'v>(&mut self, value: impl Into<Option<&'v [u8]>>) -> &mut Self {
        self.value(value.into())
    }

    /// Text of others; see `text`.
    pub(crate) fn text<'v>(&mut self, value: impl Into<Option<&'v str>>) -> &mut Self {
        match value.into().map(kept) {
            Some(text) => self.value(Some(text.as_bytes())),
            None => self.value(None),
        }
    }

    /// A JSON document of ours.
    pub(crate) fn json(&mut self, value: &str) -> &mut Self {
        self.value(Some(value.as_bytes()))
    }

    fn value(&mut self, value: Option<&[u8]>) -> &mut Self {
        // A value beyond 2 GiB is none that came through a size limit; the server refuses the row.
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self
    }
}

impl PostgresStore {
    /// Copies rows in, by a statement `COPY … FROM STDIN (FORMAT binary)`.
    pub(crate) async fn copy_in(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        statement: &'static str,
        mut rows: Rows,
        action: &'static str,
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.bytes.extend(END);
        let mut copy = transaction.copy_in_raw(statement).await.failing_on(self, action)?;
        for chunk in rows.bytes.chunks(CHUNK) {
            if let Err(error) = copy.send(chunk).await {
                return Err(error).failing_on(self, action);
            }
        }
        copy.finish().await.failing_on(self, action)?;
        Ok(())
    }
}
