//! Keys as they are read: by digest on the request path, by any of their names, and as lists.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::cursor;
use super::fault::Fault;
use super::key_write::SCOPE;
use super::moment::{at, ns};
use super::state;
use crate::model::id::KeyId;
use crate::model::key::{Key, KeyStatus};
use crate::model::secret::KeyDigest;
use crate::store::{KeyFilter, Page, PageRequest, StoreError, StoredKey, Tombstone};

/// Names compared with one that was not found, on each side of its place in the alphabet.
const NEIGHBOURS_MAX: u32 = 500;
/// Names suggested.
const SUGGESTIONS_MAX: usize = 5;

/// The key with this digest.
pub(super) fn by_digest(connection: &Connection, digest: &KeyDigest) -> Result<Option<StoredKey>, Fault> {
    one(connection, "SELECT digest, document FROM keys WHERE digest = ?1", &digest.as_bytes())
}

/// The key with this id.
pub(super) fn by_id(connection: &Connection, id: KeyId) -> Result<Option<StoredKey>, Fault> {
    one(connection, "SELECT digest, document FROM keys WHERE id = ?1", &id.public())
}

/// The key a person means.
pub(super) fn find(connection: &Connection, text: &str) -> Result<Option<StoredKey>, Fault> {
    if let Ok(id) = text.parse()
        && let Some(found) = by_id(connection, id)?
    {
        return Ok(Some(found));
    }
    if let Ok(uuid) = Uuid::parse_str(text)
        && let Some(found) = one(connection, "SELECT digest, document FROM keys WHERE uuid = ?1", uuid.as_bytes())?
    {
        return Ok(Some(found));
    }
    if let Some(found) = one(connection, "SELECT digest, document FROM keys WHERE live_name = ?1", &text)? {
        return Ok(Some(found));
    }
    one(connection, "SELECT digest, document FROM keys WHERE name = ?1 ORDER BY position DESC LIMIT 1", &text)
}

fn one(connection: &Connection, sql: &str, by: &dyn ToSql) -> Result<Option<StoredKey>, Fault> {
    let found: Option<([u8; 32], String)> =
        connection.prepare_cached(sql)?.query_row([by], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((digest, text)) = found else { return Ok(None) };
    Ok(Some(StoredKey { key: parse(&text)?, digest: KeyDigest::from_bytes(digest) }))
}

fn parse(document: &str) -> Result<Key, Fault> {
    serde_json::from_str(document).map_err(Fault::document("key"))
}

/// What is left of a deleted key.
pub(super) fn tombstone(connection: &Connection, id: KeyId) -> Result<Option<Tombstone>, Fault> {
    let read = |row: &Row<'_>| {
        let (name, owner): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        Ok((name, owner, at(row.get(2)?), row.get(3)?, row.get(4)?))
    };
    let found = connection
        .prepare_cached("SELECT name, owner, deleted_ns, reason, deleted_by FROM tombstones WHERE id = ?1")?
        .query_row([id.public()], read)
        .optional()?;
    let Some((name, owner, deleted_at, reason, by)) = found else { return Ok(None) };
    let broken = |_| Fault::Document { what: "tombstone", source: serde::de::Error::custom("not a name") };
    let name = name.parse().map_err(broken)?;
    let owner = owner.map(|owner| owner.parse().map_err(broken)).transpose()?;
    Ok(Some(Tombstone { id, name, owner, deleted_at, reason, by }))
}

/// How many keys are not deleted.
pub(super) fn count(connection: &Connection) -> Result<u64, Fault> {
    state::read(connection, state::KEYS)
}

/// Whether any key has a shape of its own.
pub(super) fn any_foreign(connection: &Connection) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE foreign_shape = 1)")?;
    Ok(statement.query_row((), |row| row.get(0))?)
}

/// A page of keys, newest first.
pub(super) fn page(connection: &Connection, filter: &KeyFilter, request: &PageRequest) -> Result<Page<Key>, Fault> {
    let mut query = Query::new(filter, cursor::read(cursor::KEYS, request)?)?;
    query.values.push(cursor::rows_wanted(request).into());
    let sql = format!("{} ORDER BY {} DESC LIMIT ?", query.sql, query.position);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(query.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        found.push((row.get(0)?, parse(&text)?));
    }
    Ok(cursor::page(cursor::KEYS, request, found))
}

