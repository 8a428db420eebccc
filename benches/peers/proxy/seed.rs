//! A store full of keys, made before Argus is started: by its admin side a million would take an hour.

use std::path::Path;

use argus::model::audit::{Actor, AuditDraft, Target};
use argus::model::key::{Key, KeyType};
use argus::model::key_format;
use argus::store::StoredKey;
use argus::store::sqlite::{SqliteOptions, SqliteStore};
use jiff::Timestamp;

use crate::failure::Failure;
use crate::stop;

/// Keys in one transaction: what is in memory at once.
const BATCH: usize = 50_000;

/// Makes a store in `dir` with `count` keys on the plan `peers`, and gives their secrets.
pub fn keys(dir: &Path, count: usize) -> Result<Vec<String>, Failure> {
    let failed = |what: &dyn std::fmt::Display| Failure::Key(what.to_string());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io("a runtime"))?;
    let store = SqliteStore::open(dir, SqliteOptions::default()).map_err(|e| failed(&e))?;
    let mut secrets = Vec::with_capacity(count);
    while secrets.len() < count {
        stop::check()?;
        let mut batch = Vec::new();
        for number in secrets.len()..count.min(secrets.len() + BATCH) {
            let key = key(number)?;
            let secret = key_format::generate("argus", "live", key.id);
            batch.push(StoredKey { key, digest: secret.digest(None) });
            secrets.push(String::from_utf8_lossy(secret.expose()).into_owned());
        }
        runtime.block_on(store.seed_keys(batch, draft())).map_err(|e| failed(&e))?;
    }
    Ok(secrets)
}

fn key(number: usize) -> Result<Key, Failure> {
    let id = key_format::new_public_id();
    let at = Timestamp::now();
    let word = |text: &str| Failure::Key(format!("`{text}` is not a name"));
    let name = format!("client-{number}");
    Ok(Key {
        id,
        uuid: uuid::Uuid::from_u128(number as u128 + 1),
        prefix: format!("argus_live_{}", id.public()),
        name: name.parse().map_err(|_| word(&name))?,
        description: String::new(),
        environment: "live".to_owned(),
        r#type: KeyType::Application,
        owner: None,
        scopes: vec!["things:*".parse().map_err(|_| word("things:*"))?],
        roles: Vec::new(),
        plan: Some("peers".parse().map_err(|_| word("peers"))?),
        conditions: Default::default(),
        condition_names: Vec::new(),
        limits: Vec::new(),
        quota: None,
        not_before: None,
        expires_at: None,
        disabled: false,
        revoked: None,
        replaced_by: None,
        replaces: None,
        exposed: false,
        weak: false,
        meta: Default::default(),
        tags: Vec::new(),
        created_at: at,
        created_by: "peers".to_owned(),
        updated_at: at,
        version: 1,
    })
}

fn draft() -> AuditDraft {
    let word = || "peers".to_owned();
    AuditDraft {
        time: Timestamp::now(),
        actor: Actor { r#type: word(), id: word(), name: word(), via: word() },
        action: word(),
        target: Target { r#type: word(), id: word(), name: word() },
        outcome: word(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: Vec::new(),
    }
}
