//! The schema report of the last run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::error;
use crate::json::lines::Lines;

/// The content of the last report. `known` maps a type of record and a path to the types of the
/// values that all runs so far have seen there.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Whether the last report has any lines.
    pub(super) is_there: bool,
    pub(super) known: BTreeMap<(String, String), Vec<String>>,
}

#[derive(Deserialize)]
struct Known {
    message_type: Option<String>,
    path: String,
    ever: Vec<String>,
}

impl Before {
    /// Reads the last report. A file that is not a report is an error, so that it is not
    /// overwritten.
    pub(super) fn read(path: &Path) -> anyhow::Result<Before> {
        let mut before = Before::default();
        if !path.is_file() {
            return Ok(before);
        }
        let place = || path.display().to_string();
        let mut lines = Lines::new(File::open(path).with_context(place)?);
        loop {
            let line = match lines.next_line() {
                Ok(None) => return Ok(before),
                Ok(Some(line)) => serde_json::from_slice(line.bytes),
                Err(e) => return Err(e).with_context(place),
            };
            let Ok(Known {
                message_type,
                path,
                ever,
            }) = line
            else {
                let text = "this is not a schema report, so it was not changed; give another file";
                return Err(error::bad_input(text)).with_context(place);
            };
            before.is_there = true;
            let key = (message_type.unwrap_or_default(), path);
            before.known.insert(key, ever);
        }
    }
}
