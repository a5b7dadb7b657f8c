//! The key-value pairs of a dialog.

use serde_json::value::RawValue;

use super::super::prefilter::{Clause, Spelled};
use super::one_of::matches;
use crate::cdr::says;
use crate::json::fields::{Fields, Finds, Record, Slot};

/// A test whether `kvps` contains one of the pairs.
#[derive(Debug)]
pub(super) struct Kvps {
    slot: Slot,
    wanted: Vec<(String, String)>,
    element: Fields,
    key: Slot,
    value: Slot,
    finds: Finds,
}

impl Kvps {
    pub(super) fn new(wanted: &[(String, String)], fields: &mut Fields) -> Kvps {
        let mut element = Fields::default();
        Kvps {
            slot: fields.want("kvps"),
            wanted: wanted.to_vec(),
            key: element.want("key"),
            value: element.want("value"),
            element,
            finds: Finds::default(),
        }
    }

    /// A list of texts: if a record passes the test, its line contains at least one of the texts.
    /// `None` if there is no such list.
    pub(super) fn needle(&self) -> Option<Clause> {
        let text = |(key, value): &'_ (String, String)| match value.as_str() {
            "" => key.clone(),
            value => value.to_owned(),
        };
        let texts: Vec<String> = self.wanted.iter().map(text).collect();
        Clause::any(texts.iter().map(String::as_str), Spelled::Part)
    }

    pub(super) fn hold(&mut self, record: &Record<'_, '_>) -> bool {
        let array = record.get(self.slot).unwrap_or_default();
        let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
        let objects = elements.into_iter().filter(|e| e.get().starts_with('{'));
        objects.map(RawValue::get).any(|element| {
            let Ok(pair) = self.element.read_part(element, &mut self.finds) else {
                return false;
            };
            let (key, value) = (says(&pair, self.key), says(&pair, self.value));
            self.wanted
                .iter()
                .any(|(k, v)| *k == key && matches(v, &value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cdr, keeps};

    #[test]
    fn a_pair_is_one_element() {
        let record = r#"{"kvps":[{"step":1,"key":"a","value":"x"},7,{"value":10,"key":"b"},{"key":"c","value":"undefined"},{"key":"d=e","value":"=f"}]}"#;
        for pair in ["a=x", "b=10", "c=", "c=undefined"] {
            assert!(keeps(&["--kvp", pair], record), "{pair}");
        }
        for pair in ["a=10", "b=x", "b=10.0", "a=", "z="] {
            assert!(!keeps(&["--kvp", pair], record), "{pair}");
        }
        assert!(keeps(&["--kvp", "q=r", "--kvp", "a=x"], record));
        assert!(!keeps(&["--kvp", "a=x"], r#"{"kvps":{"a":"x"}}"#));
        assert!(cdr(&["--kvp", "a"]).is_err());
    }
}
