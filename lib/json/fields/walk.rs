//! The pass over a line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::text;
use super::tree::{FieldNode, Find};

/// Walks down the line and the wanted names at once.
pub(super) struct FieldWalk<'w, 'l> {
    node: &'w FieldNode,
    line: &'l str,
    finds: &'w mut [Find],
    /// Whether to look at a value before decoding it: the text is valid then.
    wary: bool,
}

impl<'w, 'l> FieldWalk<'w, 'l> {
    pub(super) fn new(
        node: &'w FieldNode,
        line: &'l str,
        finds: &'w mut [Find],
        wary: bool,
    ) -> FieldWalk<'w, 'l> {
        FieldWalk {
            node,
            line,
            finds,
            wary,
        }
    }

    /// The same walk, in what is wanted of a field or an element.
    fn child(&mut self, node: &'w FieldNode) -> FieldWalk<'_, 'l> {
        FieldWalk::new(node, self.line, self.finds, self.wary)
    }

    /// The child that the next field is, if it is any.
    fn next_child<A: MapAccess<'l>>(
        &self,
        map: &mut A,
    ) -> Result<Option<Option<&'w FieldNode>>, A::Error> {
        if !self.wary {
            return map.next_key_seed(FieldName(self.node));
        }
        let name = map.next_key::<&RawValue>()?;
        Ok(name.map(|name| self.node.child(&text(name.get()))))
    }

    /// Finds a value by its text, and perhaps what is in it.
    pub(super) fn text(self, value: &'l str) -> serde_json::Result<()> {
        if let Some(slot) = self.node.slot {
            let start = value.as_ptr() as usize - self.line.as_ptr() as usize;
            self.finds[slot] = Find::At(start, start + value.len());
        }
        if self.node.names.is_empty() && self.node.elements.is_empty() {
            return Ok(());
        }
        match value.trim_ascii_start().as_bytes().first() {
            Some(b'{' | b'[') => serde_json::Deserializer::from_str(value).deserialize_any(self),
            Some(b'n') => Ok(()),
            _ => {
                self.scalar();
                Ok(())
            }
        }
    }

    fn scalar(self) {
        self.node.mark(self.finds, Find::Mismatch);
    }
}

/// The child of a node that a name leads to.
struct FieldName<'w>(&'w FieldNode);

impl<'l, 'w> DeserializeSeed<'l> for FieldName<'w> {
    type Value = Option<&'w FieldNode>;

    fn deserialize<D: Deserializer<'l>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'w> Visitor<'_> for FieldName<'w> {
    type Value = Option<&'w FieldNode>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(name))
    }
}

impl<'l> DeserializeSeed<'l> for FieldWalk<'_, 'l> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.slot.is_none() && !self.wary {
            return deserializer.deserialize_any(self);
        }
        let value = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        self.text(value.get()).map_err(serde::de::Error::custom)
    }
}

impl<'l> Visitor<'l> for FieldWalk<'_, 'l> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'l>>(mut self, mut map: A) -> Result<(), A::Error> {
        for (_, element) in &self.node.elements {
            element.mark_with_self(self.finds, Find::Mismatch);
        }
        while let Some(child) = self.next_child(&mut map)? {
            let Some(node) = child else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // Of two fields of one name the last one counts, with all that is in it.
            node.mark_with_self(self.finds, Find::Absent);
            map.next_value_seed(self.child(node))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(mut self, mut seq: A) -> Result<(), A::Error> {
        for child in &self.node.names {
            child.node.mark_with_self(self.finds, Find::Mismatch);
        }
        for index in 0.. {
            let wanted = self.node.elements.iter().find(|(i, _)| *i == index);
            let element = match wanted {
                None => seq.next_element::<IgnoredAny>()?.map(drop),
                Some((_, node)) => seq.next_element_seed(self.child(node))?,
            };
            if element.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.scalar();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
