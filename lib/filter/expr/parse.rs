//! jq's grammar: from the text of an expression to jaq's terms.
//!
//! jaq reads a language of its own: other precedences, other numbers and strings. So
//! both engines decide by the terms that are read here, as jq 1.8 reads them. What
//! jaq's terms cannot say (`?//`, `$__loc__`) is said with others.

mod alternatives;
mod lex;
mod pattern;
mod string;
mod term;

use jaq_core::load::parse::{BinaryOp, Def, Term};
use jaq_core::ops::{Cmp, Math};

pub(super) use alternatives::variables;
use lex::JqToken;
pub(super) use term::{digits, text};

/// Deeper expressions would take the stack.
const DEEPEST: usize = 200;

/// So many levels may a pattern have.
pub(super) const DEEPEST_PATTERN: usize = 10;

/// What is wrong with an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError<'t> {
    /// What the grammar has in this place.
    pub(super) expected: &'static str,
    /// The rest of the text, from there.
    pub(super) at: &'t str,
}

type Parsed<'t, T> = Result<T, SyntaxError<'t>>;

/// The term that an expression is.
pub(super) fn parse(text: &str) -> Parsed<'_, Term<&str>> {
    let mut parser = Parser::new(text);
    let term = parser.query()?;
    match parser.peek() {
        JqToken::End => Ok(term),
        _ => parser.expected("an operator"),
    }
}

/// A list of definitions.
pub(super) fn definitions(text: &str) -> Parsed<'_, Vec<Def<&str>>> {
    let mut parser = Parser::new(text);
    let mut definitions = Vec::new();
    while parser.peek() != JqToken::End {
        definitions.push(parser.definition()?);
    }
    Ok(definitions)
}

#[derive(Clone)]
struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// How an operator binds: the weakest has the least level.
struct Operator<'t> {
    op: BinaryOp<&'t str>,
    level: u8,
    /// The least level of an operator on its right side.
    right: u8,
    /// Whether it cannot stand beside another one of its level.
    alone: bool,
}

fn operator<'t>(token: JqToken<'_>) -> Option<Operator<'t>> {
    let (op, level, right, alone) = match token {
        JqToken::Symbol("//") => (BinaryOp::Alt, 1, 1, false),
        JqToken::Symbol("=") => (BinaryOp::Assign, 2, 3, true),
        JqToken::Symbol("|=") => (BinaryOp::Update, 2, 3, true),
        JqToken::Symbol("//=") => (BinaryOp::UpdateAlt, 2, 3, true),
        JqToken::Symbol("+=") => (BinaryOp::UpdateMath(Math::Add), 2, 3, true),
        JqToken::Symbol("-=") => (BinaryOp::UpdateMath(Math::Sub), 2, 3, true),
        JqToken::Symbol("*=") => (BinaryOp::UpdateMath(Math::Mul), 2, 3, true),
        JqToken::Symbol("/=") => (BinaryOp::UpdateMath(Math::Div), 2, 3, true),
        JqToken::Symbol("%=") => (BinaryOp::UpdateMath(Math::Rem), 2, 3, true),
        JqToken::Name("or") => (BinaryOp::Or, 3, 4, false),
        JqToken::Name("and") => (BinaryOp::And, 4, 5, false),
        JqToken::Symbol("==") => (BinaryOp::Cmp(Cmp::Eq), 5, 6, true),
        JqToken::Symbol("!=") => (BinaryOp::Cmp(Cmp::Ne), 5, 6, true),
        JqToken::Symbol("<") => (BinaryOp::Cmp(Cmp::Lt), 5, 6, true),
        JqToken::Symbol(">") => (BinaryOp::Cmp(Cmp::Gt), 5, 6, true),
        JqToken::Symbol("<=") => (BinaryOp::Cmp(Cmp::Le), 5, 6, true),
        JqToken::Symbol(">=") => (BinaryOp::Cmp(Cmp::Ge), 5, 6, true),
        JqToken::Symbol("+") => (BinaryOp::Math(Math::Add), 6, 7, false),
        JqToken::Symbol("-") => (BinaryOp::Math(Math::Sub), 6, 7, false),
        JqToken::Symbol("*") => (BinaryOp::Math(Math::Mul), 7, 8, false),
        JqToken::Symbol("/") => (BinaryOp::Math(Math::Div), 7, 8, false),
        JqToken::Symbol("%") => (BinaryOp::Math(Math::Rem), 7, 8, false),
        _ => return None,
    };
    Some(Operator {
        op,
        level,
        right,
        alone,
    })
}

