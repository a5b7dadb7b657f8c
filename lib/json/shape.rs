//! The shape of a JSON value: the keys, and the types of the values, but no values.

use serde_json::{Map, Value};

/// Replaces each scalar by the name of its type. An array becomes an array of one element, which
/// has the keys of all elements.
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Object(fields) => {
            let shaped = fields
                .iter()
                .map(|(name, value)| (name.clone(), shape(value)));
            Value::Object(shaped.collect())
        }
        Value::Array(items) => {
            let mut one: Option<Value> = None;
            for item in items.iter().map(shape) {
                one = Some(match (one, item) {
                    (Some(Value::Object(mut fields)), Value::Object(more)) => {
                        add(&mut fields, more);
                        Value::Object(fields)
                    }
                    (Some(known), _) => known,
                    (None, item) => item,
                });
            }
            Value::Array(one.into_iter().collect())
        }
    }
}

fn add(fields: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        fields.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shape_has_keys_and_types_and_no_value() {
        let value = json!({"a": [{"id": "x"}, {"n": 1.5, "id": null}], "b": [], "c": true});
        let expected = json!({"a": [{"id": "string", "n": "number"}], "b": [], "c": "boolean"});
        assert_eq!(shape(&value), expected);
    }
}
