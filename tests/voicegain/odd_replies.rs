//! Calls as no sound service sends them.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ran, program, scratch};
use crate::raw_service::{Asked, RawService, json, reply, undelimited};

/// A directory beside a Voicegain that answers byte for byte what a test says.
pub struct Odd {
    pub service: RawService,
    pub dir: TempDir,
}

impl Odd {
    pub fn new(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Odd {
        Odd {
            service: RawService::start(answer),
            dir: scratch(),
        }
    }

    /// With a state and a report, ending with this status.
    pub fn run(&self, args: &[&str], status: i32) -> Ran {
        program("vg-consecutive")
            .dir(self.dir.path())
            .env("VOICEGAIN_BASE_URL", format!("{}/v1", self.service.url()))
            .env("VOICEGAIN_TOKEN", "t0ken")
            .args(["--backoff", "10ms", "--tries", "2", "--rate", "1000/1s"])
            .args(["--state", "S", "--report", "report"])
            .args(args)
            .run()
            .ends(status)
    }

    pub fn read(&self, name: &str) -> Value {
        let text = std::fs::read(self.dir.path().join(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    pub fn cursor(&self) -> u64 {
        self.read("S")["data"]["cursor"].as_u64().unwrap()
    }
}

/// The calls that `page` has, once; then none.
fn once(page: &'static str) -> Odd {
    Odd::new(move |asked| {
        let is_first = asked.target.contains("afterCallId=0&");
        json(if is_first { page } else { "[]" })
    })
}

#[test]
fn what_came_before_a_bad_call_is_exported_and_the_state_says_so() {
    let odd = once(r#"[{"callId":1},{"callId":3},{"callId":"4-b"},{"callId":5}]"#);
    let ran = odd.run(&[], 65);
    assert_eq!(ran.lines(), [r#"{"callId":1}"#, r#"{"callId":3}"#]);
    assert!(
        ran.stderr()
            .contains("the call after 3: callId '4-b' is not a whole number"),
        "{}",
        ran.stderr()
    );
    assert_eq!(odd.cursor(), 3);
    odd.run(&[], 0);
}

#[test]
fn another_type_in_any_other_field_stops_nothing() {
    let odd = once(
        r#"[{"callId":"1","contextId":17,"progressPhase":["DONE"],"startTime":5,"recording":{"id":"r"}},
            {"callId":2,"contextId":"17","notes":{"a":1e999},"agent":7,"callId":2,"tags":"x","markers":{}},
            {"callId":3,"contextId":{"id":17},"recording":null,"queue":[],"wordCloud":[[1]]}]"#,
    );
    assert_eq!(odd.run(&["--refresh-days", "3"], 0).lines().len(), 3);
    std::fs::remove_file(odd.dir.path().join("S")).unwrap();
    assert_eq!(odd.run(&["--format", "csv"], 0).lines().len(), 4);
}

#[test]
fn half_a_surrogate_pair_is_replaced_only_where_text_must_be_decoded() {
    const CALL: &str = r#"{"callId":"1","notes":"cut \ud83d"}"#;
    let odd = once(r#"[{"callId":"1","notes":"cut \ud83d"}]"#);
    assert_eq!(odd.run(&["--refresh-days", "3"], 0).lines(), [CALL]);
    std::fs::remove_file(odd.dir.path().join("S")).unwrap();
    let table = odd.run(&["--format", "csv"], 0).stdout();
    assert!(table.contains(",cut \u{fffd},"), "{table}");
}

const CSV: [&str; 6] = [
    "--wire",
    "csv",
    "--csv-date-order",
    "dmy",
    "--csv-tz",
    "UTC",
];

fn table(rows: &str) -> String {
    format!("callId,startTime,progressPhase\n{rows}")
}

#[test]
fn a_row_that_may_be_cut_off_is_asked_for_again() {
    let odd = Odd::new(|asked| {
        if asked.target.contains("format=json") {
            return json("[]");
        }
        match asked.nth {
            1 => undelimited(
                "200 OK",
                &[],
                table("1,05-12-2024 6:15:45 PM,DONE\n2,05-12-2024 6:15:45 PM,DO"),
            ),
            2 => undelimited("200 OK", &[], table("2,05-12-2024 6:15:45 PM,DONE\n")),
            // With a length there is no doubt.
            3 => reply("200 OK", &[], table("4,05-12-2024 6:15:45 PM,DONE")),
            _ => reply("200 OK", &[], table("")),
        }
    });
    let records = odd.run(&CSV, 0).records();
    let phases: Vec<&Value> = records.iter().map(|call| &call["progressPhase"]).collect();
    assert_eq!(phases, ["DONE", "DONE", "DONE"]);
    assert_eq!(odd.cursor(), 4);
    assert!(
        odd.service.asked("format=csv")[1]
            .target
            .contains("afterCallId=1&")
    );
}

#[test]
fn a_narrow_space_before_pm_is_a_space() {
    let odd = Odd::new(|asked| match asked.nth {
        1 => reply(
            "200 OK",
            &[],
            table("7,05-12-2024 6:15:45\u{202f}PM,DONE\n"),
        ),
        _ if asked.target.contains("format=json") => json("[]"),
        _ => reply("200 OK", &[], table("")),
    });
    let records = odd.run(&CSV, 0).records();
    assert_eq!(records[0]["startTime"], "2024-12-05T18:15:45Z");
}

#[test]
fn a_page_that_is_empty_or_breaks_off_for_ever_is_75() {
    for body in ["", "[{\"callId\":1,", "<html>"] {
        let odd = Odd::new(move |_| undelimited("200 OK", &[], body));
        odd.run(&[], 75);
    }
    let odd = Odd::new(|_| json(r#"{"error":{"reason":"x"}}"#));
    let ran = odd.run(&[], 69);
    assert!(
        ran.stderr()
            .contains("it begins '{\"error\":{\"reason\":\"x\"}}'"),
        "{}",
        ran.stderr()
    );
}
