//! Records in the envelope of a streaming export:
//! `{"schemaName":…,"sessionId":…,"messages":[{…},{…}]}`.

use serde_json::value::RawValue;

use crate::json::bad_line::BadLine;
use crate::json::fields::{Fields, Finds, Slot};

/// Extracts the records from an array in each line.
#[derive(Debug)]
pub(super) struct Envelope {
    fields: Fields,
    finds: Finds,
    array: Slot,
    name: String,
}

impl Envelope {
    /// Prepares to extract the elements of the array in the field `name`.
    pub(super) fn new(name: &str) -> Envelope {
        let mut fields = Fields::default();
        Envelope {
            array: fields.want(name),
            fields,
            finds: Finds::default(),
            name: name.to_owned(),
        }
    }

    /// The records in the line, with unchanged bytes. An error if the line does not have the array.
    pub(super) fn records<'l>(&mut self, line: &'l str) -> Result<Vec<&'l str>, BadLine> {
        let array = self.fields.read(line, &mut self.finds)?;
        let array = array.get(self.array).unwrap_or_default();
        let records: Vec<&'l RawValue> = serde_json::from_str(array)
            .map_err(|_| BadLine::new(format!("no array '{}' to unwrap", self.name)))?;
        Ok(records.into_iter().map(RawValue::get).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_keep_their_bytes() {
        let line = r#"{"schemaName":"s","messages":[ {"a": 1.10} ,{"messages":[2]},3 ]}"#;
        assert_eq!(
            Envelope::new("messages").records(line).unwrap(),
            [r#"{"a": 1.10}"#, r#"{"messages":[2]}"#, "3"]
        );
        assert_eq!(Envelope::new("m").records(r#"{"m":[]}"#).unwrap(), [""; 0]);
    }

    #[test]
    fn without_the_array_the_line_is_bad() {
        for line in ["{}", r#"{"messages":null}"#, r#"{"messages":{"a":1}}"#] {
            let error = Envelope::new("messages").records(line).unwrap_err();
            assert_eq!(error.to_string(), "no array 'messages' to unwrap", "{line}");
        }
    }
}
