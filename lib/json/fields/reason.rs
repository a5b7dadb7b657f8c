//! Finds the reason why a line is not a JSON object, in the words of the JSON library.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use crate::json::bad_line::BadLine;
use crate::json::{depth, surrogates};

/// The reason why the fast reader refused a line.
#[cold]
pub(super) fn of(line: &str) -> BadLine {
    if let Err(reason) = depth::check(line) {
        return reason;
    }
    // Half of a surrogate pair in a name is valid JSON, but serde_json decodes names and refuses
    // such a half.
    let line = surrogates::mended(line);
    let mut json = serde_json::Deserializer::from_str(&line);
    let read = json.deserialize_map(AnyObject).and_then(|()| json.end());
    read.map_or_else(BadLine::from, |()| BadLine::new("not a JSON object"))
}

struct AnyObject;

impl<'l> Visitor<'l> for AnyObject {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
