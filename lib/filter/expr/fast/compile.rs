//! Converts jaq's terms to terms of the fast engine, if the engine supports them.

use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Opt, Part, Path};

use super::super::explain::place;
use super::literal::{
    Parts, constant, environment, is_text, keys, outside, plain, presence, step, text,
};
use super::term::{FastTerm, MatchPosition, ScopedTest, Strict, Unsupported};
use super::value::FastValue;
use crate::json::fields::{Fields, Step};

type Compiled = Result<FastTerm, Unsupported>;

/// What `.` means at a place in the expression.
#[derive(Clone)]
enum Here {
    /// The value at a path that starts at the record or at the current array element.
    At { steps: Vec<Step>, strict: Strict },
    /// A computed value.
    Piped,
}

struct Compiler<'a> {
    text: &'a str,
    env: &'a [(String, String)],
    fields: &'a mut Fields,
    /// Whether the input of these terms is the record, which is always an object, and not an array
    /// element.
    in_record: bool,
}

/// Compiles an expression. If the expression yields several values, a record is kept if any of
/// these is neither false nor null.
pub(super) fn whole(
    term: &Term<&str>,
    text: &str,
    env: &[(String, String)],
    fields: &mut Fields,
) -> Compiled {
    let mut compiler = Compiler {
        text,
        env,
        fields,
        in_record: true,
    };
    let here = Here::root();
    match term {
        Term::BinOp(left, BinaryOp::Pipe(None), right) if is_iteration(left) => {
            compiler.each(false, left, &here, |inner, at| inner.term(right, at))
        }
        _ if is_iteration(term) => {
            compiler.each(false, term, &here, |inner, at| Ok(inner.here(at)))
        }
        _ => compiler.term(term, &here),
    }
}

fn is_iteration(term: &Term<&str>) -> bool {
    let is_range = |(part, _): &(Part<_>, Opt)| matches!(part, Part::Range(None, None));
    matches!(term, Term::Path(_, Path(parts)) if parts.iter().any(is_range))
}

fn ends_in_iteration(term: &Term<&str>) -> bool {
    matches!(term, Term::Path(_, Path(parts)) if matches!(parts[..], [.., (Part::Range(None, None), _)]))
}

impl Here {
    fn root() -> Here {
        Here::At {
            steps: Vec::new(),
            strict: Strict::All,
        }
    }

    fn then(self, step: Step, opt: Opt) -> Result<Here, Unsupported> {
        let Here::At { mut steps, strict } = self else {
            return outside("a path into a computed value");
        };
        let step_is = match opt {
            Opt::Optional => Strict::None,
            Opt::Essential => Strict::All,
        };
        let strict = if steps.is_empty() || strict == step_is {
            step_is
        } else {
            Strict::Some
        };
        steps.push(step);
        Ok(Here::At { steps, strict })
    }
}

fn steps(from: Here, parts: &Parts<'_>) -> Result<Here, Unsupported> {
    let mut parts = parts.iter();
    parts.try_fold(from, |here, (part, opt)| here.then(step(part)?, *opt))
}

