//! Parses operators, definitions and control structures.

use jaq_core::load::parse::{BinaryOp, Def, Term};
use jaq_core::ops::{Cmp, Math};

use super::lex::{self, JqToken};

/// The deepest nesting of an expression. It is limited because each level uses stack.
const DEEPEST: usize = 200;

/// The deepest nesting of a pattern.
pub(in crate::filter::expr) const DEEPEST_PATTERN: usize = 10;

/// A syntax error.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::filter::expr) struct SyntaxError<'t> {
    /// The tokens that the grammar allows at the error.
    pub(in crate::filter::expr) expected: &'static str,
    /// The text of the expression from the error on.
    pub(in crate::filter::expr) at: &'t str,
}

pub(super) type Parsed<'t, T> = Result<T, SyntaxError<'t>>;

#[derive(Clone)]
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

/// The precedence of an operator; the lowest level binds weakest.
struct Operator<'t> {
    op: BinaryOp<&'t str>,
    level: u8,
    /// The lowest level that is allowed for an operator on the right side.
    right: u8,
    /// Whether the operator must not follow another operator of the same level.
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

pub(super) fn binary<'t>(
    left: Term<&'t str>,
    op: BinaryOp<&'t str>,
    right: Term<&'t str>,
) -> Term<&'t str> {
    Term::BinOp(left.into(), op, right.into())
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Parser<'t> {
        Parser {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// The next token, without consuming it.
    pub(super) fn peek(&self) -> JqToken<'t> {
        lex::first(&self.text[self.at..]).0
    }

    pub(super) fn skip(&mut self) {
        let (_, before, length) = lex::first(&self.text[self.at..]);
        self.at += before + length;
    }

    /// If this symbol is the next token, consumes it and returns true.
    pub(super) fn takes(&mut self, symbol: &str) -> bool {
        let is_next = self.peek() == JqToken::Symbol(symbol);
        if is_next {
            self.skip();
        }
        is_next
    }

    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let is_next = self.peek() == JqToken::Name(word);
        if is_next {
            self.skip();
        }
        is_next
    }

    /// Consumes a symbol. An error if another token is next; `name` describes the symbol in the
    /// error.
    pub(super) fn symbol(&mut self, symbol: &str, name: &'static str) -> Parsed<'t, ()> {
        match self.takes(symbol) {
            true => Ok(()),
            false => self.expected(name),
        }
    }

    pub(super) fn word(&mut self, word: &'static str) -> Parsed<'t, ()> {
        match self.takes_word(word) {
            true => Ok(()),
            false => self.expected(word),
        }
    }

    pub(super) fn variable(&mut self) -> Parsed<'t, &'t str> {
        match self.peek() {
            JqToken::Variable(name) if name != "$__loc__" => {
                self.skip();
                Ok(name)
            }
            _ => self.expected("a variable"),
        }
    }

    pub(super) fn expected<T>(&self, expected: &'static str) -> Parsed<'t, T> {
        let rest = &self.text[self.at..];
        let (token, before, _) = lex::first(rest);
        let expected = match token {
            JqToken::Unknown => "token",
            _ => expected,
        };
        let at = &rest[before..];
        Err(SyntaxError { expected, at })
    }

    /// Parses one level deeper. An error if the nesting is too deep.
    pub(super) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Parsed<'t, T>,
    ) -> Parsed<'t, T> {
        if self.depth == DEEPEST {
            return self.expected("fewer levels");
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Parses an expression, or the content of parentheses. The pipe binds weakest, then the comma.
    pub(super) fn query(&mut self) -> Parsed<'t, Term<&'t str>> {
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

    /// Parses a part of a pipe or of a list. After `def`, `label` or `as`, the part extends as far
    /// as possible.
    pub(super) fn clause(&mut self) -> Parsed<'t, Term<&'t str>> {
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

    /// Parses terms with operators between them. Stops before an operator whose level is below
    /// `least`.
    pub(super) fn expression(&mut self, least: u8) -> Parsed<'t, Term<&'t str>> {
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

    pub(super) fn definition(&mut self) -> Parsed<'t, Def<&'t str>> {
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
