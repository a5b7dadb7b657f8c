//! `export-plan`: what can be had of a range, in windows and pages.

use serde_json::Value;

use crate::harness::{Program, program};
use crate::site::NOW;

fn windows(from: &str, to: &str) -> Program {
    program("export-plan").args([
        "windows",
        "--group",
        "acme",
        "--type",
        "dialog_end",
        "--now",
        NOW,
        "--from",
        from,
        "--to",
        to,
    ])
}

#[test]
fn a_line_holds_all_that_a_scheduler_needs() {
    windows("2026-11-10 12:10", "2026-11-10 13:20").prints(
        "{\"group\":\"acme\",\"types\":[\"dialog_end\"],\"from\":\"2026-11-10T12:00:00Z\",\"to\":\"2026-11-10T14:00:00Z\",\"not_before\":\"2026-11-10T16:00:00Z\",\"expires_at\":\"2027-01-09T12:00:00Z\"}\n",
    );
}

#[test]
fn yesterday_and_today_are_days_in_utc() {
    let ran = windows("yesterday", "today").run().ends(0);
    let line = &ran.records()[0];
    assert_eq!(line["from"], "2026-11-19T00:00:00Z");
    assert_eq!(line["to"], "2026-11-20T00:00:00Z");
    assert_eq!(ran.records().len(), 1);
}

#[test]
fn what_cannot_be_had_is_cut_off_and_said() {
    let ran = windows("-61d", "now").run().ends(0);
    assert_eq!(
        ran.stderr(),
        "export-plan: --from 2026-09-20T12:00:00Z is older than the service keeps (60d); starting at 2026-09-21T12:00:00Z\n\
         export-plan: --to 2026-11-20T12:00:00Z is too recent: data must be 2h old; ending at 2026-11-20T10:00:00Z\n"
    );
    assert_eq!(ran.records().len(), 30);
    windows("-61d", "-2d")
        .arg("--strict")
        .fails(69, "[..] is older than the service keeps (60d)\n");
    windows("-2d", "now")
        .arg("--strict")
        .fails(75, "[..]data must be 2h old\n");
    windows("2026-01-01", "2026-01-02").fails(
        69,
        "export-plan: --from 2026-01-01T00:00:00Z is older than the service keeps (60d); starting at 2026-09-21T12:00:00Z\n\
         export-plan: the whole range is too old to be exported\n",
    );
}

#[test]
fn what_rounding_alone_puts_outside_is_not_worth_a_word() {
    let bare = |from: &str| {
        program("export-plan").args([
            "windows",
            "--group",
            "acme",
            "--type",
            "dialog_end",
            "--from",
            from,
            "--now",
            "2026-11-20T12:34:56Z",
        ])
    };
    let ran = bare("-60d").run().ends(0);
    assert_eq!(ran.stderr(), "");
    let records = ran.records();
    assert_eq!(records[0]["from"], "2026-09-21T13:00:00Z");
    assert_eq!(records[records.len() - 1]["to"], "2026-11-20T10:00:00Z");
    bare("-2h").arg("--to=-1h").run().ends(0);
    bare("-1h").args(["--skip-code", "99"]).fails(99, "");
    bare("+1h").run().ends(2);
}

#[test]
fn data_that_is_too_young_is_nothing_to_do_yet() {
    let ran = windows("-1h", "now")
        .args(["--skip-code", "99"])
        .run()
        .ends(99);
    assert_eq!(ran.stdout(), "");
    let ran = windows("-1h", "now")
        .args(["--format", "json-array"])
        .run()
        .ends(0);
    assert_eq!(ran.stdout(), "[]\n");
}

#[test]
fn an_empty_interval_fails_loudly() {
    windows("2026-11-10", "2026-11-10").fails(
        2,
        "export-plan: --from 2026-11-10T00:00:00Z is not before --to 2026-11-10T00:00:00Z: the range is empty\n",
    );
    windows("None", "2026-11-10").fails(
        2,
        "export-plan: --from: the time is empty: a scheduler passes an empty time if its run has no data interval\n",
    );
}

