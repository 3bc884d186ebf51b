//! Tables for people: no frames but a rule under the heading, cells escaped, colour only where it means something.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle};
use schema::Tone;

use crate::text::shown;

/// Columns of a terminal below which cells are not wrapped.
const NARROWEST: u16 = 80;

/// A table with these headings, as wide as the terminal.
pub(crate) fn table(color: bool, headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new(' ', '-', ' ', ' ')));
    // On a terminal too narrow for columns (or of unknown width) lines that run over are easier to read than letters in a row.
    let is_wide = table.width().is_some_and(|width| width >= NARROWEST);
    table.set_content_arrangement(if is_wide { ContentArrangement::Dynamic } else { ContentArrangement::Disabled });
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let heading = |text: &&str| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header(headings.iter().map(heading));
    table
}

/// A cell of outside text.
pub(crate) fn cell(text: &str) -> Cell {
    Cell::new(shown(text))
}

/// A cell with a colour for its tone.
pub(crate) fn toned(text: &str, tone: Tone) -> Cell {
    let cell = cell(text);
    match tone {
        Tone::Good => cell.fg(Color::Green),
        Tone::Neutral => cell,
        Tone::Caution => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}

/// A number, to the right.
pub(crate) fn number(n: u64) -> Cell {
    Cell::new(n).set_alignment(CellAlignment::Right)
}
