//! Comma-separated values after RFC 4180, which a spreadsheet cannot take for formulas.

/// One line, without its line break.
#[must_use]
pub fn csv_row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().map(csv_cell).collect::<Vec<_>>().join(",")
}

/// One cell: control characters are shown, not kept; quoted where a comma, a quote or a line break stands in it, and marked
/// as text where it begins like a formula.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => cell.push('\n'),
            control if control.is_control() => cell.extend(format!("\\u{{{:x}}}", u32::from(control)).chars()),
            plain => cell.push(plain),
        }
    }
    if cell.trim_start().starts_with(['=', '+', '-', '@']) {
        cell.insert(0, '\'');
    }
    if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_two_nor_a_formula() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        for formula in ["=1+1", "+1", "-1", "@x", " =1"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        assert_eq!(csv_cell("\t=1\r\u{1b}[31m"), "\\u{9}=1\\u{d}\\u{1b}[31m");
        assert_eq!(csv_cell("\n=1"), "\"'\n=1\"");
        assert_eq!(csv_row(["a", "b,c", ""]), "a,\"b,c\",");
    }
}
