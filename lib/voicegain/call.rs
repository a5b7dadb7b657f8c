//! The fields of a call that the export reads: its id, whether it is finished, when it began, and
//! where its recordings are. Everything else is passed on unchanged.
//!
//! A phase (`progressPhase`) says how far the service has processed a call. Field names and phases
//! are those of the vendor's public API description. The set of fields more than doubled in two
//! years, so unknown fields are not errors. An id that is not a whole number is an error; all other
//! fields may have any type.

use crate::error;
use crate::json::fields::{self, Fields, Finds, Slot};
use crate::time::Timestamp;

/// Phases of a finished call. With `consecutive=true`, the service sends such a call and continues
/// with the next call.
const FINAL: [&str; 2] = ["DONE", "ERROR"];

/// Phases in which the service still works on a call. A call in another phase that is not final
/// (`STOPPED`, or a new phase) blocks the export only if the service stops at this call.
const UNDER_WAY: [&str; 8] = [
    "INPUT_READY",
    "ACCEPTED",
    "WAITING",
    "QUEUED",
    "FETCHING",
    "FETCHED",
    "PROCESSING",
    "RECOMPUTING",
];

/// The fields of a call that the export reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    /// The id. Ids rise from call to call, with gaps.
    pub(super) id: u64,
    /// The value of `progressPhase`; empty if it is missing.
    pub(super) phase: String,
    /// When the call began; `None` if the service sends no exact time.
    pub(super) start: Option<Timestamp>,
    /// The project that the call belongs to.
    pub(super) context: Option<String>,
    /// The id of the recording of both parties, which is redacted if the project has redaction on.
    pub(super) merged_audio: Option<String>,
    /// The id of the original recording, which is not redacted.
    pub(super) recording: Option<String>,
}

/// Reads the id of a call. An id must be digits, because other ids cannot be sorted.
pub(super) fn parse_id(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The error text for an id that cannot be read.
pub(super) fn not_an_id(text: &str) -> String {
    let shown: String = text.chars().take(48).collect();
    format!("callId '{shown}' is not a whole number, so the calls cannot be sorted")
}

/// Reads calls from JSON objects.
#[derive(Debug)]
pub(super) struct CallReader {
    fields: Fields,
    id: Slot,
    phase: Slot,
    start: Slot,
    context: Slot,
    merged_audio: Slot,
    recording: Slot,
    finds: Finds,
}

impl CallReader {
    pub(super) fn new() -> CallReader {
        let mut fields = Fields::default();
        CallReader {
            id: fields.want("callId"),
            phase: fields.want("progressPhase"),
            start: fields.want("startTime"),
            context: fields.want("contextId"),
            merged_audio: fields.want("mergedAudioId"),
            recording: fields.want("recording"),
            fields,
            finds: Finds::default(),
        }
    }

    /// Reads one call. An error with status 65 if the text is not a JSON object with a `callId`.
    pub(super) fn read(&mut self, json: &str) -> anyhow::Result<Call> {
        let record = self.fields.read(json, &mut self.finds);
        let record = record.map_err(|e| error::bad_input(e.to_string()))?;
        let said = |slot| {
            let value = record.get(slot).filter(|value| *value != "null")?;
            Some(fields::text(value)).filter(|text| !text.is_empty())
        };
        // An object or a list does not count as an id, because it could not be compared with other
        // ids.
        let id_of = |slot| said(slot).filter(|text| !text.starts_with(['{', '[']));
        // `callId` is documented as a string, but `afterCallId` as an integer: both are accepted.
        let id = said(self.id).ok_or_else(|| error::bad_input("there is no callId"))?;
        let id = parse_id(&id).ok_or_else(|| error::bad_input(not_an_id(&id)))?;
        Ok(Call {
            id,
            phase: said(self.phase).unwrap_or_default().into_owned(),
            start: said(self.start).and_then(|text| Timestamp::parse_instant(&text)),
            context: id_of(self.context).map(Into::into),
            merged_audio: said(self.merged_audio).map(Into::into),
            recording: said(self.recording).map(Into::into),
        })
    }
}

impl Call {
    /// Whether the content of the call is complete. Later edits are still possible.
    pub(super) fn is_final(&self) -> bool {
        FINAL.contains(&self.phase.as_str())
    }

    /// Whether the phase says that the service still works on the call.
    pub(super) fn is_under_way(&self) -> bool {
        UNDER_WAY.contains(&self.phase.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn an_id_may_be_a_string_or_a_number_and_nothing_else() {
        let id = |json: &str| CallReader::new().read(json).map(|call| call.id);
        assert_eq!(id(r#"{"callId":"14603"}"#).unwrap(), 14603);
        assert_eq!(id(r#"{"callId":14603}"#).unwrap(), 14603);
        assert_eq!(
            id(r#"{"callId":"18446744073709551615"}"#).unwrap(),
            u64::MAX
        );
        for bad in [
            r#"{"callId":"18446744073709551616"}"#,
            r#"{"callId":"+5"}"#,
            r#"{"callId":"a5"}"#,
            r#"{"callId":""}"#,
            r#"{"callId":-5}"#,
            r#"{"callId":5.5}"#,
            r#"{"callId":null}"#,
            r#"{}"#,
            "7",
            "[]",
            r#"{"callId":{}}"#,
            r#"{"callId":5,"notes":}"#,
        ] {
            assert_eq!(Status::of(&id(bad).unwrap_err()), Status::BadInput, "{bad}");
        }
    }

    #[test]
    fn nothing_else_needs_to_be_there_or_known() {
        let call = CallReader::new().read(
            r#"{"callId":"1","progressPhase":null,"startTime":"soon","version":3,"aivrVars":{"a":[{}]},"x":1e400}"#,
        )
        .unwrap();
        assert_eq!((call.phase.as_str(), call.start), ("", None));
        assert!(!call.is_final() && !call.is_under_way());
        let drifted = CallReader::new()
            .read(
                r#"{"callId":"1","contextId":17,"startTime":{"epoch":5},"progressPhase":4,
                "recording":{"id":"x"},"mergedAudioId":[],"notes":"cut \ud83d","notes":7}"#,
            )
            .unwrap();
        assert_eq!(drifted.context.as_deref(), Some("17"));
        assert_eq!((drifted.phase.as_str(), drifted.start), ("4", None));
        assert_eq!(drifted.recording.as_deref(), Some(r#"{"id":"x"}"#));
        let stopped = CallReader::new()
            .read(r#"{"callId":"1","progressPhase":"STOPPED"}"#)
            .unwrap();
        assert!(!stopped.is_final() && !stopped.is_under_way());
    }
}
