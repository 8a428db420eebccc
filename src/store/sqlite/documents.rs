//! Roles, plans and conditions.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::commit::check_version;
use super::fault::Fault;
use super::key_write::{CONDITION, ROLE};
use super::moment::{at, ns};
use crate::model::id::Name;
use crate::store::{Document, DocumentKind, StoreError};

/// A new document, or another text for one.
pub(super) fn put(transaction: &Transaction<'_>, document: &Document, expect: Option<u64>) -> Result<(), Fault> {
    let kind = document.kind.as_str();
    let found = version(transaction, document.kind, &document.name)?;
    match expect {
        Some(expect) => check_version(kind, found, expect)?,
        None if found.is_some() => {
            return Err(StoreError::Duplicate { kind, name: document.name.to_string() }.into());
        }
        None => {}
    }
    let (created, updated) = (ns(document.created_at), ns(document.updated_at));
    transaction.prepare_cached("INSERT OR REPLACE INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![
            kind,
            document.name.as_str(),
            document.version.cast_signed(),
            created,
            updated,
            document.body.to_string()
        ],
    )?;
    Ok(())
}

/// Removes a document that no key names.
pub(super) fn delete(transaction: &Transaction<'_>, kind: DocumentKind, name: &Name, expect: u64) -> Result<(), Fault> {
    check_version(kind.as_str(), version(transaction, kind, name)?, expect)?;
    let linked = |link: &str| {
        transaction
            .prepare_cached(
                "SELECT k.name FROM key_links l CROSS JOIN keys k ON k.position = l.position
                 WHERE l.kind = ?1 AND l.name = ?2 LIMIT 1",
            )?
            .query_row([link, name.as_str()], |row| row.get::<_, String>(0))
            .optional()
    };
    let key = match kind {
        DocumentKind::Role => linked(ROLE)?,
        DocumentKind::Condition => linked(CONDITION)?,
        DocumentKind::Plan => transaction
            .prepare_cached("SELECT name FROM keys WHERE plan = ?1 LIMIT 1")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?,
    };
    if let Some(key) = key {
        return Err(StoreError::InUse { kind: kind.as_str(), by: format!("key `{key}`") }.into());
    }
    transaction
        .prepare_cached("DELETE FROM documents WHERE kind = ?1 AND name = ?2")?
        .execute([kind.as_str(), name.as_str()])?;
    Ok(())
}

fn version(connection: &Connection, kind: DocumentKind, name: &Name) -> Result<Option<u64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT version FROM documents WHERE kind = ?1 AND name = ?2")?;
    let version: Option<i64> = statement.query_row([kind.as_str(), name.as_str()], |row| row.get(0)).optional()?;
    Ok(version.map(i64::cast_unsigned))
}

/// All documents of a kind, by name.
pub(super) fn all(connection: &Connection, kind: DocumentKind) -> Result<Vec<Document>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name, version, created_ns, updated_ns, body FROM documents WHERE kind = ?1 ORDER BY name",
    )?;
    let mut rows = statement.query([kind.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(kind, row)?);
    }
    Ok(found)
}

/// One document.
pub(super) fn one(connection: &Connection, kind: DocumentKind, name: &str) -> Result<Option<Document>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name, version, created_ns, updated_ns, body FROM documents WHERE kind = ?1 AND name = ?2",
    )?;
    let mut rows = statement.query([kind.as_str(), name])?;
    rows.next()?.map(|row| read(kind, row)).transpose()
}

fn read(kind: DocumentKind, row: &Row<'_>) -> Result<Document, Fault> {
    let (name, body): (String, String) = (row.get(0)?, row.get(4)?);
    let broken = |_| Fault::Document { what: kind.as_str(), source: serde::de::Error::custom("not a name") };
    Ok(Document {
        kind,
        name: name.parse().map_err(broken)?,
        body: serde_json::from_str(&body).map_err(Fault::document(kind.as_str()))?,
        created_at: at(row.get(2)?),
        updated_at: at(row.get(3)?),
        version: row.get::<_, i64>(1)?.cast_unsigned(),
    })
}
