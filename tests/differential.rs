//! cdr-filter decides as jq does, and its engines decide alike: expressions and
//! records are made at random, by a seed that a failure names.

pub mod dice;
mod engines;
mod expression;
mod known;
mod pairs;
mod record;
mod table;

use std::fmt::Write;
use std::process::Command;

use callpipe::json::bad_line::BadLine;

use crate::harness::program;
use dice::Dice;
use record::Extras;

const RECORDS: usize = 100;

/// Which seeds to try: `CALLPIPE_SEEDS=FROM..TO`, or these.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CALLPIPE_SEEDS") else {
        return default;
    };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// The expression and the records of a seed.
fn made(seed: u64, minor: u32, extras: Extras) -> (String, Vec<String>) {
    let mut dice = Dice::seeded(seed);
    let expression = expression::expression(&mut dice, minor);
    let records = (0..RECORDS).map(|_| record::record(&mut dice, extras));
    (expression, records.collect())
}

#[test]
fn every_engine_decides_as_jaq_on_the_whole_record() {
    let seeds = seeds(0..200);
    let extras = Extras {
        big: true,
        halves: true,
    };
    let fast = seeds.clone().filter(|seed| {
        let (expression, records) = made(*seed, 8, extras);
        engines::agree(&expression, &records)
    });
    let (fast, tried) = (fast.count(), seeds.count());
    assert!(fast > tried / 5, "{fast} of {tried} are fast");
}

#[test]
fn every_function_of_jq_is_there_and_drawn_or_left_out() {
    let left_out = callpipe::filter::expr::left_out::list();
    for function in include_str!("differential/builtins.txt").lines() {
        let (name, count) = function.split_once('/').unwrap();
        let args = vec!["."; count.parse().unwrap()].join("; ");
        let call = if args.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({args})")
        };
        let compiles = engines::by_jaq(&call, &[]).is_some();
        let mut lines = left_out
            .lines()
            .filter(|line| line.contains("not available"));
        let is_left_out = lines.any(|line| {
            let names = line.split(" not available").next().unwrap();
            names.split([' ', ',']).any(|word| word == name)
        });
        assert_ne!(compiles, is_left_out, "{function}");
        let is_drawn = expression::draws(name);
        let is_exempt = expression::builtins::NOT_DRAWN.contains(&name);
        assert_ne!(is_drawn, is_exempt, "{function}");
    }
}

/// The fuzz targets themselves are built by `make fuzz` alone.
#[test]
fn what_the_fuzzer_runs_runs() {
    for step in 0..=255_u8 {
        let bytes: Vec<u8> = (1..200_u8).map(|at| at.wrapping_mul(step)).collect();
        engines::fuzz(&bytes);
    }
    for text in [
        ".a == \"x\"",
        "def f: f+1; f",
        ".a[",
        "\u{fffd}",
        "test(\"[\")",
    ] {
        engines::fuzz(&[b"\xff", text.as_bytes()].concat());
    }
}

/// Seeds that one process of jq decides: it takes longer to start than to decide.
const TOGETHER: usize = 10;

/// How many values are compared, not only whether one of them is true.
const VALUES: usize = 9;

/// Longer messages are cut, and with them the values that the tests look at.
const LONGEST_MESSAGE: usize = 200;

/// An expression and the records that it is to decide.
type Question = (String, Vec<String>);

/// What becomes of a record: kept, dropped or bad; and the values or that there are none.
type Answer = (String, String);

/// The expression whose message is its values.
fn values_of(expression: &str) -> String {
    format!("\"=\" + ([{expression}\n][:{VALUES}] | tojson) | error")
}

/// Why jq has no answers.
enum NoAnswer {
    /// It cannot compile one of the expressions.
    Refused,
    /// It ended by a signal, which some expressions bring about.
    Crashed,
}

