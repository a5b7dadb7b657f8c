//! The bodies of pushes: the documented envelope, and what else may come.

use super::canonical::{Member, members};
use crate::sim::json::Object;
use crate::sim::prng::Prng;

/// The kind of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// The documented one.
    Envelope,
    /// The envelope over several lines.
    Pretty,
    /// One record without an envelope; several as an array.
    Bare,
    Array,
    /// A record a line.
    Lines,
    /// An envelope without messages: what should have come is dropped by the vendor.
    Empty,
    /// Bytes that are no JSON.
    Garbage,
}

impl Shape {
    /// Whether the records of the push are in it.
    pub fn has_records(self) -> bool {
        !matches!(self, Shape::Empty | Shape::Garbage)
    }
}

pub fn body(name: &str, records: &[String], shape: Shape, random: &mut Prng) -> Vec<u8> {
    let text = match (shape, records) {
        (Shape::Bare, [one]) => one.clone(),
        (Shape::Bare | Shape::Array, _) => format!("[{}]", records.join(",")),
        (Shape::Lines, _) => records.iter().map(|record| format!("{record}\n")).collect(),
        (Shape::Garbage, _) => format!("<{}", random.hex(64)),
        (Shape::Empty, _) => envelope(name, "[]", random),
        (Shape::Pretty, _) => {
            let messages = format!("[\r\n  {}\r\n]", records.join(",\n  "));
            envelope(name, &messages, random).replacen(",\"session", ",\n\"session", 2)
        }
        (Shape::Envelope, _) => envelope(name, &format!("[{}]", records.join(",")), random),
    };
    text.into_bytes()
}

fn envelope(name: &str, messages: &str, random: &mut Prng) -> String {
    Object::new()
        .text("schemaName", name)
        .text("sessionId", &random.uuid())
        .text("sessionStartingSequenceNumber", "0")
        .raw("messages", messages)
        .end()
}

/// The same record with its keys in another order and `exported` flipped.
pub fn respelled(record: &str, random: &mut Prng) -> String {
    let mut members: Vec<Member> = members(record).expect("records are objects");
    for at in (1..members.len()).rev() {
        members.swap(at, random.below(at as u64 + 1) as usize);
    }
    members
        .iter()
        .fold(Object::new(), |object, (key, value)| {
            match (key.as_str(), value.get()) {
                ("exported", "false") => object.raw(key, "true"),
                (_, value) => object.raw(key, value),
            }
        })
        .end()
}