/// The SQL of a list. It is put together from fixed pieces; everything given is bound.
struct Query {
    sql: String,
    position: &'static str,
    values: Vec<Value>,
}

impl Query {
    fn new(filter: &KeyFilter, before: i64) -> Result<Query, StoreError> {
        let mut query = match &filter.scope {
            None => Query {
                sql: "SELECT k.position, k.document FROM keys k WHERE k.position < ?".into(),
                position: "k.position",
                values: vec![before.into()],
            },
            // Links are kept in the order of the list, so a scope that few keys have needs no walk over all keys.
            Some(scope) => Query {
                sql: "SELECT k.position, k.document FROM key_links l CROSS JOIN keys k ON k.position = l.position
                      WHERE l.kind = ? AND l.name = ? AND l.position < ?"
                    .into(),
                position: "l.position",
                values: vec![SCOPE.to_owned().into(), scope.clone().into(), before.into()],
            },
        };
        if let Some(owner) = &filter.owner {
            query.and("k.owner = ?", owner.to_string());
        }
        if let Some(plan) = &filter.plan {
            query.and("k.plan = ?", plan.to_string());
        }
        if let Some(text) = &filter.text {
            query.and("instr(k.search, ?) > 0", text.to_lowercase());
        }
        if let Some(before) = filter.expires_before {
            query.and("k.expires_ns < ?", ns(before));
        }
        if let Some(since) = filter.unused_since {
            query.and("NOT EXISTS (SELECT 1 FROM usage.key_totals u WHERE u.key = k.id AND u.last_ns >= ?)", ns(since));
        }
        if let Some(status) = filter.status {
            let Some(at) = filter.at else {
                return Err(StoreError::Bound("a list by status needs the moment it is asked for".into()));
            };
            query.and_status(status, ns(at));
        }
        Ok(query)
    }

    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.push(value.into());
    }

    /// [`Key::status`] in SQL: each state excludes those before it.
    fn and_status(&mut self, status: KeyStatus, at: i64) {
        if status == KeyStatus::Revoked {
            self.sql.push_str(" AND k.revoked_ns IS NOT NULL");
            return;
        }
        self.sql.push_str(" AND k.revoked_ns IS NULL");
        if status == KeyStatus::Disabled {
            self.sql.push_str(" AND k.disabled");
            return;
        }
        self.sql.push_str(" AND NOT k.disabled");
        if status == KeyStatus::Scheduled {
            self.and("k.not_before_ns > ?", at);
            return;
        }
        self.and("(k.not_before_ns IS NULL OR k.not_before_ns <= ?)", at);
        if status == KeyStatus::Expired {
            self.and("k.expires_ns <= ?", at);
            return;
        }
        self.and("(k.expires_ns IS NULL OR k.expires_ns > ?)", at);
        self.sql.push_str(if status == KeyStatus::Rotating { " AND k.replaced" } else { " AND NOT k.replaced" });
    }
}

/// Names near `text`. In a small store all names are compared; in a large one those around its place in the alphabet,
/// so that a slip in the first letters may go unnoticed.
pub(super) fn similar_names(connection: &Connection, text: &str) -> Result<Vec<String>, Fault> {
    let mut near = Vec::new();
    for sql in [
        "SELECT live_name FROM keys WHERE live_name >= ?1 ORDER BY live_name LIMIT ?2",
        "SELECT live_name FROM keys WHERE live_name < ?1 ORDER BY live_name DESC LIMIT ?2",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![text, NEIGHBOURS_MAX])?;
        while let Some(row) = rows.next()? {
            near.push(row.get::<_, String>(0)?);
        }
    }
    let wanted = text.to_lowercase();
    // One slip in three letters is as far as a typing error goes; beyond that it is another word.
    let slips_max = (wanted.chars().count() / 3).clamp(1, 3);
    let mut ranked: Vec<(usize, String)> = near
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &name.to_lowercase()), name))
        .filter(|(slips, _)| *slips <= slips_max)
        .collect();
    ranked.sort();
    ranked.truncate(SUGGESTIONS_MAX);
    Ok(ranked.into_iter().map(|(_, name)| name).collect())
}
