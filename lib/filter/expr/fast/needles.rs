//! What a record that is kept must hold.

use jaq_core::ops::Cmp;

use super::super::super::prefilter::{Clause, Spelled};
use super::eval::compare;
use super::value::Value;
use super::{Node, Place};

impl Node {
    /// What is in the line wherever the node's value is neither false nor null.
    pub(super) fn needles(&self) -> Vec<Clause> {
        let one = |clause: Option<Clause>| clause.into_iter().collect();
        match self {
            Node::Path {
                name: Some(name), ..
            } => one(Clause::name(name)),
            Node::Compare(by, left, right) => {
                let (from, constant, without) = match (&**left, &**right) {
                    (from, Node::Constant(value)) => {
                        (from, value, compare(*by, &Value::Null, value))
                    }
                    (Node::Constant(value), from) => {
                        (from, value, compare(*by, value, &Value::Null))
                    }
                    _ => return Vec::new(),
                };
                let text = match constant {
                    Value::Text(text) if *by == Cmp::Eq && from.is_in_line() => {
                        Clause::any([&**text], Spelled::Whole)
                    }
                    _ => None,
                };
                // Where null fails, the field must be there.
                let name = match from {
                    Node::Path {
                        name: Some(name), ..
                    } if without == Ok(false) => Clause::name(name),
                    _ => None,
                };
                text.into_iter().chain(name).collect()
            }
            Node::Holds(place, from, part) => match &**part {
                Node::Constant(Value::Text(text)) if from.is_in_line() => {
                    let spelled = match place {
                        Place::All => Spelled::Whole,
                        _ => Spelled::Part,
                    };
                    one(Clause::any([&**text], spelled))
                }
                _ => Vec::new(),
            },
            Node::OneOf { value, others, .. } if value.is_in_line() => {
                let texts: Option<Vec<&str>> = others.iter().map(Node::as_text).collect();
                one(texts.and_then(|texts| Clause::any(texts, Spelled::Whole)))
            }
            Node::And(left, right) => [left.needles(), right.needles()].concat(),
            Node::Or(left, right) => {
                let best = |node: &Node| node.needles().into_iter().max_by_key(Clause::weight);
                one(best(left).zip(best(right)).map(|(a, b)| a.or(b)))
            }
            Node::When(test, then) => [test.needles(), then.needles()].concat(),
            Node::Guard(_, then) => then.needles(),
            // A computed value says nothing of the line, and what came through a pipe is one.
            Node::Each {
                every: false,
                scope,
                ..
            } => scope.test.needles(),
            _ => Vec::new(),
        }
    }

    /// Whether a string that is the node's value stands in the line.
    fn is_in_line(&self) -> bool {
        matches!(self, Node::Path { .. } | Node::Whole)
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Node::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}
