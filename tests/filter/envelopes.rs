//! Records that come in an envelope.

use std::fs;

use serde_json::{Value, json};

use super::filter;
use crate::harness::scratch;

#[test]
fn records_come_out_of_the_envelope_they_were_pushed_in() {
    let pushes = concat!(
        r#"{"schemaName":"s","sessionId":"x","messages":[{"message_type":"a", "n":1.0},{"message_type":"b"}]}"#,
        "\r\n",
        r#"{"schemaName":"s","messages":[]}"#,
        "\n",
        r#"{"schemaName":"s"}"#,
        "\n",
        r#"{"messages":[{"message_type":"a"},3]}"#,
        "\n",
    );
    filter(["--unwrap", "messages", "--type", "a"])
        .stdin(pushes)
        .run()
        .check(
            65,
            "{\"message_type\":\"a\", \"n\":1.0}\n{\"message_type\":\"a\"}\n",
            "cdr-filter: --type a: the service does not document this type, only [..]\n\
         cdr-filter: stdin:3: no array 'messages' to unwrap\n\
         cdr-filter: stdin:4: a number, not a JSON object at column 1\n\
         cdr-filter: 2 bad records, 0 allowed (--max-bad); --rejects FILE keeps them\n",
        );
}

#[test]
fn an_envelope_may_stand_on_several_lines() {
    let envelope = |n: u32| {
        json!({"schemaName": "s", "messages": [
            {"message_type": "a", "text": "}\n{\"", "n": n},
            {"message_type": "b"},
        ]})
    };
    let pushes = format!(
        "{:#}\n{}\n{{\"cut\n{:#}",
        envelope(1),
        envelope(2),
        envelope(3)
    );
    let dir = scratch();
    fs::write(dir.path().join("pushes.json"), &pushes).unwrap();
    for threads in ["1", "3"] {
        let ran = filter(["--unwrap", "messages", "--type", "a", "--threads", threads])
            .args(["--max-bad", "1", ".", "pushes.json"])
            .dir(dir.path())
            .run()
            .ends(0);
        let kept: Vec<Value> = ran.records();
        assert_eq!(kept.len(), 3);
        for (n, record) in (1..).zip(kept) {
            assert_eq!(record, envelope(n)["messages"][0]);
        }
        assert!(
            ran.stderr().contains("pushes.json:3: EOF"),
            "{}",
            ran.stderr()
        );
    }
    // Without --unwrap a record is a line.
    filter(["."])
        .stdin(format!("{:#}", envelope(1)))
        .run()
        .ends(65);
}
