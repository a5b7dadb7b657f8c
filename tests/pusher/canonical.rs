//! What makes two records one, said a second time: keys in order, no white space, numbers as text,
//! `exported` left out.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub type Member = (String, Box<RawValue>);

struct Members(Vec<Member>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Members, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        input.deserialize_map(InOrder)
    }
}

/// The members of an object, in their order; `None` for anything else.
pub fn members(text: &str) -> Option<Vec<Member>> {
    serde_json::from_str::<Members>(text)
        .ok()
        .map(|members| members.0)
}

/// The text that two spellings of one record share.
pub fn canonical(record: &str) -> String {
    let mut members = members(record).expect("records are objects");
    members.retain(|(key, _)| key != "exported");
    object(members)
}

fn value(text: &str) -> String {
    if let Some(members) = members(text) {
        return object(members);
    }
    if let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(text) {
        let items: Vec<String> = items.iter().map(|item| value(item.get())).collect();
        return format!("[{}]", items.join(","));
    }
    match serde_json::from_str::<String>(text) {
        Ok(string) => serde_json::to_string(&string).expect("a string"),
        Err(_) => text.trim().to_owned(),
    }
}

fn object(mut members: Vec<Member>) -> String {
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    let members: Vec<String> = members
        .iter()
        .map(|(key, one)| {
            format!(
                "{}:{}",
                serde_json::to_string(key).expect("a key"),
                value(one.get())
            )
        })
        .collect();
    format!("{{{}}}", members.join(","))
}
