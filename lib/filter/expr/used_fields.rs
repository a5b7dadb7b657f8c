//! Finds the fields of the record that an expression can see.
//!
//! Most expressions use a few fields of the record and never the record as a whole. Then only these
//! fields are decoded. This is safe because the record is an object: if reading one of its fields
//! raises an error, the message of the error does not contain the other fields.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

/// The fields of the record that `term` can see; `None` if `term` can see the whole record.
pub(super) fn fields(term: &Term<&str>) -> Option<Vec<String>> {
    let mut reach = Reach::default();
    reach.term(term, TermInput::Record)?;
    Some(reach.0)
}

/// What the value of `.` or of a term can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TermInput {
    /// The record itself, or a value that may be the record.
    Record,
    /// A part of the record, or a computed value.
    Other,
}
use TermInput::{Other, Record};

#[derive(Default)]
struct Reach(Vec<String>);

impl Reach {
    /// What the term's value can be. `None` if the term uses, or may use, the record as a whole.
    fn term(&mut self, term: &Term<&str>, input: TermInput) -> Option<TermInput> {
        match term {
            // A term sees the record only through its input, because variables cannot hold the
            // record.
            _ if input == Other => Some(Other),
            Term::Id => Some(Record),
            Term::Num(_) | Term::Var(_) | Term::Arr(None) => Some(Other),
            Term::Str(_, parts) => parts.iter().try_fold(Other, |_, part| match part {
                StrPart::Term(term) => self.part(term),
                StrPart::Str(_) | StrPart::Char(_) => Some(Other),
            }),
            Term::Arr(Some(term)) | Term::Neg(term) => self.part(term),
            Term::Obj(fields) => fields
                .iter()
                .try_fold(Other, |_, (key, value)| match value {
                    Some(value) => self.part(key).and_then(|_| self.part(value)),
                    None => self.field(key),
                }),
            Term::BinOp(left, op, right) => self.operation(left, op, right),
            Term::IfThenElse(branches, otherwise) => {
                let mut yields = match otherwise {
                    Some(term) => self.term(term, Record)?,
                    None => Record,
                };
                for (test, then) in branches {
                    self.term(test, Record)?;
                    yields = either(yields, self.term(then, Record)?);
                }
                Some(yields)
            }
            Term::TryCatch(term, _) => self.term(term, Record),
            Term::Fold(_, values, Pattern::Var(_), args) => {
                self.part(values)?;
                self.part(args.first()?)
            }
            Term::Call(name, args) => self.call(name, args),
            Term::Path(from, Path(parts)) => {
                let from = self.term(from, Record)?;
                for (at, (part, _)) in parts.iter().enumerate() {
                    match part {
                        Part::Index(name) if from == Record && at == 0 => self.field(name)?,
                        Part::Index(term) => self.part(term)?,
                        Part::Range(..) if from == Record && at == 0 => return None,
                        Part::Range(from, to) => {
                            let mut ends = from.iter().chain(to);
                            ends.try_fold(Other, |_, end| self.part(end))?
                        }
                    };
                }
                Some(Other)
            }
            Term::Fold(..) | Term::Recurse | Term::Def(..) | Term::Label(..) | Term::Break(_) => {
                None
            }
        }
    }

    fn operation(
        &mut self,
        left: &Term<&str>,
        op: &BinaryOp<&str>,
        right: &Term<&str>,
    ) -> Option<TermInput> {
        match op {
            BinaryOp::Pipe(None) => {
                let piped = self.term(left, Record)?;
                self.term(right, piped)
            }
            BinaryOp::Pipe(Some(Pattern::Var(_))) => {
                self.part(left)?;
                self.term(right, Record)
            }
            BinaryOp::Comma | BinaryOp::Alt => {
                Some(either(self.term(left, Record)?, self.term(right, Record)?))
            }
            BinaryOp::And | BinaryOp::Or => {
                self.term(left, Record)?;
                self.term(right, Record)?;
                Some(Other)
            }
            BinaryOp::Math(_) | BinaryOp::Cmp(_) => {
                self.part(left)?;
                self.part(right)
            }
            BinaryOp::Pipe(Some(_))
            | BinaryOp::Assign
            | BinaryOp::Update
            | BinaryOp::UpdateMath(_)
            | BinaryOp::UpdateAlt => None,
        }
    }

