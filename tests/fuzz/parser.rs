//! The parser that CALLPIPE_PARSER names, of those of `lib/programs/fuzzing.rs`.

#![no_main]

use callpipe::programs::fuzzing::{FuzzTarget, TARGETS};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary directory");
    static PARSER: FuzzTarget = {
        let wanted = std::env::var("CALLPIPE_PARSER").unwrap_or_default();
        let found = TARGETS.iter().find(|(name, _)| *name == wanted);
        found.expect("CALLPIPE_PARSER names a parser").1
    };
}

fuzz_target!(|bytes: &[u8]| DIR.with(|dir| PARSER.with(|parser| parser(bytes, dir.path()))));
