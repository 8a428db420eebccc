//! Owners.

use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};

use super::commit::check_version;
use super::cursor;
use super::fault::Fault;
use super::key_write::is_unique;
use crate::model::id::OwnerId;
use crate::model::owner::Owner;
use crate::store::{Page, PageRequest, StoreError};

/// A new owner.
pub(super) fn insert(transaction: &Transaction<'_>, owner: &Owner) -> Result<(), Fault> {
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO owners (id, name, external_id, version, search, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            owner.id.as_str(),
            owner.name,
            owner.external_id,
            owner.version.cast_signed(),
            search_text(owner),
            document(owner)?
        ]);
    inserted.map(|_| ()).map_err(|error| duplicate(owner, error))
}

/// Other settings for an owner.
pub(super) fn update(transaction: &Transaction<'_>, owner: &Owner, expect: u64) -> Result<(), Fault> {
    check_version("owner", version(transaction, &owner.id)?, expect)?;
    let updated = transaction
        .prepare_cached(
            "UPDATE owners SET name = ?2, external_id = ?3, version = ?4, search = ?5, document = ?6 WHERE id = ?1",
        )?
        .execute(params![
            owner.id.as_str(),
            owner.name,
            owner.external_id,
            owner.version.cast_signed(),
            search_text(owner),
            document(owner)?
        ]);
    updated.map(|_| ()).map_err(|error| duplicate(owner, error))
}

/// Removes an owner that has no keys.
pub(super) fn delete(transaction: &Transaction<'_>, id: &OwnerId, expect: u64) -> Result<(), Fault> {
    check_version("owner", version(transaction, id)?, expect)?;
    let key: Option<String> = transaction
        .prepare_cached("SELECT name FROM keys WHERE owner = ?1 LIMIT 1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(key) = key {
        return Err(StoreError::InUse { kind: "owner", by: format!("key `{key}`") }.into());
    }
    transaction.prepare_cached("DELETE FROM owners WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

fn version(connection: &Connection, id: &OwnerId) -> Result<Option<u64>, Fault> {
    let mut statement = connection.prepare_cached("SELECT version FROM owners WHERE id = ?1")?;
    let version: Option<i64> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    Ok(version.map(i64::cast_unsigned))
}

/// The owner with this id.
pub(super) fn by_id(connection: &Connection, id: &OwnerId) -> Result<Option<Owner>, Fault> {
    one(connection, "SELECT document FROM owners WHERE id = ?1", &id.as_str())
}

/// The owner a person means.
pub(super) fn find(connection: &Connection, text: &str) -> Result<Option<Owner>, Fault> {
    for sql in [
        "SELECT document FROM owners WHERE id = ?1",
        "SELECT document FROM owners WHERE name = ?1",
        "SELECT document FROM owners WHERE external_id = ?1",
    ] {
        if let Some(found) = one(connection, sql, &text)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A page of owners, newest first, that have `text` in name, external id, contacts or facts.
pub(super) fn page(connection: &Connection, text: Option<&str>, request: &PageRequest) -> Result<Page<Owner>, Fault> {
    let before = cursor::read(cursor::OWNERS, request)?;
    let mut statement = connection.prepare_cached(
        "SELECT position, document FROM owners WHERE position < ?1 AND instr(search, ?2) > 0
         ORDER BY position DESC LIMIT ?3",
    )?;
    let text = text.unwrap_or_default().to_lowercase();
    let mut rows = statement.query(params![before, text, cursor::rows_wanted(request)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        found.push((row.get(0)?, parse(&text)?));
    }
    Ok(cursor::page(cursor::OWNERS, request, found))
}

fn one(connection: &Connection, sql: &str, by: &dyn ToSql) -> Result<Option<Owner>, Fault> {
    let text: Option<String> = connection.prepare_cached(sql)?.query_row([by], |row| row.get(0)).optional()?;
    text.map(|text| parse(&text)).transpose()
}

fn parse(document: &str) -> Result<Owner, Fault> {
    serde_json::from_str(document).map_err(Fault::document("owner"))
}

fn document(owner: &Owner) -> Result<String, Fault> {
    serde_json::to_string(owner).map_err(Fault::document("owner"))
}

fn search_text(owner: &Owner) -> String {
    let mut text = format!("{}\n{}", owner.name, owner.external_id.as_deref().unwrap_or_default());
    for word in owner.contacts.iter().chain(owner.meta.values()) {
        text.push('\n');
        text.push_str(word);
    }
    text.to_lowercase()
}

fn duplicate(owner: &Owner, error: rusqlite::Error) -> Fault {
    let name = match is_unique(&error) {
        Some("owners.name") => owner.name.clone(),
        Some("owners.external_id") => owner.external_id.clone().unwrap_or_default(),
        Some(_) => owner.id.to_string(),
        None => return error.into(),
    };
    StoreError::Duplicate { kind: "owner", name }.into()
}
