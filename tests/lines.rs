//! Lines are the same lines however they are read: cut into blocks of whatever
//! size, decided by however many threads.

mod naive;
mod scan;

use proptest::prelude::*;

use crate::harness::scratch;
use scan::{agree, fuzz, pace, scan};

/// Bytes that mean something to a splitter of lines, and some that mean nothing.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"\n"[..]),
        2 => Just(&b"\r\n"[..]),
        4 => Just(&b"{\"a\":1}"[..]),
        2 => Just(&b"{\"a\":\"\xce\xba\"}"[..]),
        2 => Just(&b"\xef\xbb\xbf"[..]),
        1 => Just(&b"\xef"[..]),
        1 => Just(&b"\xbb"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xff"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\t"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"{"[..]),
        1 => Just(&b"}"[..]),
        1 => Just(&b"{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"[..]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_line_does_not_depend_on_the_blocks_it_comes_in(
        input in soup(),
        block in prop_oneof![1..9_usize, Just(64), Just(4096)],
        threads in prop_oneof![Just(1_usize), Just(2), Just(4)],
    ) {
        agree(&input, scratch().path(), threads, block);
    }
}

#[test]
fn a_line_that_is_too_long_ends_the_input_after_what_was_before_it() {
    let dir = scratch();
    let file = dir.path().join("input");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    for end in ["\n{}\n", "\n", ""] {
        std::fs::write(&file, format!("{{\"a\":1}}\n{long}{end}")).unwrap();
        for threads in [1, 2, 4] {
            for block in [1, 7, 64] {
                let pace = |line| pace(threads, block, line);
                let error = scan(pace(long.len() - 1), &file).unwrap_err();
                assert_eq!(error, "1 input could not be read", "{threads} {block}");
                scan(pace(long.len()), &file).unwrap();
            }
        }
    }
}

/// The fuzz targets themselves are built by `make fuzz` alone.
#[test]
fn what_the_fuzzer_runs_runs() {
    let dir = scratch();
    for bytes in [
        &b""[..],
        b"\0\0",
        b"\x02\x01{}\r\n\xef\xbb\xbf{\"a\":",
        b"\x09\x02\n\n{}",
    ] {
        fuzz(bytes, dir.path());
    }
}
