//! Objects: fields between braces.

use jaq_core::load::parse::{BinaryOp, Term};

use super::constant::{is_constant, text};
use super::lex::JqToken;
use super::parser::{Parsed, Parser, binary};

impl<'t> Parser<'t> {
    /// Parses the rest of an object after its opening brace.
    pub(super) fn object(&mut self) -> Parsed<'t, Term<&'t str>> {
        let mut fields = Vec::new();
        while !self.takes("}") {
            fields.push(self.pair()?);
            if !self.takes(",") {
                self.symbol("}", "comma or right brace")?;
                break;
            }
        }
        Ok(Term::Obj(fields))
    }

    fn pair(&mut self) -> Parsed<'t, (Term<&'t str>, Option<Term<&'t str>>)> {
        let key = match self.peek() {
            JqToken::Symbol("(") => {
                let key = self.computed_key()?;
                self.symbol(":", "a colon")?;
                return Ok((key, Some(self.value()?)));
            }
            JqToken::Variable("$__loc__") => {
                self.skip();
                return Ok((text("__loc__"), Some(self.location())));
            }
            JqToken::Variable(name) => {
                self.skip();
                Term::Var(name)
            }
            JqToken::Name(name) => {
                self.skip();
                text(name)
            }
            JqToken::Quote | JqToken::Format(_) => self.key_string()?,
            _ => return self.expected("key"),
        };
        let value = match self.takes(":") {
            true => Some(self.value()?),
            false => None,
        };
        Ok((key, value))
    }

    /// A key in parentheses. A constant key must be a string.
    pub(super) fn computed_key(&mut self) -> Parsed<'t, Term<&'t str>> {
        let before = self.clone();
        self.skip();
        let key = self.query()?;
        if is_constant(&key) && !matches!(key, Term::Str(..)) {
            return before.expected("a string as key");
        }
        self.symbol(")", "closing parenthesis")?;
        Ok(key)
    }

    /// Parses the value of a field. The value ends at a comma.
    fn value(&mut self) -> Parsed<'t, Term<&'t str>> {
        let left = self.expression(0)?;
        match self.takes("|") {
            true => Ok(binary(left, BinaryOp::Pipe(None), self.value()?)),
            false => Ok(left),
        }
    }
}
