//! Messages about an invalid expression, with the place of the error in the expression.

use std::borrow::Cow;

use jaq_core::compile::{Errors, Undefined};

use super::left_out;
use super::parse::SyntaxError;

/// The longest error text, in characters. A longer text may contain half a record, so it is cut.
const LONGEST_ERROR: usize = 200;

pub(super) fn syntax(text: &str, error: &SyntaxError<'_>) -> String {
    if ["import", "include", "module"]
        .iter()
        .any(|word| error.at.starts_with(word))
    {
        return "import and include are not available".to_owned();
    }
    format!("expected {} {}", error.expected, place(text, error.at))
}

pub(super) fn compile(text: &str, errors: Errors<&str, ()>) -> String {
    let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
    let Some((name, kind)) = first else {
        return "it does not compile".to_owned();
    };
    let place = place(text, name);
    if let Some(why) = left_out::reason(name) {
        return format!("{name} is not available, because {why}: {place}");
    }
    match kind {
        Undefined::Filter(0) if !name.starts_with('@') => {
            format!(
                "no function {name}/0 {place}; for the field write .{name}, for text \"{name}\""
            )
        }
        Undefined::Filter(arguments) => format!("no function {name}/{arguments} {place}"),
        kind => format!("no {} {name} {place}", kind.as_str()),
    }
}

/// Says at which line and column of `text` its slice `part` starts.
pub(super) fn place(text: &str, part: &str) -> Cow<'static, str> {
    let start = part.as_ptr() as usize;
    let start = start.wrapping_sub(text.as_ptr() as usize).min(text.len());
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let rest = text[start..].lines().next().unwrap_or_default();
    if rest.trim().is_empty() && text[start..].trim().is_empty() {
        return Cow::Borrowed("at its end");
    }
    let near = shorten(rest.to_owned());
    match line {
        1 => format!("at column {column}: {near}").into(),
        _ => format!("at line {line}, column {column}: {near}").into(),
    }
}

/// Shortens an error text so that it fits on a line.
pub(super) fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_ERROR) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::compile;
    use crate::error::Status;

    #[test]
    fn what_is_no_expression_is_shown_with_its_place() {
        for (text, message) in [
            ("", "expression: it is empty; . keeps every record"),
            (".a ==", "expression: expected term at its end"),
            (
                ".a == (1",
                "expression: expected closing parenthesis at its end",
            ),
            (".a & .b", "expression: expected token at column 4: & .b"),
            (
                ".a == FAR",
                "expression: no function FAR/0 at column 7: FAR; for the field write .FAR, for text \"FAR\"",
            ),
            (
                ".é == f(1)",
                "expression: expected token at column 2: é == f(1)",
            ),
            (
                ".a |\n f(1)",
                "expression: no function f/1 at line 2, column 2: f(1)",
            ),
            ("$x", "expression: no variable $x at column 1: $x"),
            (
                "import \"a\" as a; .",
                "expression: import and include are not available",
            ),
            (
                "[inputs]",
                "expression: inputs is not available, because each record is decided separately: at column 2: inputs]",
            ),
            (
                "halt",
                "expression: halt is not available, because an expression does not end the run: at column 1: halt",
            ),
        ] {
            let error = compile(text).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), Status::of(&error)),
                (message, Status::Usage)
            );
        }
    }
}