/// What jq makes of each record.
fn by_jq(questions: &[Question]) -> Result<Vec<Vec<Answer>>, NoAnswer> {
    let mut branches = String::new();
    let mut records = String::new();
    for (at, (expression, own)) in questions.iter().enumerate() {
        let word = if at == 0 { "if" } else { "elif" };
        write!(
            branches,
            r#"{word} $question == {at} then ([try (({expression}) | if . then "keep" else empty end) catch "bad"][0] // "drop") + "\t" + (try ("=" + ([{expression}][:{VALUES}] | tojson)) catch "bad") "#
        )
        .unwrap();
        for record in own {
            writeln!(records, "[{at},{record}]").unwrap();
        }
    }
    let ran = program("jq")
        .env("LINE", "a")
        .arg("-r")
        .arg(format!(
            ".[0] as $question | .[1] | {branches} else empty end"
        ))
        .stdin(records)
        .run();
    match ran.status() {
        0 => {}
        3 => return Err(NoAnswer::Refused),
        _ => return Err(NoAnswer::Crashed),
    }
    let answer = |line: String| {
        let (verdict, values) = line.split_once('\t').unwrap();
        let cut = match values.char_indices().nth(LONGEST_MESSAGE) {
            Some((end, _)) => format!("{}…", &values[..end]),
            None => values.to_owned(),
        };
        (verdict.to_owned(), cut)
    };
    let mut answers = ran.lines().into_iter().map(answer);
    let answers = questions.iter().map(|(expression, own)| {
        let answers: Vec<Answer> = answers.by_ref().take(own.len()).collect();
        assert_eq!(answers.len(), own.len(), "{expression}");
        answers
    });
    Ok(answers.collect())
}

/// The same of each question, where some may be refused.
fn each_by_jq(questions: &[Question]) -> Vec<Result<Vec<Answer>, NoAnswer>> {
    // A line break in one expression would change what `$__loc__` is in the next.
    let is_one_line = questions.iter().all(|(text, _)| !text.contains('\n'));
    if is_one_line && let Ok(answers) = by_jq(questions) {
        return answers.into_iter().map(Ok).collect();
    }
    let alone = |question| by_jq(std::slice::from_ref(question)).map(|mut all| all.remove(0));
    questions.iter().map(alone).collect()
}

/// What cdr-filter makes of each record.
fn by_us((expression, records): &Question) -> Option<Vec<Answer>> {
    let verdicts = engines::by_jaq(expression, records)?;
    let values = engines::by_jaq(&values_of(expression), records)?;
    let answer = |(verdict, values): (Result<bool, _>, Result<bool, BadLine>)| {
        let verdict = match verdict {
            Ok(true) => "keep",
            Ok(false) => "drop",
            Err(_) => "bad",
        };
        let message = values.map_or_else(|e| e.to_string(), |keeps| keeps.to_string());
        let values = message.strip_prefix("expression: =");
        let values = values.map_or("bad".to_owned(), |values| format!("={values}"));
        (verdict.to_owned(), values)
    };
    Some(verdicts.into_iter().zip(values).map(answer).collect())
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
fn jq_decides_alike() {
    let Ok(version) = Command::new("jq").arg("--version").output() else {
        return eprintln!("NOT TESTED: there is no jq to compare with");
    };
    let version = String::from_utf8(version.stdout).unwrap();
    let minor = version.trim().strip_prefix("jq-1.").unwrap();
    let minor: u32 = minor.split(['.', '-']).next().unwrap().parse().unwrap();
    let extras = Extras {
        big: minor > 6,
        halves: false,
    };
    let mut differ = String::new();
    let (mut pairs, mut refused) = (0, 0);
    let all: Vec<u64> = seeds(0..120).collect();
    for seeds in all.chunks(TOGETHER) {
        let questions: Vec<Question> = seeds
            .iter()
            .map(|seed| made(*seed, minor, extras))
            .collect();
        let theirs = each_by_jq(&questions);
        for ((seed, question), theirs) in seeds.iter().zip(&questions).zip(theirs) {
            let (expression, records) = question;
            let ours = by_us(question);
            let theirs = match theirs {
                Ok(theirs) => Some(theirs),
                Err(NoAnswer::Refused) => None,
                Err(NoAnswer::Crashed) => {
                    eprintln!("seed {seed}: jq crashes: {expression}");
                    continue;
                }
            };
            let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
                refused += 1;
                if ours.is_some() != theirs.is_some() {
                    let who = if ours.is_some() { "jq" } else { "we" };
                    writeln!(differ, "seed {seed}: {who} cannot compile {expression}").unwrap();
                }
                continue;
            };
            for ((ours, theirs), record) in ours.iter().zip(theirs).zip(records) {
                pairs += 1;
                let same_values = minor < 8 || ours.1 == theirs.1;
                let is_alike = ours.0 == theirs.0 && same_values
                    || known::differs(expression, &ours.0, &theirs.0, minor);
                if !is_alike {
                    writeln!(
                        differ,
                        "seed {seed}: {expression} of {record}: {theirs:?} by jq, {ours:?} by us"
                    )
                    .unwrap();
                    break;
                }
            }
        }
    }
    eprintln!(
        "{pairs} pairs, and {refused} expressions refused, against {}",
        version.trim()
    );
    assert!(differ.is_empty(), "{differ}");
}
