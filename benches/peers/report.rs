//! What came out: medians over the rounds, and ratios taken within each round.

use std::fmt;

use serde_json::{Value, json};

/// One figure of a table.
#[derive(Debug)]
pub struct Column {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Digits behind the point.
    pub digits: usize,
    /// Whether it is held against the row of reference.
    pub ratio: bool,
}

impl Column {
    /// A figure that is only told.
    pub const fn told(name: &'static str, digits: usize) -> Self {
        Column { name, digits, ratio: false }
    }

    /// A figure that is held against that of the reference.
    pub const fn compared(name: &'static str, digits: usize) -> Self {
        Column { name, digits, ratio: true }
    }
}

struct Row {
    name: &'static str,
    rounds: Vec<Vec<f64>>,
}

/// One work, done by several.
pub struct Table {
    title: String,
    columns: &'static [Column],
    reference: &'static str,
    rows: Vec<Row>,
}

impl Table {
    /// One without figures.
    pub fn new(title: String, columns: &'static [Column], reference: &'static str) -> Self {
        Table { title, columns, reference, rows: Vec::new() }
    }

    /// Adds a round of one of them, and tells it.
    pub fn add(&mut self, name: &'static str, figures: Vec<f64>) -> String {
        let told: Vec<String> =
            self.columns.iter().zip(&figures).map(|(c, f)| format!("{f:.*} {}", c.digits, c.name)).collect();
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(figures),
            None => self.rows.push(Row { name, rounds: vec![figures] }),
        }
        told.join("  ")
    }

    /// Median, lowest and highest of the ratios to the reference, each taken within a round.
    fn ratio(&self, row: &Row, column: usize) -> Option<(f64, f64, f64)> {
        let reference = self.rows.iter().find(|row| row.name == self.reference)?;
        let ratios: Vec<f64> = row.rounds.iter().zip(&reference.rounds).map(|(a, b)| a[column] / b[column]).collect();
        let low = ratios.iter().copied().reduce(f64::min)?;
        let high = ratios.iter().copied().reduce(f64::max)?;
        Some((median(ratios), low, high))
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let columns = self.columns.iter().enumerate().map(|(at, column)| {
                let rounds: Vec<f64> = row.rounds.iter().map(|figures| figures[at]).collect();
                let ratio = self
                    .ratio(row, at)
                    .filter(|_| column.ratio)
                    .map(|(median, low, high)| json!({ "median": median, "lowest": low, "highest": high }));
                json!({ "name": column.name, "median": median(rounds.clone()), "rounds": rounds, "ratio": ratio })
            });
            json!({ "name": row.name, "columns": columns.collect::<Vec<_>>() })
        });
        json!({ "title": self.title, "reference": self.reference, "rows": rows.collect::<Vec<_>>() })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        write!(f, "| |")?;
        for column in self.columns {
            write!(f, " {} |", column.name)?;
            if column.ratio {
                write!(f, " against {} (lowest–highest round) |", self.reference)?;
            }
        }
        writeln!(f)?;
        let cells = self.columns.iter().map(|column| 1 + usize::from(column.ratio)).sum::<usize>();
        writeln!(f, "| --- |{}", " --- |".repeat(cells))?;
        for row in &self.rows {
            write!(f, "| {} |", row.name)?;
            for (at, column) in self.columns.iter().enumerate() {
                let value = median(row.rounds.iter().map(|figures| figures[at]).collect());
                write!(f, " {value:.*} |", column.digits)?;
                match self.ratio(row, at).filter(|_| column.ratio) {
                    Some((median, low, high)) => write!(f, " {median:.2} ({low:.2}–{high:.2}) |")?,
                    None if column.ratio => write!(f, " – |")?,
                    None => {}
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What came out.
pub struct Report {
    about: Vec<String>,
    tables: Vec<Table>,
}

impl Report {
    /// With lines about the run.
    pub fn new(about: Vec<String>, tables: Vec<Table>) -> Self {
        Report { about, tables }
    }

    /// Every figure of every round.
    pub fn json(&self) -> Value {
        json!({ "about": self.about, "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.about {
            writeln!(f, "- {line}")?;
        }
        for table in self.tables.iter().filter(|table| !table.rows.is_empty()) {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
