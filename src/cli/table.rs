//! Tables for people: columns two spaces apart, no rules, nothing wrapped.

use unicode_width::UnicodeWidthStr;

use super::output::{Paint, safe};

/// How the words of a cell are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Normal,
    /// Good.
    Good,
    /// Bad.
    Bad,
    /// Worth a look.
    Warn,
    /// Less important.
    Dim,
}

impl Tone {
    /// Colours `text`.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Tone::Normal => text.to_owned(),
            Tone::Good => paint.good(text),
            Tone::Bad => paint.bad(text),
            Tone::Warn => paint.warn(text),
            Tone::Dim => paint.dim(text),
        }
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone of its own. What could steer a terminal is escaped here.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Cell { text: safe(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::toned(text, Tone::Normal)
    }
}

/// Rows under headings.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings; one that begins with `>` stands on the right, as numbers do.
    pub fn new(head: &[&str]) -> Self {
        let right = head.iter().map(|h| h.starts_with('>')).collect();
        Table { head: head.iter().map(|h| h.trim_start_matches('>').to_owned()).collect(), right, rows: Vec::new() }
    }

    /// Adds a row, one cell a heading.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The table as text. Nothing at all without rows.
    pub fn render(&self, paint: Paint) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut widths: Vec<usize> = self.head.iter().map(|h| h.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        let mut out = String::new();
        let head: Vec<Cell> = self.head.iter().map(|h| Cell::toned(h, Tone::Dim)).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            self.line(row, &widths, paint, &mut out);
        }
        out
    }

    fn line(&self, row: &[Cell], widths: &[usize], paint: Paint, out: &mut String) {
        // Blanks are held back until something follows them, so that no line ends in any.
        let mut blanks = 0;
        for (at, cell) in row.iter().enumerate() {
            let pad = widths[at].saturating_sub(cell.text.width());
            let right = self.right[at];
            blanks += if right { pad } else { 0 };
            if !cell.text.is_empty() {
                out.extend(std::iter::repeat_n(' ', blanks));
                out.push_str(&cell.tone.paint(paint, &cell.text));
                blanks = 0;
            }
            blanks += if right { 2 } else { pad + 2 };
        }
        out.push('\n');
    }
}

/// Lines of `name  value`, the names in one column.
pub fn facts(rows: &[(&str, String)], indent: &str) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{indent}{name:<width$}  {}\n", safe(value))).collect()
}

/// Tab-separated lines, whose tabs and line ends inside a value are escaped by [`safe`].
pub fn plain<'a>(rows: impl IntoIterator<Item = &'a [String]>) -> String {
    rows.into_iter().map(|row| row.iter().map(|cell| safe(cell)).collect::<Vec<_>>().join("\t") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", ">CALLS", "STATUS"]);
        table.row(vec!["a".into(), "7".into(), Cell::toned("active", Tone::Good)]);
        table.row(vec!["日本".into(), "1 204".into(), "".into()]);
        assert_eq!(
            table.render(Paint::OFF),
            "NAME  CALLS  STATUS\n\
             a         7  active\n\
             日本  1 204\n"
        );
        assert!(table.render(Paint::ON).contains("\u{1b}[32mactive\u{1b}[0m"));
        assert_eq!(Table::new(&["NAME"]).render(Paint::OFF), "");
    }

    #[test]
    fn no_cell_can_break_out_of_its_place() {
        let rows = [vec!["a\tb".to_owned(), "c\nd".to_owned()]];
        assert_eq!(plain(rows.iter().map(Vec::as_slice)), "a\\u{9}b\tc\\u{a}d\n");
        assert_eq!(facts(&[("id", "x".into()), ("owner", "y\r".into())], "  "), "  id     x\n  owner  y\\u{d}\n");
    }
}
