//! Fields that a user selects: their names and their output. Values are output byte for byte.

use std::borrow::Cow;

use super::fields::{Fields, Record, Slot, Step, text};
use super::path;

/// A field that the user selects for the output.
#[derive(Clone, Debug)]
pub struct SelectedField {
    /// The name of the field in the output.
    pub name: String,
    /// The path as the user typed it.
    pub path: String,
    /// The slot of the field in a [`Record`].
    pub slot: Slot,
}

impl SelectedField {
    /// Parses lists such as `id,type=flow.type`, and adds their fields to `fields`. Returns an
    /// error text if a part is not a path.
    pub fn all(lists: &[String], fields: &mut Fields) -> Result<Vec<SelectedField>, String> {
        let paths = lists.iter().flat_map(|list| path::split(list));
        paths.map(|path| SelectedField::new(path, fields)).collect()
    }

    fn new(text: &str, fields: &mut Fields) -> Result<SelectedField, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if !name.contains('"') => (Some(name.trim()), path),
            _ => (None, text),
        };
        let steps = path::parse(path).map_err(|what| format!("--select '{text}': {what}"))?;
        let name = match (name, &steps[..]) {
            (Some(name), _) => name,
            (None, [Step::Name(name)]) => name,
            _ => path.trim().trim_start_matches('.'),
        };
        Ok(SelectedField {
            name: name.to_owned(),
            path: path.trim().to_owned(),
            slot: fields.want_steps(&steps),
        })
    }
}

/// Returns an error text if two fields have the same name.
pub fn check_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<(), String> {
    let mut known = Vec::new();
    for name in names {
        if known.contains(&name) {
            return Err(format!(
                "--select: two fields have the name '{name}': rename one of them with NAME=PATH"
            ));
        }
        known.push(name);
    }
    Ok(())
}

/// The name of a field as JSON, with its colon: `"name":`.
pub fn key(name: &str) -> String {
    format!("{}:", serde_json::Value::from(name))
}

/// The JSON of a field; `null` if the record lacks it.
pub fn json<'l>(record: &Record<'l, '_>, slot: Slot) -> &'l str {
    record.get(slot).unwrap_or("null").trim_ascii()
}

/// JSON as a table cell: strings without quotes and escapes, null as an empty cell.
pub fn cell(json: &str) -> Cow<'_, str> {
    match json {
        "null" => Cow::Borrowed(""),
        json => text(json),
    }
}
