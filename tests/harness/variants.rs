//! The files and output of a program, to compare two runs of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use memchr::{memmem, memrchr};
use serde_json::Value;

/// A directory before a program ran there.
pub struct Directory {
    path: PathBuf,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Directory {
    pub fn new(path: &Path) -> Directory {
        Directory {
            path: path.to_owned(),
            before: files_below(path),
        }
    }

    /// Takes away the files that have come since.
    pub fn put_back(&self) {
        for path in self.files().keys() {
            if !self.before.contains_key(path) {
                fs::remove_file(path).expect("a file can be removed");
            }
        }
    }

    /// The files that are there now, and what they hold.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files_below(&self.path)
    }
}

/// The files that a command is told to write, and what they hold.
pub fn named_files(command: &Command) -> Vec<Option<Vec<u8>>> {
    let dir = command.get_current_dir().unwrap_or(Path::new("."));
    let args: Vec<_> = command.get_args().collect();
    let writes = |flag| {
        ["-o", "--rejects", "--report"]
            .iter()
            .any(|known| flag == *known)
    };
    let named = args.windows(2).filter(|pair| writes(pair[0]));
    let read = named.map(|pair| fs::read(dir.join(pair[1])).ok());
    read.map(|bytes| Some(timeless(&bytes?))).collect()
}

fn files_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            files.append(&mut files_below(&path));
        } else {
            let bytes = fs::read(&path).expect("a file can be read");
            files.insert(path, timeless(&bytes));
        }
    }
    files
}

/// These bytes, but without the times of a report if that is their last line.
pub fn timeless(bytes: &[u8]) -> Vec<u8> {
    let Some(at) = memmem::find(bytes, b"\"started_at\":") else {
        return bytes.to_vec();
    };
    let start = memrchr(b'\n', &bytes[..at]).map_or(0, |at| at + 1);
    let (rest, report) = bytes.split_at(start);
    let mut report: BTreeMap<String, Value> =
        serde_json::from_slice(report).expect("a report is JSON");
    report.retain(|name, _| !name.ends_with("ed_at"));
    [
        rest,
        &serde_json::to_vec(&report).expect("JSON is written as it was read"),
    ]
    .concat()
}
