//! Finds field names that no record has. Such a name is nearly always a typo.
//!
//! This module looks for a field only until one record has it. Usually the first record has it, so
//! later records cost almost nothing.

use super::fields::{Record, Slot};

/// The largest number of watched fields: `seen` is a number with one bit for each of them.
const MOST: usize = u64::BITS as usize;

/// The fields that the command line names.
#[derive(Debug, Default)]
pub struct FieldWatch {
    fields: Vec<(String, Slot)>,
    unseen: Vec<usize>,
    seen: u64,
}

impl FieldWatch {
    /// Watches the first 64 of these fields. Each field is a pair: the option that names the field,
    /// and the slot of the field.
    pub fn new(mut fields: Vec<(String, Slot)>) -> FieldWatch {
        fields.truncate(MOST);
        FieldWatch {
            unseen: (0..fields.len()).collect(),
            fields,
            seen: 0,
        }
    }

    /// Checks which of the watched fields a record has.
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

    /// One bit for each watched field: 1 if a record had this field.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The options that name the fields whose bits in `seen` are 0.
    pub fn missing(&self, seen: u64) -> Vec<&str> {
        let fields = self.fields.iter().enumerate();
        fields
            .filter(|(at, _)| seen >> at & 1 == 0)
            .map(|(_, (name, _))| name.as_str())
            .collect()
    }
}