impl Compiler<'_> {
    fn term(&mut self, term: &Term<&str>, here: &Here) -> Compiled {
        match term {
            Term::Id => Ok(self.here(here)),
            Term::Num(digits) => self.number(digits),
            Term::Str(None, _) => text(term).map(constant),
            Term::Arr(None) => Ok(FastTerm::Constant(FastValue::Array("[]"))),
            Term::Obj(fields) if fields.is_empty() => {
                Ok(FastTerm::Constant(FastValue::Object("{}")))
            }
            Term::Neg(term) => Ok(FastTerm::Negative(self.term(term, here)?.into())),
            // Where `?` would catch an error, jaq decides.
            Term::TryCatch(term, None) => self.term(term, here),
            Term::IfThenElse(branches, otherwise) => {
                let mut node = match otherwise {
                    Some(term) => self.term(term, here)?,
                    None => self.here(here),
                };
                for (test, then) in branches.iter().rev() {
                    let (test, then) = (self.term(test, here)?, self.term(then, here)?);
                    node = FastTerm::If(test.into(), then.into(), node.into());
                }
                Ok(node)
            }
            Term::Path(from, Path(parts)) => self.path(from, parts, here),
            Term::BinOp(left, BinaryOp::Pipe(None), right) => self.pipe(left, right, here),
            Term::BinOp(left, op, right) => self.operation(left, op, right, here),
            Term::Call(name, args) => self.call(name, args, here),
            Term::Recurse => outside(".."),
            Term::Var(name) => outside(format!("{name} {}", place(self.text, name))),
            Term::Str(Some(format), _) => outside(format!("{format} {}", place(self.text, format))),
            Term::Arr(_) => outside("a new array, [...]"),
            Term::Obj(_) => outside("a new object, {...}"),
            Term::Fold(name, ..) => outside(format!("{name} {}", place(self.text, name))),
            Term::TryCatch(..) => outside("catch"),
            Term::Def(..) => outside("a definition"),
            Term::Label(..) | Term::Break(_) => outside("a label"),
        }
    }

    fn here(&mut self, here: &Here) -> FastTerm {
        match here {
            Here::Piped => FastTerm::Piped,
            Here::At { steps, .. } if steps.is_empty() => FastTerm::Whole,
            Here::At { steps, strict } => FastTerm::Path {
                slot: self.fields.want_steps(steps),
                name: match steps.last() {
                    Some(Step::Name(name)) => Some(name.clone()),
                    _ => None,
                },
                strict: *strict,
            },
        }
    }

    fn number(&mut self, digits: &str) -> Compiled {
        match FastValue::number(digits) {
            Ok(value) => Ok(FastTerm::Constant(value)),
            Err(_) => outside(format!(
                "an integer over 64 bits {}",
                place(self.text, digits)
            )),
        }
    }

    fn operation(
        &mut self,
        left: &Term<&str>,
        op: &BinaryOp<&str>,
        right: &Term<&str>,
        here: &Here,
    ) -> Compiled {
        let node: fn(Box<FastTerm>, Box<FastTerm>) -> FastTerm = match op {
            BinaryOp::And => FastTerm::And,
            BinaryOp::Or => FastTerm::Or,
            BinaryOp::Alt => FastTerm::Alternative,
            BinaryOp::Cmp(_) | BinaryOp::Math(_) => FastTerm::Pipe,
            BinaryOp::Comma => return outside("a comma"),
            BinaryOp::Pipe(_) => return outside("a variable"),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                return outside("an assignment");
            }
        };
        let left = self.term(left, here)?.into();
        let right = self.term(right, here)?.into();
        Ok(match op {
            BinaryOp::Cmp(by) => FastTerm::Compare(*by, left, right),
            BinaryOp::Math(how) => FastTerm::Compute(*how, left, right),
            _ => node(left, right),
        })
    }

    fn path(&mut self, from: &Term<&str>, parts: &Parts<'_>, here: &Here) -> Compiled {
        if let Some(variable) = environment(from) {
            return match parts {
                [(Part::Index(name), _)] if is_text(name) => {
                    let name = text(name)?;
                    let found = self.env.iter().rfind(|(key, _)| *key == name);
                    Ok(
                        found.map_or(FastTerm::Constant(FastValue::Null), |(_, value)| {
                            constant(value)
                        }),
                    )
                }
                _ => outside(format!("{variable} as an object")),
            };
        }
        let from = self.place(from, here)?;
        let to = steps(from, parts)?;
        Ok(self.here(&to))
    }

    /// The path that a term denotes. The error [`Unsupported`] if the term is not a path.
    fn place(&mut self, term: &Term<&str>, here: &Here) -> Result<Here, Unsupported> {
        match term {
            Term::Id => match here {
                Here::At { .. } => Ok(here.clone()),
                Here::Piped => outside("a path into a computed value"),
            },
            Term::Path(from, Path(parts)) if environment(from).is_none() => {
                steps(self.place(from, here)?, parts)
            }
            _ => outside("a path into a computed value"),
        }
    }

    fn pipe(&mut self, left: &Term<&str>, right: &Term<&str>, here: &Here) -> Compiled {
        if let Term::Call("select", args) = left
            && let [test] = &args[..]
        {
            let (test, right) = (self.term(test, here)?, self.term(right, here)?);
            return Ok(FastTerm::When(test.into(), right.into()));
        }
        if let Term::Call(name, args) = left
            && let Some(test) = self.selector(name, args, here)
        {
            return Ok(FastTerm::When(test.into(), self.term(right, here)?.into()));
        }
        let Ok(to) = self.place(left, here) else {
            let (left, right) = (self.term(left, here)?, self.term(right, &Here::Piped)?);
            return Ok(FastTerm::Pipe(left.into(), right.into()));
        };
        let right = self.term(right, &to)?;
        Ok(match &to {
            Here::At { steps, .. } if steps.is_empty() => right,
            Here::At { steps, .. } if self.in_record && matches!(steps[..], [Step::Name(_)]) => {
                right
            }
            _ => FastTerm::Guard(self.here(&to).into(), right.into()),
        })
    }

    fn call(&mut self, name: &str, args: &[Term<&str>], here: &Here) -> Compiled {
        if let Some(test) = self.selector(name, args, here) {
            return Ok(FastTerm::When(test.into(), self.here(here).into()));
        }
        let input = |this: &mut Self| Box::new(this.here(here));
        Ok(match (name, args) {
            ("true", []) => FastTerm::Constant(FastValue::Bool(true)),
            ("false", []) => FastTerm::Constant(FastValue::Bool(false)),
            ("null", []) => FastTerm::Constant(FastValue::Null),
            ("empty", []) => FastTerm::Nothing,
            ("not", []) => FastTerm::Not(input(self)),
            ("type", []) => FastTerm::Kind(input(self)),
            ("length", []) => FastTerm::Length(input(self)),
            ("ascii_downcase", []) => FastTerm::Lowercase(input(self)),
            ("select", [test]) => FastTerm::When(self.term(test, here)?.into(), input(self)),
            ("startswith", [part]) => self.holds(MatchPosition::Start, part, here)?,
            ("endswith", [part]) => self.holds(MatchPosition::End, part, here)?,
            ("contains", [part]) => self.holds(MatchPosition::Anywhere, part, here)?,
            ("test", [pattern]) if is_text(pattern) => match plain(&text(pattern)?) {
                Some((place, part)) => FastTerm::Holds(place, input(self), constant(part).into()),
                None => return outside("test with a pattern that is not plain text"),
            },
            ("has", [name]) if is_text(name) => FastTerm::Has(input(self), presence(name)?.into()),
            ("in", [Term::Obj(fields)]) => FastTerm::OneOf {
                value: input(self),
                others: keys(fields)?,
                only_text: true,
            },
            ("IN", [others]) => FastTerm::OneOf {
                value: input(self),
                others: self.list(others, here)?,
                only_text: false,
            },
            ("IN", [elements, others]) => {
                let others = self.list(others, here)?;
                if !others
                    .iter()
                    .all(|other| matches!(other, FastTerm::Constant(_)))
                {
                    return outside("IN with values that are not constants");
                }
                // jq compares all elements with the first of `others`, then all elements with the
                // second, and so on.
                if others.len() > 1 && !ends_in_iteration(elements) {
                    return outside("IN with a path after []");
                }
                self.each(false, elements, here, |inner, at| {
                    Ok(FastTerm::OneOf {
                        value: inner.here(at).into(),
                        others,
                        only_text: false,
                    })
                })?
            }
            ("any" | "all", []) => {
                self.over(name == "all", here, |inner, at| Ok(inner.here(at)))?
            }
            ("any" | "all", [test]) => {
                self.over(name == "all", here, |inner, at| inner.term(test, at))?
            }
            ("any" | "all", [elements, test]) => {
                self.each(name == "all", elements, here, |inner, at| {
                    inner.term(test, at)
                })?
            }
            _ => return outside(format!("{name} {}", place(self.text, name))),
        })
    }

    /// The term for `strings` and similar functions: a test of the type of `.`. `None` for other
    /// functions.
    fn selector(&mut self, name: &str, args: &[Term<&str>], here: &Here) -> Option<FastTerm> {
        let (kinds, is): (&[&'static str], bool) = match (name, args) {
            ("values", []) => (&["null"], false),
            ("nulls", []) => (&["null"], true),
            ("booleans", []) => (&["boolean"], true),
            ("numbers", []) => (&["number"], true),
            ("strings", []) => (&["string"], true),
            ("arrays", []) => (&["array"], true),
            ("objects", []) => (&["object"], true),
            ("iterables", []) => (&["array", "object"], true),
            ("scalars", []) => (&["array", "object"], false),
            _ => return None,
        };
        let one_of = FastTerm::OneOf {
            value: FastTerm::Kind(self.here(here).into()).into(),
            others: kinds.iter().map(|kind| constant(*kind)).collect(),
            only_text: true,
        };
        Some(if is {
            one_of
        } else {
            FastTerm::Not(one_of.into())
        })
    }

    fn holds(&mut self, at: MatchPosition, part: &Term<&str>, here: &Here) -> Compiled {
        let part = self.term(part, here)?;
        Ok(FastTerm::Holds(at, self.here(here).into(), part.into()))
    }

    /// The terms of a list such as `a, b, c`.
    fn list(&mut self, terms: &Term<&str>, here: &Here) -> Result<Vec<FastTerm>, Unsupported> {
        let Term::BinOp(left, BinaryOp::Comma, right) = terms else {
            return Ok(vec![self.term(terms, here)?]);
        };
        let mut list = self.list(left, here)?;
        list.extend(self.list(right, here)?);
        Ok(list)
    }

    /// A test whether any element of an array passes `test`. With `every`, whether every element
    /// passes. `elements` is a path to the elements, such as `.a[]` or `.a[].b`.
    fn each(
        &mut self,
        every: bool,
        elements: &Term<&str>,
        here: &Here,
        test: impl FnOnce(&mut Compiler<'_>, &Here) -> Compiled,
    ) -> Compiled {
        let Term::Path(from, Path(parts)) = elements else {
            return outside("values that are not the elements of an array");
        };
        let is_range = |(part, _): &(Part<_>, Opt)| matches!(part, Part::Range(None, None));
        let Some(at) = parts.iter().position(is_range) else {
            return outside("values that are not the elements of an array");
        };
        let array = match &**from {
            Term::Id if at == 0 => here.clone(),
            _ => steps(self.place(from, here)?, &parts[..at])?,
        };
        let to = steps(Here::root(), &parts[at + 1..])?;
        let lenient = matches!(parts[at].1, Opt::Optional);
        self.scope(every, &array, lenient, |inner| {
            let test = test(inner, &to)?;
            Ok(match &to {
                Here::At { steps, .. } if steps.is_empty() => test,
                _ => FastTerm::Guard(inner.here(&to).into(), test.into()),
            })
        })
    }

    /// Like [`Compiler::each`], for the elements of `.`.
    fn over(
        &mut self,
        every: bool,
        here: &Here,
        test: impl FnOnce(&mut Compiler<'_>, &Here) -> Compiled,
    ) -> Compiled {
        self.scope(every, here, false, |inner| test(inner, &Here::root()))
    }

    fn scope(
        &mut self,
        every: bool,
        array: &Here,
        lenient: bool,
        test: impl FnOnce(&mut Compiler<'_>) -> Compiled,
    ) -> Compiled {
        let mut fields = Fields::default();
        let test = test(&mut Compiler {
            text: self.text,
            env: self.env,
            fields: &mut fields,
            in_record: false,
        })?;
        Ok(FastTerm::Each {
            array: self.here(array).into(),
            lenient,
            every,
            scope: ScopedTest::new(fields, test).into(),
        })
    }
}
