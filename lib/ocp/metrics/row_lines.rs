//! Reads rows that `ocp-metrics` wrote.

use std::io::Read;

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::error;
use crate::json::lines::{Lines, explain};

/// Calls `take` for each row of an input; `name` is the input's name in errors. Ignores empty
/// lines.
///
/// # Errors
///
/// Status 65 if a line is not a row, status 74 if the input cannot be read.
pub(crate) fn each_row<T: DeserializeOwned>(
    name: &str,
    input: impl Read,
    mut take: impl FnMut(T),
) -> anyhow::Result<()> {
    let mut lines = Lines::new(input);
    let place = || format!("reading {name}");
    while let Some(line) = lines.next_line().with_context(place)? {
        if line.record().is_empty() {
            continue;
        }
        let row = serde_json::from_slice(line.record()).map_err(|e| {
            let (at, what) = (line.number, explain(&e));
            error::bad_input(format!("{name}:{at}: not a row of ocp-metrics: {what}"))
        })?;
        take(row);
    }
    Ok(())
}
