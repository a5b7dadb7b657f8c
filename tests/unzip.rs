//! unzip-jsonl: what goes in, what comes out.

mod bad_lines;
mod input;
mod members;
mod output;
mod recordings;

use std::fs;
use std::path::Path;

use crate::harness::{Program, program, shell};
use crate::zips::{Member, zip};

/// Every result is the same with any number of threads.
pub const THREADS: [&str; 3] = ["--threads=1", "--threads=2", "--threads=4"];

/// The program in a directory that holds these files.
pub fn unzip(dir: &Path, files: &[(&str, Vec<u8>)]) -> Program {
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    program("unzip-jsonl").dir(dir).variants(THREADS)
}

/// A pipeline with the program in a directory.
fn unzip_shell(dir: &Path, script: &str) -> Program {
    let function = "unzip-jsonl() { command unzip-jsonl \"$0\" \"$@\"; }";
    let script = format!("{function}\n{script}");
    shell(&script).dir(dir).variants(THREADS)
}

fn two_lines() -> Vec<u8> {
    zip(&[Member::new("a.json", "{\"a\":1}\n{\"a\":2}\n")])
}
