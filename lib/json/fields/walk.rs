//! Walks over a line: validates all of it and finds the wanted fields.

use super::skipper::{JsonSkipper, RawString};
use super::tree::{FieldNode, Find};

/// Walks through the line and the tree of wanted fields together.
pub(super) struct FieldWalk<'w, 'l> {
    skipper: JsonSkipper<'l>,
    finds: &'w mut [Find],
}

impl<'w, 'l> FieldWalk<'w, 'l> {
    pub(super) fn new(text: &'l str, finds: &'w mut [Find]) -> FieldWalk<'w, 'l> {
        FieldWalk {
            skipper: JsonSkipper::new(text),
            finds,
        }
    }

    /// Finds the wanted fields of an object. `None` if the text is not a valid JSON object.
    pub(super) fn record(mut self, root: &FieldNode) -> Option<()> {
        match self.skipper.peek()? {
            b'{' => self.wanted(root)?,
            _ => return None,
        }
        self.skipper.is_at_end().then_some(())
    }

    /// Finds the wanted fields of a value of any type. `None` if the text is not valid JSON.
    pub(super) fn any(mut self, root: &FieldNode) -> Option<()> {
        self.wanted(root)?;
        self.skipper.is_at_end().then_some(())
    }

    /// Reads a value that is wanted or has wanted parts, and notes where the wanted values are.
    fn wanted(&mut self, node: &FieldNode) -> Option<()> {
        let first = self.skipper.peek()?;
        let from = self.skipper.position();
        match first {
            b'{' if node.has_children() => self.object(node)?,
            b'[' if node.has_children() => self.array(node)?,
            _ => {
                self.skipper.value()?;
                if first != b'n' {
                    node.mark(self.finds, Find::Mismatch);
                }
            }
        }
        if let Some(slot) = node.slot {
            self.finds[slot] = Find::At(from, self.skipper.position());
        }
        Some(())
    }

    fn object(&mut self, node: &FieldNode) -> Option<()> {
        for (_, element) in &node.elements {
            element.mark_with_self(self.finds, Find::Mismatch);
        }
        if !self.skipper.open(b'}')? {
            return Some(());
        }
        loop {
            let name = self.skipper.name()?;
            match child(node, &name) {
                None => self.skipper.value()?,
                Some(child) => {
                    // If a name occurs twice, the last field counts. So what was found in an
                    // earlier field with this name is forgotten.
                    child.mark_with_self(self.finds, Find::Absent);
                    self.wanted(child)?;
                }
            }
            if !self.skipper.next_or_close(b'}')? {
                return Some(());
            }
        }
    }

    fn array(&mut self, node: &FieldNode) -> Option<()> {
        for child in &node.names {
            child.node.mark_with_self(self.finds, Find::Mismatch);
        }
        if !self.skipper.open(b']')? {
            return Some(());
        }
        for index in 0.. {
            match node.elements.iter().find(|(i, _)| *i == index) {
                None => self.skipper.value()?,
                Some((_, element)) => self.wanted(element)?,
            }
            if !self.skipper.next_or_close(b']')? {
                break;
            }
        }
        Some(())
    }
}

/// The child `name` of a node of the tree.
fn child<'w>(node: &'w FieldNode, name: &RawString<'_>) -> Option<&'w FieldNode> {
    if !name.has_escapes {
        return node.child(name.bytes);
    }
    // Half of a surrogate pair is valid JSON, but no wanted name contains one.
    let quoted = [b"\"", name.bytes, b"\""].concat();
    let name: String = serde_json::from_slice(&quoted).ok()?;
    node.child(name.as_bytes())
}
