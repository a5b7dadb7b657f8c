//! cdr-filter: what leaves of the records kept, and which of them.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{Program, program, scratch, shell};

fn filter(args: &[&str], input: &str) -> Program {
    program("cdr-filter").args(args).stdin(input)
}

/// The output, with any number of threads.
#[track_caller]
fn printed(args: &[&str], input: &str) -> String {
    let runs = ["1", "2", "4"].map(|threads| {
        let ran = filter(&[&["--threads", threads], args].concat(), input).run();
        ran.ends(0).stdout()
    });
    assert!(runs.iter().all(|run| *run == runs[0]));
    runs[0].clone()
}

/// Enough for several blocks; every id comes three times.
fn calls(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let id = number * 7 % (count / 3).max(1);
        let end = ["FAR_HUP", "NEAR_HUP"][number % 2];
        writeln!(
            text,
            r#"{{"id":"{id}","n":{number},"time":{},"end_type":"{end}","flow":{{"type":"Banking","x":[1.50,{number}]}},"pad":"{}"}}"#,
            1_793_491_200_000_u64 + number as u64,
            "x".repeat(number % 997),
        )
        .unwrap();
    }
    text
}

#[test]
fn selected_fields_are_those_that_jq_makes() {
    let calls = calls(3000);
    let ours = printed(
        &[
            "--select",
            "n,id,kind=flow.type,.flow.x[1],none.at.all",
            ".end_type == \"FAR_HUP\"",
        ],
        &calls,
    );
    let theirs = shell(
        r#"jq -c 'select(.end_type == "FAR_HUP") | {n, id, kind: .flow.type, "flow.x[1]": .flow.x[1], "none.at.all": null}'"#,
    )
    .stdin(calls)
    .run()
    .ends(0);
    assert_eq!(ours, theirs.stdout());
}

#[test]
fn a_table_is_read_by_others_as_it_was_meant() {
    let records = r#"{"id":"00123","note":"said \"so\",\r\nthen left\t.","amount":12.10,"none":null,"list":["a,b"]}
{"id":"=1+1","note":"","amount":1e3}
"#;
    assert_eq!(
        printed(
            &["--select", "id,note,amount,none,list", "--format", "csv"],
            records
        ),
        "id,note,amount,none,list\n00123,\"said \"\"so\"\",\r\nthen left\t.\",12.10,,\"[\"\"a,b\"\"]\"\n=1+1,,1e3,,\n"
    );
    let script = r#"
cdr-filter --select id,note,amount,list --format FORMAT | python3 -c '
import csv, json, sys
rows = csv.reader(sys.stdin, delimiter="\t" if "FORMAT" == "tsv" else ",")
for row in rows: print(json.dumps(row))'"#;
    for format in ["csv", "tsv"] {
        let rows = shell(&script.replace("FORMAT", format))
            .stdin(records)
            .run()
            .ends(0);
        let rows: Vec<Vec<String>> = rows
            .lines()
            .iter()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        assert_eq!(rows[0], ["id", "note", "amount", "list"]);
        assert_eq!(
            rows[1],
            [
                "00123",
                "said \"so\",\r\nthen left\t.",
                "12.10",
                "[\"a,b\"]"
            ]
        );
        assert_eq!(rows[2], ["=1+1", "", "1e3", ""]);
    }
    // A table of nothing still has its header.
    assert_eq!(
        printed(&["--select", "id", "--format", "csv", "empty"], records),
        "id\n"
    );
}

#[test]
fn a_readable_time_is_added_and_all_else_stays() {
    let records = "{\"time\":1793491200123,\"n\":1.10}\r\n{\"time\":\"soon\"}\n{}";
    assert_eq!(
        printed(&["--add-iso", "time"], records),
        "{\"time\":1793491200123,\"n\":1.10,\"time_iso\":\"2026-11-01T00:00:00.123Z\"}\r\n{\"time\":\"soon\",\"time_iso\":null}\n{\"time_iso\":null}\n"
    );
}

