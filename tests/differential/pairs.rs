//! Every pair of operators beside each other, as jq groups them.

use super::{Answer, by_us, each_by_jq};

const OPERATORS: [&str; 24] = [
    "|", ",", "//", "=", "|=", "+=", "-=", "*=", "/=", "%=", "//=", "or", "and", "==", "!=", "<",
    "<=", ">", ">=", "+", "-", "*", "/", "%",
];

/// What stands between the operators.
const OPERANDS: [[&str; 3]; 3] = [[".a", ".b", ".c"], ["9", "4", "2"], ["false", ".a", "null"]];

/// A test of a pair shows how it groups by what it decides.
const TESTS: [&str; 3] = ["[@] == [7]", "[@] | tojson | explode | add % 2 == 0", "@"];

#[test]
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
fn every_pair_of_operators_groups_as_in_jq() {
    if std::process::Command::new("jq")
        .arg("--version")
        .output()
        .is_err()
    {
        return eprintln!("NOT TESTED: there is no jq to compare with");
    }
    let records = [
        r#"{"a":7,"b":3,"c":2}"#.to_owned(),
        r#"{"a":null,"b":false,"c":7}"#.to_owned(),
        "{}".to_owned(),
    ];
    let mut differ = Vec::new();
    for first in OPERATORS {
        for second in OPERATORS {
            let questions = OPERANDS.iter().zip(TESTS).map(|([a, b, c], test)| {
                let pair = format!("{a} {first} {b} {second} {c}");
                (test.replace('@', &pair), records.to_vec())
            });
            let questions: Vec<_> = questions.collect();
            for (question, theirs) in questions.iter().zip(each_by_jq(&questions)) {
                // Older ones spell numbers in another way.
                let verdicts = |answers: Option<Vec<Answer>>| {
                    let answers = answers.into_iter().flatten();
                    answers.map(|(verdict, _)| verdict).collect::<Vec<_>>()
                };
                let (ours, theirs) = (verdicts(by_us(question)), verdicts(theirs.ok()));
                if ours != theirs {
                    differ.push(format!("{}: {theirs:?} by jq, {ours:?} by us", question.0));
                }
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