#[test]
fn windows_come_in_the_order_asked_for() {
    let from = |order: &str| -> Vec<String> {
        let ran = windows("2026-11-10", "2026-11-14")
            .args(["--order", order])
            .run()
            .ends(0);
        let records = ran.records();
        records
            .iter()
            .map(|line| line["from"].as_str().unwrap()[8..10].to_owned())
            .collect()
    };
    assert_eq!(from("oldest-first"), ["10", "12"]);
    assert_eq!(from("newest-first"), ["12", "10"]);
    assert_eq!(from("expiring-first"), ["10", "12"]);
}

#[test]
fn what_was_begun_expires_first() {
    let dir = crate::harness::scratch();
    let ledger = dir.path().join("ledger.ndjson");
    std::fs::write(
        &ledger,
        concat!(
            r#"{"event":"opened","version":1,"api_url":"https://x.example/","at":"2026-11-20T00:00:00Z"}"#,
            "\n",
            r#"{"event":"created","group":"acme","types":["dialog_end"],"from":"2026-11-12T00:00:00Z","to":"2026-11-14T00:00:00Z","export_id":"x","at":"2026-11-20T00:00:00Z"}"#,
            "\n",
        ),
    )
    .unwrap();
    let ran = windows("2026-11-10", "2026-11-14")
        .args(["--order", "expiring-first", "--have"])
        .arg(&ledger)
        .run()
        .ends(0);
    let from: Vec<_> = ran
        .records()
        .iter()
        .map(|line| line["from"].as_str().unwrap()[8..10].to_owned())
        .collect();
    assert_eq!(from, ["12", "10"], "its ZIPs live a day, the data 50 more");
}

#[test]
fn an_array_is_one_line_for_a_mapped_task() {
    let ran = windows("2026-11-10", "2026-11-14")
        .args(["--format", "json-array"])
        .run()
        .ends(0);
    assert_eq!(ran.stdout().lines().count(), 1);
    assert_eq!(ran.records()[0].as_array().unwrap().len(), 2);
}

#[test]
fn a_window_is_whole_hours_up_to_two_days() {
    for window in ["30m", "49h", "90m", "0s"] {
        let ran = windows("2026-11-10", "2026-11-14")
            .args(["--window", window])
            .run()
            .ends(2);
        assert!(
            ran.stderr().contains("an export spans whole hours"),
            "{}",
            ran.stderr()
        );
    }
    let ran = windows("2026-11-10", "2026-11-11")
        .args(["--window", "5h"])
        .run()
        .ends(0);
    assert_eq!(ran.records().len(), 5);
}

#[test]
fn a_type_that_is_not_documented_is_planned_and_said() {
    let ran = windows("2026-11-10", "2026-11-11")
        .args(["--type", "Dialog End"])
        .run()
        .ends(0);
    assert!(
        ran.stderr()
            .contains("--type Dialog End is not documented, but it is planned. Documented types: ")
    );
    assert_eq!(ran.records()[0]["types"].as_array().unwrap().len(), 2);
}

#[test]
fn a_ledger_that_is_none_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"not\":\"a ledger\"}\n").unwrap();
    let ran = windows("2026-11-10", "2026-11-11")
        .arg("--have")
        .arg(file.path())
        .run()
        .ends(65);
    assert!(
        ran.stderr().contains("line 1: not an event of a ledger"),
        "{}",
        ran.stderr()
    );
    windows("2026-11-10", "2026-11-11")
        .args(["--have", "/no/such/ledger"])
        .run()
        .ends(0);
}

