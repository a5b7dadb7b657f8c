//! The tables. All times are milliseconds since 1970 in UTC.

/// The tables of a database.
pub(super) struct Tables {
    /// The version that this program creates.
    pub(super) version: i64,
    /// The SQL that creates the tables.
    pub(super) create: &'static str,
    /// The SQL that changes version 1 into the newest version.
    pub(super) upgrade: &'static str,
}

/// `receive.db`. In version 1 each body is in its row of the inbox.
pub(super) const RECEIVE: Tables = Tables {
    version: 2,
    create: RECEIVE_TABLES,
    upgrade: "
ALTER TABLE inbox ADD COLUMN start INTEGER;
CREATE TABLE frames (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    length INTEGER NOT NULL,
    frame BLOB NOT NULL
);
",
};

const RECEIVE_TABLES: &str = "
-- Pushes that are not published yet. Numbers rise in the order of the commits. If a row has
-- `start`, its body begins at that byte of the frame that covers its number.
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    path TEXT NOT NULL,
    client TEXT NOT NULL,
    correlation_id TEXT,
    orn TEXT,
    coverage INTEGER,
    bytes INTEGER NOT NULL,
    body BLOB,
    recording TEXT,
    sha256 BLOB,
    start INTEGER
);
-- Bodies of the pushes first..last, one after the other, as one frame of Zstandard. `length` is
-- their size in bytes before compression. A large body is in its row of `inbox` instead.
CREATE TABLE frames (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    length INTEGER NOT NULL,
    frame BLOB NOT NULL
);
-- The pushes first..last are published together, in files whose names have this number.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    instance TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    rejects_length INTEGER NOT NULL,
    recordings_length INTEGER NOT NULL,
    ended_at INTEGER
);
-- Pushes of batches that have ended are removed from the inbox a few at a time.
CREATE VIEW unpublished AS SELECT * FROM inbox WHERE number >
    (SELECT coalesce(max(last), 0) FROM batches WHERE ended_at IS NOT NULL);
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    path TEXT NOT NULL,
    client TEXT NOT NULL,
    correlation_id TEXT,
    schema_name TEXT,
    session_id TEXT,
    sequence TEXT,
    records INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE coverage (
    id INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    instance TEXT NOT NULL,
    state TEXT NOT NULL,
    pushes INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    clock_jump INTEGER
);
CREATE INDEX coverage_start ON coverage (start);
CREATE TABLE uses (
    client TEXT NOT NULL,
    path TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    pushes INTEGER NOT NULL,
    PRIMARY KEY (client, path)
) WITHOUT ROWID;
CREATE TABLE refusals (
    path TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    refused INTEGER NOT NULL
) WITHOUT ROWID;
-- The recordings. `file` is the name below recordings/.
CREATE TABLE recordings (
    file TEXT PRIMARY KEY,
    dialog_id TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    batch INTEGER
) WITHOUT ROWID;
CREATE INDEX recordings_dialog ON recordings (dialog_id);
-- The hours of the exports that were reconciled; `at` is the time of the reconciliation.
CREATE TABLE audited (
    grp TEXT NOT NULL,
    type TEXT NOT NULL,
    hour INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (grp, type, hour)
) WITHOUT ROWID;
CREATE TABLE reconciled (
    message_type TEXT NOT NULL,
    hour INTEGER NOT NULL,
    at INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    extra INTEGER NOT NULL,
    PRIMARY KEY (message_type, hour)
) WITHOUT ROWID;
-- Counts over all runs, and the time at which the certificate expires.
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// A database in `keys/`, for one day. A key is a hash of the whole record. An identity is a hash
/// of the record's type, id and time.
pub(super) const KEYS: Tables = Tables {
    version: 1,
    create: KEYS_TABLES,
    upgrade: "",
};

const KEYS_TABLES: &str = "
CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    hour INTEGER NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    UNIQUE (type, hour)
);
CREATE TABLE keys (
    key BLOB PRIMARY KEY,
    part INTEGER NOT NULL,
    batch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE identities (
    identity INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL
);
";
