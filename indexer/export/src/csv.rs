//! Comma-separated values after RFC 4180, which a spreadsheet cannot take for formulas.

/// One line, without its line break.
#[must_use]
pub fn csv_row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().map(csv_cell).collect::<Vec<_>>().join(",")
}

/// One cell: quoted where a comma, a quote or a line break stands in it, and marked as text where it begins like a formula.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_two_nor_a_formula() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        for formula in ["=1+1", "+1", "-1", "@x", "\tx"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        assert_eq!(csv_row(["a", "b,c", ""]), "a,\"b,c\",");
    }
}