#[test]
fn pages_are_counted_from_the_files() {
    let ready = r#"{"group":"g","mine":1.10,"export_id":"x","status":"READY","num_of_files":101}"#;
    let ran = program("export-plan")
        .args(["pages", "--page-size", "50"])
        .stdin(ready)
        .run()
        .ends(0);
    let line = |n| {
        format!(
            "{},\"page_number\":{n},\"page_size\":50,\"pages\":3}}",
            &ready[..ready.len() - 1]
        )
    };
    assert_eq!(ran.lines(), [line(1), line(2), line(3)]);
    let empty = ready.replace("101", "0");
    program("export-plan")
        .args(["pages", "--skip-code", "99"])
        .stdin(empty)
        .fails(99, "");
    let pending = ready.replace("READY", "PROCESSING");
    program("export-plan").arg("pages").stdin(format!("\n{pending}\n")).fails(
        65,
        "export-plan: stdin:2: the export is not READY with num_of_files (its status: PROCESSING): wait for it with export-fetch --until ready\n",
    );
}

#[test]
fn the_reader_may_leave() {
    let ran = crate::harness::shell(
        "export-plan windows --group g --type a --from -60d --window 1h 2>/dev/null | head -1",
    )
    .run()
    .ends(0);
    assert_eq!(ran.lines().len(), 1);
}

