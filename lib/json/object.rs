//! A JSON object to which a program adds fields. All other values keep their text, so that an id of
//! 20 digits or a number such as `1.10` does not change.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON object whose fields keep their order and the text of their values. If a name occurs
/// twice, the last field counts, as in jq.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: Vec<(String, Box<RawValue>)>,
}

impl Object {
    /// Parses one line.
    pub fn parse(line: &[u8]) -> Result<Object, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The names of the fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Sets all fields of `other` in this object, as [`Object::set`] does.
    pub fn extend(&mut self, other: Object) {
        for (name, value) in other.fields {
            self.set_raw(name, value);
        }
    }

    /// The text of a field's value.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.get())
    }

    /// The value of a field; `None` if it is absent or null.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        match self.raw(name) {
            None => Ok(None),
            Some(text) => serde_json::from_str(text),
        }
    }

    /// Sets a field: replaces the value of an existing field, or appends a new field.
    pub fn set<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.set_raw(name.to_owned(), serde_json::value::to_raw_value(value)?);
        Ok(())
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(key, _)| key != name);
    }

    fn set_raw(&mut self, name: String, value: Box<RawValue>) {
        match self.fields.iter_mut().find(|(key, _)| *key == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry()? {
                    object.set_raw(name, value);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::lines::write;

    #[test]
    fn values_keep_their_bytes_and_their_place() {
        let line = br#"{"id": 12345678901234567890123, "a":1.10,"a":2.0, "u":"\u00e9"}"#;
        let mut object = Object::parse(line).unwrap();
        object.set("status", "READY").unwrap();
        object.set("u", &1).unwrap();
        let mut out = Vec::new();
        write(&mut out, &object).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"id\":12345678901234567890123,\"a\":2.0,\"u\":1,\"status\":\"READY\"}\n"
        );
    }

    #[test]
    fn null_is_absent_and_a_wrong_type_is_an_error() {
        let object = Object::parse(br#"{"a":null,"b":"x"}"#).unwrap();
        assert_eq!(object.get::<u64>("a").unwrap(), None);
        assert_eq!(object.get::<u64>("c").unwrap(), None);
        assert!(object.get::<u64>("b").is_err());
    }
}