#[test]
fn the_first_of_each_key_leaves() {
    let calls = calls(3000);
    let mut seen = HashSet::new();
    let expected: String = calls
        .split_inclusive('\n')
        .filter(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            seen.insert((record["id"].clone(), record["end_type"].clone()))
        })
        .collect();
    assert!(expected.len() * 2 < calls.len());
    for keys in ["0", "1", "700", "1000000"] {
        assert_eq!(
            printed(&["--dedupe", "id,end_type", "--dedupe-keys", keys], &calls),
            expected
        );
    }
    let count = expected.lines().count();
    assert_eq!(
        printed(&["--dedupe", "id,end_type", "--count"], &calls),
        format!("{count}\n")
    );
}

#[test]
fn records_without_a_key_are_all_passed_on_and_said() {
    let records = "{\"id\":1}\n{\"id\":1}\n{\"id\":null}\n{}\n{}\n";
    let dir = scratch();
    let report = dir.path().join("report");
    let ran = filter(
        &["--dedupe", "id", "--report", report.to_str().unwrap()],
        records,
    )
    .run();
    assert_eq!(ran.stdout(), "{\"id\":1}\n{\"id\":null}\n{}\n{}\n");
    assert_eq!(
        ran.stderr(),
        "cdr-filter: 3 records lack a field of --dedupe: printed all of them\n"
    );
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(
        (
            &report["kept"],
            &report["duplicates"],
            &report["without_key"]
        ),
        (&4.into(), &1.into(), &3.into())
    );
}

#[test]
fn a_sample_is_a_part_of_the_records_in_their_order() {
    let calls = calls(3000);
    let sample = printed(&["--sample", "50", ".end_type == \"FAR_HUP\""], &calls);
    let mut rest = calls.split_inclusive('\n');
    for line in sample.split_inclusive('\n') {
        assert!(rest.any(|other| other == line), "{line}");
        assert!(line.contains("FAR_HUP"));
    }
    assert_eq!(sample.lines().count(), 50);
    assert_ne!(
        sample,
        printed(
            &["--sample", "50", "--seed", "1", ".end_type == \"FAR_HUP\""],
            &calls
        )
    );
    assert_eq!(printed(&["--sample", "5000"], &calls), calls);
}

#[test]
fn all_of_it_together_and_its_report() {
    let calls = calls(3000);
    let dir = scratch();
    let report = dir.path().join("report");
    let flags = [
        "--dedupe",
        "id",
        "--sample",
        "10",
        "--add-iso",
        "time",
        "--select",
        "id,time",
        "--format",
        "tsv",
        "--report",
        report.to_str().unwrap(),
        ".n < 1500",
    ];
    let table = printed(&flags, &calls);
    assert_eq!(table.lines().count(), 11);
    assert!(table.starts_with("id\ttime\ttime_iso\n"));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(
        (&report["kept"], &report["duplicates"]),
        (&10.into(), &500.into())
    );
    let first = table.lines().nth(1).unwrap().rsplit('\t').next().unwrap();
    assert_eq!(report["first_time"], first, "the time of what left");
}

#[test]
fn no_room_for_keys_or_samples_is_local_io() {
    let dir = scratch();
    let none = dir.path().join("none");
    let (few, many) = (calls(30), calls(3000).repeat(6));
    for (flags, input) in [
        (&["--dedupe", "id", "--dedupe-keys", "1"][..], &few),
        (&["--sample", "999999"], &many),
    ] {
        let ran = filter(flags, input).env("TMPDIR", &none).run();
        assert_eq!(ran.status(), 74);
        assert!(
            ran.stderr()
                .contains(&format!("in a file in {}: ", none.display())),
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn a_spreadsheet_has_one_mark_whatever_the_threads() {
    let calls = calls(30_000);
    let flags = ["--select", "id,day=time_iso", "--add-iso", "time"];
    let excel = ["--format", "csv", "--excel", "--tz", "Europe/Athens"];
    let all = [&flags[..], &excel[..]].concat();
    let one = printed(&all, &calls);
    let table = one.strip_prefix("\u{feff}id,day\r\n").unwrap();
    assert!(!table.contains('\u{feff}') && table.ends_with("\r\n"));
    assert_eq!(table.matches("\r\n").count(), 30_000);
    assert_eq!(table.matches('\n').count(), 30_000);
    let (_, day) = table.split_once("\r\n").unwrap().0.split_once(',').unwrap();
    assert!(day.len() == 19 && day.as_bytes()[10] == b' ', "{day}");
    assert_eq!(
        printed(&[&all[..], &["--threads", "3"]].concat(), &calls),
        one
    );
}
