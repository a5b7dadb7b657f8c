//! Expressions in jq's language. jaq is an engine for this language, written in Rust. Only this
//! module uses the crates of jaq.
//!
//! An expression decides each record separately: it cannot read the next record (`input`), end the
//! run (`halt`) or load files (`import`). The numbers of an expression behave as in jaq: integers
//! compare exactly, other numbers are 64-bit floats. Where jaq differs from jq, `prelude.jq` and
//! `library` redefine functions, and `jq_rewrite` replaces operators in the parsed expression.

mod explain;
mod fast;
pub mod guard;
mod jaq;
mod jq_rewrite;
pub mod left_out;
mod library;
mod named_fields;
mod parse;
mod patterns;
mod single;
mod used_fields;
mod value;

use std::cell::OnceCell;
use std::sync::Arc;

use jaq_core::load::parse::{BinaryOp, Term};
use jaq_json::Val;

use super::prefilter::Clause;
use crate::error;
use crate::json::bad_line::BadLine;
use crate::json::fields::{Fields, Record, Slot};
use fast::{Fast, Unsupported};
use guard::{LimitArgs, Position};
use jaq::Jaq;

/// The content of `$ENV` in an expression.
pub type Env = [(String, String)];

/// A compiled expression.
#[derive(Debug)]
pub struct Expr {
    text: String,
    env: Vec<(String, String)>,
    limits: LimitArgs,
    position: Arc<Position>,
    assigns: bool,
    /// Fields that the expression expects in records, with their slots.
    watched: Vec<(String, Slot)>,
    engine: Engine,
}

/// The engine that decides records.
#[derive(Debug)]
enum Engine {
    /// The fast engine, and jaq for the records that the fast engine cannot decide. jaq is compiled
    /// only when it is needed: most runs never need it, and compiling takes longer than filtering a
    /// small file.
    Fast(Fast, OnceCell<Jaq>),
    /// jaq, which gets some fields of the record.
    Fields(Vec<(String, Slot)>, Jaq, Unsupported),
    /// jaq, which gets the whole record.
    Whole(Jaq, Unsupported),
}

impl Expr {
    /// Compiles an expression. The fields that it uses are added to `fields`. If the expression is
    /// invalid, the error has status 2 and names the place in the expression.
    pub fn compile(
        text: &str,
        env: &Env,
        limits: LimitArgs,
        fields: &mut Fields,
    ) -> anyhow::Result<Expr> {
        if text.trim().is_empty() {
            return Err(error::usage(
                "expression: it is empty; . keeps every record",
            ));
        }
        let position = Arc::default();
        let jaq = || {
            Jaq::compile(text, env, limits, &position)
                .map_err(|what| error::usage(format!("expression: {what}")))
        };
        let refused = |what: String| error::usage(format!("expression: {what}"));
        let term = parse::parse(text).map_err(|e| refused(explain::syntax(text, &e)))?;
        patterns::check(&term, text).map_err(refused)?;
        let engine = match Fast::compile(&term, text, env, fields) {
            Ok(fast) => Engine::Fast(fast, OnceCell::new()),
            Err(outside) => match used_fields::fields(&term) {
                Some(names) => {
                    let slot = |name: String| (name.clone(), fields.want_name(name));
                    Engine::Fields(names.into_iter().map(slot).collect(), jaq()?, outside)
                }
                None => Engine::Whole(jaq()?, outside),
            },
        };
        Ok(Expr {
            text: text.to_owned(),
            env: env.to_vec(),
            limits,
            position: Arc::clone(&position),
            assigns: assigns(&term),
            watched: match engine {
                Engine::Whole(..) => Vec::new(),
                _ => named_fields::watched(&term, fields),
            },
            engine,
        })
    }

    /// Compiles an expression for jaq, which then gets the whole record. Tests compare the results
    /// of the other engines with these results.
    pub fn compile_for_jaq(text: &str, env: &Env) -> anyhow::Result<Expr> {
        let (limits, position) = (LimitArgs::default(), Arc::<Position>::default());
        position.enter(&text.into(), Some(0), 0);
        let jaq = Jaq::compile(text, env, limits, &position).map_err(error::usage)?;
        Ok(Expr {
            text: text.to_owned(),
            env: env.to_vec(),
            limits,
            position,
            assigns: false,
            watched: Vec::new(),
            engine: Engine::Whole(jaq, Unsupported("it was asked for".to_owned())),
        })
    }

