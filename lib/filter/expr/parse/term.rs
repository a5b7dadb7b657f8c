//! Parses terms: the operands of operators.

use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Part, Path};

use super::constant::{digits, text};
use super::lex::{JqToken, KEYWORDS};
use super::parser::{Parsed, Parser};

impl<'t> Parser<'t> {
    /// A term with the steps that follow it.
    pub(super) fn term(&mut self) -> Parsed<'t, Term<&'t str>> {
        self.nested(|parser| {
            let mut term = parser.simple()?;
            loop {
                let part = match parser.peek() {
                    JqToken::Field(name) => {
                        parser.skip();
                        Part::Index(text(name))
                    }
                    JqToken::Symbol("[") => parser.bracket()?,
                    JqToken::Symbol(".") => {
                        parser.skip();
                        match parser.peek() {
                            JqToken::Symbol("[") => parser.bracket()?,
                            _ => Part::Index(parser.key_string()?),
                        }
                    }
                    _ if parser.takes("?") => {
                        term = Term::TryCatch(term.into(), None);
                        continue;
                    }
                    _ => return Ok(term),
                };
                let opt = match parser.takes("?") {
                    true => Opt::Optional,
                    false => Opt::Essential,
                };
                match &mut term {
                    Term::Path(_, Path(parts)) => parts.push((part, opt)),
                    _ => term = Term::Path(term.into(), Path(vec![(part, opt)])),
                }
            }
        })
    }

    fn simple(&mut self) -> Parsed<'t, Term<&'t str>> {
        let token = self.peek();
        match token {
            JqToken::Quote => return self.string(None),
            JqToken::Name("def" | "label") => return self.expected("a term"),
            JqToken::End | JqToken::Unknown => return self.expected("term"),
            _ => {}
        }
        let before = self.clone();
        self.skip();
        Ok(match token {
            JqToken::Field(_) => {
                *self = before;
                Term::Id
            }
            JqToken::Symbol(".") => match self.peek() {
                JqToken::Quote | JqToken::Format(_) => {
                    let part = Part::Index(self.key_string()?);
                    let opt = match self.takes("?") {
                        true => Opt::Optional,
                        false => Opt::Essential,
                    };
                    Term::Path(Term::Id.into(), Path(vec![(part, opt)]))
                }
                _ => Term::Id,
            },
            JqToken::Symbol("..") => Term::Recurse,
            JqToken::Symbol("-") => Term::Neg(self.term()?.into()),
            JqToken::Symbol("(") => {
                let term = self.query()?;
                self.symbol(")", "closing parenthesis")?;
                term
            }
            JqToken::Symbol("[") => {
                if self.takes("]") {
                    return Ok(Term::Arr(None));
                }
                let term = self.query()?;
                self.symbol("]", "closing bracket")?;
                Term::Arr(Some(term.into()))
            }
            JqToken::Symbol("{") => self.object()?,
            JqToken::Number(digits) => Term::Num(digits),
            JqToken::Format(format) => match self.peek() {
                JqToken::Quote => self.string(Some(format))?,
                _ => Term::Call(format, Vec::new()),
            },
            JqToken::Variable("$__loc__") => self.location(),
            JqToken::Variable(name) => Term::Var(name),
            JqToken::Name("if") => self.condition()?,
            JqToken::Name("try") => {
                let term = self.term()?.into();
                let catch = match self.takes_word("catch") {
                    true => Some(self.term()?.into()),
                    false => None,
                };
                Term::TryCatch(term, catch)
            }
            JqToken::Name("break") => Term::Break(self.variable()?),
            JqToken::Name(fold @ ("reduce" | "foreach")) => self.fold(fold)?,
            JqToken::Name(name) if !KEYWORDS.contains(&name) => {
                let mut args = Vec::new();
                if self.takes("(") {
                    args.push(self.query()?);
                    while self.takes(";") {
                        args.push(self.query()?);
                    }
                    self.symbol(")", "closing parenthesis")?;
                }
                Term::Call(name, args)
            }
            _ => {
                *self = before;
                return self.expected("term");
            }
        })
    }

    /// A string as the name of a field.
    pub(super) fn key_string(&mut self) -> Parsed<'t, Term<&'t str>> {
        let format = match self.peek() {
            JqToken::Format(format) => {
                self.skip();
                Some(format)
            }
            _ => None,
        };
        self.string(format)
    }

    fn bracket(&mut self) -> Parsed<'t, Part<Term<&'t str>>> {
        self.skip();
        if self.takes("]") {
            return Ok(Part::Range(None, None));
        }
        let part = if self.takes(":") {
            Part::Range(None, Some(self.query()?))
        } else {
            let from = self.query()?;
            match (self.takes(":"), self.peek()) {
                (false, _) => Part::Index(from),
                (true, JqToken::Symbol("]")) => Part::Range(Some(from), None),
                (true, _) => Part::Range(Some(from), Some(self.query()?)),
            }
        };
        self.symbol("]", "closing bracket")?;
        Ok(part)
    }

    fn condition(&mut self) -> Parsed<'t, Term<&'t str>> {
        let mut branches = Vec::new();
        loop {
            let test = self.query()?;
            self.word("then")?;
            branches.push((test, self.query()?));
            if !self.takes_word("elif") {
                break;
            }
        }
        let otherwise = match self.takes_word("else") {
            true => Some(self.query()?.into()),
            false => None,
        };
        match self.takes_word("end") {
            true => Ok(Term::IfThenElse(branches, otherwise)),
            false => self.expected("else or end"),
        }
    }

    fn fold(&mut self, name: &'t str) -> Parsed<'t, Term<&'t str>> {
        let source = self.expression(0)?;
        self.word("as")?;
        let patterns = self.patterns()?;
        self.symbol("(", "opening parenthesis")?;
        let mut args = vec![self.query()?];
        self.symbol(";", "a semicolon")?;
        args.push(self.query()?);
        if name == "foreach" && self.takes(";") {
            args.push(self.query()?);
        }
        self.symbol(")", "closing parenthesis")?;
        let (source, bound) = self.fold_source(source, patterns)?;
        Ok(Term::Fold(name, source.into(), bound, args))
    }

    /// The value of `$__loc__`: the file and the line where `$__loc__` is.
    pub(super) fn location(&self) -> Term<&'t str> {
        let line = self.text[..self.at].matches('\n').count() + 1;
        Term::Obj(vec![
            (text("file"), Some(text("<top-level>"))),
            (text("line"), Some(digits(line))),
        ])
    }
}
