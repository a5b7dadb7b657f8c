//! The wanted fields, as a tree of their paths.

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The name of a field of an object.
    Name(String),
    /// The index of an element of an array, from 0.
    Index(usize),
}

/// Where a wanted field is in a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Find {
    /// There is no value, or a value on the path is null.
    #[default]
    Absent,
    /// The start and the end of the value in the line, in bytes.
    At(usize, usize),
    /// A value on the path has the wrong type for the next step.
    Mismatch,
}

#[derive(Debug, Default)]
pub(super) struct FieldNode {
    pub(super) slot: Option<usize>,
    pub(super) names: Vec<Named>,
    pub(super) elements: Vec<(usize, FieldNode)>,
}

#[derive(Debug)]
pub(super) struct Named {
    name: String,
    pub(super) node: FieldNode,
}

impl FieldNode {
    pub(super) fn grow(&mut self, step: &Step) -> &mut FieldNode {
        match step {
            Step::Name(name) => {
                let at = self.names.iter().position(|child| child.name == *name);
                let at = at.unwrap_or_else(|| {
                    self.names.push(Named {
                        name: name.clone(),
                        node: FieldNode::default(),
                    });
                    self.names.len() - 1
                });
                &mut self.names[at].node
            }
            Step::Index(index) => {
                let at = self.elements.iter().position(|(i, _)| i == index);
                let at = at.unwrap_or_else(|| {
                    self.elements.push((*index, FieldNode::default()));
                    self.elements.len() - 1
                });
                &mut self.elements[at].1
            }
        }
    }

    /// Whether a field or an element of the value is wanted.
    pub(super) fn has_children(&self) -> bool {
        !self.names.is_empty() || !self.elements.is_empty()
    }

    pub(super) fn child(&self, name: &[u8]) -> Option<&FieldNode> {
        let mut names = self.names.iter();
        let child = names.find(|child| child.name.as_bytes() == name);
        child.map(|child| &child.node)
    }

    /// Sets the results of all wanted fields below this node to `find`.
    pub(super) fn mark(&self, finds: &mut [Find], find: Find) {
        let names = self.names.iter().map(|child| &child.node);
        for child in names.chain(self.elements.iter().map(|(_, node)| node)) {
            child.mark_with_self(finds, find);
        }
    }

    pub(super) fn mark_with_self(&self, finds: &mut [Find], find: Find) {
        if let Some(slot) = self.slot {
            finds[slot] = find;
        }
        self.mark(finds, find);
    }
}
