//! Lines that are no records.

use std::fs;

use serde_json::{Value, json};

use super::filter;
use crate::harness::scratch;

#[test]
fn every_line_is_validated_whether_it_is_kept_or_not() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let bad: [(&[u8], &str); 13] = [
        (b"xx", "expected value at column 1"),
        (b"{\"a\":1", "EOF while parsing an object at column 6"),
        (b"{\"a\":1} {}", "trailing characters at column 9"),
        (b"{\"a\":1}}", "trailing characters at column 8"),
        (b"[{}]", "an array, not a JSON object"),
        (b"null", "null, not a JSON object at column 4"),
        (b"{\"a\":NaN}", "expected value at column 6"),
        (b"{\"a\":b\"x\"}", "expected value at column 6"),
        (b"{} # comment", "trailing characters at column 4"),
        (
            b"{\"a\":\"\0\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at column 6",
        ),
        (b"{\"a\":\"\xff\"}", "invalid UTF-8 at column 7"),
        (b"{\"a\":1}\0", "trailing characters at column 8"),
        (deep.as_bytes(), "nested deeper than 128 levels"),
    ];
    let dir = scratch();
    for args in [&["false"][..], &["--type", "x"], &["--from", "-1d"]] {
        for (line, message) in &bad {
            let rejects = dir.path().join("rejects");
            let input = [b"{}\n", &line[..], b"\n{}\n"].concat();
            filter(args)
                .args(["--max-bad", "1", "-q", "--rejects"])
                .arg(&rejects)
                .stdin(input)
                .prints("");
            let reject: Value = serde_json::from_slice(&fs::read(&rejects).unwrap()).unwrap();
            assert_eq!(reject["error"], *message);
            assert_eq!((&reject["line"], &reject["offset"]), (&json!(2), &json!(3)));
        }
    }
}

#[test]
fn bad_records_are_shown_and_the_good_ones_pass() {
    filter([".a > 1"])
        .stdin("{\"a\":1}\n{\"a\":\n{\"a\":2}\n")
        .run()
        .check(
            65,
            "{\"a\":2}\n",
            "cdr-filter: stdin:2: EOF while parsing a value at column 5\n\
         cdr-filter: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n",
        );
    filter(["--max-bad", "1", "."])
        .stdin("{\"a\":1}\n{\"a\":\n")
        .run()
        .check(
            0,
            "{\"a\":1}\n",
            "cdr-filter: stdin:2: EOF while parsing a value at column 5\n",
        );
}

#[test]
fn rejects_can_be_mended_and_fed_in_again() {
    let dir = scratch();
    let rejects = dir.path().join("rejects.ndjson");
    filter([".a.b"])
        .args(["--rejects", rejects.to_str().unwrap(), "--max-bad", "2"])
        .stdin(b"\xef\xbb\xbf{\"a\":\"x\"}\r\n{\"a\":{\"b\":1}}\n{\"\xff\":1}\n")
        .run()
        .check(
            0,
            "{\"a\":{\"b\":1}}\n",
            "cdr-filter: stdin:1: expression: cannot index \"x\" with \"b\"\n\
             cdr-filter: stdin:3: invalid UTF-8 at column 3\n",
        );
    let entries: Vec<Value> = fs::read_to_string(&rejects)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        entries,
        [
            json!({"source":"stdin","member":null,"line":1,"offset":3,
                "error":"expression: cannot index \"x\" with \"b\"","raw":"{\"a\":\"x\"}"}),
            json!({"source":"stdin","member":null,"line":3,"offset":28,
                "error":"invalid UTF-8 at column 3","raw_base64":"eyL/IjoxfQ=="}),
        ]
    );
}
