//! What a first start makes: the administrator's key, and one key to begin with.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::Config;
use crate::model::audit::{Actor, AuditDraft, Target};
use crate::model::condition::ConditionText;
use crate::model::id::KeyId;
use crate::model::key::{Key, KeyType};
use crate::model::key_format::{ADMIN_PREFIX, generate, new_public_id};
use crate::model::secret::{KeyDigest, PresentedKey};
use crate::snapshot::refresh::Mutator;
use crate::store::{Change, Store, StoreError, StoredKey};

/// File of the administrator's key in the state directory.
const ADMIN_KEY_FILE: &str = "admin-key";
/// File of the first key in the state directory.
const FIRST_KEY_FILE: &str = "first-key";
/// Largest file taken for a key.
const KEY_FILE_MAX: u64 = 4_096;

/// The first key, as it is shown once.
pub struct FirstKey {
    /// The whole key.
    pub secret: PresentedKey,
    /// Its environment.
    pub environment: String,
    /// The file it also stands in, if it could be written.
    pub file: Option<PathBuf>,
}

/// Digest of the administrator's key: the configured one, else the one kept in the state directory, made now if there
/// is none.
///
/// # Errors
/// When the file can be neither read nor written.
pub fn admin_key(config: &Config) -> io::Result<KeyDigest> {
    if let Some(key) = &config.admin.key {
        return Ok(KeyDigest::of(key.expose().as_bytes(), None));
    }
    let path = config.store.dir.join(ADMIN_KEY_FILE);
    match read_secret(&path) {
        Ok(text) => Ok(KeyDigest::of(text.trim_ascii(), None)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = generate(ADMIN_PREFIX, "live", new_public_id());
            write_secret(&path, key.expose())?;
            Ok(key.digest(None))
        }
        Err(error) => Err(error),
    }
}

/// Makes the first key, if nothing was ever changed in the store.
///
/// # Errors
/// When the store refuses it.
pub async fn first_key(
    config: &Config,
    store: &dyn Store,
    mutator: &Mutator,
    now: Timestamp,
) -> Result<Option<FirstKey>, StoreError> {
    if store.revision().await? != 0 {
        return Ok(None);
    }
    let environments = &config.keys.environments;
    let environment = environments.iter().find(|e| &***e == "test").or(environments.first());
    let environment = environment.map_or("live", |e| e).to_owned();
    let id = new_public_id();
    let secret = generate(&config.keys.prefix, &environment, id);
    let digest = secret.digest(config.keys.pepper.as_deref());
    let key = record(config, id, &environment, now);
    let audit = AuditDraft {
        time: now,
        actor: Actor { r#type: "system".into(), id: "start".into(), name: "first start".into(), via: "start".into() },
        action: "key.create".into(),
        target: Target { r#type: "key".into(), id: id.to_string(), name: key.name.to_string() },
        outcome: "success".into(),
        reason: None,
        source_ip: None,
        user_agent: None,
        request_id: None,
        changes: Vec::new(),
    };
    // The file first: a key that is stored and that nobody knows could not be made a second time.
    let dir = &config.store.dir;
    forget_first_key(dir);
    let file = dir.join(FIRST_KEY_FILE);
    let file = match write_secret(&file, secret.expose()) {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "the first key could not be written to its file");
            None
        }
    };
    let stored = Box::new(StoredKey { key, digest });
    let made = mutator.commit(vec![(Change::InsertKey { stored, max_per_owner: None }, audit)], None).await;
    if made.is_err() {
        forget_first_key(dir);
    }
    made?;
    Ok(Some(FirstKey { secret, environment, file }))
}

fn record(config: &Config, id: KeyId, environment: &str, now: Timestamp) -> Key {
    Key {
        id,
        uuid: uuid::Uuid::now_v7(),
        prefix: format!("{}_{environment}_{}", config.keys.prefix, id.public()),
        name: "first-key".parse().expect("letters and a dash"),
        description: "Made at the first start".into(),
        environment: environment.to_owned(),
        r#type: KeyType::Application,
        owner: None,
        scopes: vec!["*:*".parse().expect("a scope")],
        roles: Vec::new(),
        plan: None,
        conditions: ConditionText::default(),
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
        created_at: now,
        created_by: "start".into(),
        updated_at: now,
        version: 1,
    }
}

/// Removes the file of the first key, once the key was used. True when nothing is left to remove.
pub fn forget_first_key(dir: &Path) -> bool {
    match fs::remove_file(dir.join(FIRST_KEY_FILE)) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The id of the key in the first key's file, if the file is still there.
pub fn waiting_first_key(dir: &Path) -> Option<KeyId> {
    let text = read_secret(&dir.join(FIRST_KEY_FILE)).ok()?;
    crate::model::key_format::parse(text.trim_ascii()).map(|parts| parts.id)
}

fn read_secret(path: &Path) -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
    use std::io::Read;
    let mut text = zeroize::Zeroizing::new(Vec::new());
    fs::File::open(path)?.take(KEY_FILE_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn write_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_nobody_elses_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_secret(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write_secret(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(&**read_secret(&path).unwrap(), b"one\n");
    }
}
