//! Keys as they are written: a row of what is searched for, and the record itself as JSON.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::commit::check_version;
use super::fault::Fault;
use super::moment::ns;
use crate::model::audit::AuditDraft;
use crate::model::id::KeyId;
use crate::model::key::Key;
use crate::store::{StoreError, StoredKey};

/// Links from keys to what they name.
pub(super) const SCOPE: &str = "scope";
/// See [`SCOPE`].
pub(super) const ROLE: &str = "role";
/// See [`SCOPE`].
pub(super) const CONDITION: &str = "condition";

/// A new key.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    stored: &StoredKey,
    max_per_owner: Option<u32>,
) -> Result<(), Fault> {
    let key = &stored.key;
    check_owner(transaction, key)?;
    if let (Some(owner), Some(max)) = (&key.owner, max_per_owner)
        && key.revoked.is_none()
    {
        let mut statement = transaction.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM keys WHERE owner = ?1 AND revoked_ns IS NULL LIMIT ?2)",
        )?;
        let live: u32 = statement.query_row(params![owner.as_str(), max], |row| row.get(0))?;
        if live >= max {
            let text = format!("owner `{owner}` has {live} keys that are not revoked, and may have {max}");
            return Err(StoreError::Bound(text).into());
        }
    }
    let gone: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM tombstones WHERE id = ?1)")?
        .query_row([key.id.public()], |row| row.get(0))?;
    if gone {
        return Err(StoreError::Duplicate { kind: "key", name: key.id.to_string() }.into());
    }
    insert_row(transaction, stored)
}

/// The row and the links of a new key, without looking at anything else.
pub(super) fn insert_row(transaction: &Transaction<'_>, stored: &StoredKey) -> Result<(), Fault> {
    let key = &stored.key;
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO keys (id, uuid, digest, name, live_name, owner, plan, created_ns, not_before_ns, expires_ns,
                 revoked_ns, disabled, replaced, foreign_shape, version, search, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            key.id.public(),
            key.uuid.as_bytes(),
            stored.digest.as_bytes(),
            key.name.as_str(),
            live_name(key),
            key.owner.as_ref().map(|owner| owner.as_str()),
            key.plan.as_ref().map(|plan| plan.as_str()),
            ns(key.created_at),
            key.not_before.map(ns),
            key.expires_at.map(ns),
            key.revoked.as_ref().map(|revoked| ns(revoked.at)),
            key.disabled,
            key.replaced_by.is_some(),
            !key.has_own_shape(),
            key.version.cast_signed(),
            search_text(key),
            document(key)?,
        ]);
    match inserted {
        Ok(_) => link(transaction, key, transaction.last_insert_rowid()),
        Err(error) => Err(duplicate(transaction, stored, error)),
    }
}

/// Other settings for a key.
pub(super) fn update(transaction: &Transaction<'_>, key: &Key, expect: u64) -> Result<(), Fault> {
    let (position, before) = find(transaction, key.id, expect)?;
    check_owner(transaction, key)?;
    let updated = transaction
        .prepare_cached(
            "UPDATE keys SET name = ?2, live_name = ?3, owner = ?4, plan = ?5, not_before_ns = ?6, expires_ns = ?7,
                 revoked_ns = ?8, disabled = ?9, replaced = ?10, foreign_shape = ?11, version = ?12, search = ?13,
                 document = ?14
             WHERE position = ?1",
        )?
        .execute(params![
            position,
            key.name.as_str(),
            live_name(key),
            key.owner.as_ref().map(|owner| owner.as_str()),
            key.plan.as_ref().map(|plan| plan.as_str()),
            key.not_before.map(ns),
            key.expires_at.map(ns),
            key.revoked.as_ref().map(|revoked| ns(revoked.at)),
            key.disabled,
            key.replaced_by.is_some(),
            !key.has_own_shape(),
            key.version.cast_signed(),
            search_text(key),
            document(key)?,
        ]);
    match updated {
        Ok(_) => {}
        // The name is the only thing an update can take from another.
        Err(error) if is_unique(&error).is_some() => {
            return Err(StoreError::Duplicate { kind: "key", name: key.name.to_string() }.into());
        }
        Err(error) => return Err(error.into()),
    }
    unlink(transaction, &before, position)?;
    link(transaction, key, position)
}

