//! Plain tables: two spaces between columns, no lines, numbers to the right.

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};

/// A table that is being filled.
#[derive(Debug)]
pub(crate) struct Table {
    inner: comfy_table::Table,
    right: Vec<bool>,
}

impl Table {
    /// With these headings; one that begins with `>` has its column to the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let right: Vec<_> = headings
            .iter()
            .map(|heading| heading.starts_with('>'))
            .collect();
        let mut table = Self::bare(0);
        table.right = right;
        let texts = headings
            .iter()
            .map(|heading| heading.trim_start_matches('>').to_owned());
        let cells = table.cells(texts);
        table.inner.set_header(cells);
        table
    }

    /// With so many columns, all of them to the left, and no headings.
    pub(crate) fn bare(columns: usize) -> Self {
        let mut inner = comfy_table::Table::new();
        inner
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        Self {
            inner,
            right: vec![false; columns],
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, texts: [String; N]) {
        let cells = self.cells(texts.into_iter());
        self.inner.add_row(cells);
    }

    fn cells(&self, texts: impl Iterator<Item = String>) -> Vec<Cell> {
        let right = self.right.iter().copied();
        texts
            .zip(right)
            .map(|(text, right)| {
                let side = if right {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                };
                Cell::new(text).set_alignment(side)
            })
            .collect()
    }

    /// The table as lines, without blanks at their ends.
    pub(crate) fn render(mut self) -> String {
        let last = self.right.len().saturating_sub(1);
        for (at, column) in self.inner.column_iter_mut().enumerate() {
            column.set_padding((0, if at == last { 0 } else { 2 }));
        }
        let mut text = String::new();
        for line in self.inner.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
