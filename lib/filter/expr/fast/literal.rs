//! Finds constants in an expression: strings, constant paths, and patterns that are plain text.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Part};

use super::term::{FastTerm, MatchPosition, ScopedTest, Unsupported};
use super::value::FastValue;
use crate::json::fields::{Fields, Step};

pub(super) fn outside<T>(what: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported(what.into()))
}

pub(super) fn constant(text: impl Into<String>) -> FastTerm {
    FastTerm::Constant(FastValue::Text(text.into().into()))
}

pub(super) fn is_text(term: &Term<&str>) -> bool {
    matches!(term, Term::Str(None, _))
}

/// A constant string.
pub(super) fn text(term: &Term<&str>) -> Result<String, Unsupported> {
    let Term::Str(None, parts) = term else {
        return outside("a value that is not a string");
    };
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(char) => text.push(*char),
            StrPart::Term(_) => return outside("a string with interpolation"),
        }
    }
    Ok(text)
}

/// Converts a step of a path. The step must be a constant name or index.
pub(crate) fn step(part: &Part<Term<&str>>) -> Result<Step, Unsupported> {
    match part {
        Part::Index(name) if is_text(name) => {
            let name = text(name)?;
            // Before jaq gets a record, half of a surrogate pair in the record is replaced by this
            // character. So only jaq can compare names that contain this character.
            if name.contains('\u{fffd}') {
                return outside("a name with U+FFFD");
            }
            Ok(Step::Name(name))
        }
        Part::Index(Term::Num(digits)) => match digits.parse() {
            Ok(index) => Ok(Step::Index(index)),
            Err(_) => outside("an index that is not an integer"),
        },
        Part::Index(_) => outside("an index that is computed or counts from the end"),
        Part::Range(None, None) => outside("[] outside any, all and IN"),
        Part::Range(..) => outside("a slice"),
    }
}

/// The keys of an object that an expression constructs. The values are ignored, but must be
/// constants.
pub(super) fn keys(
    fields: &[(Term<&str>, Option<Term<&str>>)],
) -> Result<Vec<FastTerm>, Unsupported> {
    let key = |(key, value): &(Term<&str>, Option<Term<&str>>)| match value {
        Some(Term::Num(_) | Term::Str(None, _) | Term::Call("true" | "false" | "null", _)) => {
            text(key).map(constant)
        }
        _ => outside("a new object, {...}"),
    };
    fields.iter().map(key).collect()
}

/// The test whether an object has the field `name`.
pub(super) fn presence(name: &Term<&str>) -> Result<ScopedTest, Unsupported> {
    let mut fields = Fields::default();
    let slot = fields.want_steps(&[step(&Part::Index(name.clone()))?]);
    Ok(ScopedTest::new(fields, FastTerm::Present(slot)))
}

/// The text of a pattern that is plain text, perhaps with anchors; `None` for other patterns.
pub(super) fn plain(pattern: &str) -> Option<(MatchPosition, String)> {
    const META: &str = r"\.+*?()|[]{}^$";
    let start = pattern.strip_prefix('^');
    let mut rest = start.unwrap_or(pattern).chars();
    let mut text = String::new();
    let mut end = false;
    while let Some(char) = rest.next() {
        match char {
            '$' if rest.as_str().is_empty() => end = true,
            '\\' => text.push(rest.next().filter(|char| META.contains(*char))?),
            _ if META.contains(char) => return None,
            _ => text.push(char),
        }
    }
    let place = match (start.is_some(), end) {
        (true, true) => MatchPosition::Line,
        (true, false) => MatchPosition::LineStart,
        (false, true) => MatchPosition::LineEnd,
        (false, false) => MatchPosition::Anywhere,
    };
    Some((place, text))
}

/// `$ENV` or `env`, if a term is one of them.
pub(super) fn environment(term: &Term<&str>) -> Option<&'static str> {
    match term {
        Term::Var("$ENV") => Some("$ENV"),
        Term::Call("env", args) if args.is_empty() => Some("env"),
        _ => None,
    }
}

/// The steps of a path. Each step is optional (`?`) or not.
pub(super) type Parts<'t> = [(Part<Term<&'t str>>, Opt)];
