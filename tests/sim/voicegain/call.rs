//! One call: the same id always has the same content, so that a test can say what must come out.
//! The fields are chosen for what they break: nested values, nulls, names that nobody knows, numbers
//! beyond 2^53, and notes with every line end there is.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::Config;
use crate::sim::json::Object;
use crate::sim::prng::Prng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdForm {
    Text,
    Number,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub id: u64,
    pub start: DateTime<Utc>,
    pub phase: &'static str,
    pub edits: u64,
}

const NOTES: [&str; 7] = [
    "Caller asked about a claim.\nAgent resolved it.",
    "One.\r\nTwo, with a comma.\r\nThree.",
    "She said \"no\", twice.",
    "next\u{85}line, line\u{2028}separator, paragraph\u{2029}separator",
    "vertical\u{b}tab, form\u{c}feed, file\u{1c}separator",
    "",
    "50 % of it",
];

impl Call {
    pub fn new(id: u64, start: DateTime<Utc>) -> Call {
        Call {
            id,
            start,
            phase: if id.is_multiple_of(37) {
                "ERROR"
            } else {
                "DONE"
            },
            edits: 0,
        }
    }

    pub fn is_finished(&self) -> bool {
        matches!(self.phase, "DONE" | "ERROR")
    }

    pub fn merged(&self) -> String {
        format!("{:08x}-0000-4000-8000-000000000001", self.id)
    }

    pub fn original(&self) -> String {
        format!("{:08x}-0000-4000-8000-000000000002", self.id)
    }

    pub fn agent(&self) -> String {
        format!("a{:015}", self.id % 5)
    }

    pub fn queue(&self) -> String {
        format!("q{:015}", self.id % 3)
    }

    fn notes(&self) -> &'static str {
        NOTES[(self.id % NOTES.len() as u64) as usize]
    }

    fn end(&self) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(self.duration())
    }

    fn duration(&self) -> i64 {
        30 + (self.id % 600) as i64
    }

    fn phone(&self) -> String {
        format!("+1214555{:04}", self.id % 10_000)
    }

    pub fn json(&self, config: &Config) -> String {
        let text = |value: &str| serde_json::to_string(value).expect("a string");
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut object = Object::new();
        object = match config.id_form {
            IdForm::Text => object.text("callId", &self.id.to_string()),
            IdForm::Number => object.raw("callId", self.id),
        };
        object = object
            .text("accountId", "f9f32f4b-0000-4000-8000-000000000000")
            .text("contextId", "17396f85-0000-4000-8000-000000000000")
            .text("startTime", &time(self.start))
            .text("endTime", &time(self.end()))
            .raw("duration", self.duration())
            .text("direction", "inbound")
            .text("externalEndpoint", &self.phone())
            .raw(
                "agent",
                Object::new()
                    .text("agentId", &self.agent())
                    .text("email", "pat@example.test")
                    .text("name", "Pat Doe")
                    .text("channel", "right")
                    .end(),
            )
            .raw(
                "queue",
                Object::new()
                    .text("queueId", &self.queue())
                    .text("name", "Q-Member")
                    .end(),
            )
            .raw("sentiment", "0.250")
            .text("notes", self.notes())
            .raw("tags", r#"["C_Member","R_Coverage"]"#)
            .raw("reviewNotes", self.review())
            .text("progressPhase", self.phase)
            .raw("version", 2 + self.id % 2)
            .raw(
                "aivrVars",
                r#"{"step":{"list":[1,{"x":"}]"},null]},"n":1e-7}"#,
            )
            .raw("fieldOfNextYear", "123456789012345678901234567890")
            .raw("csat", "null")
            .text("language", "en\u{e9}")
            .raw("markers", r#"[{"time":201897,"type":"CC_AGENT_ANSWER"}]"#);
        if !self.id.is_multiple_of(11) {
            object = object.text("mergedAudioId", &self.merged());
        }
        object = object.text("recording", &self.original());
        let mut die = Prng::seeded(&["cloud", &self.id.to_string()]);
        let cloud: Vec<String> = (0..config.phrases)
            .map(|n| format!(r#"{{"phrase":{},"freq":{}}}"#, text(&die.hex(12)), n + 1))
            .collect();
        object
            .raw("wordCloud", format!("[{}]", cloud.join(",")))
            .end()
    }

    fn review(&self) -> String {
        match self.edits {
            0 => "null".to_owned(),
            edits => format!("\"reviewed {edits} times\""),
        }
    }

    /// The cells under [`super::pages::HEADER`].
    pub fn cells(&self, config: &Config) -> Vec<String> {
        let order = if config.month_first {
            "%m-%d-%Y"
        } else {
            "%d-%m-%Y"
        };
        let time = |time: DateTime<Utc>| time.format(&format!("{order} %-I:%M:%S %p")).to_string();
        let review = if self.edits > 0 {
            self.review()
        } else {
            String::new()
        };
        vec![
            self.id.to_string(),
            "17396f85-0000-4000-8000-000000000000".to_owned(),
            time(self.start),
            time(self.end()),
            self.duration().to_string(),
            self.phone(),
            self.agent(),
            "Pat Doe".to_owned(),
            self.queue(),
            "0.250".to_owned(),
            self.notes().to_owned(),
            "C_Member|R_Coverage".to_owned(),
            review,
            self.phase.to_owned(),
            "201897,CC_AGENT_ANSWER,null|179162,CC_ANSWER,null".to_owned(),
            self.original(),
            "new in 2027".to_owned(),
        ]
    }
}
