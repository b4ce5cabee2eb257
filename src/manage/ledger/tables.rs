//! The tables of a ledger.

/// The tables. Each row ends in the checksum of its table's name and its values.
pub(super) const TABLES: &str = "
    CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE compute (
        id INTEGER PRIMARY KEY, instance TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
        crc INTEGER NOT NULL, UNIQUE (instance, host));
    CREATE TABLE done (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE range (
        first INTEGER PRIMARY KEY, last INTEGER NOT NULL, sum TEXT NOT NULL, perfect TEXT NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, nanoseconds INTEGER NOT NULL, finished INTEGER NOT NULL,
        proved INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE due (first INTEGER PRIMARY KEY REFERENCES range, crc INTEGER NOT NULL);
    CREATE TABLE agreed (
        first INTEGER PRIMARY KEY REFERENCES range, compute INTEGER NOT NULL REFERENCES compute,
        finished INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
        compute INTEGER NOT NULL REFERENCES compute, recheck INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE perfect (n INTEGER PRIMARY KEY, found INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE liar (host TEXT PRIMARY KEY, found INTEGER NOT NULL, taken_back INTEGER, crc INTEGER NOT NULL) WITHOUT ROWID;
";

/// The tables that a restart reads whole: `range` and `agreed`, which grow with the search, are not among them.
pub(super) const SMALL: [&str; 7] = ["setting", "compute", "done", "due", "lease", "perfect", "liar"];
