//! The engines of cdr-filter on one expression and one record.

use callpipe::filter::cdr::CdrArgs;
use callpipe::filter::decide::{Decided, Decider, FilterJob};
use callpipe::filter::expr::Expr;
use callpipe::filter::projection::ProjectionArgs;
use callpipe::filter::selection::SelectionArgs;
use callpipe::filter::{FilterSpec, Predicate};
use callpipe::json::bad_line::BadLine;
use callpipe::json::fields::{Fields, Finds};
use callpipe::time::Timestamp;

use super::dice::Dice;
use super::record::{Extras, record};

fn wanted(expression: &str) -> FilterSpec {
    FilterSpec {
        flags: CdrArgs {
            time_field: "time".to_owned(),
            ..CdrArgs::default()
        },
        expr: Some(expression.to_owned()),
        env: vec![("LINE".to_owned(), "a".to_owned())],
        now: Timestamp::from_millis(0),
        timed: false,
    }
}

/// What jaq makes of the whole of each record; `None` if it cannot compile the
/// expression.
pub fn by_jaq(expression: &str, records: &[String]) -> Option<Vec<Result<bool, BadLine>>> {
    let expr = Expr::compile_for_jaq(expression, &wanted(expression).env).ok()?;
    let keeps = |record: &String| {
        let mut finds = Finds::default();
        expr.keeps(&Fields::default().read(record, &mut finds)?)
    };
    Some(records.iter().map(keeps).collect())
}

/// What is kept, with --trusted or without.
fn kept(expression: &str, records: &[String], trusted: bool) -> String {
    let job = FilterJob {
        wanted: wanted(expression),
        envelope: None,
        trusted,
        shape: ProjectionArgs::default(),
        choice: SelectionArgs::default(),
    };
    let mut decided = Decided::default();
    let block = records.join("\n");
    Decider::new(&job)
        .unwrap()
        .decide(block.as_bytes(), 0, &mut decided);
    String::from_utf8(decided.kept).unwrap()
}

/// Holds whatever engine decides an expression to jaq, and --trusted to what is
/// decided without it. Says whether the fast engine decides.
pub fn agree(expression: &str, records: &[String]) -> bool {
    let expected = by_jaq(expression, records);
    let predicate = Predicate::new(&wanted(expression), Fields::default());
    let (Some(expected), Ok(mut predicate)) = (expected, predicate) else {
        panic!("it does not compile: {expression}");
    };
    for (record, expected) in records.iter().zip(expected) {
        let decided = predicate.decide(record).map(|kept| kept.is_some());
        assert_eq!(decided, expected, "{expression} of {record}");
    }
    if predicate.prefilter().is_some() {
        let strictly = kept(expression, records, false);
        assert_eq!(kept(expression, records, true), strictly, "{expression}");
    }
    predicate.explain().starts_with("fast")
}

/// What a fuzzer does with its bytes: they are an expression, which may be none, or
/// the choices that make one, and records for it.
pub fn fuzz(bytes: &[u8]) {
    if let Some(text) = bytes.strip_prefix(b"\xff") {
        let text = String::from_utf8_lossy(text);
        let _ = Expr::compile(&text, &[], &mut Fields::default());
        return;
    }
    let mut dice = Dice::scripted(bytes);
    let expression = super::expression::expression(&mut dice, 8);
    let extras = Extras {
        big: true,
        halves: true,
    };
    agree(&expression, &[(); 4].map(|()| record(&mut dice, extras)));
}