/// A ledger that has 1 to 12 November but for the 3rd, and has begun the 14th.
fn ledger() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let at = r#""at":"2026-11-15T00:00:00Z""#;
    let mut text =
        format!(r#"{{"event":"opened","version":1,"api_url":"https://api.example",{at}}}"#);
    for (id, from, to) in [("x", "01", "03"), ("y", "04", "13")] {
        let order = format!(
            r#""group":"acme","types":["dialog_end"],"from":"2026-11-{from}T00:00:00Z","to":"2026-11-{to}T00:00:00Z""#
        );
        text += &format!("\n{{\"event\":\"created\",{order},\"export_id\":\"{id}\",{at}}}");
        text += &format!("\n{{\"event\":\"fetched\",\"export_id\":\"{id}\",{at}}}");
    }
    text += &format!(
        "\n{{\"event\":\"creating\",\"group\":\"acme\",\"types\":[\"dialog_end\"],\"from\":\"2026-11-14T00:00:00Z\",\"to\":\"2026-11-15T00:00:00Z\",{at}}}\n"
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

fn coverage(ledger: &tempfile::NamedTempFile, flags: &[&str]) -> Program {
    program("export-plan")
        .args(["coverage", "--now", NOW, "--ledger"])
        .arg(ledger.path())
        .args(flags)
}

#[test]
fn coverage_shows_every_hour_once() {
    coverage(&ledger(), &["--history", "17d"]).prints(
        "acme dialog_end: 264 h have, 24 h begun, 154 h missing, 12 h at risk, 12 h lost
                           00    06    12    18
2026-11-01 .. 2026-11-02   ########################  2 days
2026-11-03                 xxxxxxxxxxxx!!!!!!!!!!!!
2026-11-04 .. 2026-11-12   ########################  9 days
2026-11-13                 ........................
2026-11-14                 ~~~~~~~~~~~~~~~~~~~~~~~~
2026-11-15 .. 2026-11-19   ........................  5 days
2026-11-20                 ..........

# have   ~ begun   . missing   ! at risk   x lost   hours in UTC
",
    );
    let (ledger, report) = (ledger(), tempfile::NamedTempFile::new().unwrap());
    let report = report.path().to_str().unwrap();
    let flags = [
        "--history",
        "17d",
        "-e",
        "--format",
        "svg",
        "--report",
        report,
    ];
    let picture = coverage(&ledger, &flags).run().ends(1).stdout();
    let counts = "264 h have, 24 h begun, 154 h missing, 12 h at risk, 12 h lost";
    assert!(picture.contains(counts), "{picture}");
    // Three runs of equal days, three other days, and the hours of today.
    assert_eq!(picture.matches("<title>").count(), (3 + 3) * 24 + 10);
    assert!(picture.contains("<title>2026-11-04 .. 2026-11-12 05:00 have</title>"));
    assert!(picture.contains("Made at 2026-11-20T12:00:00Z"));
    let facts: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(
        (&facts["lost_hours"], &facts["at_risk_hours"]),
        (&12.into(), &12.into())
    );
    coverage(&ledger, &["-e", "--to", "2026-11-03"])
        .run()
        .ends(0);
}

/// A lake with the given number of root records of `dialog_end` in each hour of a day, and as many
/// steps, which are no calls; and counts of 10 calls an hour.
fn totals(records: &[usize]) -> tempfile::TempDir {
    let dir = crate::harness::scratch();
    let mut rows = String::new();
    for (hour, count) in records.iter().enumerate() {
        let place = format!("lake/message_type=dialog_end/date=2026-11-05/hour={hour:02}");
        let place = dir.path().join(place);
        std::fs::create_dir_all(&place).unwrap();
        let root = "{\"flow\":{\"parent_step\":0,\"type\":\"Flow\",\"ocp_group_name\":\"acme\"}}\n";
        let inner =
            "{\"flow\":{\"parent_step\":3,\"type\":\"miniApp\",\"ocp_group_name\":\"acme\"}}\n";
        std::fs::write(place.join("a.ndjson"), root.repeat(*count) + inner).unwrap();
        rows += &format!(
            r#"{{"metric":"dialogs","series":"s","group":"acme","tags":{{}},"filters":{{}},"from":"2026-11-05T{hour:02}:00:00Z","to":"2026-11-05T{:02}:00:00Z","as_of":"2026-11-06T00:00:00Z","value":10,"settled":true}}"#,
            hour + 1
        );
        rows.push('\n');
    }
    std::fs::write(dir.path().join("metrics.ndjson"), rows).unwrap();
    dir
}

#[test]
fn coverage_holds_records_against_control_totals() {
    let ledger = ledger();
    let run = |dir: &tempfile::TempDir, flags: &[&str]| {
        let flags = [&["--totals", "metrics.ndjson", "--lake", "lake"], flags].concat();
        coverage(&ledger, &flags).dir(dir.path()).run().ends(0)
    };
    let good = run(&totals(&[10, 11, 10, 9, 10]), &[]);
    let last = good.stdout();
    assert!(
        last.ends_with("\nControl totals: 5 hours compared, 0 differ\n"),
        "{last}"
    );
    assert_eq!(good.stderr(), "");
    let dir = totals(&[10, 10, 2, 10, 16, 10]);
    let bad = run(&dir, &["--report", "report"]);
    assert!(
        bad.stdout().ends_with(
            "\nControl totals: 6 hours compared, 2 differ\n\
             2026-11-05T02Z acme: 2 records; dialogs = 10, usually 10 records\n\
             2026-11-05T04Z acme: 16 records; dialogs = 10, usually 10 records\n"
        ),
        "{}",
        bad.stdout()
    );
    assert!(
        bad.stderr()
            .contains("2 of 6 hours differ by more than 20 %"),
        "{}",
        bad.stderr()
    );
    let report = std::fs::read_to_string(dir.path().join("report")).unwrap();
    assert!(report.contains("\"totals_departures\":2"), "{report}");
    let wide = run(&dir, &["--threshold", "70", "--format", "ndjson"]);
    assert!(wide.stderr().contains("1 of 6 hours"), "{}", wide.stderr());
    assert_eq!(
        wide.records().last().unwrap(),
        &serde_json::json!({
            "check": "control_totals", "group": "acme", "type": "dialog_end",
            "from": "2026-11-05T02:00:00Z", "to": "2026-11-05T03:00:00Z",
            "metric": "dialogs", "records": 2, "counted": 10, "usual": 10
        })
    );
    assert!(wide.stdout().ends_with("\"counted\":10,\"usual\":10}\n"));
    let picture = run(&dir, &["--format", "html"]).stdout();
    for cell in [
        "class=\"have departs\"><title>2026-11-05 02:00 have; 2 records; dialogs = 10, usually 10 records</title>",
        "class=\"have departs\"><title>2026-11-05 04:00 have; 16 records; dialogs = 10, usually 10 records</title>",
        "class=\"have\"><title>2026-11-05 03:00 have</title>",
        " h lost, 2 h differ from the totals</text>",
        ">differs</text>",
    ] {
        assert!(picture.contains(cell), "{cell}");
    }
    // A lake without calls is a wrong directory, not a day without calls.
    std::fs::rename(
        dir.path().join("lake/message_type=dialog_end"),
        dir.path().join("lake/x"),
    )
    .unwrap();
    let flags = ["--totals", "metrics.ndjson", "--lake", "lake"];
    let wrong = coverage(&ledger, &flags)
        .dir(dir.path())
        .run()
        .ends(2)
        .stderr();
    assert!(
        wrong.contains("give the --out-dir of unzip-jsonl --layout duckdb"),
        "{wrong}"
    );
}

#[test]
fn coverage_as_lines_is_the_plan_of_what_is_lacking() {
    let lines = coverage(&ledger(), &["--format", "ndjson"])
        .run()
        .ends(0)
        .records();
    let days: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line["from"].as_str().unwrap(),
                line["coverage"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        days,
        [
            ("2026-11-03T00:00:00Z", "missing"),
            ("2026-11-13T00:00:00Z", "missing"),
            ("2026-11-14T00:00:00Z", "begun"),
            ("2026-11-15T00:00:00Z", "missing"),
            ("2026-11-17T00:00:00Z", "missing"),
            ("2026-11-19T00:00:00Z", "missing"),
        ]
    );
    coverage(&ledger(), &["--group", "other"])
        .fails(2, "export-plan: --group 'other': the ledger knows acme\n");
    coverage(&ledger(), &["--from", "2026-11-05", "--to", "2026-11-04"])
        .run()
        .ends(2);
}

#[test]
fn pages_of_the_metadata_that_the_service_itself_gives() {
    // As the vendor's page prints it.
    let metadata = "{\n\"export_id\": \"550e8400-e29b-41d4-a716-446655440000\",\n\"num_of_files\": 500,\n\"size_of_export\": 524288000\n}\n";
    let compact: Value = serde_json::from_str(metadata).unwrap();
    for text in [
        metadata.to_owned(),
        format!("{compact:#}"),
        format!("{compact}\n"),
    ] {
        let pages = program("export-plan")
            .args(["pages", "--page-size", "50"])
            .stdin(text.repeat(2).replace("}{", "}\n{"))
            .run()
            .ends(0)
            .records();
        assert_eq!(pages.len(), 20);
        assert_eq!(pages[9]["page_number"], 10);
        assert_eq!(pages[9]["size_of_export"], 524_288_000);
        assert_eq!(pages[9]["export_id"], compact["export_id"]);
    }
    let cut = &metadata[..metadata.len() - 3];
    let ran = program("export-plan")
        .arg("pages")
        .stdin(cut)
        .run()
        .ends(65);
    assert!(
        ran.stderr()
            .starts_with("export-plan: stdin:1: not an export: EOF"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_group_that_the_ledger_does_not_know_is_said() {
    let site = crate::site::Site::new();
    site.fetch(&site.plan("2026-11-10", "2026-11-11", &[]))
        .run()
        .ends(0);
    let plan = |group: &str| {
        program("export-plan")
            .dir(site.dir.path())
            .args([
                "windows",
                "--group",
                group,
                "--type",
                "dialog_end",
                "--now",
                NOW,
            ])
            .args(["--from", "2026-11-10", "--to", "2026-11-11"])
            .args(["--have", "cdrs/ledger.ndjson"])
            .run()
            .ends(0)
    };
    let ran = plan("acem");
    assert_eq!(ran.lines().len(), 1);
    let said = "export-plan: --group acem: the ledger has no line of this group, only of acme\n";
    assert_eq!(ran.stderr(), said);
    assert_eq!(plan("acme").stderr(), "");
}
