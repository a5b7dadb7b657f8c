//! Messages as they are written: with what the documentation says they have, and with what it does
//! not mention.

use chrono::DateTime;

use super::Config;
use crate::sim::prng::Prng;

/// How ids are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdForm {
    Text,
    /// Numbers, of which the last zeros count.
    Number,
}

#[derive(Clone)]
pub struct Message {
    pub ts: i64,
    pub session: String,
    pub json: String,
}

const TEXTS: [&str; 6] = [
    "Hi, my name is ****NAME**** 👋",
    "I live in ****GPE****, call me at ****NUMERIC****",
    "line one\nline \"two\"\u{2028}\u{85}end",
    "Ça va? ****EMAIL****",
    "Please hold.",
    "",
];

impl Message {
    /// The `number` says who says it, and in which session.
    pub fn new(config: &Config, ts: i64, number: u64, text: &str) -> Message {
        let session = format!(
            "{}{}.{}0",
            ["", "-"][(number % 2) as usize],
            1800 + number / 7,
            number % 7
        );
        let id = |text: &str| match config.id_form {
            IdForm::Text => format!("\"{text}\""),
            IdForm::Number => text.to_owned(),
        };
        let sender = ["customer", "bot", "agent"][(number % 3) as usize];
        let timestamp = DateTime::from_timestamp_millis(ts).expect("a time of this century");
        let text = serde_json::to_string(text).expect("a text");
        let mut json = format!(
            r#"{{"text":{text},"timestamp":"{}","ts":{ts},"sendertype":"{sender}","sessionid":{},"customersessionid":{}"#,
            timestamp.format("%b %e, %Y %I:%M:%S %p"),
            id(&format!("{}.10", 12 + number / 3)),
            id(&session),
        );
        json += match number % 4 {
            0 => {
                r#","sentiment":0,"topic":"greeting","score":0.910,"topmatches":[{"intent":"greeting","score":0.91,"match":"hello"}]}"#
            }
            1 => r#", "workflow":"Main", "workflownodeid":"n7", "sentiment":-0.30 }"#,
            2 => {
                r#","sessionchannel":"whatsapp","sessionchannelinfo":{"messages":["x"],"number":12345678901234567890}}"#
            }
            _ => r#","fieldOfNextYear":null,"chattype":"bot"}"#,
        };
        Message { ts, session, json }
    }
}

/// The messages before `now`, by their time: twins, bursts, and one on each edge of a day.
pub fn history(config: &Config, now: i64) -> Vec<Message> {
    let mut messages = numbered(config, now, 0);
    messages.sort_by_key(|message| message.ts);
    messages
}

pub fn numbered(config: &Config, now: i64, first: usize) -> Vec<Message> {
    let mut die = Prng::seeded(&["messages", &first.to_string()]);
    let span = (config.days * 86_400_000.0) as i64;
    let mut messages = Vec::new();
    let mut number = first as u64;
    let filler = "x".repeat(config.letters);
    while (messages.len() as u64) < config.messages {
        number += 1;
        let text = format!("{}{filler}", die.pick(&TEXTS));
        let at = match number % 11 {
            // On the edges of whole days before now, where windows meet.
            0 => now - (die.below(config.days.ceil() as u64) as i64 + 1) * 86_400_000 + 86_400_000,
            _ => now - 1 - die.below(span as u64 - 1) as i64,
        };
        let at = at.clamp(now - span, now - 1);
        messages.push(Message::new(config, at, number, &text));
        if number.is_multiple_of(13) {
            let twin = messages[messages.len() - 1].clone();
            messages.push(twin);
        }
        if let Some((every, count)) = config.bursts
            && number.is_multiple_of(every)
        {
            for index in 0..count {
                number += 1;
                let at = (at + (index as i64 * 7) % 1000).min(now - 1);
                messages.push(Message::new(config, at, number, &format!("burst {index}")));
            }
        }
    }
    messages.truncate(config.messages as usize);
    messages
}

/// What stands beside a session's messages.
pub fn beside(session: &str) -> String {
    format!(r#""sessionowner":"agent-{session}","segments":2.50,"ts0":null"#)
}
