//! Which records leave, and that they leave as they came.

use std::fs;

use serde_json::{Value, json};

use super::{CALLS, filter, prints_exactly};
use crate::harness::scratch;

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