    fn call(&mut self, name: &str, args: &[Term<&str>]) -> Option<TermInput> {
        match (name, args) {
            ("true" | "false" | "null" | "empty" | "not" | "now" | "env", []) => Some(Other),
            ("select", [test]) => {
                self.term(test, Record)?;
                Some(Record)
            }
            ("has", [name]) => self.field(name),
            ("any" | "all", [values, test]) => {
                let values = self.term(values, Record)?;
                self.term(test, values)?;
                Some(Other)
            }
            ("IN", [values, others]) => {
                self.part(values)?;
                self.part(others)
            }
            ("first" | "last", [values]) => self.term(values, Record),
            ("isempty", [values]) => {
                self.term(values, Record)?;
                Some(Other)
            }
            _ => None,
        }
    }

    /// Visits a term whose input is the record. `None` if the term's value may be the record.
    fn part(&mut self, term: &Term<&str>) -> Option<TermInput> {
        (self.term(term, Record)? == Other).then_some(Other)
    }

    /// Adds the field with this name to the fields that the expression uses. Returns `None` if the
    /// expression needs the whole record instead.
    fn field(&mut self, name: &Term<&str>) -> Option<TermInput> {
        let Term::Str(None, parts) = name else {
            return None;
        };
        let mut field = String::new();
        for part in parts {
            match part {
                StrPart::Str(part) => field.push_str(part),
                StrPart::Char(char) => field.push(*char),
                StrPart::Term(_) => return None,
            }
        }
        // Before jaq gets a record, half of a surrogate pair in the record is replaced by this
        // character. So the whole record is needed to find a field whose name contains this
        // character.
        if field.contains('\u{fffd}') {
            return None;
        }
        if !self.0.contains(&field) {
            self.0.push(field);
        }
        Some(Other)
    }
}

fn either(a: TermInput, b: TermInput) -> TermInput {
    if a == Record { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn seen(text: &str) -> Option<String> {
        let term = parse::parse(text).unwrap();
        fields(&term).map(|fields| fields.join(" "))
    }

    #[test]
    fn fields_are_told_from_the_whole() {
        for (text, fields) in [
            (".a.b == .c", "a c"),
            (".a[.b].c | .d | keys", "a b"),
            ("select(.a) | .b", "a b"),
            (".a as $x | .b | . == $x", "a b"),
            ("{a, b: .c, (.d): 1} | .e", "a c d"),
            ("[.a[] | select(.x)] | length > 1", "a"),
            ("if .a then .b elif .c then .d else 1 end", "a b c d"),
            (".a?, (.b | error)?", "a b"),
            ("\"\\(.a)\" | test(\"x\")", "a"),
            ("reduce .a[] as $x (.b; . + $x)", "a b"),
            ("any(.a[]; . == 1) and has(\"b\")", "a b"),
            (".", ""),
            ("select(.a) // .b", "a b"),
        ] {
            assert_eq!(seen(text).as_deref(), Some(fields), "{text}");
        }
        for text in [
            "..",
            "keys",
            ". == {}",
            ". as $x | .a",
            "select(.a) as $x | 1",
            ".[]",
            ".[.a]",
            "[.]",
            "{a: .}",
            "def f: .; f",
            "tojson",
            ".a = 1",
            "reduce .a[] as $x (.; .)",
            "\"\\(.)\"",
            "if .a then . else 1 end | length",
            "select(.a) | tostring",
            "(. // 1) == 1",
            ".a as [$x] | 1",
            "debug",
            ".[\"\u{fffd}\"]",
        ] {
            assert_eq!(seen(text), None, "{text}");
        }
    }
}