fn binary<'t>(left: Term<&'t str>, op: BinaryOp<&'t str>, right: Term<&'t str>) -> Term<&'t str> {
    Term::BinOp(left.into(), op, right.into())
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        Parser {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// The next token, which stays the next one.
    fn peek(&self) -> JqToken<'t> {
        lex::first(&self.text[self.at..]).0
    }

    fn skip(&mut self) {
        let (_, before, length) = lex::first(&self.text[self.at..]);
        self.at += before + length;
    }

    /// Takes a symbol if it is the next token.
    fn takes(&mut self, symbol: &str) -> bool {
        let is_next = self.peek() == JqToken::Symbol(symbol);
        if is_next {
            self.skip();
        }
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = self.peek() == JqToken::Name(word);
        if is_next {
            self.skip();
        }
        is_next
    }

    /// Takes a symbol; `name` says what it is.
    fn symbol(&mut self, symbol: &str, name: &'static str) -> Parsed<'t, ()> {
        match self.takes(symbol) {
            true => Ok(()),
            false => self.expected(name),
        }
    }

    fn word(&mut self, word: &'static str) -> Parsed<'t, ()> {
        match self.takes_word(word) {
            true => Ok(()),
            false => self.expected(word),
        }
    }

    fn variable(&mut self) -> Parsed<'t, &'t str> {
        match self.peek() {
            JqToken::Variable(name) if name != "$__loc__" => {
                self.skip();
                Ok(name)
            }
            _ => self.expected("a variable"),
        }
    }

    fn expected<T>(&self, expected: &'static str) -> Parsed<'t, T> {
        let rest = &self.text[self.at..];
        let (token, before, _) = lex::first(rest);
        let expected = match token {
            JqToken::Unknown => "token",
            _ => expected,
        };
        let at = &rest[before..];
        Err(SyntaxError { expected, at })
    }

    /// Goes one level down.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<'t, T>) -> Parsed<'t, T> {
        if self.depth == DEEPEST {
            return self.expected("fewer levels");
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// What may stand between parentheses: the pipe binds weakest, then the comma.
    fn query(&mut self) -> Parsed<'t, Term<&'t str>> {
        self.nested(|parser| {
            let mut left = parser.clause()?;
            while parser.takes(",") {
                left = binary(left, BinaryOp::Comma, parser.clause()?);
            }
            if parser.takes("|") {
                left = binary(left, BinaryOp::Pipe(None), parser.query()?);
            }
            Ok(left)
        })
    }

    /// A part of a pipe or list. A definition, a label or a variable reaches as far as
    /// there is anything.
    fn clause(&mut self) -> Parsed<'t, Term<&'t str>> {
        match self.peek() {
            JqToken::Name("def") => {
                let definition = self.definition()?;
                Ok(Term::Def(vec![definition], self.query()?.into()))
            }
            JqToken::Name("label") => {
                self.skip();
                let label = self.variable()?;
                self.symbol("|", "|")?;
                Ok(Term::Label(label, self.query()?.into()))
            }
            _ => {
                let source = self.expression(0)?;
                if !self.takes_word("as") {
                    return Ok(source);
                }
                let patterns = self.patterns()?;
                self.symbol("|", "|")?;
                let body = self.query()?;
                self.bind(source, patterns, body)
            }
        }
    }

    /// Terms with operators of this level or above between them.
    fn expression(&mut self, least: u8) -> Parsed<'t, Term<&'t str>> {
        self.nested(|parser| {
            let mut left = parser.term()?;
            let mut alone = None;
            while let Some(next) = operator(parser.peek())
                && next.level >= least
            {
                if alone == Some(next.level) {
                    return parser.expected("parentheses, because this operator does not chain");
                }
                parser.skip();
                alone = next.alone.then_some(next.level);
                left = binary(left, next.op, parser.expression(next.right)?);
            }
            Ok(left)
        })
    }

    fn definition(&mut self) -> Parsed<'t, Def<&'t str>> {
        self.word("def")?;
        let name = match self.peek() {
            JqToken::Name(name) if !lex::KEYWORDS.contains(&name) => name,
            _ => return self.expected("a name"),
        };
        self.skip();
        let mut args = Vec::new();
        if self.takes("(") {
            loop {
                match self.peek() {
                    JqToken::Name(name) if !lex::KEYWORDS.contains(&name) => args.push(name),
                    JqToken::Variable(name) => args.push(name),
                    _ => return self.expected("a parameter"),
                }
                self.skip();
                if !self.takes(";") {
                    break;
                }
            }
            self.symbol(")", "closing parenthesis")?;
        }
        self.symbol(":", "a colon")?;
        let body = self.query()?;
        self.symbol(";", "a semicolon")?;
        Ok(Def { name, args, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operators by level, the weakest first, and on which side one of a level
    /// takes another one of it: the left, the right, or none.
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
            (".a?//1", "(.a?) // 1"),
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
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(parse(&deep).is_err());
    }
}
