//! The columns of the vendor's CSV, in the order that its article "Exporting call
//! data from Speech Analytics App" lists them, and where the same is in the JSON:
//! three names differ. How lists are joined is documented for `tags` (`|`) and
//! `markers` (`time,type,note|…`); the other lists are written likewise, and what
//! is neither text nor number as JSON.

use serde_json::value::RawValue;

use crate::json::lines::Object;

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// A number, in JSON without quotes.
    Number,
    /// `true` or `false`.
    Bool,
    /// A point in time.
    Time,
    /// Texts with `|` between.
    List,
    /// `time,type,note` with `|` between, a missing note spelled `null`.
    Markers,
}

/// A column of the CSV.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in the header.
    pub name: &'static str,
    /// The object that the JSON has it in, if any, and its name there.
    json: (Option<&'static str>, &'static str),
    /// What its cells hold.
    pub kind: Kind,
}

const fn same(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        json: (None, name),
        kind,
    }
}

const fn nested(name: &'static str, object: &'static str, field: &'static str) -> Column {
    Column {
        name,
        json: (Some(object), field),
        kind: Kind::Text,
    }
}

/// All documented columns.
pub const COLUMNS: [Column; 43] = [
    same("accountId", Kind::Text),
    same("contextId", Kind::Text),
    same("callId", Kind::Text),
    same("startTime", Kind::Time),
    same("endTime", Kind::Time),
    same("duration", Kind::Number),
    same("direction", Kind::Text),
    same("externalEndpoint", Kind::Text),
    same("internalEndpoint", Kind::Text),
    same("recording", Kind::Text),
    same("saSessionId", Kind::Text),
    nested("agent.id", "agent", "agentId"),
    nested("agent.email", "agent", "email"),
    nested("agent.name", "agent", "name"),
    nested("agent.userId", "agent", "userId"),
    nested("agent.channel", "agent", "channel"),
    nested("queue.id", "queue", "queueId"),
    nested("queue.name", "queue", "name"),
    same("sentiment", Kind::Number),
    same("crAnswersId", Kind::Text),
    same("score", Kind::Number),
    same("reviewStatus", Kind::Text),
    same("reviewNotes", Kind::Text),
    same("notes", Kind::Text),
    same("tags", Kind::List),
    same("keywords", Kind::List),
    same("topics", Kind::List),
    Column {
        name: "isCallResolved",
        json: (None, "callResolved"),
        kind: Kind::Bool,
    },
    same("incidents", Kind::Number),
    same("wordCloud", Kind::List),
    same("numAudioChannels", Kind::Number),
    same("numSpkChannels", Kind::Number),
    same("version", Kind::Number),
    same("aivrAppId", Kind::Text),
    same("aivrSessionId", Kind::Text),
    same("originatingCallId", Kind::Text),
    same("progressPhase", Kind::Text),
    same("aivrTransferDestType", Kind::Text),
    same("callCenterCallId", Kind::Text),
    same("language", Kind::Text),
    same("dtmfEvents", Kind::List),
    same("dailyRepeatCalls", Kind::Number),
    same("markers", Kind::Markers),
];

/// The column of that name, if it is documented.
pub fn find(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// The cells of a call that came as JSON, in the order of [`COLUMNS`].
pub fn cells_of(json: &str) -> Result<Vec<String>, serde_json::Error> {
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

fn cell(raw: &str, kind: Kind) -> Result<String, serde_json::Error> {
    if !raw.starts_with('[') {
        return text(raw);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw)?;
    let items: Result<Vec<String>, _> = items
        .iter()
        .map(|item| match kind {
            Kind::Markers if item.get().starts_with('{') => marker(item.get()),
            _ => text(item.get()),
        })
        .collect();
    Ok(items?.join("|"))
}

/// A value as a cell has it: a string without its quotes, everything else as JSON.
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
            "queue":null,"sentiment":0.250,"callResolved":true,"tags":["C_Member","V_Verified"],
            "notes":"one\ntwo","score":12345678901234567890123,"reviewNotes":null,
            "wordCloud":[{"phrase":"claim","freq":3}],"dtmfEvents":[],
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
        assert_eq!((cell("notes"), cell("reviewNotes")), ("one\ntwo", ""));
        assert_eq!(cell("wordCloud"), r#"{"phrase":"claim","freq":3}"#);
        assert_eq!(cell("dtmfEvents"), "");
        assert_eq!(
            cell("markers"),
            "201897,CC_AGENT_ANSWER,null|179162,CC_ANSWER,null"
        );
    }
}
