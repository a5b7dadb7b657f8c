use super::*;
use crate::error::Status;

fn all(text: &str) -> Result<Vec<String>, ReplyError> {
    let mut wrappers = Vec::new();
    let mut found = Vec::new();
    read(
        text.as_bytes(),
        Some(&mut wrappers),
        &mut |_, json, wrapper| {
            found.push((json.to_owned(), wrapper));
            Ok(())
        },
    )?;
    let beside = |wrapper: Option<u32>| wrapper.map_or("", |at| &wrappers[at as usize]);
    Ok(found
        .iter()
        .map(|(json, wrapper)| format!("{json}{}", beside(*wrapper)))
        .collect())
}

#[test]
fn every_shape_holds_the_same_messages() {
    let (a, b) = (r#"{"text":"a","sessionid":12.10}"#, r#"{ "ts":1 }"#);
    for (text, expected) in [
        (format!("[{a},{b}]"), vec![a.to_owned(), b.to_owned()]),
        (
            format!("\u{feff} [ {{\"messages\" : [{a} , {b}]}} ]\n"),
            vec![a.to_owned(), b.to_owned()],
        ),
        (
            format!(r#"[{{"x":[1],"messages":[{a}],"y":1.10}},{{"messages":[]}},{b}]"#),
            vec![format!(r#"{a}"x":[1],"y":1.10"#), b.to_owned()],
        ),
        (
            format!(r#"{{"total":2,"messages":[{a},{b}]}}"#),
            vec![format!(r#"{a}"total":2"#), format!(r#"{b}"total":2"#)],
        ),
        (
            r#"[{"text":"a","messages":[{"ts":1}]}]"#.to_owned(),
            vec![r#"{"text":"a","messages":[{"ts":1}]}"#.to_owned()],
        ),
        (
            r#"[{"topic":"messages","ts":1}]"#.to_owned(),
            vec![r#"{"topic":"messages","ts":1}"#.to_owned()],
        ),
    ] {
        assert_eq!(all(&text).unwrap(), expected, "{text}");
    }
    for nothing in [
        "",
        " \n",
        "[]",
        "{}",
        "null",
        "null\n",
        r#"{"messages":null}"#,
        "[{\"messages\":null}]",
    ] {
        assert_eq!(all(nothing).unwrap(), [""; 0], "{nothing}");
    }
}

#[test]
fn any_other_shape_is_an_error() {
    for text in [
        "<html>",
        "[{",
        "[{\"ts\":1}",
        "nul",
        "[{\"messages\":[{\"ts\":1}]",
        "{\"messages\":[]} x",
        "\"x\"",
    ] {
        assert!(matches!(all(text), Err(ReplyError::Passing(_))), "{text}");
    }
    for text in [
        r#"{"data":[{"text":"my name is"}]}"#,
        "[7]",
        r#"[{"messages":[{"ts":1}],"text":"x"}]"#,
    ] {
        let Err(ReplyError::Final(e)) = all(text) else {
            panic!("{text}")
        };
        assert_ne!(Status::of(&e), Status::Failed);
        assert!(!format!("{e:#}").contains("my name"), "{e:#}");
    }
}

#[test]
fn an_object_that_says_what_went_wrong_is_a_failure_with_its_words() {
    for text in [
        r#"{"error":"session expired"}"#,
        r#"[{"ts":1},{"error":"session expired","path":"/x"}]"#,
        r#"{"messages":[],"error":"session expired"}"#,
        r#"{"errorCode":0,"fault":{"why":"session expired"}}"#,
        r#"{"errors":["x"],"message":"session expired"}"#,
    ] {
        let Err(ReplyError::Passing(failed)) = all(text) else {
            panic!("{text}")
        };
        assert!(failed.why.contains("session expired"), "{}", failed.why);
        assert_eq!(failed.status, Status::Refused);
    }
    for text in [
        r#"[{"text":"a","error":"x"}]"#,
        r#"[{"messages":[{"ts":1}],"error":null,"errorCode":0}]"#,
    ] {
        assert_eq!(all(text).unwrap().len(), 1, "{text}");
    }
}

#[test]
fn line_ends_between_tokens_go_and_nothing_else() {
    let text = "[{\"text\":\"a\\n\",\r\n  \"ts\":1}]";
    assert_eq!(all(text).unwrap(), ["{\"text\":\"a\\n\",  \"ts\":1}"]);
}
