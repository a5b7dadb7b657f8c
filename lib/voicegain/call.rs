//! What is looked at in a call: its id, whether it is finished, when it began, and
//! where its recordings are. Everything else passes through as it came.
//!
//! Field names and phases are those of the vendor's public API description. The
//! set of fields has more than doubled in two years, so nothing unknown is an error.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error;
use crate::json::lines::explain;
use crate::time::Timestamp;

/// Phases after which the vendor's `consecutive=true` goes on to the next call.
const FINAL: [&str; 2] = ["DONE", "ERROR"];

/// Phases in which a call is being worked on. A phase that is neither here nor
/// final (`STOPPED`, or one that is new) blocks if the service says so.
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

/// A call, as far as it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its id; ids rise, with gaps.
    pub id: u64,
    /// `progressPhase` as it is spelled; empty if it was not sent.
    pub phase: String,
    /// When it began, if that is sent in a form that names one instant.
    pub start: Option<Timestamp>,
    /// The project that it belongs to.
    pub context: Option<String>,
    /// The recording of both parties, redacted where the project redacts.
    pub merged_audio: Option<String>,
    /// The original, unredacted recording.
    pub recording: Option<String>,
}

/// The same, in the vendor's spelling and borrowed from a page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCall<'a> {
    #[serde(borrow)]
    call_id: Id<'a>,
    #[serde(borrow, default)]
    progress_phase: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    start_time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    context_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    merged_audio_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    recording: Option<Cow<'a, str>>,
}

/// Documented as a string, while `afterCallId` is an integer: both are taken.
#[derive(Deserialize)]
#[serde(untagged, expecting = "callId is neither a string nor a whole number")]
enum Id<'a> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

/// An id of a call in digits; nothing else can be put in order.
pub fn parse_id(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// What is wrong with the id of a call.
pub fn not_an_id(text: &str) -> String {
    let shown: String = text.chars().take(48).collect();
    format!("callId '{shown}' is no whole number, by which calls are put in order")
}

impl Call {
    /// Reads a call from the JSON object that it is. An error has status 65.
    pub fn parse(json: &str) -> anyhow::Result<Call> {
        let wire: WireCall<'_> =
            serde_json::from_str(json).map_err(|e| error::bad_input(explain(&e)))?;
        let id = match wire.call_id {
            Id::Number(id) => id,
            Id::Text(text) => parse_id(&text).ok_or_else(|| error::bad_input(not_an_id(&text)))?,
        };
        let owned =
            |text: Option<Cow<'_, str>>| text.filter(|text| !text.is_empty()).map(Cow::into_owned);
        let start = wire
            .start_time
            .as_deref()
            .and_then(Timestamp::parse_instant);
        Ok(Call {
            id,
            phase: owned(wire.progress_phase).unwrap_or_default(),
            start,
            context: owned(wire.context_id),
            merged_audio: owned(wire.merged_audio_id),
            recording: owned(wire.recording),
        })
    }

    /// Whether its content is what it will be, short of later edits.
    pub fn is_final(&self) -> bool {
        FINAL.contains(&self.phase.as_str())
    }

    /// Whether it is certain that its content is not complete.
    pub fn is_under_way(&self) -> bool {
        UNDER_WAY.contains(&self.phase.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn an_id_may_be_a_string_or_a_number_and_nothing_else() {
        let id = |json: &str| Call::parse(json).map(|call| call.id);
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
            r#"{"callId":5,"notes":}"#,
        ] {
            assert_eq!(Status::of(&id(bad).unwrap_err()), Status::BadInput, "{bad}");
        }
    }

    #[test]
    fn nothing_else_needs_to_be_there_or_known() {
        let call = Call::parse(
            r#"{"callId":"1","progressPhase":null,"startTime":"soon","version":3,"aivrVars":{"a":[{}]},"x":1e400}"#,
        )
        .unwrap();
        assert_eq!((call.phase.as_str(), call.start), ("", None));
        assert!(!call.is_final() && !call.is_under_way());
        let stopped = Call::parse(r#"{"callId":"1","progressPhase":"STOPPED"}"#).unwrap();
        assert!(!stopped.is_final() && !stopped.is_under_way());
    }
}
