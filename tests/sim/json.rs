//! A JSON object written key by key, because the order of keys and the spelling of numbers (`1.10`,
//! integers beyond 2^53, `\u00e9`) are part of what the records test, and a `Value` keeps neither.

use std::fmt::Display;

pub struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object(String::from("{"))
    }

    /// A value that is JSON already.
    pub fn raw(mut self, key: &str, value: impl Display) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0 += &format!("\"{key}\":{value}");
        self
    }

    pub fn text(self, key: &str, value: &str) -> Object {
        let quoted = serde_json::to_string(value).expect("strings always serialise");
        self.raw(key, quoted)
    }

    pub fn end(self) -> String {
        self.0 + "}"
    }
}
