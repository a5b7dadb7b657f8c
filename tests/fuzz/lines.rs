//! Lines cut into blocks are the lines of the whole.

#![no_main]

#[path = "../lines/naive.rs"]
mod naive;
#[path = "../lines/scan.rs"]
mod scan;

use libfuzzer_sys::fuzz_target;

thread_local! {
    static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary directory");
}

fuzz_target!(|bytes: &[u8]| DIR.with(|dir| scan::fuzz(bytes, dir.path())));
