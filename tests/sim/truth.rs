//! Which records exist: a pure function of group, type and hour, so that a test knows to the byte
//! what an export must yield without asking the code that it tests.

use std::str::FromStr;

use super::clock::Hour;
use super::dialog::Dialog;
use super::prng::Prng;
use super::record::{audit, dialog_end, dialog_start, dialog_step, vb_enrolment, vb_verification};
use super::spelling::Misspelt;
use super::wav;

/// The types in the order in which an export's files come. The fields of the last two are not
/// public: theirs are made up.
pub const TYPES: [&str; 7] = [
    "dialog_start",
    "dialog_step",
    "dialog_end",
    "vb_enrolment",
    "wcr",
    "vb_verification",
    "audit",
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EmptyHours {
    None,
    /// About one hour in four, the same ones every time.
    Some,
    All,
}

impl FromStr for EmptyHours {
    type Err = Misspelt;

    fn from_str(text: &str) -> Result<EmptyHours, Misspelt> {
        match text {
            "none" => Ok(EmptyHours::None),
            "some" => Ok(EmptyHours::Some),
            "all" => Ok(EmptyHours::All),
            _ => Err(Misspelt::new(text, "none, some or all")),
        }
    }
}

/// How much there is of everything, per hour and type.
#[derive(Clone, Debug)]
pub struct Truth {
    pub records: u64,
    pub files: u64,
    pub recordings: u64,
    pub empty_hours: EmptyHours,
}

/// One file of an export.
#[derive(Clone, Copy)]
pub struct File {
    kind: &'static str,
    hour: Hour,
    number: u64,
}

impl Truth {
    pub fn files(&self, types: &[&'static str], from: Hour, to: Hour) -> Vec<File> {
        let mut files = Vec::new();
        for &kind in types {
            let count = match kind {
                "wcr" => self.recordings,
                _ => self.files,
            };
            for hour in self.filled_hours(from, to) {
                files.extend((0..count).map(|number| File { kind, hour, number }));
            }
        }
        files
    }

    /// A member's name and bytes. The docs ask nobody to rely on the path, so it holds what paths
    /// may hold: an `_` directory, `=` and `+`, and any group name, of which only `/` is escaped.
    pub fn member(&self, group: &str, file: &File) -> (String, Vec<u8>) {
        let (kind, hour) = (file.kind, file.hour);
        let escaped = group.replace('/', "%2F");
        let directory = format!("exports/_/message_type={kind}/date={hour}/group={escaped}");
        if kind == "wcr" {
            let root = file.number + file.number / 3;
            let dialog = Dialog::new(group, hour, root, self.records);
            let (id, account, time) = (&dialog.id, &dialog.account, dialog.time);
            let name = format!("{directory}/{}~{account}~{time}~{id}.wav", dialog.group);
            return (name, wav::noise(&dialog.id));
        }
        let (first, end) = self.share(file.number);
        let offset = hour.0 as u64 * self.records + first;
        let name = format!("{directory}/{kind}+{}+{offset:010}.json", file.number);
        let lines = (first..end).filter_map(|index| record(group, kind, hour, index, self.records));
        (
            name,
            lines.flat_map(|line| (line + "\n").into_bytes()).collect(),
        )
    }

    /// Every record of the range in the order of an export's files.
    pub fn range(&self, group: &str, types: &[&str], from: Hour, to: Hour) -> Vec<String> {
        if self.files == 0 {
            return Vec::new();
        }
        let hours: Vec<Hour> = self.filled_hours(from, to).collect();
        let of_type = |kind| hours.iter().map(move |hour| (kind, *hour));
        let every = types.iter().flat_map(|kind| of_type(*kind));
        every
            .flat_map(|(kind, hour)| records(group, kind, hour, self.records))
            .collect()
    }

    /// The records of an hour are spread over its files without regard to remainders.
    fn share(&self, number: u64) -> (u64, u64) {
        let bound = |number: u64| self.records * number / self.files;
        (bound(number), bound(number + 1))
    }

    fn filled_hours(&self, from: Hour, to: Hour) -> impl Iterator<Item = Hour> + use<> {
        let empty_hours = self.empty_hours;
        let is_filled = move |hour: &Hour| match empty_hours {
            EmptyHours::None => true,
            EmptyHours::Some => Prng::seeded(&["empty", &hour.to_string()]).below(4) > 0,
            EmptyHours::All => false,
        };
        (from.0..to.0).map(Hour).filter(is_filled)
    }
}

pub fn records(group: &str, kind: &str, hour: Hour, per_hour: u64) -> Vec<String> {
    (0..per_hour)
        .filter_map(|index| record(group, kind, hour, index, per_hour))
        .collect()
}

fn record(group: &str, kind: &str, hour: Hour, index: u64, per_hour: u64) -> Option<String> {
    let dialog = |index| Dialog::new(group, hour, index, per_hour);
    match kind {
        "dialog_start" => Some(dialog_start(&dialog(index))),
        // Three steps a dialog: the same id three times, which must not be taken for duplicates.
        "dialog_step" => Some(dialog_step(&dialog(index / 3), index % 3 + 1)),
        "dialog_end" => Some(dialog_end(&dialog(index))),
        "vb_enrolment" => Some(vb_enrolment(&dialog(index))),
        "vb_verification" => Some(vb_verification(&dialog(index))),
        "audit" => Some(audit(&dialog(index))),
        _ => None,
    }
}
