//! Lines of CSV (RFC 4180) as the objects that NDJSON would hold. A quoted field does not run over lines.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::problem::{Problem, echo};
use crate::admin::suggest::closest;

/// Columns that are known.
const KNOWN: [&str; 14] = [
    "name",
    "owner",
    "key",
    "sha256",
    "prefix",
    "scopes",
    "roles",
    "plan",
    "expires_at",
    "ip_allow",
    "environment",
    "description",
    "tags",
    "disabled",
];

/// What the columns are, in their order.
#[derive(Debug)]
pub struct Columns(Vec<&'static str>);

impl Columns {
    /// Reads the head.
    pub fn read(line: &Bytes) -> Result<Columns, Problem> {
        let wrong = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_csv_head", detail);
        let text = std::str::from_utf8(line).map_err(|_| wrong("The head of the CSV is not UTF-8.".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut columns = Vec::new();
        for cell in split(text).map_err(|why| wrong(format!("The head of the CSV is wrong: {why}.")))? {
            let cell = cell.trim().to_ascii_lowercase();
            let Some(known) = KNOWN.iter().find(|k| **k == cell) else {
                let near = closest(&cell, KNOWN).map(|n| format!(" Did you mean `{n}`?")).unwrap_or_default();
                let all = KNOWN.join(",");
                return Err(wrong(format!("There is no column `{}`.{near} Known are `{all}`.", echo(&cell))));
            };
            if columns.contains(known) {
                return Err(wrong(format!("The column `{known}` stands there twice.")));
            }
            columns.push(*known);
        }
        if !columns.contains(&"name") || !(columns.contains(&"key") || columns.contains(&"sha256")) {
            return Err(wrong("The CSV needs the column `name`, and `key` or `sha256`.".to_owned()));
        }
        Ok(Columns(columns))
    }

    /// A line as an object. Empty cells are as if they were not there.
    pub fn object(&self, line: &Bytes) -> Result<Map<String, Value>, Problem> {
        let wrong = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_csv", detail);
        let text = std::str::from_utf8(line).map_err(|_| wrong("the line is not UTF-8".to_owned()))?;
        let cells = split(text).map_err(|why| wrong(why.to_owned()))?;
        if cells.len() != self.0.len() {
            return Err(wrong(format!("the line has {} cells, the head has {}", cells.len(), self.0.len())));
        }
        let mut out = Map::new();
        for (column, cell) in self.0.iter().zip(cells) {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            let words = || cell.split([' ', ';']).filter(|w| !w.is_empty()).collect::<Vec<_>>();
            let (name, value) = match *column {
                "scopes" | "roles" | "tags" => (*column, json!(words())),
                "ip_allow" => ("conditions", json!({"ip": {"allow": words()}})),
                "disabled" => match cell {
                    "true" | "1" | "yes" => ("disabled", json!(true)),
                    "false" | "0" | "no" => ("disabled", json!(false)),
                    _ => return Err(wrong("`disabled` is `true` or `false`".to_owned())),
                },
                column => (column, json!(cell)),
            };
            out.insert(name.to_owned(), value);
        }
        Ok(out)
    }
}

/// The cells of a line.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(cells),
            None => return Err("something stands after a closing quote"),
        }
    }
}

fn unquote(quoted: &str) -> Result<(String, &str), &'static str> {
    let mut cell = String::new();
    let mut rest = quoted;
    loop {
        let at = rest.find('"').ok_or("a quoted cell does not end on its line")?;
        cell.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok((cell, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        assert_eq!(split(r#"a,"b ""x"", c",,d"#).unwrap(), ["a", "b \"x\", c", "", "d"]);
        assert_eq!(split("").unwrap(), [""]);
        assert!(split(r#""a"#).is_err() && split(r#""a"b,c"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn quoted_cells_come_back(cells in proptest::collection::vec("[^\\r\\n]{0,12}", 1..6)) {
            let line = cells.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect::<Vec<_>>().join(",");
            proptest::prop_assert_eq!(split(&line).unwrap(), cells);
        }

        #[test]
        fn no_line_panics(line in ".{0,40}") {
            let _ = split(&line);
        }
    }

    #[test]
    fn objects() {
        let columns = Columns::read(&Bytes::from("\u{feff}name,Owner,key,scopes,ip_allow,disabled")).unwrap();
        let object = columns.object(&Bytes::from("a,,k,x:y;z:w,203.0.113.0/24,true")).unwrap();
        assert_eq!(
            Value::Object(object),
            json!({"name": "a", "key": "k", "scopes": ["x:y", "z:w"],
                "conditions": {"ip": {"allow": ["203.0.113.0/24"]}}, "disabled": true})
        );
        assert!(columns.object(&Bytes::from("a,b")).is_err());
        assert!(columns.object(&Bytes::from("a,b,c,d,e,maybe")).is_err());
        for bad in ["name", "key", "name,key,name", "name,kye", "\"name"] {
            assert!(Columns::read(&Bytes::from(bad)).is_err(), "{bad}");
        }
    }
}
