//! The profile as a TOML file: the user's values replace the default values. A key that the default
//! does not have is an error.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use toml::Table;

use super::line::ProfileLine;
use crate::error;

/// The section in which every key is valid.
const FREE: &str = "headers";

/// Reads the file at `path` and merges it with `default`. Returns the merged profile, and the
/// content of the file alone.
pub(super) fn read(default: &str, path: Option<&Path>) -> anyhow::Result<(Table, Table)> {
    let table: Table = default.parse()?;
    let Some(path) = path else {
        return Ok((table, Table::new()));
    };
    let place = || format!("--api-profile {}", path.display());
    let text = std::fs::read_to_string(path)
        .map_err(|e| error::usage(e.to_string()))
        .with_context(place)?;
    let own: Table = text
        .parse()
        .map_err(|e: toml::de::Error| error::usage(one_line(&e.to_string())))
        .with_context(place)?;
    check_keys(&table, &own)
        .map_err(error::usage)
        .with_context(place)?;
    let mut merged = table;
    merge(&mut merged, &own);
    Ok((merged, own))
}

/// Sets the key of a profile line in a TOML table.
pub(super) fn set(table: &mut Table, line: ProfileLine, value: &Value) -> anyhow::Result<()> {
    let text = format!("[{}]\n{} = {value}\n", line.section, line.key);
    let own: Table = text.parse()?;
    merge(table, &own);
    Ok(())
}

/// Copies the values of `own` into `table`.
fn merge(table: &mut Table, own: &Table) {
    for (key, value) in own {
        match (table.get_mut(key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Fails if `own` has an unknown section or key. The error names this section or key, and a similar
/// name that exists.
fn check_keys(default: &Table, own: &Table) -> Result<(), String> {
    for (section, keys) in own {
        let Some(known) = default.get(section) else {
            let what = format!("section [{section}]");
            return Err(unknown(&what, section, default, |name| format!("[{name}]")));
        };
        let (Some(known), Some(keys)) = (known.as_table(), keys.as_table()) else {
            return Err(format!(
                "{section} is a section: write [{section}] before its keys"
            ));
        };
        if section == FREE {
            continue;
        }
        for key in keys.keys() {
            if known.contains_key(key) {
                continue;
            }
            // The key is possibly right, but in the wrong section.
            let elsewhere = default.iter().find(|(_, other)| {
                other
                    .as_table()
                    .is_some_and(|other| other.contains_key(key))
            });
            let what = format!("key '{key}' in [{section}]");
            return Err(match elsewhere {
                Some((other, _)) if nearest(key, known).is_none() => {
                    format!("unknown {what}: did you mean [{other}] {key}?")
                }
                _ => unknown(&what, key, known, str::to_owned),
            });
        }
    }
    Ok(())
}

fn unknown(what: &str, name: &str, known: &Table, show: impl Fn(&str) -> String) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {what}: did you mean {}?", show(near)),
        None => {
            let names: Vec<String> = known.keys().map(|name| show(name)).collect();
            format!("unknown {what}; known: {}", names.join(", "))
        }
    }
}

/// The name in `known` that is most similar to `name`; `None` if no name is similar enough.
fn nearest<'n>(name: &str, known: &'n Table) -> Option<&'n str> {
    known
        .keys()
        .map(|known| (strsim::jaro_winkler(name, known), known.as_str()))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// Joins the lines of an error into one line.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}
