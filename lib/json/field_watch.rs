//! Notices fields that no record has: nearly always a typo.
//!
//! A field is looked for until a record has it, which mostly the first one does. From
//! then on it costs nothing but to see that there is nothing left to look for.

use super::fields::{Record, Slot};

/// More fields than this are not watched.
const MOST: usize = u64::BITS as usize;

/// The fields that the command line names.
#[derive(Debug, Default)]
pub struct FieldWatch {
    fields: Vec<(String, Slot)>,
    unseen: Vec<usize>,
    seen: u64,
}

impl FieldWatch {
    /// Watches fields, each with what named it.
    pub fn new(mut fields: Vec<(String, Slot)>) -> FieldWatch {
        fields.truncate(MOST);
        FieldWatch {
            unseen: (0..fields.len()).collect(),
            fields,
            seen: 0,
        }
    }

    /// Looks at a record that was read.
    pub fn look(&mut self, record: &Record<'_, '_>) {
        if !self.unseen.is_empty() {
            self.look_closer(record);
        }
    }

    #[cold]
    fn look_closer(&mut self, record: &Record<'_, '_>) {
        let (fields, seen) = (&self.fields, &mut self.seen);
        self.unseen.retain(|at| {
            let has_it = record.get(fields[*at].1).is_some();
            *seen |= u64::from(has_it) << *at;
            !has_it
        });
    }

    /// A bit for each field that a record had.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// What named the fields that are not among `seen`.
    pub fn missing(&self, seen: u64) -> Vec<&str> {
        let fields = self.fields.iter().enumerate();
        fields
            .filter(|(at, _)| seen >> at & 1 == 0)
            .map(|(_, (name, _))| name.as_str())
            .collect()
    }
}
