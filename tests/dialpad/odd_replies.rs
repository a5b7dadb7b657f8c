//! Messages as no sound service sends them.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ran, program, scratch};
use crate::raw_service::{Asked, RawService, json as reply};

const HOUR: i64 = 3_600_000;

/// 2026-11-21T00:00:00Z
const FIRST: i64 = 1_795_219_200_000;

/// Four days of messages, one an hour, from a service that a test makes odd.
struct Odd {
    service: RawService,
    dir: TempDir,
}

impl Odd {
    /// `odd` says what is sent in place of the messages that were asked for.
    fn new(odd: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Odd {
        Odd {
            service: RawService::start(move |asked| {
                let times = (0..96).map(|hour| FIRST + hour * HOUR);
                odd(asked).unwrap_or_else(|| page(asked, times.map(message)))
            }),
            dir: scratch(),
        }
    }

    fn run(&self, args: &[&str], status: i32) -> Ran {
        program("dialpad-window")
            .dir(self.dir.path())
            .env("DIALPAD_BASE_URL", self.service.url())
            .env("DIALPAD_PROVIDER_ID", "1")
            .env("DIALPAD_API_KEY", "k3y-of-a-test")
            .args(["--backoff", "10ms", "--rate", "1000/1s", "--state", "S"])
            .args(["--from", "2026-11-21", "--to", "2026-11-25"])
            .args(args)
            .run()
            .ends(status)
    }
}

fn message(ts: i64) -> (i64, String) {
    (ts, format!(r#"{{"ts":{ts},"text":"m","sessionid":"1.1"}}"#))
}

/// Those of the messages that were asked for.
fn page(asked: &Asked, messages: impl IntoIterator<Item = (i64, String)>) -> Vec<u8> {
    let query: Value = serde_json::from_str(&asked.body).unwrap();
    let number = |name: &str| query[name].as_i64().unwrap();
    let most = match number("limit") {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap(),
    };
    let (start, end) = (number("start"), number("end"));
    let found: Vec<String> = messages
        .into_iter()
        .filter(|(ts, _)| (start..=end).contains(ts))
        .skip(usize::try_from(number("offset")).unwrap())
        .take(most)
        .map(|(_, json)| json)
        .collect();
    reply(format!("[{}]", found.join(",")))
}

#[test]
fn an_error_among_messages_is_tried_again_and_is_not_about_the_unit() {
    for body in [
        r#"{"error":"session expired"}"#,
        r#"[{"errorCode":17,"message":"session expired"}]"#,
        r#"{"messages":[],"error":"session expired"}"#,
    ] {
        let once = Odd::new(move |asked| (asked.nth == 2).then(|| reply(body)));
        let ran = once.run(&["--tries", "2"], 0);
        assert_eq!(ran.lines().len(), 96);
        assert!(ran.stderr().contains("session expired"), "{}", ran.stderr());
        let lasting = Odd::new(move |asked| (asked.nth >= 2).then(|| reply(body)));
        let ran = lasting.run(&["--tries", "2"], 69);
        assert!(ran.stderr().contains("session expired"), "{}", ran.stderr());
        assert!(!ran.stderr().contains("--epoch-unit"), "{}", ran.stderr());
        // Once a message has come, no request is made in the other unit.
        assert!(lasting.service.asked("").iter().all(|asked| {
            let query: Value = serde_json::from_str(&asked.body).unwrap();
            query["start"].as_i64().unwrap() > FIRST - 2 * HOUR
        }));
    }
}

#[test]
fn another_type_in_a_field_stops_nothing() {
    let odd = Odd::new(|asked| {
        let at = FIRST + HOUR;
        let json = format!(
            r#"{{"ts":"{at}","text":{{"a":["cut \ud83d"]}},"sendertype":7,"sessionid":{{}},"senderemail":[],"topmatches":"x","score":1e999}}"#
        );
        Some(page(asked, [(at, json)]))
    });
    let lines = odd.run(&["--add-session"], 0).lines();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains(r#""text":{"a":["cut \ud83d"]}"#),
        "{}",
        lines[0]
    );
    assert_eq!(odd.run(&[], 0).lines().len(), 0);
}

#[test]
fn a_text_that_hides_a_number_is_not_taken_for_redacted() {
    for text in [r#""cut \ud83d 214-555-0143""#, r#"["214-555-0143"]"#] {
        let at = FIRST + HOUR;
        let json = format!(r#"{{"ts":{at},"text":{text}}}"#);
        let odd = Odd::new(move |asked| Some(page(asked, [(at, json.clone())])));
        let args = ["--require-redacted", "--to", "2026-11-22"];
        let ran = odd.run(&args, 65);
        assert!(
            ran.stderr().contains("has a long number"),
            "{}",
            ran.stderr()
        );
        assert_eq!(ran.stdout(), "");
    }
}
