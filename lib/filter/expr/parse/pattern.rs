//! Patterns, which take values apart.

use jaq_core::load::parse::{Pattern, Term};

use super::constant::text;
use super::lex::JqToken;
use super::parser::{DEEPEST_PATTERN, Parsed, Parser};

impl<'t> Parser<'t> {
    /// Patterns with `?//` between them.
    pub(super) fn patterns(&mut self) -> Parsed<'t, Vec<Pattern<&'t str>>> {
        let mut patterns = vec![self.pattern(0)?];
        while self.takes("?//") {
            patterns.push(self.pattern(0)?);
        }
        Ok(patterns)
    }

    fn pattern(&mut self, level: usize) -> Parsed<'t, Pattern<&'t str>> {
        match self.peek() {
            JqToken::Symbol("[" | "{") if level == DEEPEST_PATTERN => {
                self.expected("a pattern of fewer levels")
            }
            JqToken::Variable(_) => Ok(Pattern::Var(self.variable()?)),
            JqToken::Symbol("[") => {
                self.skip();
                let mut parts = vec![self.pattern(level + 1)?];
                while self.takes(",") {
                    parts.push(self.pattern(level + 1)?);
                }
                self.symbol("]", "comma or right bracket")?;
                Ok(Pattern::Arr(parts))
            }
            JqToken::Symbol("{") => {
                self.skip();
                let mut fields = Vec::new();
                self.field(&mut fields, level)?;
                while self.takes(",") {
                    self.field(&mut fields, level)?;
                }
                self.symbol("}", "comma or right brace")?;
                Ok(Pattern::Obj(fields))
            }
            _ => self.expected("a pattern"),
        }
    }

    fn field(
        &mut self,
        fields: &mut Vec<(Term<&'t str>, Pattern<&'t str>)>,
        level: usize,
    ) -> Parsed<'t, ()> {
        let key = match self.peek() {
            JqToken::Variable(_) => {
                let name = self.variable()?;
                fields.push((text(&name[1..]), Pattern::Var(name)));
                if !self.takes(":") {
                    return Ok(());
                }
                fields.push((text(&name[1..]), self.pattern(level + 1)?));
                return Ok(());
            }
            JqToken::Name(name) => {
                self.skip();
                text(name)
            }
            JqToken::Symbol("(") => self.computed_key()?,
            JqToken::Format(format) => {
                self.skip();
                self.string(Some(format))?
            }
            _ => self.string(None)?,
        };
        self.symbol(":", "a colon")?;
        fields.push((key, self.pattern(level + 1)?));
        Ok(())
    }
}
