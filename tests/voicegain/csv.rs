//! CSV from the service and CSV to the user.

use callpipe::format::csv::Rows;
use serde_json::Value;

use crate::harness::program;
use crate::sim::voicegain::Change;
use crate::voicegain::site::Site;

const WIRE: [&str; 6] = [
    "--wire",
    "csv",
    "--csv-date-order",
    "dmy",
    "--csv-tz",
    "UTC",
];
const COLUMNS: &str = "accountId,contextId,callId,startTime,endTime,duration,direction,externalEndpoint,internalEndpoint,recording,saSessionId,agent.id,agent.email,agent.name,agent.userId,agent.channel,queue.id,queue.name,sentiment,crAnswersId,score,reviewStatus,reviewNotes,notes,tags,keywords,topics,isCallResolved,incidents,wordCloud,numAudioChannels,numSpkChannels,version,aivrAppId,aivrSessionId,originatingCallId,progressPhase,aivrTransferDestType,callCenterCallId,language,dtmfEvents,dailyRepeatCalls,markers";

fn truth(site: &Site) -> Vec<Value> {
    let truth = site.calls().truth();
    truth
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A table by the names of its columns.
fn table(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut rows = Rows::new(text.as_bytes()).unwrap();
    let names = rows.header().to_vec();
    let mut table = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        table.push(
            names
                .iter()
                .cloned()
                .zip(row.cells().map(str::to_owned))
                .collect(),
        );
    }
    table
}

#[test]
fn csv_from_the_service_says_what_the_json_says() {
    for bom in [false, true] {
        let site = Site::with(|config| config.bom = bom);
        let records = site
            .run(&[&WIRE[..], &["--per-page", "10"]].concat(), 0)
            .records();
        let truth = truth(&site);
        assert_eq!(records.len(), truth.len());
        for (record, call) in records.iter().zip(&truth) {
            for name in [
                "callId",
                "contextId",
                "duration",
                "externalEndpoint",
                "progressPhase",
                "recording",
                "sentiment",
            ] {
                assert_eq!(record[name], call[name], "{name}");
            }
            let notes = call["notes"].as_str().unwrap();
            assert_eq!(
                record["notes"].as_str().unwrap_or_default(),
                notes,
                "every line end is kept"
            );
            assert_eq!(record["agent.id"], call["agent"]["agentId"]);
            let start = record["startTime"].as_str().unwrap();
            assert_eq!(start[..19], call["startTime"].as_str().unwrap()[..19]);
            assert!(start.ends_with('Z'));
            assert_eq!(record["reviewNotes"], Value::Null);
            assert_eq!(
                record["fieldOfNextYear"], "new in 2027",
                "unknown columns are kept"
            );
        }
        assert_eq!(site.run(&WIRE, 0).stdout(), "");
    }
}

