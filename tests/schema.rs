//! unzip-jsonl --schema-report: what the records look like.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Program, scratch};
use crate::unzip::unzip;
use crate::zips::{Member, zip};

/// The program with a report on these lines.
fn surveying(dir: &Path, lines: &str) -> Program {
    let members = [Member::new("m.json", lines)];
    unzip(dir, &[("x.zip", zip(&members))]).args(["x.zip", "--schema-report=S"])
}

/// A single run, as a second one would know the first one's report.
fn once(dir: &Path, lines: &str) -> Program {
    surveying(dir, lines).variants([""; 0])
}

fn lines(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("S")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn line(dir: &Path, kind: Value, path: &str) -> Value {
    let mut lines = lines(dir).into_iter();
    let found = lines.find(|line| line["message_type"] == kind && line["path"] == path);
    found.unwrap_or_else(|| panic!("no {path}"))
}

fn paths(dir: &Path) -> Vec<String> {
    let lines = lines(dir);
    lines
        .iter()
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_path_has_a_line_and_no_value_is_told() {
    let dir = scratch();
    let text = r#"{"message_type":"a","caller":"+4915112345","kvps":[{"key":"k","step":"17"},{"key":null}]}
{"message_type":"a","kvps":[],"caller":null,"flow":{"type":1.5}}
{"message_type":"b","ok":true}
{"message_type":"a","kvps":"none"}
"#;
    surveying(dir.path(), text).prints(text);
    let expected = [
        "",
        "caller",
        "flow",
        "flow.type",
        "kvps",
        "kvps[]",
        "kvps[].key",
        "kvps[].step",
        "message_type",
        "",
        "message_type",
        "ok",
    ];
    assert_eq!(paths(dir.path()), expected);
    assert_eq!(
        line(dir.path(), json!("a"), "caller"),
        json!({"message_type": "a", "path": "caller", "records": 2,
            "types": {"string": 1, "integer": 0, "number": 0, "boolean": 0, "null": 1, "object": 0, "array": 0},
            "beyond_2_53": 0, "beyond_int64": 0, "null_share": 1.0 / 3.0, "missing_share": 1.0 / 3.0,
            "max_length": 11, "late": false, "same_but_case": [], "new": false, "new_types": [],
            "ever": ["string", "null"],
            "first_seen": {"source": "x.zip", "member": "m.json", "line": 1, "record": 1}})
    );
    let step = line(dir.path(), json!("a"), "kvps[].step");
    assert_eq!(
        (
            &step["records"],
            &step["missing_share"],
            &step["null_share"]
        ),
        (&json!(1), &json!(0.5), &json!(0.0))
    );
    let key = line(dir.path(), json!("a"), "kvps[].key");
    assert_eq!(
        (&key["missing_share"], &key["null_share"]),
        (&json!(0.0), &json!(0.5))
    );
    let kvps = line(dir.path(), json!("a"), "kvps");
    assert_eq!(
        (
            &kvps["types"]["array"],
            &kvps["types"]["string"],
            &kvps["missing_share"]
        ),
        (&json!(2), &json!(1), &json!(0.0))
    );
    let flow = line(dir.path(), json!("a"), "flow.type");
    assert_eq!(
        flow["first_seen"],
        json!({"source": "x.zip", "member": "m.json", "line": 2, "record": 2})
    );
    let whole = line(dir.path(), json!("a"), "");
    assert_eq!(
        (&whole["records"], &whole["over_16_mib"], &whole["invalid"]),
        (&json!(3), &json!(0), &json!(0))
    );
    let told = fs::read_to_string(dir.path().join("S")).unwrap();
    assert!(!told.contains("49151") && !told.contains("\"17\""));
}

#[test]
fn keys_that_come_late_or_differ_in_case_only_are_told() {
    let dir = scratch();
    let early = "{\"n\":1,\"Name\":1,\"x\":{\"é\":1}}\n".repeat(20_480);
    let text = early + "{\"late\":1,\"name\":1,\"x\":{\"É\":1,\"y\":1}}\n";
    surveying(dir.path(), &text).run().ends(0);
    let late = |path: &str| line(dir.path(), Value::Null, path)["late"].clone();
    assert_eq!([late("n"), late("late"), late("x.y")], [false, true, true]);
    let same = |path: &str| line(dir.path(), Value::Null, path)["same_but_case"].clone();
    assert_eq!(
        [same("Name"), same("name"), same("n"), same("x.é")],
        [json!(["name"]), json!(["Name"]), json!([]), json!(["x.É"])]
    );
    assert_eq!(
        line(dir.path(), Value::Null, "late")["first_seen"]["record"],
        20_481
    );
}

#[test]
fn integers_too_large_for_others_are_counted() {
    let dir = scratch();
    surveying(
        dir.path(),
        "{\"n\":9007199254740993}\n{\"n\":12345678901234567890123}\n{\"n\":7}\n",
    )
    .run()
    .ends(0);
    let n = line(dir.path(), Value::Null, "n");
    assert_eq!(
        (
            &n["types"]["integer"],
            &n["beyond_2_53"],
            &n["beyond_int64"]
        ),
        (&json!(3), &json!(2), &json!(1))
    );
}

#[test]
fn what_is_no_json_is_printed_and_counted() {
    let dir = scratch();
    let text = "{\"a\":1}\n{\"a\":}\n\n{a}\nno\n{\"a\":2}\n";
    let flags = ["--max-bad=1", "--report=report", "-q"];
    let ran = surveying(dir.path(), text).args(flags).run().ends(0);
    assert_eq!(ran.stdout(), text.replace("no\n", ""));
    let whole = line(dir.path(), Value::Null, "");
    assert_eq!(
        (&whole["records"], &whole["invalid"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(whole["first_invalid"]["line"], 2);
    let report: Value =
        serde_json::from_slice(&fs::read(dir.path().join("report")).unwrap()).unwrap();
    assert_eq!(
        (&report["invalid"], &report["paths"], &report["rejected"]),
        (&json!(2), &json!(2), &json!(1))
    );
}

#[test]
fn lines_too_long_for_duckdb_are_told() {
    let dir = scratch();
    let long = format!("{{\"pad\":\"{}\"}}\n", "p".repeat(17 << 20));
    surveying(
        dir.path(),
        &format!("{{\"a\":1}}\n{long}{{\"a\":1}}\n{long}"),
    )
    .run()
    .ends(0);
    let whole = line(dir.path(), Value::Null, "");
    assert_eq!(
        (&whole["over_16_mib"], &whole["first_over_16_mib"]["line"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(whole["max_length"], long.len() - 1);
    assert_eq!(line(dir.path(), Value::Null, "pad")["max_length"], 17 << 20);
}

#[test]
fn the_next_run_tells_what_is_new_and_forgets_nothing() {
    let dir = scratch();
    let first = "{\"message_type\":\"a\",\"x\":1,\"old\":[1]}\n";
    once(dir.path(), first).prints(first);
    assert!(lines(dir.path()).iter().all(|line| line["new"] == false));
    once(dir.path(), first).prints(first);
    let second = "{\"message_type\":\"a\",\"x\":\"1\",\"y\":1}\n{\"message_type\":\"b\"}\n";
    once(dir.path(), second).arg("--report=report").run().check(
        0,
        second,
        "unzip-jsonl: S: 4 keys or types are new since the last time: a x as string, a y, b as a \
         whole, b message_type\n",
    );
    let x = line(dir.path(), json!("a"), "x");
    assert_eq!(
        (&x["new"], &x["new_types"], &x["ever"]),
        (
            &json!(true),
            &json!(["string"]),
            &json!(["integer", "string"])
        )
    );
    let y = line(dir.path(), json!("a"), "y");
    assert_eq!((&y["new"], &y["new_types"]), (&json!(true), &json!([])));
    let old = line(dir.path(), json!("a"), "old[]");
    assert_eq!(
        (&old["records"], &old["ever"], &old["new"]),
        (&json!(0), &json!(["integer"]), &json!(false))
    );
    let report = fs::read_to_string(dir.path().join("report")).unwrap();
    assert!(report.contains("\"new_paths\":4"), "{report}");
    once(dir.path(), first).prints(first);
    once(dir.path(), "").prints("");
    assert_eq!(paths(dir.path()).len(), 8);
}

#[test]
fn a_file_that_is_something_else_stays_as_it_is() {
    let dir = scratch();
    let report = |flag: &str| unzip(dir.path(), &[]).args(["x.zip", flag]);
    fs::write(
        dir.path().join("x.zip"),
        zip(&[Member::new("m.json", "{}")]),
    )
    .unwrap();
    fs::write(dir.path().join("other"), "{\"path\":\"x.zip\"}\n").unwrap();
    fs::copy(dir.path().join("x.zip"), dir.path().join("y.zip")).unwrap();
    for name in ["other", "y.zip"] {
        let text = format!(
            "unzip-jsonl: {name}: this is not a schema report, so it was not changed; give another file\n"
        );
        report(&format!("--schema-report={name}")).fails(65, &text);
    }
    assert_eq!(
        fs::read(dir.path().join("other")).unwrap(),
        b"{\"path\":\"x.zip\"}\n"
    );
    report("--schema-report=-").fails(
        2,
        "unzip-jsonl: --schema-report -: stdout carries the records; give a file\n",
    );
    report("--schema-report=/dev/null").prints("{}\n");
    let text = "unzip-jsonl: creating a file in none: No such file or directory[..]\n";
    report("--schema-report=none/S")
        .variants([""; 0])
        .fails(74, text);
}

#[test]
fn it_goes_along_with_all_other_flags() {
    let dir = scratch();
    let text = "{\"message_type\":\"a\",\"n\":1}\r\n\n{\"message_type\":\"a\"}";
    let wrapped = surveying(dir.path(), text)
        .arg("--with-source")
        .run()
        .ends(0);
    let place = "{\"source\":\"x.zip\",\"member\":\"m.json\",\"line\":";
    let expected = format!(
        "{place}1,\"record\":{{\"message_type\":\"a\",\"n\":1}}}}\n{place}3,\"record\":{{\"message_type\":\"a\"}}}}\n"
    );
    assert_eq!(wrapped.stdout(), expected);
    assert_eq!(paths(dir.path()), ["", "message_type", "n"]);
    fs::remove_file(dir.path().join("S")).unwrap();
    surveying(dir.path(), text)
        .args(["--layout=duckdb", "--out-dir=D"])
        .run()
        .ends(0);
    assert_eq!(paths(dir.path()), ["", "message_type", "n"]);
}
