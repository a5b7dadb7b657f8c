//! Counts the calls in the files of a lake, by group and hour: the root records of type
//! `dialog_end`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cdr::{number, says};
use crate::error;
use crate::format::zstandard;
use crate::json::fields::{Fields, Finds};
use crate::json::lines::Lines;
use crate::time::Timestamp;

const TYPE: &str = "message_type=dialog_end";

/// The numbers of root records in the files of a lake. Each call has one root record.
#[derive(Debug, Default)]
pub(crate) struct RootCounts {
    /// The number of root records for each group and hour in UTC. The group is empty if a record
    /// has none.
    pub(crate) by_hour: BTreeMap<(String, Timestamp), u64>,
    /// The number of files that were read.
    pub(crate) files: u64,
}

/// Counts the root records in all hours that begin at `from` or later, but before `to`. `lake` is a
/// directory that `unzip-jsonl --layout duckdb` has written.
///
/// # Errors
///
/// An error with status 2 if the lake has no directory for `dialog_end`, with status 65 if a line
/// is not JSON, or with status 74 if a file cannot be read.
pub(crate) fn count(lake: &Path, from: Timestamp, to: Timestamp) -> anyhow::Result<RootCounts> {
    let top = lake.join(TYPE);
    if !top.is_dir() {
        let text = format!(
            "{}: it has no directory {TYPE}: give the --out-dir of unzip-jsonl --layout duckdb with records of dialog_end",
            lake.display()
        );
        return Err(error::usage(text));
    }
    let mut counts = RootCounts::default();
    for date in directories(&top, "date=")? {
        for hour in directories(&date.0, "hour=")? {
            let text = format!("{}T{}:00:00Z", date.1, hour.1);
            let Some(at) = Timestamp::parse_instant(&text) else {
                continue;
            };
            if at >= from && at < to {
                for file in files(&hour.0)? {
                    counts.read(&file, at)?;
                }
            }
        }
    }
    Ok(counts)
}

impl RootCounts {
    fn read(&mut self, file: &Path, hour: Timestamp) -> anyhow::Result<()> {
        let name = || format!("reading {}", file.display());
        let opened = File::open(file).with_context(name)?;
        let is_compressed = file.extension().is_some_and(|end| end == "zst");
        let input: Box<dyn Read> = match is_compressed {
            true => Box::new(zstandard::reader(opened).with_context(name)?),
            false => Box::new(opened),
        };
        self.files += 1;
        let mut fields = Fields::default();
        let (step, kind) = (fields.want("flow.parent_step"), fields.want("flow.type"));
        let groups = ["flow.ocp_group_name", "group_name", "flow.organization"];
        let groups = groups.map(|path| fields.want(path));
        let mut finds = Finds::default();
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next_line().with_context(name)? {
            let bad = |what: String| {
                error::bad_input(format!("{}:{}: {what}", file.display(), line.number))
            };
            let text = std::str::from_utf8(line.record()).map_err(|e| bad(e.to_string()))?;
            let record = fields
                .read(text, &mut finds)
                .map_err(|e| bad(e.to_string()))?;
            if number(&record, step) == Some(0.0) && says(&record, kind) == "Flow" {
                let group = groups
                    .iter()
                    .map(|slot| says(&record, *slot))
                    .find(|name| !name.is_empty());
                let group = group.unwrap_or_default().into_owned();
                *self.by_hour.entry((group, hour)).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// The directories in `parent` whose names begin with `start`, each with the rest of its name.
fn directories(parent: &Path, start: &str) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for path in entries(parent)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(rest) = name.and_then(|name| name.strip_prefix(start)) {
            found.push((path.clone(), rest.to_owned()));
        }
    }
    Ok(found)
}

fn files(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = entries(parent)?;
    found.retain(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        name.ends_with(".ndjson") || name.ends_with(".ndjson.zst")
    });
    Ok(found)
}

fn entries(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = || format!("reading {}", parent.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(parent).with_context(name)? {
        paths.push(entry.with_context(name)?.path());
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use crate::format::zstandard::Frames;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_instant(text).unwrap()
    }

    #[test]
    fn compressed_and_plain_files_of_the_hours_that_are_asked_for_are_counted() {
        let lake = tempfile::tempdir().unwrap();
        let root = b"{\"flow\":{\"parent_step\":\"0\",\"type\":\"Flow\"},\"group_name\":\"g\"}\n";
        for (hour, name) in [
            ("08", "a.ndjson"),
            ("09", "a.ndjson"),
            ("09", "b.ndjson.zst"),
            ("09", "c.txt"),
        ] {
            let place = lake
                .path()
                .join(TYPE)
                .join("date=2026-11-05")
                .join(format!("hour={hour}"));
            fs::create_dir_all(&place).unwrap();
            let mut frames = Frames::new().unwrap();
            let bytes = match name.ends_with(".zst") {
                true => frames.frame(root).unwrap(),
                false => root,
            };
            fs::write(place.join(name), bytes).unwrap();
        }
        let counts = count(
            lake.path(),
            at("2026-11-05T09:00:00Z"),
            at("2026-11-05T10:00:00Z"),
        )
        .unwrap();
        assert_eq!(
            counts.by_hour,
            [(("g".to_owned(), at("2026-11-05T09:00:00Z")), 2)].into()
        );
        assert_eq!(counts.files, 2);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let lake = tempfile::tempdir().unwrap();
        let place = lake
            .path()
            .join(TYPE)
            .join("date=2026-11-05")
            .join("hour=09");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("a.ndjson"), "{}\n{\n").unwrap();
        let e = count(
            lake.path(),
            at("2026-11-05T09:00:00Z"),
            at("2026-11-05T10:00:00Z"),
        )
        .unwrap_err();
        assert!(e.to_string().contains("a.ndjson:2: "), "{e}");
    }
}
