//! The text of a state: one line of JSON with a checksum. The text is valid only for the program
//! and the settings that it names.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error;
use crate::export::leased_state::SideObjects;
use crate::os::checked_line::{self, LineDamage};
use crate::os::digest;
use crate::time::Timestamp;

/// The program, format version and settings that a state must match.
#[derive(Debug)]
pub(super) struct StateForm {
    pub(super) program: &'static str,
    /// The newest version that this program reads.
    pub(super) version: u32,
    pub(super) settings: Map<String, Value>,
    /// The names of the settings that older states can lack.
    pub(super) later: &'static [&'static str],
}

#[derive(Serialize, Deserialize)]
struct Content<S, D> {
    program: String,
    version: u32,
    saved_at: Timestamp,
    settings: S,
    /// The side logs; empty unless the state is in a bucket.
    #[serde(default, skip_serializing_if = "SideObjects::is_empty")]
    files: SideObjects,
    data: D,
}

/// A state that was read.
#[derive(Debug)]
pub(super) struct ReadState<D> {
    pub(super) data: D,
    /// The side logs; empty unless the state is in a bucket.
    pub(super) files: SideObjects,
    /// The name of this state. Equal texts have equal names. If names are sorted as text, they are
    /// in the order in which the states were saved, to the second.
    pub(super) name: String,
}

impl StateForm {
    /// Returns the text of a state.
    pub(super) fn write<D: Serialize>(
        &self,
        data: &D,
        files: &SideObjects,
        now: Timestamp,
    ) -> anyhow::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(&Content {
            program: self.program.to_owned(),
            version: self.version,
            saved_at: now,
            settings: &self.settings,
            files: files.clone(),
            data,
        })?;
        checked_line::seal(&mut bytes);
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the text of a state. Returns an error with status 65 if the text is damaged or is not
    /// a state of this program, and with status 2 if the state has other settings or a newer
    /// version of the program wrote it.
    pub(super) fn read<D: serde::de::DeserializeOwned>(
        &self,
        text: &[u8],
    ) -> anyhow::Result<ReadState<D>> {
        let broken = |e: serde_json::Error| {
            error::bad_input(format!(
                "the state cannot be read ({e}): restore a copy, or remove it to start again"
            ))
        };
        let damaged = |damage: LineDamage| {
            error::bad_input(format!(
                "the state cannot be trusted ({damage}): restore a copy, or remove it to start \
                 again; if you edited it, remove its \"crc\""
            ))
        };
        let content: Content<Map<String, Value>, Value> =
            serde_json::from_slice(text).map_err(broken)?;
        checked_line::verify(text).map_err(damaged)?;
        if content.program != self.program {
            return Err(error::bad_input(format!(
                "it is the state of {}, not of {}: give another --state",
                content.program, self.program
            )));
        }
        if content.version > self.version {
            return Err(error::usage(format!(
                "a newer version of {} wrote it (format version {}, not {}): use that version",
                self.program, content.version, self.version
            )));
        }
        self.compare(&content.settings)?;
        let data = serde_json::from_value(content.data).map_err(broken)?;
        Ok(ReadState {
            data,
            files: content.files,
            name: name_of(content.saved_at, text),
        })
    }

    fn compare(&self, known: &Map<String, Value>) -> anyhow::Result<()> {
        let names = self.settings.keys().chain(known.keys());
        let show = |value: Option<&Value>| match value {
            None | Some(Value::Null) => "none".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let is_older = |name: &str| self.later.contains(&name) && !known.contains_key(name);
        for name in names.filter(|name| !is_older(name)) {
            let (ours, theirs) = (self.settings.get(name), known.get(name));
            if show(ours) != show(theirs) {
                return Err(error::usage(format!(
                    "this state was made with {name} = {}, not {}: use the same value, or another \
                     --state",
                    show(theirs),
                    show(ours)
                )));
            }
        }
        Ok(())
    }
}

/// The name of a state, for example `20261101T000000Z-1a2b3c4d`: the time when it was saved, and
/// the start of the SHA-256 of its text.
fn name_of(saved_at: Timestamp, text: &[u8]) -> String {
    let time = saved_at.rfc3339_seconds().replace(['-', ':'], "");
    format!("{time}-{}", &digest::sha256(text)[..8])
}
