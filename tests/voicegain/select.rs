//! `--select`: a few fields of each call.

use serde_json::Value;

use crate::voicegain::site::Site;

const FIELDS: &str = "callId,agent=agent.name,markers[0].type,startTime";

fn truth(site: &Site) -> Vec<Value> {
    let truth = site.calls().truth();
    let parse = |line: &String| serde_json::from_str(line).unwrap();
    truth.iter().map(parse).collect()
}

#[test]
fn selected_fields_leave_in_their_order_and_the_state_moves_as_ever() {
    let site = Site::new();
    let args = ["--select", FIELDS, "--state", "vg.state"];
    let ran = site.run(&args, 0);
    let expected: Vec<String> = truth(&site)
        .iter()
        .map(|call| {
            format!(
                r#"{{"callId":{},"agent":{},"markers[0].type":{},"startTime":{}}}"#,
                call["callId"],
                call["agent"]["name"],
                call["markers"][0]["type"],
                call["startTime"]
            )
        })
        .collect();
    assert!(expected.len() > 10);
    assert_eq!(ran.lines(), expected);
    assert_eq!(site.run(&args, 0).stdout(), "");
}

#[test]
fn a_table_has_the_selected_columns_also_when_it_has_no_row() {
    let site = Site::new();
    let args = ["--select", FIELDS, "--format", "csv", "--state", "vg.state"];
    let ran = site.run(&args, 0);
    let lines = ran.lines();
    let header = "callId,agent,markers[0].type,startTime";
    assert_eq!(lines[0], header);
    let calls = truth(&site);
    assert_eq!(lines.len(), calls.len() + 1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (line, call) in lines[1..].iter().zip(&calls) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[1], text(&call["agent"]["name"]));
        assert_eq!(cells[3], text(&call["startTime"]));
    }
    assert_eq!(site.run(&args, 0).stdout(), format!("{header}\n"));
}

#[test]
fn rows_of_the_service_are_selected_by_the_names_of_their_json() {
    let site = Site::new();
    let wire = [
        "--wire",
        "csv",
        "--csv-date-order",
        "dmy",
        "--csv-tz",
        "UTC",
    ];
    let ran = site.run(
        &[&wire[..], &["--select", "callId,progressPhase"]].concat(),
        0,
    );
    let records = ran.records();
    let calls = truth(&site);
    assert_eq!(records.len(), calls.len());
    for (record, call) in records.iter().zip(&calls) {
        assert_eq!(record.as_object().unwrap().len(), 2);
        assert_eq!(record["progressPhase"], call["progressPhase"]);
    }
}

#[test]
fn a_field_that_no_call_has_is_said_and_what_is_no_path_is_2() {
    let site = Site::new();
    let ran = site.run(&["--select", "callId,agent.nmae"], 0);
    assert!(
        ran.stderr()
            .contains("--select: agent.nmae: no call has this field"),
        "{}",
        ran.stderr()
    );
    let ran = site.run(&["--select", FIELDS], 0);
    assert_eq!(ran.stderr(), "");
    for wrong in ["a,a", "a,", "a[-1]", "x y"] {
        let ran = site.run(&["--select", wrong], 2);
        assert!(ran.stderr().contains("--select"), "{}", ran.stderr());
    }
    site.run(&["--select", "callId", "--wire", "csv", "--raw"], 2);
}
