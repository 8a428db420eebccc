-- Moments are nanoseconds since 1970 (UTC), digests and UUIDs raw bytes, `document` the whole record as JSON. Columns
-- beside a document repeat what is searched for.

PRAGMA application_id = 1095911253; -- "ARGU"

CREATE TABLE schema_version (version INTEGER NOT NULL);

-- Numbers that must not be counted anew at every start: the revision, and how many keys there are.
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('revision', 0), ('keys', 0), ('ping', 0);

CREATE TABLE keys (
    position      INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    uuid          BLOB NOT NULL UNIQUE,
    digest        BLOB NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    live_name     TEXT UNIQUE, -- the name while the key is neither revoked nor replaced
    owner         TEXT,
    plan          TEXT,
    created_ns    INTEGER NOT NULL,
    not_before_ns INTEGER,
    expires_ns    INTEGER,
    revoked_ns    INTEGER,
    disabled      INTEGER NOT NULL,
    replaced      INTEGER NOT NULL,
    foreign_shape INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    search        TEXT NOT NULL, -- name, prefix, description and tags in lower case
    document      TEXT NOT NULL
);
CREATE INDEX keys_name ON keys (name);
CREATE INDEX keys_owner ON keys (owner) WHERE owner IS NOT NULL;
CREATE INDEX keys_owner_live ON keys (owner) WHERE owner IS NOT NULL AND revoked_ns IS NULL;
CREATE INDEX keys_plan ON keys (plan) WHERE plan IS NOT NULL;
CREATE INDEX keys_expires ON keys (expires_ns) WHERE expires_ns IS NOT NULL;
CREATE INDEX keys_foreign ON keys (foreign_shape) WHERE foreign_shape = 1;

-- What a key names: scopes, roles and conditions.
CREATE TABLE key_links (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (kind, name, position)
) WITHOUT ROWID;

CREATE TABLE tombstones (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    owner      TEXT,
    deleted_ns INTEGER NOT NULL,
    reason     TEXT,
    deleted_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstones_deleted ON tombstones (deleted_ns);

CREATE TABLE owners (
    position    INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL UNIQUE,
    external_id TEXT UNIQUE,
    version     INTEGER NOT NULL,
    search      TEXT NOT NULL,
    document    TEXT NOT NULL
);

-- Roles, plans and conditions.
CREATE TABLE documents (
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    target  TEXT NOT NULL,
    record  TEXT NOT NULL
);
CREATE INDEX audit_target ON audit (target);

-- Where the chain begins (the last record deleted by age) and where it ends.
CREATE TABLE audit_chain (
    part TEXT PRIMARY KEY CHECK (part IN ('base', 'head')),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) WITHOUT ROWID;
INSERT INTO audit_chain VALUES ('base', 0, zeroblob(32)), ('head', 0, zeroblob(32));

CREATE TABLE idempotency (
    key          TEXT PRIMARY KEY,
    request_hash BLOB NOT NULL,
    status       INTEGER NOT NULL,
    body         TEXT NOT NULL,
    at_ns        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at_ns);
