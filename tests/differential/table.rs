//! What jq 1.8 makes of expressions, each with a record: its values as JSON, or that
//! the record is bad, or that the expression is refused.

use super::engines;

#[test]
fn an_expression_yields_what_it_does_in_jq() {
    let mut differ = Vec::new();
    for line in include_str!("table.tsv").lines() {
        let [expression, record, outcome] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("no expression, record and outcome: {line}");
        };
        let records = [record.to_owned()];
        let decide = |test: &str| -> Option<_> { engines::by_jaq(test, &records)?.pop() };
        let is_so = match outcome {
            "refused" => decide(&format!("[{expression}]")).is_none(),
            "bad" => decide(&format!("[{expression}]")).is_some_and(|keeps| keeps.is_err()),
            json => {
                let json = serde_json::to_string(json).unwrap();
                let test = format!("([{expression}] | tojson) == {json}");
                decide(&test).is_some_and(|keeps| keeps.ok() == Some(true))
            }
        };
        if !is_so {
            differ.push(line);
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