#[test]
fn numbers_keep_their_digits_and_texts_stay_texts() {
    let site = Site::new();
    let line = site.run(&WIRE, 0).lines()[0].clone();
    assert!(line.contains(r#""sentiment":0.250,"#), "{line}");
    assert!(line.contains(r#""externalEndpoint":"+1214555"#), "{line}");
    assert!(
        line.starts_with(r#"{"callId":"14603","contextId":"#),
        "in the order of the header: {line}"
    );
}

#[test]
fn cut_and_hindered_it_is_the_same() {
    for fault in [
        "calls@2=cut",
        "calls@2=html",
        "calls@1=stall,for=9s",
        "calls@%3=503",
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        let records = site
            .run(&[&WIRE[..], &["--per-page", "10"]].concat(), 0)
            .records();
        let ids: Vec<_> = records
            .iter()
            .map(|record| record["callId"].clone())
            .collect();
        let truth: Vec<_> = truth(&site)
            .iter()
            .map(|call| call["callId"].clone())
            .collect();
        assert_eq!(ids, truth, "{fault}");
    }
}

#[test]
fn the_order_of_dates_is_said_or_shown_and_never_guessed() {
    let start = |site: &Site, order: &str, status: i32| {
        let args = [
            "--wire",
            "csv",
            "--csv-date-order",
            order,
            "--csv-tz",
            "Europe/Berlin",
        ];
        let ran = site.run(&args, status);
        let first = ran.lines().first().cloned().unwrap_or("{}".to_owned());
        let first: Value = serde_json::from_str(&first).unwrap();
        let start = first["startTime"].as_str().unwrap_or_default();
        (start.get(..13).unwrap_or_default().to_owned(), ran.stderr())
    };
    // 20 November at noon in Berlin is 11 o'clock in UTC.
    for (month_first, order) in [
        (false, "dmy"),
        (true, "mdy"),
        (false, "auto"),
        (true, "auto"),
    ] {
        let site = Site::at("2026-11-20T12:59:00Z", |config| {
            config.month_first = month_first;
        });
        assert_eq!(
            start(&site, order, 0),
            ("2026-11-20T10".to_owned(), String::new()),
            "{order}"
        );
    }
    // The 5th of November may be the 11th of May.
    let site = Site::at("2026-11-05T12:59:00Z", |_| {});
    let (_, said) = start(&site, "auto", 65);
    assert!(
        said.contains("no date of the first page has a day above 12: give dmy, mdy or ymd"),
        "{said}"
    );
    assert!(!site.path("S").exists());
    assert_eq!(start(&site, "dmy", 0).0, "2026-11-05T10");
    // An order that cannot be is noticed before anything is exported.
    let site = Site::at("2026-11-20T12:59:00Z", |_| {});
    let (_, said) = start(&site, "mdy", 65);
    assert!(said.contains("is not a time in the order mdy"), "{said}");
}

#[test]
fn without_an_order_and_a_zone_csv_is_not_read() {
    let site = Site::new();
    for args in [
        &["--wire", "csv"][..],
        &WIRE[..4],
        &["--wire", "csv", "--csv-tz", "UTC"],
    ] {
        let ran = site.run(args, 2);
        assert!(ran.stderr().contains("--csv-"), "{}", ran.stderr());
    }
    assert_eq!(site.calls().requests(), 0);
    site.run(&[&WIRE[..], &["--refresh-days", "3"]].concat(), 2);
    site.run(&[&WIRE[..], &["--audio-dir", "audio"]].concat(), 2);
}

#[test]
fn a_table_has_one_header_and_the_documented_columns() {
    let site = Site::new();
    let ran = site.run(&["--format", "csv", "--per-page", "10"], 0);
    let text = ran.stdout();
    assert_eq!(text.lines().next(), Some(COLUMNS));
    assert_eq!(text.matches("accountId").count(), 1);
    let table = table(&text);
    let truth = truth(&site);
    assert_eq!(table.len(), truth.len());
    for (row, call) in table.iter().zip(&truth) {
        assert_eq!(call["callId"], row["callId"].as_str());
        assert_eq!(call["notes"], row["notes"].as_str());
        assert_eq!(
            call["startTime"],
            row["startTime"].as_str(),
            "RFC 3339, in UTC"
        );
        assert_eq!(row["tags"], "C_Member|R_Coverage");
        assert_eq!(row["markers"], "201897,CC_AGENT_ANSWER,null");
        assert_eq!(row["agent.name"], "Pat Doe");
        assert_eq!(row["sentiment"], "0.250");
        assert_eq!(row["reviewNotes"], "");
    }
    // Nothing new is a table, too.
    assert_eq!(
        site.run(&["--format", "csv"], 0).stdout(),
        format!("{COLUMNS}\n")
    );
}

#[test]
fn a_table_of_the_services_table_keeps_its_unknown_columns_at_the_end() {
    let site = Site::new();
    let text = site
        .run(
            &[&WIRE[..], &["--format", "csv", "--per-page", "10"]].concat(),
            0,
        )
        .stdout();
    assert_eq!(
        text.lines().next().unwrap(),
        format!("{COLUMNS},fieldOfNextYear")
    );
    let table = table(&text);
    assert_eq!(table.len(), 40);
    for (row, call) in table.iter().zip(&truth(&site)) {
        assert_eq!(call["notes"], row["notes"].as_str());
        assert_eq!(row["fieldOfNextYear"], "new in 2027");
        assert_eq!(
            row["markers"],
            "201897,CC_AGENT_ANSWER,null|179162,CC_ANSWER,null"
        );
        assert_eq!(
            (row["accountId"].as_str(), row["startTime"].len()),
            ("", 20)
        );
    }
}

#[test]
fn a_blocker_is_told_in_csv_as_well() {
    let site = Site::new();
    let id = site.calls().ids()[9];
    site.change(Change::Phase(id, "PROCESSING"));
    assert_eq!(site.run(&WIRE, 0).lines().len(), 9);
    assert_eq!(site.report()["blocked_by"]["call_id"], id);
}

#[test]
fn the_services_csv_is_passed_on_as_it_came() {
    for bom in [false, true] {
        let site = Site::with(|config| config.bom = bom);
        // All in one page, as curl would get it.
        let whole = program("curl")
            .args(["-s", "-H", "Authorization: Bearer demo-jwt"])
            .arg(format!(
                "{}/v1/sa/call?format=csv&consecutive=true&afterCallId=0&page=1&per_page=1000",
                site.sim.url()
            ))
            .run()
            .ends(0);
        assert!(whole.stdout().contains("\r\n"));
        for size in ["1000", "7"] {
            let raw = ["--wire", "csv", "--raw", "--per-page", size];
            let ran = site.export(&raw).run().ends(0);
            assert!(ran.output.stdout == whole.output.stdout, "{bom} {size}");
        }
    }
    let site = Site::new();
    site.run(&["--raw"], 2);
    site.run(&["--wire", "csv", "--raw", "--format", "csv"], 2);
}
