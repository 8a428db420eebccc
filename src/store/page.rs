//! Pages of a list, by an opaque cursor.

/// Most rows of a page.
pub const PAGE_MAX: usize = 200;

/// Which rows.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// How many at most; 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        PageRequest { limit: 50, cursor: None }
    }
}

/// Some rows, and where the next ones begin.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}
