//! The parser for jq's grammar: it turns an expression into jaq's terms.
//!
//! jaq's own parser differs from jq in precedences, numbers and strings. So both jaq and the fast
//! engine use the terms of this parser, which follows jq 1.8. There are no terms for `?//` and
//! `$__loc__` in jaq, so the parser replaces both by other terms.

mod alternatives;
mod constant;
mod lex;
mod object;
mod parser;
mod pattern;
mod string;
mod term;

use jaq_core::load::parse::{Def, Term};

pub(super) use alternatives::variables;
pub(super) use constant::{digits, text};
use lex::JqToken;
pub(super) use parser::{DEEPEST_PATTERN, SyntaxError};
use parser::{Parsed, Parser};

/// Parses an expression.
pub(super) fn parse(text: &str) -> Parsed<'_, Term<&str>> {
    let mut parser = Parser::new(text);
    let term = parser.query()?;
    match parser.peek() {
        JqToken::End => Ok(term),
        _ => parser.expected("an operator"),
    }
}

/// Parses a list of definitions.
pub(super) fn definitions(text: &str) -> Parsed<'_, Vec<Def<&str>>> {
    let mut parser = Parser::new(text);
    let mut definitions = Vec::new();
    while parser.peek() != JqToken::End {
        definitions.push(parser.definition()?);
    }
    Ok(definitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operators by level, the weakest first, with the associativity of each level: left,
    /// right, or none.
    const LEVELS: [(&str, &[&str]); 9] = [
        ("right", &["|"]),
        ("left", &[","]),
        ("right", &["//"]),
        ("none", &["=", "|=", "+=", "-=", "*=", "/=", "%=", "//="]),
        ("left", &["or"]),
        ("left", &["and"]),
        ("none", &["==", "!=", "<", "<=", ">", ">="]),
        ("left", &["+", "-"]),
        ("left", &["*", "/", "%"]),
    ];

    fn shape(text: &str) -> Option<String> {
        parse(text).ok().map(|term| format!("{term:?}"))
    }

    #[test]
    fn every_pair_of_operators_groups_as_the_grammar_says() {
        let operators = LEVELS
            .iter()
            .enumerate()
            .flat_map(|(level, (side, operators))| {
                operators
                    .iter()
                    .map(move |operator| (level, *side, *operator))
            });
        let operators: Vec<_> = operators.collect();
        for (first_level, side, first) in &operators {
            for (second_level, _, second) in &operators {
                let left = shape(&format!("(.a {first} .b) {second} .c"));
                let right = shape(&format!(".a {first} (.b {second} .c)"));
                let expected = match (first_level.cmp(second_level), *side) {
                    (std::cmp::Ordering::Equal, "none") => None,
                    (std::cmp::Ordering::Equal, "left") | (std::cmp::Ordering::Greater, _) => left,
                    _ => right,
                };
                let pair = format!(".a {first} .b {second} .c");
                assert_eq!(shape(&pair), expected, "{pair}");
            }
        }
    }

    #[test]
    fn a_prefix_binds_tighter_than_an_operator_and_less_than_a_step() {
        for (text, same) in [
            ("-.a[0] + 1", "(-(.a[0])) + 1"),
            ("try .a[0] // 1", "(try (.a[0])) // 1"),
            ("1 + 2 as $x | 3, 4", "(1 + 2) as $x | (3, 4)"),
            ("1, 2 as $x | 3", "1, (2 as $x | 3)"),
            ("def f: 1; f | 2, 3", "def f: 1; (f | (2, 3))"),
            ("{a: 1 | 2, b: 3}", "{a: (1 | 2), b: 3}"),
            ("reduce .a + 1 as $x (0; 1)", "reduce (.a + 1) as $x (0; 1)"),
            (".a? //1", "(.a?) // 1"),
        ] {
            assert_eq!(shape(text), shape(same), "{text}");
            assert!(shape(text).is_some(), "{text}");
        }
        for text in [
            "1 + def f: 2; f",
            "1 + label $f | 2",
            "{a: 1 as $x | 2}",
            "{a: def f: 1; f}",
            "{1: 2}",
            "{(1): 2}",
            "1 2",
            "..a",
            ". a",
            "1e",
            "0x1",
            "try",
            "if 1 then 2",
            ". as {a} | 1",
            "\"\\ud83d\"",
            ".a?//1",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(parse(&deep).is_err());
    }
}
