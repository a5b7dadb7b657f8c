//! The engines of cdr-filter on one expression and one record.

use callpipe::filter::cdr::CdrArgs;
use callpipe::filter::decide::{Decider, FilterJob};
use callpipe::filter::decided::Decided;
use callpipe::filter::expr::Expr;
use callpipe::filter::expr::guard::{self, LimitArgs};
use callpipe::filter::projection::ProjectionArgs;
use callpipe::filter::selection::SelectionArgs;
use callpipe::json::bad_line::BadLine;
use callpipe::json::fields::{Fields, Finds};
use callpipe::os::logger::{self, LogFormat};
use callpipe::time::Timestamp;

use super::dice::Dice;
use super::record::{Extras, record};

fn job(expression: &str, trusted: bool) -> FilterJob {
    FilterJob {
        flags: CdrArgs {
            time_field: "time".to_owned(),
            ..CdrArgs::default()
        },
        expr: Some(expression.to_owned()),
        env: vec![("LINE".to_owned(), "a".to_owned())],
        limits: LimitArgs::default(),
        now: Timestamp::from_millis(0),
        timed: false,
        envelope: None,
        trusted,
        projection: ProjectionArgs::default(),
        selection: SelectionArgs::default(),
        temp_dir: std::env::temp_dir(),
    }
}

/// What jaq makes of the whole of each record; `None` if it cannot compile the
/// expression.
pub fn by_jaq(expression: &str, records: &[String]) -> Option<Vec<Result<bool, BadLine>>> {
    // An evaluation that cannot be interrupted ends the process: it says so.
    logger::install("differential", LogFormat::Text, log::LevelFilter::Error);
    // A test has a small stack, and the program a deep one.
    guard::on_deep_stack(&LimitArgs::default(), || {
        let expr = Expr::compile_for_jaq(expression, &job(expression, false).env).ok()?;
        let keeps = |record: &String| {
            let mut finds = Finds::default();
            expr.keeps(&Fields::default().read(record, &mut finds)?)
        };
        Some(records.iter().map(keeps).collect())
    })
}

/// The kept records, with --trusted or without.
fn kept(expression: &str, records: &[String], trusted: bool) -> String {
    let mut decided = Decided::default();
    let block = records.join("\n");
    Decider::new(&job(expression, trusted))
        .unwrap()
        .decide(block.as_bytes(), 0, &mut decided);
    String::from_utf8(decided.kept).unwrap()
}

/// Holds whatever engine decides an expression to jaq, and --trusted to what is
/// decided without it. Says whether the fast engine decides.
pub fn agree(expression: &str, records: &[String]) -> bool {
    guard::on_deep_stack(&LimitArgs::default(), || agree_here(expression, records))
}

fn agree_here(expression: &str, records: &[String]) -> bool {
    let expected = by_jaq(expression, records);
    let decider = Decider::new(&job(expression, false));
    let (expected, mut decider) = match (expected, decider) {
        (Some(expected), Ok(decider)) => (expected, decider),
        (None, Err(_)) => return false,
        // A pattern that is none is refused at once where it is constant.
        (Some(_), Err(e)) => {
            let what = e.to_string();
            let is_pattern = ["is not a regular expression", "there is no flag"];
            assert!(
                is_pattern.iter().any(|said| what.contains(said)),
                "{expression}: {what}"
            );
            return false;
        }
        (None, Ok(_)) => panic!("jaq does not compile {expression}"),
    };
    let mut decided = Decided::default();
    for (record, expected) in records.iter().zip(expected) {
        decider.decide(record.as_bytes(), 0, &mut decided);
        let found = match decided.rejects.pop() {
            Some(reject) => Err(reject.reason),
            None => Ok(!decided.kept.is_empty()),
        };
        assert_eq!(found, expected, "{expression} of {record}");
    }
    let strictly = kept(expression, records, false);
    assert_eq!(kept(expression, records, true), strictly, "{expression}");
    decider.explain().starts_with("fast")
}

/// Takes the bytes of a fuzzer: they are an expression, which may be none, or
/// the choices that make one, and records for it.
pub fn fuzz(bytes: &[u8]) {
    if let Some(text) = bytes.strip_prefix(b"\xff") {
        let text = String::from_utf8_lossy(text);
        let _ = Expr::compile(&text, &[], LimitArgs::default(), &mut Fields::default());
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
