//! The store: counters, histograms and summaries' counts, in a SQLite file, so that none ever falls.
//!
//! `metric` has what was declared, `agent` who has come, `series` each series' totals: pairs of what came before the agent's
//! present process and what that has said last.

use std::sync::Arc;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row as SqlRow};

use crate::common::error::Result;
use crate::common::store::rows::{put, read};
use crate::common::store::{Kind, Store, Written, damaged};

use super::book::{Batch, Known};
use super::metric::{Labels, Metric};
use super::shelf::Row;

/// Its mark is "coll".
pub static KIND: Kind = Kind {
    application_id: 0x636f_6c6c,
    format: 1,
    tables: TABLES,
    noun: "store",
    program: "collect",
    is_secret: false,
};

const TABLES: &str = "
CREATE TABLE metric (name TEXT PRIMARY KEY, type TEXT NOT NULL, help TEXT NOT NULL, unit TEXT NOT NULL, buckets BLOB NOT NULL,
    crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE agent (name TEXT PRIMARY KEY, program TEXT NOT NULL, ended INTEGER NOT NULL,
    instance INTEGER NOT NULL, taken INTEGER NOT NULL, seen INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE series (metric TEXT NOT NULL, agent TEXT NOT NULL, labels TEXT NOT NULL, instance INTEGER NOT NULL,
    totals BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (metric, agent, labels)) STRICT, WITHOUT ROWID;
";
/// All of them: a restart reads the whole file.
const NAMES: [&str; 3] = ["metric", "agent", "series"];

/// What was kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// What was declared.
    pub metrics: Vec<Metric>,
    /// Who has come.
    pub agents: Vec<Known>,
    /// The series.
    pub rows: Vec<Row>,
}

/// An open store, held by this process alone.
pub struct Keeper(Store);

impl Keeper {
    /// Opens the store at `path`, or makes it; `:memory:` keeps nothing.
    ///
    /// # Errors
    /// I/O if it can't be read or written, isn't a store, is damaged, or another collect holds it.
    pub fn open(path: &str) -> Result<(Self, Kept)> {
        let mut store = Store::hold_or_create(path, &KIND)?;
        let kept = store.make_tables().and_then(|()| kept(&store)).map_err(|error| store.explain(&error))?;
        store.enter_modes().map_err(|error| store.explain(&error))?;
        Ok((Self(store), kept))
    }

    /// Writes what has changed, in one transaction.
    ///
    /// # Errors
    /// I/O. This store can't be used further: see `Store::write`.
    pub fn write(&mut self, batch: &Batch) -> Result<Written> {
        self.0.write(|change| {
            // First what goes: it may have come again since.
            for (metric, (agent, labels)) in &batch.series.gone {
                let mut delete =
                    change.prepare_cached("DELETE FROM series WHERE metric = ? AND agent = ? AND labels = ?")?;
                delete.execute((&**metric, &**agent, labels.text()))?;
            }
            for name in &batch.series.forgotten {
                change.prepare_cached("DELETE FROM metric WHERE name = ?")?.execute([&**name])?;
            }
            for name in &batch.forgotten {
                change.prepare_cached("DELETE FROM agent WHERE name = ?")?.execute([&**name])?;
            }
            for metric in &batch.series.metrics {
                put_metric(change, metric)?;
            }
            for Known { name, program, ended, instance, taken, seen_wall } in &batch.met {
                let (instance, taken) = (instance.cast_signed(), taken.cast_signed());
                put(change, "agent", &[&&**name, program, ended, &instance, &taken, seen_wall])?;
            }
            for Row { metric, key: (agent, labels), instance, totals } in &batch.series.rows {
                let instance = instance.cast_signed();
                put(change, "series", &[&&**metric, &&**agent, &labels.text(), &instance, &packed(totals)])?;
            }
            Ok(())
        })
    }

    /// Leaves one whole file, without a log beside it, if there is room.
    ///
    /// # Errors
    /// I/O. All that was committed is kept, in the log.
    pub fn close(self) -> Result<()> {
        self.0.close()
    }
}

fn put_metric(db: &Connection, metric: &Metric) -> rusqlite::Result<()> {
    let Metric { name, kind, help, unit, buckets } = metric;
    let buckets: Vec<u8> = buckets.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    put(db, "metric", &[name, &kind.name(), help, unit, &buckets])
}

fn kept(store: &Store) -> rusqlite::Result<Kept> {
    store.examine_tables(&NAMES)?;
    let db = &store.connection;
    Ok(Kept {
        metrics: read(db, "metric", "", &[], metric)?,
        agents: read(db, "agent", "", &[], |row| {
            let number = |column| row.get(column).map(i64::cast_unsigned);
            let (name, program, ended) = (name(row, 0)?, row.get(1)?, row.get(2)?);
            Ok(Known { name, program, ended, instance: number(3)?, taken: number(4)?, seen_wall: row.get(5)? })
        })?,
        rows: read(db, "series", "", &[], |row| {
            let key = (name(row, 1)?, Labels::stored(row.get(2)?));
            let instance: i64 = row.get(3)?;
            let totals = unpacked(row, 4)?;
            if totals.len() % 2 != 0 {
                return Err(damaged("totals of a series"));
            }
            let totals = totals.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            Ok(Row { metric: name(row, 0)?, key, instance: instance.cast_unsigned(), totals })
        })?,
    })
}

fn metric(row: &SqlRow<'_>) -> rusqlite::Result<Metric> {
    let kind: String = row.get(1)?;
    let kind = kind.parse().map_err(|()| damaged("a metric's type"))?;
    Ok(Metric { name: row.get(0)?, kind, help: row.get(2)?, unit: row.get(3)?, buckets: unpacked(row, 4)? })
}

fn name(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(row.get::<_, String>(column)?.into())
}

fn packed(totals: &[(f64, f64)]) -> Vec<u8> {
    totals.iter().flat_map(|(base, last)| [*base, *last]).flat_map(f64::to_le_bytes).collect()
}

fn unpacked(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Vec<f64>> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| FromSqlError::InvalidType)?;
    Ok(bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::metric::Type;
    use crate::collect::shelf::Changes;

    fn row(last: f64) -> Row {
        Row {
            metric: "a_total".into(),
            key: ("n".into(), Labels::default()),
            instance: u64::MAX,
            totals: vec![(1.5, last)],
        }
    }

    fn batch(series: Changes) -> Batch {
        let met = vec![Known {
            name: "n".into(),
            program: "p".to_owned(),
            ended: true,
            instance: u64::MAX,
            taken: 3,
            seen_wall: 7,
        }];
        Batch { series, met, forgotten: vec!["n".into()] }
    }

    #[test]
    fn what_goes_and_comes_again_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("collect.db");
        let path = path.to_str().unwrap();
        let metric = Metric {
            name: "a_total".to_owned(),
            kind: Type::Counter,
            help: "h".to_owned(),
            unit: String::new(),
            buckets: vec![0.5],
        };
        let (mut keeper, _) = Keeper::open(path).unwrap();
        let first = Changes { metrics: vec![metric.clone()], rows: vec![row(2.0)], ..Changes::default() };
        assert!(matches!(keeper.write(&batch(first)), Ok(Written::Done)));
        let again = Changes {
            metrics: vec![metric.clone()],
            rows: vec![row(3.0)],
            gone: vec![("a_total".into(), row(0.0).key)],
            forgotten: vec!["a_total".into()],
        };
        assert!(matches!(keeper.write(&batch(again)), Ok(Written::Done)));
        keeper.close().unwrap();
        let (mut keeper, kept) = Keeper::open(path).unwrap();
        assert_eq!((kept.metrics, kept.rows), (vec![metric], vec![row(3.0)]));
        assert_eq!(kept.agents, batch(Changes::default()).met);
        let over = Changes {
            gone: vec![("a_total".into(), row(0.0).key)],
            forgotten: vec!["a_total".into()],
            ..Changes::default()
        };
        assert!(matches!(keeper.write(&Batch { met: Vec::new(), ..batch(over) }), Ok(Written::Done)));
        drop(keeper);
        let (_, kept) = Keeper::open(path).unwrap();
        assert!(kept.metrics.is_empty() && kept.rows.is_empty() && kept.agents.is_empty());
    }
}