    /// Whether the expression yields a value other than false and null. An error if the evaluation
    /// fails.
    pub fn keeps(&self, record: &Record<'_, '_>) -> Result<bool, BadLine> {
        match &self.engine {
            Engine::Fast(fast, jaq) => match fast.keeps(record) {
                Some(keeps) => Ok(keeps),
                None => self.jaq(jaq)?.keeps(value::read(record.line)?),
            },
            Engine::Fields(fields, jaq, _) => {
                let found = fields.iter().filter_map(|(name, slot)| {
                    let value = value::read(record.get(*slot)?);
                    Some(value.map(|value| (Val::from(name.clone()), value)))
                });
                jaq.keeps(Val::obj(found.collect::<Result<_, BadLine>>()?))
            }
            Engine::Whole(jaq, _) => jaq.keeps(value::read(record.line)?),
        }
    }

    /// Like [`Expr::keeps`], for a line that is not parsed yet; `None` if the line must be parsed
    /// first.
    pub(super) fn keeps_unread(&self, line: &str) -> Option<Result<bool, BadLine>> {
        match &self.engine {
            Engine::Whole(jaq, _) => match value::read_strictly(line)? {
                record @ Val::Obj(_) => Some(jaq.keeps(record)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Sets the current block, for messages. The block starts at byte `offset` of `source`.
    /// `lines_before` is the number of lines of `source` before the block; `None` if it is unknown.
    pub(super) fn enter(&self, source: &Arc<str>, lines_before: Option<u64>, offset: u64) {
        self.position.enter(source, lines_before, offset);
    }

    /// Sets the current line of the current block, counted from 1.
    pub(super) fn at_line(&self, line: u64) {
        self.position.at_line(line);
    }

    /// Lists of texts. The line of every kept record contains at least one text of each list.
    pub(super) fn needles(&self) -> Vec<Clause> {
        match &self.engine {
            Engine::Fast(fast, _) => fast.needles(),
            _ => Vec::new(),
        }
    }

    /// The fields that the expression expects in records, in jq's notation, with their slots. Empty
    /// if the expression uses the record as a whole.
    pub(super) fn watched(&self) -> &[(String, Slot)] {
        &self.watched
    }

    /// Whether the expression is an assignment.
    pub(super) fn assigns(&self) -> bool {
        self.assigns
    }

    /// Says which engine decides the records, and why a faster engine cannot decide them.
    pub(super) fn explain(&self) -> String {
        match &self.engine {
            Engine::Fast(..) => "fast: decided from fields where they stand in the line".to_owned(),
            Engine::Fields(fields, _, Unsupported(what)) => {
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                format!("jaq, on these fields of the record: {names}; not fast because of {what}")
            }
            Engine::Whole(_, Unsupported(what)) => {
                format!("jaq, on the whole record; not fast because of {what}")
            }
        }
    }

    /// The expression, compiled for jaq. It is compiled at the first record that the fast engine
    /// cannot decide.
    fn jaq<'j>(&self, cell: &'j OnceCell<Jaq>) -> Result<&'j Jaq, BadLine> {
        if let Some(jaq) = cell.get() {
            return Ok(jaq);
        }
        let jaq = Jaq::compile(&self.text, &self.env, self.limits, &self.position);
        let jaq = jaq.map_err(BadLine::new)?;
        Ok(cell.get_or_init(|| jaq))
    }
}

/// Whether the whole expression is an assignment. The user nearly always meant a comparison,
/// because an assignment keeps every record.
fn assigns(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(_, BinaryOp::Assign, _) => true,
        Term::BinOp(left, BinaryOp::And | BinaryOp::Or, right) => assigns(left) || assigns(right),
        Term::BinOp(_, BinaryOp::Pipe(_), right) => assigns(right),
        Term::Call("select", args) => args.iter().any(assigns),
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    use crate::json::fields::Finds;

    pub(super) fn compile(text: &str) -> anyhow::Result<(Fields, Expr)> {
        let mut fields = Fields::default();
        let env = [("LINE".to_owned(), "+1".to_owned())];
        let expr = Expr::compile(text, &env, LimitArgs::default(), &mut fields)?;
        Ok((fields, expr))
    }

    fn decide(text: &str, record: &str) -> Result<bool, BadLine> {
        let (fields, expr) = compile(text).unwrap();
        expr.keeps(&fields.read(record, &mut Finds::default())?)
    }

    pub(super) fn keeps(text: &str, record: &str) -> bool {
        decide(text, record).unwrap()
    }

    pub(super) fn raises(text: &str, record: &str) -> String {
        decide(text, record).unwrap_err().to_string()
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
        let parse = |text: &'static str| parse::parse(text).unwrap();
        for text in [".a = 1", ".b and .a = 1", "select(.a = 1)"] {
            assert!(assigns(&parse(text)), "{text}");
        }
        for text in [".a == 1", ".a = 1 | .b == 2"] {
            assert!(!assigns(&parse(text)), "{text}");
        }
    }
}
