//! cdr-filter: what is kept, what is refused, and how it ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Program, bin_dir, program, scratch, shell};
use crate::zips::{Member, zip};

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

#[test]
fn an_expression_keeps_what_jqs_select_would() {
    filter([r#".end_type == "FAR_HUP" and .duration >= 5000"#])
        .stdin(CALLS)
        .prints("{\"message_type\":\"dialog_end\",\"id\":\"1\",\"time\":1793491200000,\"duration\":7000,\"end_type\":\"FAR_HUP\"}\n");
    filter(["empty"]).stdin(CALLS).prints("");
    filter(["."]).stdin(CALLS).prints(CALLS);
    filter([""; 0]).stdin(CALLS).prints(CALLS);
}

#[test]
fn a_record_with_several_values_is_kept_once() {
    filter([".a[]"])
        .stdin("{\"a\":[1,2,null]}\n{\"a\":[]}\n")
        .prints("{\"a\":[1,2,null]}\n");
}

#[test]
fn flags_and_expression_must_both_hold() {
    let kept = filter([
        "--type",
        "dialog_end",
        "--type",
        "dialog_start",
        ".id == \"1\"",
    ])
    .stdin(CALLS)
    .run()
    .ends(0);
    assert_eq!(kept.lines(), CALLS.lines().take(2).collect::<Vec<_>>());
    filter(["--ocp-group", "acme", "--end-type", ""])
        .stdin(CALLS)
        .prints(&format!("{}\n", CALLS.lines().nth(3).unwrap()));
}

#[test]
fn records_leave_byte_for_byte() {
    let records = concat!(
        "{ \"b\" : 1.10, \"a\":12345678901234567890, \"b\":1e2 }\r\n",
        "\t{\"u\":\"\\u00e9\\/\",\"n\":-0.0}  \n",
        "{\"half\":\"\\ud83d\",\"nul\":\"\\u0000\"}\n",
        "{\"last\":null}",
    );
    for args in [
        &["."][..],
        &["true"],
        &["--type", ""],
        &["--unbuffered", ".x == null"],
    ] {
        let program = filter(args).stdin(records);
        prints_exactly(program, &format!("{records}\n"));
    }
}

#[test]
fn blank_lines_and_byte_order_marks_are_no_part_of_a_record() {
    let program = filter(["."]).stdin("\u{feff}{\"a\":1}\r\n\n \t\r\n\u{feff}\n\u{feff}{\"a\":2}");
    prints_exactly(program, "{\"a\":1}\r\n{\"a\":2}\n");
}

#[test]
fn nothing_in_is_nothing_to_do() {
    filter(["."]).prints("");
    filter(["--skip-code", "99", "."])
        .stdin("\n\n")
        .fails(99, "");
    filter(["--skip-code", "99", "false"])
        .stdin("{}")
        .prints("");
}

#[test]
fn needles_elsewhere_select_nothing() {
    let traps = concat!(
        r#"{"n":1,"kvps":[{"key":"end_type","value":"FAR_HUP"}],"flow":{"end_type":"FAR_HUP"}}"#,
        "\n",
        r#"{"n":2,"note":"\"end_type\":\"FAR_HUP\"","end_type":"NEAR_HUP"}"#,
        "\n",
        r#"{"n":3,"end_type":"FAR_HUP","end_type":"NEAR_HUP"}"#,
        "\n",
        r#"{"n":4,"end_type":"NEAR_HUP","end\u005ftype":"FAR\u005fHUP"}"#,
        "\n",
        r#"{"n":5,"end_type":["FAR_HUP"]}"#,
        "\n",
    );
    let fourth = format!("{}\n", traps.lines().nth(3).unwrap());
    prints_exactly(filter(["--end-type", "FAR_HUP"]).stdin(traps), &fourth);
    let program = filter([r#".end_type == "FAR_HUP""#]);
    prints_exactly(program.stdin(traps), &fourth);
}

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

#[test]
fn an_output_file_is_complete_or_absent() {
    let dir = scratch();
    let out = dir.path().join("out.ndjson");
    let run = |max_bad: &str, file: &str| {
        filter(["-q", "--max-bad", max_bad, "-o", out.to_str().unwrap(), "."])
            .args(["-", file])
            .stdin("{\"a\":1}\nbad\n{\"a\":2}\n")
            .run()
    };
    run("1", "/none").ends(74);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // With too many bad records, too, all the good ones are in it.
    for (max_bad, status) in [("0", 65), ("1", 0)] {
        run(max_bad, "/dev/null").ends(status);
        assert_eq!(fs::read_to_string(&out).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn an_expression_without_an_end_makes_a_bad_record_and_the_run_goes_on() {
    let bad = "{\"n\":1e12,\"t\":\"x\"}";
    let input = format!("{{\"n\":1}}\n{bad}\n{{\"n\":2}}\n");
    for (expression, flags, what) in [
        (
            "def f: f; if .n > 9 then f else . end",
            "--max-time=200ms",
            "it takes longer than 200ms (--max-time)",
        ),
        (
            "if .n > 9 then first(range(.n) | select(. < 0)) else . end",
            "--max-time=200ms",
            "it takes longer than 200ms (--max-time)",
        ),
        (
            "if .n > 9 then \"a\" * 100000 | test(\"a.*[bc]\") else . end",
            "--max-time=200ms",
            "it takes longer than 200ms (--max-time)",
        ),
        (
            "[range(.n)] | length > 0",
            "--max-memory=64M",
            "it takes more than 64M of memory (--max-memory)",
        ),
        (
            "def f: if . > 0 then 1 + (. - 1 | f) else 1 end; .n | f",
            "--max-time=1m",
            "it calls itself too deeply",
        ),
        (
            "if .n > 9 then [range(.t)] else . end",
            "--max-time=1m",
            "the bounds of a range must be numbers",
        ),
    ] {
        filter([expression, flags, "--max-bad=1"])
            .stdin(&input)
            .run()
            .check(
                0,
                "{\"n\":1}\n{\"n\":2}\n",
                &format!("cdr-filter: stdin:2: expression: {what}\n"),
            );
    }
}

#[test]
fn what_cannot_be_interrupted_ends_the_run_and_names_the_line() {
    // An array that holds itself twice, sixty times over, is short but endless to compare.
    let twice = "reduce range(60) as $i ([]; [., .])";
    let expression = &format!("if .n > 9 then ({twice}) == ({twice}) else . end");
    for (threads, line) in [("1", "stdin:2"), ("2", "stdin: line 2 from byte 0 on")] {
        program("cdr-filter")
            .args([expression, "--max-time=500ms", "--threads", threads])
            .stdin("{\"n\":1}\n{\"n\":10}\n")
            .run()
            .check(
                65,
                "",
                &format!(
                    "cdr-filter: {line}: expression: it takes longer than 500ms (--max-time), and \
                     cannot be interrupted: the run ends here\n"
                ),
            );
    }
}

#[test]
fn what_grows_at_once_stays_within_the_memory_limit() {
    // The address space holds the stack, the program and little more than the limit.
    let limited = "ulimit -v 1200000; cdr-filter --max-memory=64M --threads=1 --max-time=1m";
    for expression in [
        "[range(1e9)]",
        "[limit(1e9; repeat(1))]",
        "[range(3000)] | [.[] as $a | .[] as $b | 1]",
        "\"x\" * 1e9",
        "\"x\" | until(false; . + .)",
        "[1] | until(false; . + .)",
        "\"x\" * 1e7 | explode",
        "\"x\" * 1e7 | split(\"\")",
        "\"x\" * 1e7 | . / \"\"",
        "\"x\" * 1e7 | [match(\".\"; \"g\")]",
        "\"<\" * 3e7 | @html",
        "\"x\" * 2e7 | [., ., ., .] | join(\",\")",
        "reduce range(1e9) as $i (\"\"; . + \"xxxxxxxxxxxxxxxx\" * 1000)",
        "reduce range(60) as $i ([]; [., .]) | tojson",
        "[reduce range(9990) as $i (1; [.]) | ..] | tojson",
        "[range(1e5)] | reduce range(20) as $i (.; [., .]) | \"\\(.)\"",
        "[limit(20; repeat(null | .[16777210] = 1))]",
        "[range(1e6)] | [range(40) as $i | reverse]",
        "[range(1e6)] | [range(40) as $i | sort]",
        "[range(1e6)] | [range(40) as $i | .[0] = $i]",
        "[range(3e5) | {(tostring): 1}] | add | [range(40) as $i | keys]",
    ] {
        shell(&format!("{limited} '{expression}'"))
            .stdin("{}\n")
            .run()
            .check(
                65,
                "",
                "cdr-filter: stdin:1: expression: it takes more than 64M of memory \
                 (--max-memory)\ncdr-filter: 1 bad record, [..]\n",
            );
    }
}

#[test]
fn a_value_may_nest_ten_thousand_levels() {
    let deep = "reduce range(9990) as $i (1; [.])";
    let objects = "reduce range(9990) as $i (1; {a: .})";
    for expression in [
        format!("{deep} | tojson | length == 19981"),
        format!("{deep} | tojson | fromjson | tojson | length == 19981"),
        format!("{objects} | tojson | fromjson | tojson | length == 59941"),
        format!("{deep} | walk(.) | tojson | length == 19981"),
        format!("{deep} | getpath([range(9000) | 0]) | tojson | length == 1981"),
        format!("{deep} | setpath([range(9000) | 0]; 1) | tojson | length == 18001"),
        format!("({deep}) == ({deep})"),
        format!("{deep} | [., [.], 1] | sort | .[0] == 1"),
        format!("{deep} | [., .] | add | length == 2"),
        format!("{deep} | flatten == [1]"),
        "\"[\" * 10001 + \"]\" * 10001 | try fromjson catch 1 | . == 1".to_owned(),
        "def f: if . > 0 then (. - 1 | f) + 1 else . end; (10000 | f) == 10000".to_owned(),
    ] {
        filter([&expression])
            .stdin("{}\n")
            .run()
            .check(0, "{}\n", "");
    }
}

#[test]
fn values_and_calls_may_be_deep_and_texts_long() {
    let words = "words ".repeat(35_000);
    let record = format!("{{\"n\":5000,\"t\":\"{words}\"}}\n");
    for expression in [
        "def f: if . > 0 then (. - 1 | f) + 1 else . end; (.n | f) == 5000",
        "reduce range(4 * .n) as $i ([]; [.]) | tojson | length > 3",
        r#"(.t | gsub("\\s+"; " ") | length) == 210000"#,
        r#"(.t / " " | join("-") | length) == 210000"#,
    ] {
        let ran = filter([expression, "--max-memory=256M"])
            .stdin(&record)
            .run();
        assert_eq!(ran.stderr(), "", "{expression}");
        assert!(ran.stdout() == record, "{expression}");
    }
}

#[test]
fn a_match_is_replaced_by_each_value_in_turn() {
    for expression in [
        r#"[.s | gsub("(?<a>.)"; "1", "2")] == ["11", "22"]"#,
        r#"[.s | sub("a"; "1", "2")] == ["1b", "2b"] and (.s | gsub("x"; "y")) == "ab""#,
        r#"(.s | gsub("(?<c>[ab])"; "<" + .c + ">")) == "<a><b>" and (.s | gsub("B"; ""; "i")) == "a""#,
        r#"try (.s | gsub("a"; 1) | false) catch true"#,
    ] {
        filter([expression])
            .stdin("{\"s\":\"ab\"}\n")
            .prints("{\"s\":\"ab\"}\n");
    }
}

#[test]
fn where_no_thread_can_be_started_the_run_says_so() {
    let script = r#"
import os, resource, subprocess, sys
def low():
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if os.getuid() == 0:
        os.setgid(23456), os.setuid(23456)
def run(*args):
    ran = subprocess.run(args, input=b'{"a":1}\n', capture_output=True, preexec_fn=low)
    print(ran.returncode, ran.stdout.decode().strip(), ran.stderr.decode().strip())
run("cdr-filter", "--threads", "4", ".")
run("cdr-filter", "[.a] | length == 1")
run("unzip-jsonl", "--threads", "2", "x.zip")
"#;
    let dir = scratch();
    fs::write(dir.path().join("low.py"), script).unwrap();
    let zipped = zip(&[Member::new("m.json", "{\"a\":1}\n")]);
    fs::write(dir.path().join("x.zip"), zipped).unwrap();
    shell("python3 low.py").dir(dir.path()).prints(
        "74  cdr-filter: starting a thread: [..]\n\
         0 {\"a\":1} cdr-filter: --max-time and --max-memory limit nothing: no thread can be started: [..]\n\
         0 {\"a\":1} \n",
    );
}

#[test]
fn an_expression_that_is_none_is_shown_before_anything_is_read() {
    filter([".a == FAR_HUP"]).stdin("bad").fails(
        2,
        "cdr-filter: expression: no function FAR_HUP/0 at column 7: FAR_HUP; as text it needs double quotes: \"FAR_HUP\"\n",
    );
    filter([".a == (1"]).stdin("bad").fails(
        2,
        "cdr-filter: expression: expected closing parenthesis at its end\n",
    );
    filter(["[inputs]"]).stdin("{}").fails(
        2,
        "cdr-filter: expression: inputs is not available, because each record is decided separately: at column 2: inputs]\n",
    );
}

#[test]
fn a_file_in_place_of_the_expression_is_explained() {
    let dir = scratch();
    fs::write(dir.path().join("calls.ndjson"), CALLS).unwrap();
    filter(["--type", "dialog_end", "calls.ndjson"]).dir(dir.path()).fails(
        2,
        "cdr-filter: 'calls.ndjson' is a file, but the first argument is the expression: write . before it to keep every record\n",
    );
    filter(["--type", "vb_enrolment", ".", "calls.ndjson"])
        .dir(dir.path())
        .prints(&format!("{}\n", CALLS.lines().nth(3).unwrap()));
}

#[test]
fn an_assignment_is_warned_of_because_it_keeps_everything() {
    filter([".a = 1"]).stdin("{}").run().check(
        0,
        "{}\n",
        "cdr-filter: expression: = assigns and is always true; use == to compare\n",
    );
}

#[test]
fn an_expression_sees_the_environment_and_can_debug() {
    filter([".a == $ENV.LINE"])
        .envs([("LINE", "+1".to_owned())])
        .stdin("{\"a\":\"+1\"}\n{\"a\":1}\n")
        .prints("{\"a\":\"+1\"}\n");
    filter([".a | debug | . == \"x\""])
        .stdin("{\"a\":\"x\"}")
        .run()
        .check(0, "{\"a\":\"x\"}\n", "cdr-filter: debug: \"x\"\n");
}

#[test]
fn today_is_a_day_of_tz() {
    let day = 86_400_000;
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis();
    let start_in = |hours_ahead: u128| {
        let ahead = hours_ahead * 3_600_000;
        (now + ahead) / day * day - ahead
    };
    for (zone, start) in [
        ("UTC", start_in(0)),
        ("+09:00", start_in(9)),
        ("Asia/Tokyo", start_in(9)),
    ] {
        let lines = [start - 1, start].map(|time| format!("{{\"time\":{time}}}\n"));
        let kept = |from: &str, to: &[&str]| {
            let args = [&["--from", from, "--tz", zone], to, &["."]].concat();
            filter(args).stdin(lines.concat()).run().ends(0).stdout()
        };
        assert_eq!(kept("today", &[]), lines[1], "{zone}");
        assert_eq!(kept("yesterday", &["--to", "today"]), lines[0], "{zone}");
    }
    filter(["--tz", "UTC", "."]).fails(2, "cdr-filter: --tz: add --excel, --from or --to\n");
}

#[test]
fn times_select_half_open_and_what_has_none_is_counted() {
    let ids = |args: &[&str]| {
        let ran = filter(args).stdin(CALLS).run().ends(0);
        let ids: Vec<String> = ran.records().iter().map(|r| r["id"].to_string()).collect();
        (ids.join(" "), ran.stderr())
    };
    let (kept, said) = ids(&["--from", "2026-11-01", "--to", "2026-11-02 00:00:00+00:00"]);
    assert_eq!(kept, "\"1\" \"1\"");
    assert_eq!(
        said,
        "cdr-filter: dropped 1 record without a time in 'time': use --without-time to keep or reject them\n"
    );
    let (kept, said) = ids(&[
        "--at",
        "end",
        "--from",
        "1793491207000",
        "--without-time",
        "keep",
    ]);
    assert_eq!((kept.as_str(), said.as_str()), ("\"1\" \"2\" null", ""));
    let (kept, _) = ids(&[
        "--time-field",
        "voiceprint.creation_ts",
        "--from",
        "2026-11-01",
    ]);
    assert_eq!(kept, "null");
    filter(["-q", "--from", "-1y", "--without-time", "reject"])
        .stdin("{}")
        .run()
        .ends(65);
    filter(["--from", "2026-11-02", "--to", "2026-11-01"]).fails(
        2,
        "cdr-filter: --from 2026-11-02T00:00:00Z is not before --to 2026-11-01T00:00:00Z\n",
    );
}

#[test]
fn records_come_out_of_the_envelope_they_were_pushed_in() {
    let pushes = concat!(
        r#"{"schemaName":"s","sessionId":"x","messages":[{"message_type":"a", "n":1.0},{"message_type":"b"}]}"#,
        "\r\n",
        r#"{"schemaName":"s","messages":[]}"#,
        "\n",
        r#"{"schemaName":"s"}"#,
        "\n",
        r#"{"messages":[{"message_type":"a"},3]}"#,
        "\n",
    );
    filter(["--unwrap", "messages", "--type", "a"])
        .stdin(pushes)
        .run()
        .check(
            65,
            "{\"message_type\":\"a\", \"n\":1.0}\n{\"message_type\":\"a\"}\n",
            "cdr-filter: --type a: the service does not document this type, only [..]\n\
         cdr-filter: stdin:3: no array 'messages' to unwrap\n\
         cdr-filter: stdin:4: a number, not a JSON object at column 1\n\
         cdr-filter: 2 bad records, 0 allowed (--max-bad); --rejects FILE keeps them\n",
        );
}

#[test]
fn a_field_that_no_record_has_is_said_once_at_the_end() {
    let dir = scratch();
    let records = "{\"a\":1,\"b\":{\"c\":1}}\n{\"a\":2,\"d\":null}\n";
    fs::write(dir.path().join("calls"), records.repeat(50_000)).unwrap();
    let said = |args: &[&str], threads: &str| {
        filter(["--threads", threads, "--report", "report"])
            .args(args)
            .arg("calls")
            .dir(dir.path())
            .run()
            .ends(0)
            .stderr()
    };
    for (args, missing) in [
        (
            &["--select", "a,tpye,b.x", "."][..],
            &["--select 'tpye'", "--select 'b.x'"][..],
        ),
        (&[".durtaion > 5 or .a == 1"], &["expression, '.durtaion'"]),
        // jaq decides, on some fields.
        (&[". as {$x} | .x == 1"], &[]),
        (&["[.a, .zz] | add > 1"], &["expression, '.zz'"]),
        // A null is a field, and one in a few records is one.
        (&["--select", "d,b.c", ".d"], &[]),
        // On purpose.
        (&[".zz? == 1 or (.yy // 0) == 0 or has(\"xx\")"], &[]),
    ] {
        for threads in ["1", "3"] {
            let expected: String = missing
                .iter()
                .map(|field| format!("cdr-filter: {field}: no record has this field\n"))
                .collect();
            assert_eq!(said(args, threads), expected, "{args:?}");
            let report: Value =
                serde_json::from_slice(&fs::read(dir.path().join("report")).unwrap()).unwrap();
            assert_eq!(report["missing_fields"], json!(missing));
        }
    }
    // What cannot be known is not said.
    assert_eq!(said(&["--trusted", ".zz == \"1\""], "1"), "");
    filter([".zz == 1"]).stdin("").fails(0, "");
    filter([".zz == 1"]).stdin("{\n").fails(
        65,
        "cdr-filter: stdin:1: EOF[..]\ncdr-filter: 1 bad record[..]\n",
    );
}

#[test]
fn a_type_that_is_none_is_said() {
    filter(["--type", "dialog_ned"]).stdin("{}").fails(
        0,
        "cdr-filter: --type dialog_ned: the service does not document this type, only dialog_start, dialog_step, dialog_end, vb_enrolment, vb_verification, audit\n",
    );
    filter(["--type", "audit", "--type", ""])
        .stdin("{}")
        .prints("{}\n");
}

#[test]
fn an_envelope_may_stand_on_several_lines() {
    let envelope = |n: u32| {
        json!({"schemaName": "s", "messages": [
            {"message_type": "a", "text": "}\n{\"", "n": n},
            {"message_type": "b"},
        ]})
    };
    let pushes = format!(
        "{:#}\n{}\n{{\"cut\n{:#}",
        envelope(1),
        envelope(2),
        envelope(3)
    );
    let dir = scratch();
    fs::write(dir.path().join("pushes.json"), &pushes).unwrap();
    for threads in ["1", "3"] {
        let ran = filter(["--unwrap", "messages", "--type", "a", "--threads", threads])
            .args(["--max-bad", "1", ".", "pushes.json"])
            .dir(dir.path())
            .run()
            .ends(0);
        let kept: Vec<Value> = ran.records();
        assert_eq!(kept.len(), 3);
        for (n, record) in (1..).zip(kept) {
            assert_eq!(record, envelope(n)["messages"][0]);
        }
        assert!(
            ran.stderr().contains("pushes.json:3: EOF"),
            "{}",
            ran.stderr()
        );
    }
    // Without --unwrap a record is a line.
    filter(["."])
        .stdin(format!("{:#}", envelope(1)))
        .run()
        .ends(65);
}

#[test]
fn exit_status_says_whether_anything_was_kept() {
    filter(["-e", ".id == \"2\""]).stdin(CALLS).run().ends(0);
    filter(["-e", ".id == \"3\""]).stdin(CALLS).fails(1, "");
    filter(["-e", "."]).fails(1, "");
}

#[test]
fn an_input_that_cannot_be_read_does_not_hide_the_others() {
    let dir = scratch();
    fs::write(dir.path().join("a"), "{\"a\":1}").unwrap();
    fs::write(dir.path().join("b"), "{\"a\":2}\n").unwrap();
    filter([".", "a", "none", ".", "-", "b"])
        .dir(dir.path())
        .stdin("{\"a\":0}\n")
        .run()
        .check(
            74,
            "{\"a\":1}\n{\"a\":0}\n{\"a\":2}\n",
            "cdr-filter: none: No such file or directory (os error 2)\n\
         cdr-filter: .: Is a directory (os error 21)\n\
         cdr-filter: 2 inputs could not be read\n",
        );
    filter(["-o", "out", ".", "a", "none"])
        .dir(dir.path())
        .run()
        .ends(74);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn the_report_counts() {
    let dir = scratch();
    let report = dir.path().join("report.json");
    filter([
        "-q",
        "--max-bad",
        "1",
        "--report",
        report.to_str().unwrap(),
        "--to",
        "2026-11-02",
    ])
    .stdin(format!("{CALLS}\nbad\n"))
    .run()
    .ends(0);
    let seen: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    for (fact, value) in [
        ("lines", json!(6)),
        ("records", json!(5)),
        ("kept", json!(2)),
        ("rejected", json!(1)),
        ("without_time", json!(1)),
        ("bytes_in", json!(CALLS.len() + 5)),
        (
            "bytes_out",
            json!(CALLS.lines().take(2).map(|l| l.len() + 1).sum::<usize>()),
        ),
        ("first_time", json!("2026-11-01T00:00:00Z")),
        ("last_time", json!("2026-11-01T00:00:00Z")),
        ("status", json!(0)),
    ] {
        assert_eq!(seen[fact], value, "{fact}");
    }
}

#[test]
fn a_live_stream_stays_live() {
    for threads in ["1", "2", "4"] {
        let mut child = Command::new(bin_dir().join("cdr-filter"))
            .args(["--threads", threads, ".a > 1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, seen) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .try_for_each(|line| sender.send(line.unwrap()))
        });
        for n in 2..5 {
            write!(input, "{{\"a\":1}}\n{{\"a\":{n}}}\n{{\"half").unwrap();
            let line = seen.recv_timeout(Duration::from_secs(20));
            assert_eq!(line, Ok(format!("{{\"a\":{n}}}")), "{threads} threads");
            writeln!(input, "\":0}}").unwrap();
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let dir = scratch();
    fs::write(dir.path().join("many"), "{\"a\":1}\n".repeat(100_000)).unwrap();
    for flag in ["--threads=1", "--threads=4", "--unbuffered"] {
        shell(&format!("cdr-filter {flag} .a many | head -1"))
            .dir(dir.path())
            .prints("{\"a\":1}\n");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let dir = scratch();
    let input = dir.path().join("one");
    fs::write(&input, "{\"a\":1}\n").unwrap();
    for threads in ["1", "4"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        program("cdr-filter")
            .args(["--threads", threads, "."])
            .arg(&input)
            .with(|command| {
                command.stdout(full);
            })
            .check(
                74,
                "",
                "cdr-filter: writing the records: stdout: No space left on device (os error 28)\n",
            );
    }
}

#[test]
fn a_line_of_50_mb_is_one_record() {
    let long = format!("{{\"a\":\"{}\",\"n\":1}}\n", "x".repeat(50 << 20));
    for args in [[".n == 1"], ["--type="]] {
        let ran = filter(args).stdin(&long).run().ends(0);
        assert!(ran.output.stdout == long.as_bytes());
    }
}

#[test]
fn help_begins_with_examples_and_lists_the_statuses() {
    let help = filter(["--help"]).run().ends(0).stdout();
    assert!(help.starts_with("Examples:\n"), "{help}");
    assert!(help.contains("--ocp-group <GROUP>") && help.contains("Exit status:"));
}

/// Records as jq 1.6 reads them like every later one: no integer over 2^53, no
/// number whose spelling matters.
const RECORDS: [&str; 32] = [
    r#"{}"#,
    r#"{"v":null}"#,
    r#"{"v":true}"#,
    r#"{"v":false}"#,
    r#"{"v":0}"#,
    r#"{"v":1}"#,
    r#"{"v":-1}"#,
    r#"{"v":1.5}"#,
    r#"{"v":100}"#,
    r#"{"v":1e2}"#,
    r#"{"v":0.1}"#,
    r#"{"v":1763012220333}"#,
    r#"{"v":""}"#,
    r#"{"v":"FAR_HUP"}"#,
    r#"{"v":"far_hup"}"#,
    r#"{"v":"1"}"#,
    r#"{"v":"a,b,c"}"#,
    r#"{"v":"quo\"te\\ \/ \n\u00e9"}"#,
    r#"{"v":"καλημέρα"}"#,
    r#"{"v":"2025-11-13T05:37:00Z"}"#,
    r#"{"v":"{\"end_type\":\"FAR_HUP\"}"}"#,
    r#"{"v":[]}"#,
    r#"{"v":[1,2,3]}"#,
    r#"{"v":[3,1,2,1]}"#,
    r#"{"v":["a","b"]}"#,
    r#"{"v":[null,false]}"#,
    r#"{"v":[{"key":"k","value":"FAR_HUP"},{"key":"l","value":10}]}"#,
    r#"{"v":{}}"#,
    r#"{"v":{"a":1}}"#,
    r#"{"v":{"a":{"b":[10,{"c":"x"}]}}}"#,
    r#"{"v":{"type":"Flow","parent_step":0}}"#,
    r#"{"v":1,"v":{"a":2}}"#,
];

const EXPRESSIONS: [&str; 48] = [
    ".v",
    ".v | not",
    ".v == 1",
    ".v != null",
    ".v >= 100",
    ".v < \"b\"",
    ".v > [1]",
    ".v == 100 or .v == \"1\"",
    ".v and (.v == false | not)",
    ".v // false",
    ".v.a? == 1",
    ".v[\"a\"]?.b?[1].c? == \"x\"",
    ".v[0]? == 1",
    ".v[-1:]? == [3]",
    "any(.v[]?; . == 1)",
    "all(.v[]?; . != 1)",
    "any(.v[]?; .key? == \"l\" and .value == 10)",
    "[.v[]?] | length > 1",
    "[.. | numbers] | add > 5",
    "any(..; . == \"FAR_HUP\")",
    ".v | type == \"string\"",
    ".v | type == \"object\" and has(\"a\")",
    ".v | strings | test(\"^far\"; \"i\")",
    ".v | strings | ascii_downcase == \"far_hup\"",
    ".v | strings | startswith(\"a\") or endswith(\"HUP\")",
    ".v | strings | split(\",\") | length == 3",
    ".v | strings | contains(\"é\")",
    ".v | strings | length == 8",
    ".v | strings | utf8bytelength > 10",
    ".v | strings | ltrimstr(\"a,\") == \"b,c\"",
    ".v | strings | (tonumber? // 0) == 1",
    ".v | strings | (fromjson? // {}) | objects | .end_type == \"FAR_HUP\"",
    ".v | strings | (fromdate? // 0) > 0",
    ".v | strings | sub(\",\"; \";\") == \"a;b,c\"",
    ".v | strings | [match(\"[a-z]\"; \"g\").string] | length == 3",
    ".v | strings | explode[0]? == 954",
    ".v | numbers | . / 1000 | todate | startswith(\"2025-11-13\")",
    ".v | numbers | floor % 2 == 1",
    ".v | numbers | floor == .",
    ".v | arrays | sort == [1, 2, 3]",
    ".v | arrays | unique | length == 3",
    ".v | arrays | map(tostring) | join(\"-\") == \"1-2-3\"",
    ".v | arrays | (map(select(type == \"object\")) | from_entries).k == \"FAR_HUP\"",
    ".v | objects | to_entries | map(.key) == [\"a\"]",
    ".v | objects | .type == \"Flow\" and .parent_step == 0",
    ".v | IN(1, \"FAR_HUP\", [])",
    "if .v == 1 then false elif .v == null then true else empty end",
    "reduce .v[]? as $x (0; . + 1) | . > 2",
];

#[test]
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
fn jq_keeps_the_same_records() {
    if Command::new("jq").arg("--version").output().is_err() {
        eprintln!("NOT TESTED: there is no jq to compare with");
        return;
    }
    let records = RECORDS.map(|record| format!("{record}\n")).concat();
    for expression in EXPRESSIONS {
        let theirs = program("jq")
            .args(["-c", &format!("select({expression})")])
            .stdin(&records)
            .run()
            .ends(0);
        let canonical = program("jq")
            .args(["-c", "."])
            .stdin(filter([expression]).stdin(&records).run().ends(0).stdout())
            .run()
            .ends(0);
        assert_eq!(canonical.stdout(), theirs.stdout(), "{expression}");
    }
}
