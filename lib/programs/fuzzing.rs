//! The parsers that `tests/fuzz` calls with arbitrary bytes. A panic of a parser is an error that
//! the fuzzer has found.

use std::io::Write;
use std::path::Path;

use crate::os::unnamed;
use crate::{dialpad, export, format, ocp, receive, voicegain};

/// A function that parses the bytes. It may write files into the directory.
pub type FuzzTarget = fn(&[u8], &Path);

/// All targets, each with the name of its directory in `tests/fuzz/corpus`.
pub const TARGETS: &[(&str, FuzzTarget)] = &[
    ("csv", format::fuzzing::csv),
    ("dialpad", dialpad::fuzzing::reply),
    ("ledger", ocp::fuzzing::ledger),
    ("metrics", ocp::fuzzing::metrics_reply),
    ("ocp", ocp::fuzzing::reply),
    ("plan", ocp::fuzzing::plan),
    ("profile", ocp::fuzzing::profile),
    ("push", receive::fuzzing::push),
    ("side_log", export::fuzzing::side_log),
    ("state", export::fuzzing::state),
    ("voicegain", voicegain::fuzzing::page),
    ("zip", zip),
];

fn zip(bytes: &[u8], directory: &Path) {
    let file = unnamed::create_in(directory).and_then(|mut file| {
        file.write_all(bytes)?;
        Ok(file)
    });
    if let Ok(file) = file {
        format::fuzzing::zip(bytes, file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_of_a_corpus_is_a_finding() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let dir = tempfile::tempdir().unwrap();
        for (name, target) in TARGETS {
            let mut count = 0;
            for input in std::fs::read_dir(corpus.join(name)).unwrap() {
                target(&std::fs::read(input.unwrap().path()).unwrap(), dir.path());
                count += 1;
            }
            assert!(count > 0, "no corpus of {name}");
        }
    }
}