/// Deletes a key, and leaves a tombstone.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    id: KeyId,
    expect: u64,
    at: Timestamp,
    draft: &AuditDraft,
) -> Result<(), Fault> {
    let (position, before) = find(transaction, id, expect)?;
    transaction
        .prepare_cached("INSERT INTO tombstones SELECT id, name, owner, ?2, ?3, ?4 FROM keys WHERE position = ?1")?
        .execute(params![position, ns(at), draft.reason, draft.actor.id])?;
    transaction.prepare_cached("DELETE FROM keys WHERE position = ?1")?.execute([position])?;
    unlink(transaction, &before, position)
}

/// The key as it is and where, if it has the version that was read.
fn find(transaction: &Transaction<'_>, id: KeyId, expect: u64) -> Result<(i64, Key), Fault> {
    let found: Option<(i64, String)> = transaction
        .prepare_cached("SELECT position, document FROM keys WHERE id = ?1")?
        .query_row([id.public()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((position, text)) = found else { return Err(StoreError::NotFound { kind: "key" }.into()) };
    let key: Key = serde_json::from_str(&text).map_err(Fault::document("key"))?;
    check_version("key", Some(key.version), expect)?;
    Ok((position, key))
}

fn check_owner(transaction: &Transaction<'_>, key: &Key) -> Result<(), Fault> {
    let Some(owner) = &key.owner else { return Ok(()) };
    let known: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM owners WHERE id = ?1)")?
        .query_row([owner.as_str()], |row| row.get(0))?;
    if known { Ok(()) } else { Err(StoreError::NotFound { kind: "owner" }.into()) }
}

/// What a key names, each with its kind.
fn links(key: &Key) -> impl Iterator<Item = (&'static str, &str)> {
    let scopes = key.scopes.iter().map(|scope| (SCOPE, scope.as_str()));
    let roles = key.roles.iter().map(|role| (ROLE, role.as_str()));
    let conditions = key.condition_names.iter().map(|name| (CONDITION, name.as_str()));
    scopes.chain(roles).chain(conditions)
}

fn link(transaction: &Transaction<'_>, key: &Key, position: i64) -> Result<(), Fault> {
    // A key may name the same thing twice.
    let mut statement = transaction.prepare_cached("INSERT OR IGNORE INTO key_links VALUES (?1, ?2, ?3)")?;
    for (kind, name) in links(key) {
        statement.execute(params![kind, name, position])?;
    }
    Ok(())
}

fn unlink(transaction: &Transaction<'_>, before: &Key, position: i64) -> Result<(), Fault> {
    let mut statement =
        transaction.prepare_cached("DELETE FROM key_links WHERE kind = ?1 AND name = ?2 AND position = ?3")?;
    for (kind, name) in links(before) {
        statement.execute(params![kind, name, position])?;
    }
    Ok(())
}

fn document(key: &Key) -> Result<String, Fault> {
    serde_json::to_string(key).map_err(Fault::document("key"))
}

/// The name, if no other key may have it besides.
fn live_name(key: &Key) -> Option<&str> {
    (key.revoked.is_none() && key.replaced_by.is_none()).then(|| key.name.as_str())
}

/// What a search for text looks through. No line break can be searched for, so a match is within one field.
fn search_text(key: &Key) -> String {
    let mut text = format!("{}\n{}\n{}", key.name, key.prefix, key.description);
    for tag in &key.tags {
        text.push('\n');
        text.push_str(tag);
    }
    text.to_lowercase()
}

/// The column two rows would share, if that was the error.
pub(super) fn is_unique(error: &rusqlite::Error) -> Option<&str> {
    let rusqlite::Error::SqliteFailure(_, Some(message)) = error else { return None };
    message.strip_prefix("UNIQUE constraint failed: ")
}

/// Tells an insertion's error, and names the key that is in the way.
fn duplicate(transaction: &Transaction<'_>, stored: &StoredKey, error: rusqlite::Error) -> Fault {
    let name = match is_unique(&error) {
        Some("keys.live_name") => stored.key.name.to_string(),
        Some("keys.digest") => match name_of(transaction, stored) {
            Ok(name) => name,
            Err(error) => return error.into(),
        },
        Some(_) => stored.key.id.to_string(),
        None => return error.into(),
    };
    StoreError::Duplicate { kind: "key", name }.into()
}

fn name_of(transaction: &Transaction<'_>, stored: &StoredKey) -> rusqlite::Result<String> {
    transaction.query_row("SELECT name FROM keys WHERE digest = ?1", [stored.digest.as_bytes()], |row| row.get(0))
}
