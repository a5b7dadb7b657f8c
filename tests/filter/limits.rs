//! Expressions and records that need much time, memory or depth, and a machine that has little.

use std::fs;

use super::filter;
use crate::harness::{program, scratch, shell};
use crate::zips::{Member, zip};

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
         0 {\"a\":1} cdr-filter: --max-time and --max-memory have no effect, because no thread can be started: [..]\n\
         0 {\"a\":1} \n",
    );
}

#[test]
fn a_line_of_50_mb_is_one_record() {
    let long = format!("{{\"a\":\"{}\",\"n\":1}}\n", "x".repeat(50 << 20));
    for args in [[".n == 1"], ["--type="]] {
        let ran = filter(args).stdin(&long).run().ends(0);
        assert!(ran.output.stdout == long.as_bytes());
    }
}
