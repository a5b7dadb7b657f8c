//! The differences from jq 1.8: names that are left out on purpose, and results that are different.

/// Names that are not available, each group with the reason.
const NAMES: [(&[&str], &str); 4] = [
    (
        &["input", "inputs", "input_line_number", "input_filename"],
        "each record is decided separately",
    ),
    (
        &["halt", "halt_error"],
        "an expression does not end the run",
    ),
    (
        &[
            "import",
            "include",
            "modulemeta",
            "get_search_list",
            "get_prog_origin",
            "get_jq_origin",
        ],
        "an expression does not read files",
    ),
    (&["builtins"], "an expression cannot list the functions"),
];

/// Different results.
const DIFFERENCES: [&str; 8] = [
    "numbers with a fraction or an exponent compare as 64-bit floats, even beyond 17 digits",
    "an invalid constant regular expression is refused with status 2",
    "half of a surrogate pair in a record is read as U+FFFD; jq refuses the record",
    "a pattern after `as` nests at most 10 levels, an expression at most 200 levels",
    "reduce, foreach, patterns after `as`, ? after a value that is not a path, and a number that \
     equals the value at the path can give another result in a path, for example on the left of \
     |=: in a path, jq's own result depends on how jq computes them",
    "?// does not try its next pattern if first, limit, |= or break stops early, or if the code \
     after the whole ?// expression fails",
    "the last digit of exp10, cbrt, gamma and similar functions may differ, as it does between two \
     builds of jq",
    "error messages have different texts",
];

/// Why a name is left out on purpose; `None` for all other names.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let has = |(names, _): &&(&[&str], _)| names.contains(&name);
    NAMES.iter().find(has).map(|(_, why)| *why)
}

/// The list of differences, for `--help`.
pub fn list() -> String {
    let mut list = "Differences between expressions and jq 1.8:".to_owned();
    for (names, why) in NAMES {
        let (names, are) = (names.join(", "), if names.len() > 1 { "are" } else { "is" });
        list.push_str(&format!("\n  - {names} {are} not available: {why}"));
    }
    for difference in DIFFERENCES {
        list.push_str(&format!("\n  - {difference}"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::super::tests::{compile, keeps, raises};
    use super::*;

    #[test]
    fn a_name_that_is_left_out_is_refused_with_the_reason() {
        for (names, why) in NAMES {
            for name in names {
                let text = match *name {
                    "import" | "include" => format!("{name} \"a\"; ."),
                    _ => (*name).to_owned(),
                };
                let error = compile(&text).unwrap_err().to_string();
                assert!(error.contains("not available"), "{error}");
                assert!(
                    matches!(*name, "import" | "include") || error.contains(why),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn what_differs_differs_as_it_says() {
        for text in [
            "0.12345678901234567891 == 0.12345678901234567892",
            r#".c == "\ufffd""#,
        ] {
            assert!(keeps(text, r#"{"a":1,"c":"\ud83d"}"#), "{text}");
        }
        assert!(!raises("path(. as {a: $x} | $x)", r#"{"a":[1]}"#).is_empty());
        assert!(keeps("[path(1 | .a?)] == []", "{}"));
        for fold in ["reduce .a as $x (.; .a | $d)", "foreach .a as $x (.; .)"] {
            let text = format!(". as $d | [path({fold})] == [[]]");
            assert!(keeps(&text, r#"{"a":1}"#), "{text}");
        }
        assert!(keeps("path(.a | floor) == [\"a\"]", r#"{"a":1}"#));
        for text in [
            "[first([1] as [$x] ?// $x | $x)] == [1]",
            "(.a |= ([1] as [$x] ?// $x | $x)) == {a: 1}",
            "[label $out | [1] as [$x] ?// $x | $x, break $out] == [1]",
        ] {
            assert!(keeps(text, "{}"), "{text}");
        }
        assert_eq!(
            raises(
                "([1] as [$x] ?// $x | $x) | if . == 1 then error else . end",
                "{}"
            ),
            "expression: 1"
        );
        let levels = |n: usize| format!("{}.{}", "(".repeat(n), ")".repeat(n));
        assert!(compile(&levels(50)).is_ok() && compile(&levels(100)).is_err());
        assert!(compile(r#".a | test("(")"#).is_err());
    }

    #[test]
    fn the_page_of_the_program_has_the_list() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let page = words(include_str!("../../../docs/cdr-filter.md"));
        assert!(page.contains(&words(&list())), "run scripts/docs");
    }
}
