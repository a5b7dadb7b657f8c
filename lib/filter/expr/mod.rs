//! Expressions in jq's language. The only user of the jaq crates.
//!
//! An expression decides each record by itself: it cannot read the next one
//! (`input`), end the run (`halt`) or load files (`import`). Its numbers are
//! jaq's: integers of any size compare exactly, other numbers as 64-bit floats.
//! The prelude mends what differs from jq and can be mended in the language.

mod explain;
mod library;
mod value;

use std::fmt;

use jaq_core::data::JustLut;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Ctx, ValT as _, Vars};
use jaq_json::Val;

use super::Bad;
use crate::error;

type Data = JustLut<Val>;

/// Longer texts of errors hold half a record.
const LONGEST_ERROR: usize = 200;

/// A compiled expression.
pub struct Expr {
    filter: jaq_core::Filter<Data>,
    env: Val,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expr")
    }
}

impl Expr {
    /// Compiles an expression; `env` is what it sees as `$ENV`. Status 2 if it is
    /// none, with the place where it stops to be one.
    pub fn compile(
        text: &str,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Expr> {
        if text.trim().is_empty() {
            return Err(error::usage(
                "expression: it is empty; . keeps every record",
            ));
        }
        let wrong = |what: String| error::usage(format!("expression: {what}"));
        let arena = Arena::default();
        let program = File {
            code: text,
            path: (),
        };
        let modules = Loader::new(library::definitions())
            .load(&arena, program)
            .map_err(|errors| wrong(explain::load(text, errors)))?;
        let filter = jaq_core::Compiler::default()
            .with_funs(library::natives())
            .with_global_vars(["$ENV"])
            .compile(modules)
            .map_err(|errors| wrong(explain::compile(text, errors)))?;
        if load::parse(text, |parser| parser.term()).is_some_and(|term| assigns(&term)) {
            log::warn!("expression: it assigns (=), which is always true; == compares");
        }
        let env = env.into_iter().map(|(k, v)| (Val::from(k), Val::from(v)));
        Ok(Expr {
            filter,
            env: Val::obj(env.collect()),
        })
    }

    /// Whether the expression yields a value that is neither false nor null. What
    /// would come after the first such value is not computed.
    pub fn keeps(&self, record: &str) -> Result<bool, Bad> {
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new([self.env.clone()]));
        for value in self.filter.id.run((context, value::read(record)?)) {
            match value.map_err(jaq_core::Exn::get_err) {
                Ok(value) if value.as_bool() => return Ok(true),
                Ok(_) => {}
                Err(Ok(error)) => return Err(Bad::new(format!("expression: {}", say(error)))),
                Err(Err(_)) => return Err(Bad::new("expression: it halted")),
            }
        }
        Ok(false)
    }
}

/// Whether the value of the whole is that of an assignment: nearly always a
/// comparison gone wrong, and one that keeps everything.
fn assigns(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Assign, _) => true,
        Term::BinOp(left, BinaryOp::And | BinaryOp::Or, right) => assigns(left) || assigns(right),
        Term::BinOp(_, BinaryOp::Pipe(_), right) => assigns(right),
        Term::Call("select", args) => args.iter().any(assigns),
        _ => false,
    }
}

/// The text of an error that the expression raised, on one line.
fn say(error: jaq_json::Error) -> String {
    let text = match error.into_val() {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        value => value.to_string(),
    };
    shorten(text.replace(['\n', '\r'], " "))
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_ERROR) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn compile(text: &str) -> anyhow::Result<Expr> {
        Expr::compile(text, [("LINE".to_owned(), "+1".to_owned())])
    }

    pub(super) fn keeps(text: &str, record: &str) -> bool {
        compile(text).unwrap().keeps(record).unwrap()
    }

    pub(super) fn raises(text: &str, record: &str) -> String {
        let error = compile(text).unwrap().keeps(record).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_record_is_kept_for_one_value_that_is_neither_false_nor_null() {
        for text in [
            ".",
            "1",
            "\"\"",
            "[]",
            "false, null, 0",
            "select(.a == 1)",
            ".a, error",
        ] {
            assert!(keeps(text, r#"{"a":1}"#), "{text}");
        }
        for text in [
            "false",
            "null",
            ".b",
            "empty",
            "false, null",
            "select(.a == 2)",
        ] {
            assert!(!keeps(text, r#"{"a":1}"#), "{text}");
        }
        assert_eq!(raises("false, error(\"no\"), true", "{}"), "expression: no");
        assert_eq!(
            raises(".a.b", r#"{"a":1}"#),
            "expression: cannot index 1 with \"b\""
        );
    }

    #[test]
    fn the_last_of_two_namesakes_counts() {
        assert!(keeps(
            ".a == 2 and (keys | length) == 1",
            r#"{"a":1,"\u0061":2}"#
        ));
    }

    #[test]
    fn integers_of_any_size_compare_exactly() {
        let record = r#"{"id":12345678901234567890,"n":9007199254740993,"f":1.0,"e":1e2}"#;
        assert!(keeps(".id == 12345678901234567890", record));
        assert!(!keeps(".id == 12345678901234567891", record));
        assert!(keeps(
            ".n > 9007199254740992 and .f == 1 and .e == 100",
            record
        ));
    }

    #[test]
    fn an_assignment_is_told_from_a_comparison() {
        let parse = |text: &'static str| load::parse(text, |parser| parser.term()).unwrap();
        for text in [".a = 1", ".b and .a = 1", "select(.a = 1)"] {
            assert!(assigns(&parse(text)), "{text}");
        }
        for text in [".a == 1", ".a = 1 | .b == 2"] {
            assert!(!assigns(&parse(text)), "{text}");
        }
    }
}
