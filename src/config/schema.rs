//! The JSON Schema of `gateway.toml`, made from the written form, and the walk over it that the reference, the help
//! and `--show` are made by.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::written::Written;

/// The schema as text, for editors that complete and check TOML by it.
pub fn schema() -> String {
    let mut text = format!("{:#}", root());
    text.push('\n');
    text
}

/// The schema of the whole file.
pub(super) fn root() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Written>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null, so a field that may be absent is simply not required.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|t| t != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".into(), one);
                }
            }
            if let Some(Value::Array(any)) = object.get_mut("anyOf") {
                any.retain(|s| s.get("type").is_none_or(|t| t != "null"));
                if let [Value::Object(one)] = any.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    lift(object, one);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Puts the only alternative in the place of the choice. Beside a `$ref` nothing else would count in draft 07, so that
/// one stays wrapped.
fn lift(object: &mut Map<String, Value>, one: Map<String, Value>) {
    if one.contains_key("$ref") {
        object.insert("allOf".into(), Value::Array(vec![Value::Object(one)]));
    } else {
        one.into_iter().for_each(|(key, value)| {
            object.entry(key).or_insert(value);
        });
    }
}

/// One schema inside the whole.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    root: &'a Value,
    schema: &'a Value,
}

impl<'a> Part<'a> {
    pub fn whole(root: &'a Value) -> Self {
        Part { root, schema: root }
    }

    fn at(self, schema: &'a Value) -> Self {
        Part { schema, ..self }
    }

    /// The schema behind a reference.
    fn resolved(self) -> Self {
        let wrapped = self.schema.pointer("/allOf/0").unwrap_or(self.schema);
        let target = wrapped.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        match target.and_then(|pointer| self.root.pointer(pointer)) {
            Some(schema) => self.at(schema),
            None => self.at(wrapped),
        }
    }

    fn text(self, key: &str) -> Option<&'a str> {
        self.schema.get(key)?.as_str()
    }

    /// What the field says about itself, before what its type says; only the latter where it says the same and more.
    pub fn descriptions(self) -> impl Iterator<Item = &'a str> {
        let own = self.text("description");
        let of_type = self.table().unwrap_or(self).text("description").filter(|text| Some(*text) != own);
        let more = |own: &&str| !of_type.is_some_and(|text| text.starts_with(own.trim_end_matches('.')));
        own.filter(more).into_iter().chain(of_type)
    }

    /// What the field says about itself.
    pub fn description(self) -> Option<&'a str> {
        self.text("description").or_else(|| self.descriptions().next())
    }

    pub fn default(self) -> Option<&'a Value> {
        self.schema.get("default")
    }

    /// The fields, where this is a table with fields of its own.
    pub fn fields(self) -> Vec<(&'a str, Part<'a>)> {
        let fields = self.resolved().schema.get("properties").and_then(Value::as_object);
        fields.into_iter().flatten().map(|(name, schema)| (name.as_str(), self.at(schema))).collect()
    }

    /// The named tables inside, where this is a table of tables.
    pub fn named(self) -> Option<Part<'a>> {
        let inside = self.resolved().schema.get("additionalProperties").filter(|s| s.is_object())?;
        Some(self.at(inside).resolved()).filter(|part| !part.fields().is_empty())
    }

    /// The alternatives, where there are some.
    fn alternatives(self) -> Vec<Part<'a>> {
        let any = self.resolved().schema.get("anyOf").and_then(Value::as_array);
        any.into_iter().flatten().map(|schema| self.at(schema)).collect()
    }

    /// The table with fields that this field holds: itself, named ones inside it, or the items of a list.
    pub fn table(self) -> Option<Part<'a>> {
        let resolved = self.resolved();
        if !resolved.fields().is_empty() {
            return Some(resolved);
        }
        let inside = resolved.schema.get("additionalProperties").or_else(|| resolved.schema.get("items"));
        let inside = inside.filter(|s| s.is_object()).and_then(|s| self.at(s).table());
        inside.or_else(|| self.alternatives().into_iter().find_map(Part::table))
    }

    /// What may be written there, in a few words.
    pub fn kind(self) -> String {
        let part = self.resolved();
        if let Some(words) = part.schema.get("oneOf").and_then(Value::as_array) {
            return joined(words.iter().filter_map(|w| Some(format!("`\"{}\"`", w.get("const")?.as_str()?))));
        }
        let alternatives = part.alternatives();
        if let [one, many] = alternatives.as_slice()
            && many.schema.get("items") == Some(one.schema)
        {
            return format!(
                "{}, or a list",
                if one.alternatives().is_empty() && one.table().is_some() { "table".to_owned() } else { one.kind() }
            );
        }
        if !alternatives.is_empty() {
            return joined(alternatives.into_iter().map(Part::kind));
        }
        if let Some(words) = part.schema.get("enum").and_then(Value::as_array) {
            return joined(words.iter().filter_map(|w| Some(format!("`\"{}\"`", w.as_str()?))));
        }
        if let Some(word) = part.schema.get("const") {
            return format!("`{word}`");
        }
        match part.text("type") {
            Some("string") => part.text("format").unwrap_or("text").to_owned(),
            Some("integer" | "number") => "number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => match part.schema.get("items").map(|items| self.at(items)) {
                Some(items) if items.table().is_some() => "list of tables".to_owned(),
                Some(items) => format!("list of {}", items.kind()),
                None => "list".to_owned(),
            },
            Some("object") => match part.schema.get("additionalProperties").filter(|s| s.is_object()) {
                Some(inside) if self.at(inside).table().is_none() => format!("table of {}", self.at(inside).kind()),
                Some(_) => "tables by name".to_owned(),
                None => "table".to_owned(),
            },
            _ => "value".to_owned(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`, each once.
fn joined(words: impl Iterator<Item = String>) -> String {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        if !out.contains(&word) {
            out.push(word);
        }
    }
    match out.split_last() {
        Some((last, front)) if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        _ => out.concat(),
    }
}
