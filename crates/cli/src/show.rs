//! Tables and lists for people.

use std::fmt::Write as _;

use serde_json::Value;

/// Columns with a header, two blanks apart.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell));
            cells.max().unwrap_or_default().max(width(name))
        })
        .collect();
    let mut text = String::new();
    line(&mut text, &widths, header.iter().copied());
    for row in rows {
        line(&mut text, &widths, row.iter().map(String::as_str));
    }
    text
}

fn line<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let mut shown = String::new();
    for (cell, width) in cells.zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{cell:<width$}  ");
    }
    text.push_str(shown.trim_end());
    text.push('\n');
}

/// Names with their values, a line each.
pub(crate) fn details(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<width$}  {value}");
        text
    })
}

/// A member's value as a cell; `-` where there is none.
pub(crate) fn cell(object: &Value, member: &str) -> String {
    scalar(&object[member])
}

/// A value as a cell; `-` for none.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => plain(&value.to_string()),
    }
}

/// The text without what could steer a terminal: names and contacts are written by others.
pub(crate) fn plain(text: &str) -> String {
    escaped(text, |character| character.escape_unicode().to_string())
}

/// The document in one line without what could steer a terminal.
pub(crate) fn document(value: &Value) -> String {
    // Such characters stand in strings alone, and all of them have four digits.
    escaped(&value.to_string(), |character| format!("\\u{:04x}", u32::from(character)))
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown.push_str(&escape(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether it is a control character, or turns the direction of what is shown.
fn steers(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || turns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let rows = [vec!["acme".to_owned(), "Äcme".to_owned()], vec!["initech".to_owned(), String::new()]];
        assert_eq!(table(&["TENANT", "NAME"], &rows), "TENANT   NAME\nacme     Äcme\ninitech\n");
        assert_eq!(table(&["TENANT", "NAME"], &[]), "TENANT  NAME\n");
    }

    #[test]
    fn details_align_their_values() {
        assert_eq!(details(&[("id", "a".to_owned()), ("name", "b".to_owned())]), "id    a\nname  b\n");
    }

    #[test]
    fn a_cell_shows_every_kind_of_value() {
        let object = json!({ "text": "a", "number": 3, "none": null, "map": { "k": "v" } });
        let shown = ["text", "number", "none", "missing", "map"].map(|member| cell(&object, member));
        assert_eq!(shown, ["a", "3", "-", "-", r#"{"k":"v"}"#]);
    }

    #[test]
    fn a_document_steers_no_terminal_and_is_the_same_document() {
        let value = json!({ "contact": { "a\u{9b}": "\u{1b}[2J\u{7f}\u{61c}\u{202e}é" } });
        let line = document(&value);
        assert!(!line.chars().any(steers), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        assert_eq!(plain("a\u{1b}[31m\u{7}\u{9b}\u{202e}é\n"), "a\\u{1b}[31m\\u{7}\\u{9b}\\u{202e}é\\u{a}");
    }
}
