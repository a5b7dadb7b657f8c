//! Results of the library, compared with jq.

use super::super::tests::{keeps, raises};
use super::*;

#[test]
fn nothing_is_there_that_jq_lacks() {
    let builtins = include_str!("../../../../tests/differential/builtins.txt");
    let ours = definitions().map(|def| (def.name, def.args.len()));
    let natives = natives().map(|(name, args, _)| (name, args.len()));
    for (name, args) in ours.chain(natives) {
        let is_constant = ["null", "true", "false"].contains(&name);
        let line = format!("{name}/{args}");
        let is_jqs = name.starts_with("jq_") || builtins.lines().any(|known| known == line);
        assert!(is_constant || is_jqs, "{line}");
    }
}

#[test]
fn what_jaqs_library_lacks_is_there() {
    let record =
        r#"{"a":"x","n":null,"k":[{"key":"c","value":"v"},{"name":"d","value":2}],"l":[1,2]}"#;
    for text in [
        r#".a | IN("x", "y")"#,
        "IN(.l[]; 2, 3)",
        r#"INDEX(.k[]; .key).c.value == "v""#,
        r#".k | from_entries == {c: "v", d: 2}"#,
        r#"$ENV.LINE == "+1" and env.LINE == "+1""#,
        r#".a | ltrimstr("x") == """#,
        r#""xax" | trimstr("x") == "a""#,
        r#"(.n | index("x") == null) and (.a | index("x") == 0) and (.l | rindex(2) == 1)"#,
        r#"(.n | reverse == []) and (.l | reverse == [2, 1])"#,
        r#"[.l | tostream] == [[[0],1],[[1],2],[[1]]]"#,
        r#"[1, "a\"b", null] | @csv == "1,\"a\"\"b\",""#,
        r#"["a\tb", 1] | @tsv == "a\\tb\t1""#,
        r#"[.l | paths(scalars)] == [[0], [1]]"#,
    ] {
        assert!(keeps(text, record), "{text}");
    }
}

#[test]
fn what_cannot_be_there_is_an_error_as_in_jq() {
    let record = r#"{"n":null,"s":"abc","l":["ab",{"k":null}],"o":{"k":1},"t":true}"#;
    for text in [
        r#"(.n | has("k") or has(0)) | not"#,
        r#"(.o | has("k")) and (.l | has(1)) and (.l | has(2) | not)"#,
        r#"("k" | in({k: 1})) and (1 | in([1, 2])) and ("b" | inside("abc"))"#,
        r#"(.s | contains("bc")) and (.l | contains(["a", {}])) and (.t | contains(true))"#,
    ] {
        assert!(keeps(text, record), "{text}");
    }
    for (text, error) in [
        (
            ".o | has(0)",
            "cannot check whether object has a number key",
        ),
        (
            r#".l | has("k")"#,
            "cannot check whether array has a string key",
        ),
        (
            r#".n | contains("k")"#,
            "cannot check whether null contains string",
        ),
        (
            ".t | contains(false)",
            "cannot check whether boolean contains boolean",
        ),
        (
            "1 | in({k: 1})",
            "cannot check whether object has a number key",
        ),
    ] {
        assert_eq!(
            raises(text, record),
            format!("expression: {error}"),
            "{text}"
        );
    }
}

#[test]
fn what_jq_takes_jaqs_library_takes_too() {
    let record = r#"{"o":{"a":[1,[2]],"b":"x"},"l":["a",null,true,1.5],"s":"ab"}"#;
    for text in [
        r#".o | flatten == [1, 2, "x"] and (.a | flatten(0) == [1, [2]])"#,
        r#"(.l | join("-") == "a--true-1.5") and (.o | del(.a) | join(",") == "x")"#,
        r#"([[1], [2, 3]] | transpose == [[1, 2], [null, 3]]) and ([] | transpose == [])"#,
        r#"([97, -1, 55296, 1114112, 98.7] | implode == "a\ufffd\ufffd\ufffdb")"#,
        r#"(.s | test("B"; "i")) and (.s | test("a"; null)) and (.s | test(["B", "i"]))"#,
        r#"(.s | [match([".", "g"]).string] == ["a", "b"]) and (.s | [match(["."])] | length == 1)"#,
        r#"(.s | capture("(?<x>b)"; null) == {x: "b"}) and (.s | sub("a"; "c"; null) == "cb")"#,
        r#"(.l | has(0.5) and (has(-1) or has(4) | not)) and (5e-324 | isnormal | not)"#,
        r#"(.o | indices("b") == "x") and ("abab" | indices("b") == [1, 3])"#,
        r#"({} | reverse == []) and IN(.l[]; 7, null)"#,
    ] {
        assert!(keeps(text, record), "{text}");
    }
    for text in [
        "[[]] | implode",
        ".o | transpose",
        "[[1], {}] | transpose",
        ".s | test([])",
        ".l | flatten(-1)",
    ] {
        assert!(!raises(text, record).is_empty(), "{text}");
    }
}

#[test]
fn text_that_holds_json_is_read_as_strictly_as_a_record() {
    assert!(keeps(".v | fromjson.a == 1", r#"{"v":"{\"a\":1}"}"#));
    assert!(keeps(".v | tonumber == 5", r#"{"v":"5"}"#));
    let deep = format!(r#"{{"v":"{}"}}"#, "[".repeat(200_000));
    assert!(raises(".v | fromjson", &deep).starts_with("expression: cannot parse"));
    for text in ["{} {}", "[1] # comment", ""] {
        let record = serde_json::json!({ "v": text }).to_string();
        assert!(
            !keeps("try (.v | fromjson | true) catch false", &record),
            "{text}"
        );
    }
}
