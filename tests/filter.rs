//! cdr-filter: what is kept, what is refused, and how it ends.

mod as_jq;
mod bad_records;
mod envelopes;
mod expressions;
mod limits;
mod output;
mod selection;

use std::ffi::OsStr;

use crate::harness::{Program, program};

/// Decides with any number of threads alike.
fn filter<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Program {
    program("cdr-filter")
        .args(args)
        .variants(["--threads=1", "--threads=2", "--threads=4"])
}

/// To the byte, where `prints` takes a backslash for a slash and CRLF for LF.
#[track_caller]
fn prints_exactly(program: Program, stdout: &str) {
    let ran = program.run().ends(0);
    assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), (stdout, ""));
}

const CALLS: &str = r#"{"message_type":"dialog_start","id":"1","time":1793491200000}
{"message_type":"dialog_end","id":"1","time":1793491200000,"duration":7000,"end_type":"FAR_HUP"}
{"message_type":"dialog_end","id":"2","time":1793577600000,"duration":900,"end_type":"NEAR_HUP"}
{"message_type":"vb_enrolment","group_name":"acme","voiceprint":{"creation_ts":1793491200000}}
"#;
