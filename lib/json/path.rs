//! Paths to fields in jq's notation: `time`, `.flow.type`, `kvps[0].value`, `."odd name"`.

use super::fields::Step;

const EXAMPLE: &str = "a path looks like flow.type, kvps[0].value or .\"odd name\"";

/// Parses a path with or without the first dot. Returns an error text if `text` is not a path.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let text = spaced(text.trim_end_matches(SPACES));
    let mut rest = text.strip_prefix('.').unwrap_or(text);
    let mut steps = Vec::new();
    // After a dot there must be a name, or an index in brackets.
    let mut is_after_dot = true;
    while !rest.is_empty() || is_after_dot {
        let (step, after) = match spaced(rest).strip_prefix('[') {
            Some(inner) => bracket(spaced(inner))?,
            None if is_after_dot => name(rest)?,
            None => return Err(unexpected(rest)),
        };
        steps.push(step);
        let after = spaced(after);
        is_after_dot = after.starts_with('.');
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    Ok(steps)
}

/// The parts of a list between its commas. A comma in quotes does not end a part.
pub fn split(list: &str) -> Vec<&str> {
    let mut in_quotes = false;
    list.split(move |char| {
        in_quotes ^= char == '"';
        char == ',' && !in_quotes
    })
    .collect()
}

/// The characters that jq allows between the parts of a path.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn spaced(text: &str) -> &str {
    text.trim_start_matches(SPACES)
}

/// Parses a name directly after a dot, or a name in quotes such as `"odd name"`. Also returns the
/// text after the name.
fn name(text: &str) -> Result<(Step, &str), String> {
    if spaced(text).starts_with('"') {
        let (name, rest) = quoted(spaced(text))?;
        return Ok((Step::Name(name), rest));
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, rest) = text.split_at(text.find(|c| !is_letter(c)).unwrap_or(text.len()));
    match name.starts_with(|c: char| !c.is_ascii_digit()) {
        true => Ok((Step::Name(name.to_owned()), rest)),
        false => Err(EXAMPLE.to_owned()),
    }
}

/// Parses the text after an opening bracket: `0]` or `"odd name"]`. Also returns the text after the
/// closing bracket.
fn bracket(text: &str) -> Result<(Step, &str), String> {
    let (step, rest) = match text.starts_with('"') {
        true => {
            let (name, rest) = quoted(text)?;
            (Step::Name(name), rest)
        }
        false => {
            let end = text.find(|c: char| !c.is_ascii_digit());
            let (index, rest) = text.split_at(end.unwrap_or(text.len()));
            let index = index
                .parse()
                .map_err(|_| format!("{EXAMPLE}; brackets hold an index from 0"))?;
            (Step::Index(index), rest)
        }
    };
    match spaced(rest).strip_prefix(']') {
        Some(rest) => Ok((step, rest)),
        None => Err(unexpected(rest)),
    }
}

/// Parses a JSON string. Returns the decoded string, and the text after it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    match strings.next() {
        Some(Ok(name)) => Ok((name, &text[strings.byte_offset()..])),
        _ => Err(EXAMPLE.to_owned()),
    }
}

fn unexpected(rest: &str) -> String {
    match rest.starts_with('?') {
        true => "leave out the ?: a missing field is null".to_owned(),
        false => EXAMPLE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_indices() {
        let name = |name: &str| Step::Name(name.to_owned());
        for (text, steps) in [
            ("time", vec![name("time")]),
            (" .flow.type ", vec![name("flow"), name("type")]),
            (
                "kvps[0].value",
                vec![name("kvps"), Step::Index(0), name("value")],
            ),
            (
                "a.[0][12]",
                vec![name("a"), Step::Index(0), Step::Index(12)],
            ),
            (".\"odd name\"", vec![name("odd name")]),
            (".[\"a.b\"]", vec![name("a.b")]),
            (
                "a.\"\\u00e9\\\"\".c",
                vec![name("a"), name("é\""), name("c")],
            ),
            ("a[\"x\"].b_1", vec![name("a"), name("x"), name("b_1")]),
            ("kvps [0]", vec![name("kvps"), Step::Index(0)]),
            (".a .b\t. [ 0 ]", vec![name("a"), name("b"), Step::Index(0)]),
            (
                ". \"x y\" [ \"z\" ]\n.c",
                vec![name("x y"), name("z"), name("c")],
            ),
        ] {
            assert_eq!(parse(text), Ok(steps), "{text}");
        }
        for text in [
            "",
            ".",
            "a b",
            ". a",
            ".a . b",
            "a\u{a0}.b",
            "a \"x\"",
            "a[0 1]",
            "a,b",
            ".a | .b",
            ".[]",
            ".a[-1]",
            ".a[1:]",
            ".a?",
            "$x.a",
            "a.",
            "a..b",
            "a[0",
            "a[0]b",
            "1a",
            "a.\"x",
            "a\"x\"",
            "é",
            "a[99999999999999999999]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_comma_in_quotes_does_not_split() {
        assert_eq!(split(r#"a,."b,c",d"#), ["a", r#"."b,c""#, "d"]);
    }
}
