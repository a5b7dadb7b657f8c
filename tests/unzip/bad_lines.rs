//! Lines that are no records.

use std::fs;

use super::unzip;
use crate::harness::scratch;
use crate::zips::{Member, zip};

#[test]
fn with_too_many_bad_records_the_good_ones_are_all_in_the_output_file() {
    let dir = scratch();
    let bytes = "{\"a\":1}\nbad\n{\"a\":2}\n";
    let files = [("x.zip", zip(&[Member::new("m.json", bytes)]))];
    let args = ["-q", "--rejects=bad", "-o", "out", "x.zip"];
    unzip(dir.path(), &files).args(args).run().ends(65);
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("out"), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(read("bad").lines().count(), 1);
    // A ZIP that cannot be read may hold good ones.
    fs::remove_file(dir.path().join("out")).unwrap();
    unzip(dir.path(), &files)
        .args(args)
        .arg("none.zip")
        .run()
        .ends(74);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn bad_lines_are_kept_apart_with_their_place() {
    let dir = scratch();
    let bytes = b"{\"a\":1}\nnot json\r\n{\"a\":2}\n{\"x\":\"\xff\"}\n[1]\n{\"a\":3}\n{\"a\":";
    let files = [("x.zip", zip(&[Member::new("m.json", bytes)]))];
    let good = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    let said = "unzip-jsonl: x.zip:m.json:2: not a JSON object\n\
        unzip-jsonl: x.zip:m.json:4: not UTF-8\n\
        unzip-jsonl: x.zip:m.json:5: not a JSON object\n\
        unzip-jsonl: x.zip:m.json:7: cut off: the JSON object has no end\n";
    let end = "unzip-jsonl: 4 bad records, 3 allowed (--max-bad)\n";
    unzip(dir.path(), &files)
        .args(["--rejects", "bad.ndjson", "--max-bad", "3", "x.zip"])
        .run()
        .check(65, good, &format!("{said}{end}"));
    let rejects = fs::read_to_string(dir.path().join("bad.ndjson")).unwrap();
    assert_eq!(
        rejects.lines().take(2).collect::<Vec<_>>(),
        [
            r#"{"source":"x.zip","member":"m.json","line":2,"offset":8,"error":"not a JSON object","raw":"not json"}"#,
            r#"{"source":"x.zip","member":"m.json","line":4,"offset":26,"error":"not UTF-8","raw_base64":"eyJ4Ijoi/yJ9"}"#,
        ]
    );
    unzip(dir.path(), &files)
        .args(["--max-bad", "4", "x.zip"])
        .run()
        .check(0, good, said);
}

#[test]
fn the_place_of_a_bad_line_counts_from_the_start_of_its_member() {
    let dir = scratch();
    let text = "{\"a\":1}\n".repeat(1 << 20) + "bad";
    unzip(
        dir.path(),
        &[("x.zip", zip(&[Member::new("m.json", text)]))],
    )
    .args(["--max-bad=1", "--rejects=bad.ndjson", "x.zip"])
    .run()
    .ends(0);
    assert_eq!(
        fs::read_to_string(dir.path().join("bad.ndjson")).unwrap(),
        "{\"source\":\"x.zip\",\"member\":\"m.json\",\"line\":1048577,\"offset\":8388608,\
         \"error\":\"not a JSON object\",\"raw\":\"bad\"}\n"
    );
}
