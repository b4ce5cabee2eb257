//! Rows that can be trusted: each carries a checksum of its values, and is read only with it.
//!
//! SQLite guards its write-ahead log by checksums, but not the file: what a failing disk changes there it would give
//! as data.

use rusqlite::types::{FromSql, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement, params_from_iter};

use super::damaged;

/// Writes a row into `table`, in the place of one that it would contradict.
///
/// # Errors
/// If it can't be written.
pub fn put(db: &Connection, table: &str, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    let crc = digest_of(table, values)?;
    let marks = "?, ".repeat(values.len());
    let mut statement = db.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({marks}?)"))?;
    statement.execute(params_from_iter(values.iter().copied().chain([&crc as &dyn ToSql])))?;
    Ok(())
}

/// Reads the rows of `table` that `which` (SQL behind the table's name) names, each by `take`.
///
/// # Errors
/// If they can't be read, or one is damaged.
pub fn read<T>(
    db: &Connection,
    table: &str,
    which: &str,
    values: &[&dyn ToSql],
    take: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare_cached(&format!("SELECT * FROM {table} {which}"))?;
    rows(&mut statement, table, values, take)?.collect()
}

/// The rows of a statement over all columns of `table`, one by one.
///
/// # Errors
/// If they can't be read; each of those that are damaged.
pub fn rows<'s, T>(
    statement: &'s mut Statement<'_>,
    table: &'s str,
    values: &[&dyn ToSql],
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<T> + 's,
) -> rusqlite::Result<impl Iterator<Item = rusqlite::Result<T>> + 's> {
    let columns = statement.column_count();
    statement.query_map(values, move |row| {
        check(table, row, columns)?;
        take(row)
    })
}

/// That a row has the checksum that it was written with.
fn check(table: &str, row: &Row<'_>, columns: usize) -> rusqlite::Result<()> {
    let mut digest = Digest::of(table);
    for column in 0..columns - 1 {
        digest.add(row.get_ref(column)?);
    }
    if row.get_ref(columns - 1)? == ValueRef::Integer(digest.end()) {
        return Ok(());
    }
    let key = row.get_ref(0).map_or(String::new(), shown);
    Err(damaged(&format!("row {key} of table {table}")))
}

fn shown(key: ValueRef<'_>) -> String {
    match i64::column_result(key) {
        Ok(number) => number.to_string(),
        Err(_) => key.as_str().map_or_else(|_| "?".to_owned(), |text| format!("{text:?}")),
    }
}

fn digest_of(table: &str, values: &[&dyn ToSql]) -> rusqlite::Result<i64> {
    let mut digest = Digest::of(table);
    for value in values {
        match &value.to_sql()? {
            ToSqlOutput::Borrowed(value) => digest.add(*value),
            ToSqlOutput::Owned(value) => digest.add(value.into()),
            _ => return Err(rusqlite::Error::InvalidQuery),
        }
    }
    Ok(digest.end())
}

/// CRC-32 over a table's name and values, each with its type and length.
struct Digest(crc32fast::Hasher);

impl Digest {
    fn of(table: &str) -> Self {
        let mut digest = Self(crc32fast::Hasher::new());
        digest.0.update(table.as_bytes());
        digest
    }

    fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.0.update(b"n"),
            ValueRef::Integer(number) => self.tagged(b"i", &number.to_be_bytes()),
            ValueRef::Real(number) => self.tagged(b"r", &number.to_be_bytes()),
            ValueRef::Text(bytes) => self.tagged(b"t", bytes),
            ValueRef::Blob(bytes) => self.tagged(b"b", bytes),
        }
    }

    fn tagged(&mut self, tag: &[u8], bytes: &[u8]) {
        self.0.update(tag);
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn end(self) -> i64 {
        i64::from(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "
        CREATE TABLE done (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE perfect (n INTEGER PRIMARY KEY, found INTEGER NOT NULL, crc INTEGER NOT NULL);
    ";

    fn memory() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES).unwrap();
        db
    }

    fn spans(db: &Connection) -> rusqlite::Result<Vec<(u64, u64)>> {
        read(db, "done", "ORDER BY first", &[], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let db = memory();
        put(&db, "done", &[&5_u64, &9_u64]).unwrap();
        put(&db, "done", &[&20_u64, &u64::from(u32::MAX)]).unwrap();
        assert_eq!(spans(&db).unwrap(), [(5, 9), (20, u64::from(u32::MAX))]);
    }

    #[test]
    fn a_changed_row_is_named() {
        for change in ["first = 6", "last = 8", "crc = crc + 1", "last = '9x'"] {
            let db = memory();
            put(&db, "done", &[&5_u64, &9_u64]).unwrap();
            db.execute(&format!("UPDATE done SET {change}"), []).unwrap();
            let fault = spans(&db).unwrap_err().to_string();
            assert!(fault.contains("of table done"), "{change}: {fault}");
        }
    }

    #[test]
    fn a_row_of_another_table_is_none_of_this_one() {
        let db = memory();
        put(&db, "perfect", &[&6_u64, &1_u64]).unwrap();
        db.execute("INSERT INTO done SELECT * FROM perfect", []).unwrap();
        assert!(spans(&db).is_err());
    }
}
