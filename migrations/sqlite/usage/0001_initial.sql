-- What may be lost for a moment without harm: usage and counters. Moments are nanoseconds since 1970 (UTC).

PRAGMA application_id = 1095914835; -- "ARUS"

CREATE TABLE schema_version (version INTEGER NOT NULL);

-- Key (its public id, or empty for none), route and outcome; kept once, as minutes are many.
CREATE TABLE series (
    id    INTEGER PRIMARY KEY,
    key   TEXT NOT NULL,
    route TEXT NOT NULL,
    code  TEXT NOT NULL,
    UNIQUE (key, route, code)
);

-- `start` counts minutes since 1970.
CREATE TABLE minutes (
    start     INTEGER NOT NULL,
    series    INTEGER NOT NULL,
    requests  INTEGER NOT NULL,
    cost      INTEGER NOT NULL,
    bytes_in  INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    PRIMARY KEY (start, series)
) WITHOUT ROWID;
CREATE INDEX minutes_series ON minutes (series);

-- `start` counts days since 1970.
CREATE TABLE days (
    start     INTEGER NOT NULL,
    series    INTEGER NOT NULL,
    requests  INTEGER NOT NULL,
    cost      INTEGER NOT NULL,
    bytes_in  INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    PRIMARY KEY (start, series)
) WITHOUT ROWID;
CREATE INDEX days_series ON days (series);

CREATE TABLE key_totals (
    key     TEXT PRIMARY KEY,
    total   INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    last_ns INTEGER,
    ip      TEXT,
    country TEXT,
    route   TEXT,
    status  INTEGER,
    ip_cut  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX key_totals_whole_ip ON key_totals (last_ns) WHERE ip_cut = 0 AND ip IS NOT NULL;

-- Counters of limits, many to a row.
CREATE TABLE counters (chunk BLOB NOT NULL);
