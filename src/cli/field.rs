//! Reads what the admin API answered, as far as a command shows it. A field that is absent is empty, never an error:
//! an older or newer server still lists its keys.

use jiff::Timestamp;
use serde_json::Value;

/// The text at a JSON pointer; empty if there is none. Numbers and truth values are told as text.
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) => n.to_string(),
        Some(Value::Bool(b)) => b.to_string(),
        _ => String::new(),
    }
}

/// The text at a pointer, or `other` if there is none.
pub fn text_or(value: &Value, pointer: &str, other: &str) -> String {
    let found = text(value, pointer);
    if found.is_empty() { other.to_owned() } else { found }
}

/// The texts of the list at a pointer.
pub fn texts(value: &Value, pointer: &str) -> Vec<String> {
    list(value, pointer).iter().map(|item| text(item, "")).collect()
}

/// The list at a pointer; empty if there is none.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The whole number at a pointer.
pub fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// Whether there is `true` at a pointer.
pub fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The moment at a pointer.
pub fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    value.pointer(pointer).and_then(Value::as_str).and_then(|text| text.parse().ok())
}
