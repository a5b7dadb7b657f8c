//! The names that an expression can use, and the errors of wrong expressions.

use std::fs;

use super::{CALLS, filter};
use crate::harness::scratch;

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
fn an_expression_that_is_none_is_shown_before_anything_is_read() {
    filter([".a == FAR_HUP"]).stdin("bad").fails(
        2,
        "cdr-filter: expression: no function FAR_HUP/0 at column 7: FAR_HUP; for the field write .FAR_HUP, for text \"FAR_HUP\"\n",
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
