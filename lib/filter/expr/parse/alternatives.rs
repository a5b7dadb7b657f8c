//! The operator `?//` between patterns: if a pattern fails, or the body after the patterns fails,
//! the next pattern is tried.

use jaq_core::load::parse::{BinaryOp, Pattern, Term};

use super::parser::{Parsed, Parser, binary};

/// Variable names for the terms that replace `?//`. No expression can contain them.
const HERE: &str = "$!here";
const VALUE: &str = "$!value";

impl<'t> Parser<'t> {
    /// The term for `source as patterns | body`.
    pub(super) fn bind(
        &self,
        source: Term<&'t str>,
        mut patterns: Vec<Pattern<&'t str>>,
        body: Term<&'t str>,
    ) -> Parsed<'t, Term<&'t str>> {
        let (Some(last), rest) = (patterns.pop(), patterns) else {
            return self.expected("a pattern");
        };
        if rest.is_empty() {
            return Ok(binary(source, BinaryOp::Pipe(Some(last)), body));
        }
        let mut names = Vec::new();
        rest.iter()
            .chain([&last])
            .for_each(|p| variables(p, &mut names));
        let attempt = |pattern: Pattern<&'t str>| {
            let bound = binary(
                Term::Var(VALUE),
                BinaryOp::Pipe(Some(pattern)),
                body.clone(),
            );
            let null = || Term::Call("null", Vec::new());
            let bound = names.iter().rev().fold(bound, |bound, name| {
                binary(null(), BinaryOp::Pipe(Some(Pattern::Var(name))), bound)
            });
            binary(Term::Var(HERE), BinaryOp::Pipe(None), bound)
        };
        let attempts = rest.into_iter().rev().fold(attempt(last), |next, pattern| {
            Term::TryCatch(attempt(pattern).into(), Some(next.into()))
        });
        let value = BinaryOp::Pipe(Some(Pattern::Var(VALUE)));
        let here = BinaryOp::Pipe(Some(Pattern::Var(HERE)));
        Ok(binary(Term::Id, here, binary(source, value, attempts)))
    }

    /// The source and the pattern of a fold. If there are several patterns, the source yields
    /// arrays of all their variables, and the pattern takes such an array apart.
    pub(super) fn fold_source(
        &self,
        source: Term<&'t str>,
        mut patterns: Vec<Pattern<&'t str>>,
    ) -> Parsed<'t, (Term<&'t str>, Pattern<&'t str>)> {
        if let [Pattern::Var(name)] = patterns[..] {
            return Ok((source, Pattern::Var(name)));
        }
        if patterns.len() == 1
            && let Some(pattern) = patterns.pop()
        {
            return Ok((source, pattern));
        }
        let mut names = Vec::new();
        patterns.iter().for_each(|p| variables(p, &mut names));
        let vars = names.iter().map(|name| Term::Var(*name));
        let list = vars.reduce(|left, right| binary(left, BinaryOp::Comma, right));
        let body = Term::Arr(list.map(Box::new));
        let source = self.bind(source, patterns, body)?;
        Ok((
            source,
            Pattern::Arr(names.into_iter().map(Pattern::Var).collect()),
        ))
    }
}

/// Adds the variables of a pattern to `names`, each only once.
pub(in crate::filter::expr) fn variables<'t>(pattern: &Pattern<&'t str>, names: &mut Vec<&'t str>) {
    match pattern {
        Pattern::Var(name) if names.contains(name) => {}
        Pattern::Var(name) => names.push(name),
        Pattern::Arr(parts) => parts.iter().for_each(|part| variables(part, names)),
        Pattern::Obj(fields) => fields.iter().for_each(|(_, part)| variables(part, names)),
    }
}
