//! The columns of the vendor's CSV, in the order of its article "Exporting call data from Speech
//! Analytics App". Each column is a field of the JSON; three columns have another name there. The
//! vendor documents how to join `tags` (`|`) and `markers` (`time,type,note|…`). All other lists
//! are joined with `|`, too; a value that is neither text nor number is JSON.

use serde_json::value::RawValue;

use crate::json::object::Object;
use crate::json::surrogates;

/// The kind of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// A text, written unchanged.
    Text,
    /// A number, which has no quotes in JSON.
    Number,
    /// `true` or `false`.
    Bool,
    /// A point in time.
    Time,
    /// Texts, separated by `|`.
    List,
    /// Markers `time,type,note`, separated by `|`. A missing note is spelled `null`.
    Markers,
}

/// A column of the CSV.
#[derive(Clone, Copy, Debug)]
pub(super) struct CsvColumn {
    /// The name of the column in the header.
    pub(super) name: &'static str,
    /// The object that has the field (`None`: the call itself), and the name of the field.
    json: (Option<&'static str>, &'static str),
    /// The kind of the column's cells.
    pub(super) kind: ColumnKind,
}

const fn same(name: &'static str, kind: ColumnKind) -> CsvColumn {
    CsvColumn {
        name,
        json: (None, name),
        kind,
    }
}

const fn nested(name: &'static str, object: &'static str, field: &'static str) -> CsvColumn {
    CsvColumn {
        name,
        json: (Some(object), field),
        kind: ColumnKind::Text,
    }
}

/// All documented columns.
pub(super) const COLUMNS: [CsvColumn; 43] = [
    same("accountId", ColumnKind::Text),
    same("contextId", ColumnKind::Text),
    same("callId", ColumnKind::Text),
    same("startTime", ColumnKind::Time),
    same("endTime", ColumnKind::Time),
    same("duration", ColumnKind::Number),
    same("direction", ColumnKind::Text),
    same("externalEndpoint", ColumnKind::Text),
    same("internalEndpoint", ColumnKind::Text),
    same("recording", ColumnKind::Text),
    same("saSessionId", ColumnKind::Text),
    nested("agent.id", "agent", "agentId"),
    nested("agent.email", "agent", "email"),
    nested("agent.name", "agent", "name"),
    nested("agent.userId", "agent", "userId"),
    nested("agent.channel", "agent", "channel"),
    nested("queue.id", "queue", "queueId"),
    nested("queue.name", "queue", "name"),
    same("sentiment", ColumnKind::Number),
    same("crAnswersId", ColumnKind::Text),
    same("score", ColumnKind::Number),
    same("reviewStatus", ColumnKind::Text),
    same("reviewNotes", ColumnKind::Text),
    same("notes", ColumnKind::Text),
    same("tags", ColumnKind::List),
    same("keywords", ColumnKind::List),
    same("topics", ColumnKind::List),
    CsvColumn {
        name: "isCallResolved",
        json: (None, "callResolved"),
        kind: ColumnKind::Bool,
    },
    same("incidents", ColumnKind::Number),
    same("wordCloud", ColumnKind::List),
    same("numAudioChannels", ColumnKind::Number),
    same("numSpkChannels", ColumnKind::Number),
    same("version", ColumnKind::Number),
    same("aivrAppId", ColumnKind::Text),
    same("aivrSessionId", ColumnKind::Text),
    same("originatingCallId", ColumnKind::Text),
    same("progressPhase", ColumnKind::Text),
    same("aivrTransferDestType", ColumnKind::Text),
    same("callCenterCallId", ColumnKind::Text),
    same("language", ColumnKind::Text),
    same("dtmfEvents", ColumnKind::List),
    same("dailyRepeatCalls", ColumnKind::Number),
    same("markers", ColumnKind::Markers),
];

/// The column with this name, if it is documented.
pub(super) fn find(name: &str) -> Option<&'static CsvColumn> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// Turns the JSON of a call into cells, in the order of [`COLUMNS`]. Half of a surrogate pair
/// becomes U+FFFD.
pub(super) fn cells_of(json: &str) -> Result<Vec<String>, serde_json::Error> {
    let json = surrogates::mended(json);
    let call = Object::parse(json.as_bytes())?;
    let part = |name: &str| match call.raw(name) {
        Some(raw) if raw.starts_with('{') => Object::parse(raw.as_bytes()),
        _ => Ok(Object::default()),
    };
    let (agent, queue) = (part("agent")?, part("queue")?);
    COLUMNS
        .iter()
        .map(|column| {
            let object = match column.json.0 {
                None => &call,
                Some("agent") => &agent,
                Some(_) => &queue,
            };
            match object.raw(column.json.1) {
                None => Ok(String::new()),
                Some(raw) => cell(raw, column.kind),
            }
        })
        .collect()
}

fn cell(raw: &str, kind: ColumnKind) -> Result<String, serde_json::Error> {
    if !raw.starts_with('[') {
        return text(raw);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw)?;
    let items: Result<Vec<String>, _> = items
        .iter()
        .map(|item| match kind {
            ColumnKind::Markers if item.get().starts_with('{') => marker(item.get()),
            _ => text(item.get()),
        })
        .collect();
    Ok(items?.join("|"))
}

/// The cell for a value: a string without its quotes, nothing for null, everything else as JSON.
fn text(raw: &str) -> Result<String, serde_json::Error> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw),
        Some(b'n') => Ok(String::new()),
        _ => Ok(raw.to_owned()),
    }
}

fn marker(raw: &str) -> Result<String, serde_json::Error> {
    let marker = Object::parse(raw.as_bytes())?;
    let part = |name: &str| match marker.raw(name) {
        None | Some("null") => Ok("null".to_owned()),
        Some(raw) => text(raw),
    };
    Ok(format!(
        "{},{},{}",
        part("time")?,
        part("type")?,
        part("note")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_as_the_article_shows_it() {
        let json = r#"{"callId":"14603","agent":{"agentId":"436828","channel":"right","x":1},
            "queue":null,"keywords":[null,"a|b"],"sentiment":0.250,"callResolved":true,"tags":["C_Member","V_Verified"],
            "notes":"one\ntwo\ud83d","score":12345678901234567890123,"reviewNotes":null,
            "wordCloud":[{"phrase":"claim","freq":3}],"dtmfEvents":[],"topics":{"a":1},"queue":["x"],
            "markers":[{"time":201897,"type":"CC_AGENT_ANSWER"},{"time":179162,"type":"CC_ANSWER","note":null}]}"#;
        let cells = cells_of(json).unwrap();
        let cell = |name: &str| {
            let at = COLUMNS.iter().position(|column| column.name == name);
            cells[at.unwrap()].as_str()
        };
        assert_eq!(cell("callId"), "14603");
        assert_eq!(
            (cell("agent.id"), cell("agent.channel")),
            ("436828", "right")
        );
        assert_eq!(cell("queue.name"), "");
        assert_eq!(cell("isCallResolved"), "true");
        assert_eq!(
            (cell("sentiment"), cell("score")),
            ("0.250", "12345678901234567890123")
        );
        assert_eq!(cell("tags"), "C_Member|V_Verified");
        assert_eq!(
            (cell("notes"), cell("reviewNotes")),
            ("one\ntwo\u{fffd}", "")
        );
        assert_eq!(cell("wordCloud"), r#"{"phrase":"claim","freq":3}"#);
        assert_eq!(cell("dtmfEvents"), "");
        assert_eq!(
            cell("markers"),
            "201897,CC_AGENT_ANSWER,null|179162,CC_ANSWER,null"
        );
    }
}
