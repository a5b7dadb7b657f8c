//! jq keeps the same records.

use std::process::Command;

use super::filter;
use crate::harness::program;

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
