//! A few fields of each call instead of the whole call (`--select`).

use crate::error;
use crate::json::field_watch::FieldWatch;
use crate::json::fields::{Fields, Finds};
use crate::json::selected::{self, SelectedField, cell, check_names};

/// The selected fields.
#[derive(Debug)]
pub struct SelectedColumns {
    fields: Fields,
    finds: Finds,
    columns: Vec<SelectedField>,
    watch: FieldWatch,
}

impl SelectedColumns {
    /// The fields in lists such as `callId,agent=agent.name`; `None` if there are no fields. An
    /// error with status 2 if a field is not a path, or if two fields have the same name.
    pub fn new(lists: &[String]) -> anyhow::Result<Option<SelectedColumns>> {
        let mut fields = Fields::default();
        let columns = SelectedField::all(lists, &mut fields).map_err(error::usage)?;
        check_names(columns.iter().map(|column| column.name.as_str())).map_err(error::usage)?;
        let watched = columns.iter().map(|one| (one.path.clone(), one.slot));
        let watch = FieldWatch::new(watched.collect());
        Ok((!columns.is_empty()).then_some(SelectedColumns {
            fields,
            finds: Finds::default(),
            columns,
            watch,
        }))
    }

    /// The names of the fields, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|one| one.name.clone()).collect()
    }

    /// Passes the JSON of each field to `take`, in order. An error with status 65 if the call is
    /// not JSON.
    fn each(
        &mut self,
        call: &str,
        take: &mut dyn FnMut(&SelectedField, &str),
    ) -> anyhow::Result<()> {
        let record = self.fields.read(call, &mut self.finds);
        let record = record.map_err(|e| error::bad_input(e.to_string()))?;
        self.watch.look(&record);
        for column in &self.columns {
            take(column, selected::json(&record, column.slot));
        }
        Ok(())
    }

    /// Writes the selected fields of a call as one object on a line.
    pub(super) fn write_object(&mut self, call: &str, out: &mut Vec<u8>) -> anyhow::Result<()> {
        out.push(b'{');
        let mut is_first = true;
        self.each(call, &mut |column, json| {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(selected::key(&column.name).as_bytes());
            out.extend_from_slice(json.as_bytes());
        })?;
        out.extend_from_slice(b"}\n");
        Ok(())
    }

    /// The selected fields of a call as the cells of a row.
    pub(super) fn cells(&mut self, call: &str) -> anyhow::Result<Vec<String>> {
        let mut cells = Vec::new();
        self.each(call, &mut |_, json| cells.push(cell(json).into_owned()))?;
        Ok(cells)
    }

    /// Warns of the fields that no call had.
    pub(super) fn say_missing(&self) {
        for field in self.watch.missing(self.watch.seen()) {
            log::warn!("--select: {field}: no call has this field");
        }
    }
}
