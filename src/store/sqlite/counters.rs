//! Counters of limits, kept over a restart: packed many to a row, as they are only ever written and read all at once.

use rusqlite::{Connection, TransactionBehavior};

use super::fault::Fault;
use crate::store::{CounterRow, StoreError};

/// Bytes of a counter: its key, three words of state, its end.
const COUNTER_BYTES: usize = 16 + 3 * 8 + 8;
/// Counters of a row: a million counters are a thousand rows of 48 KiB.
const CHUNK_COUNTERS: usize = 1_024;

/// Replaces all counters.
pub(super) fn save(connection: &mut Connection, rows: &[CounterRow]) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM counters", ())?;
    let mut statement = transaction.prepare_cached("INSERT INTO counters VALUES (?1)")?;
    let mut chunk = Vec::with_capacity(CHUNK_COUNTERS * COUNTER_BYTES);
    for rows in rows.chunks(CHUNK_COUNTERS) {
        chunk.clear();
        for row in rows {
            chunk.extend_from_slice(&row.key.to_le_bytes());
            for word in row.state.iter().chain([&row.expires_us]) {
                chunk.extend_from_slice(&word.to_le_bytes());
            }
        }
        statement.execute([&chunk])?;
    }
    drop(statement);
    transaction.commit()?;
    Ok(())
}

/// The counters that are worth something at `now_us`.
pub(super) fn load(connection: &Connection, now_us: u64) -> Result<Vec<CounterRow>, Fault> {
    let mut statement = connection.prepare("SELECT chunk FROM usage.counters")?;
    let mut rows = statement.query(())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let chunk = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let (counters, rest) = chunk.as_chunks::<COUNTER_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::Engine("a row of counters has been cut".to_owned()).into());
        }
        found.extend(counters.iter().map(unpack).filter(|counter| counter.expires_us > now_us));
    }
    Ok(found)
}

fn unpack(bytes: &[u8; COUNTER_BYTES]) -> CounterRow {
    let (key, words) = bytes.split_first_chunk::<16>().expect("a counter is longer than its key");
    let (words, _) = words.as_chunks::<8>();
    let word = |at: usize| u64::from_le_bytes(words[at]);
    CounterRow { key: u128::from_le_bytes(*key), state: [word(0), word(1), word(2)], expires_us: word(3) }
}
