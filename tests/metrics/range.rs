//! One pass over a range: requests, rows, borders, zones, gaps.

use serde_json::json;

use crate::metrics::site::{NOW, Site, last_body, latest};

#[test]
fn a_row_tells_all_about_one_bucket_of_one_series() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.is_empty = true);
    site.metrics().event(
        "dialogs",
        "dialogs",
        "2026-11-05T10:30:00Z",
        "2026-11-05T10:40:00Z",
    );
    let args = "batch dialogs --metric dialogs --from 2026-11-05T09:30:00Z --to 2026-11-05T11:00:00Z --by channel";
    let rows = site.run(args, 0).records();
    assert_eq!(rows.len(), 4, "two channels, two hours");
    let mut row = rows.into_iter().find(|row| row["value"] == 1).unwrap();
    row["series"] = "".into();
    assert_eq!(
        row,
        json!({
            "metric": "dialogs", "from": "2026-11-05T10:00:00Z", "to": "2026-11-05T11:00:00Z",
            "value": 1, "step": "hour", "source": "batch", "category": "dialogs", "api": "v3",
            "group": "acme", "tags": {"channel": "chat", "group": "acme"},
            "filters": {"channel": []}, "drilldown": true, "timezone": "UTC", "series": "",
            "as_of": NOW, "settled": true,
        })
    );
    let report = site.report();
    assert_eq!(
        (&report["rows"], &report["requests"]),
        (&json!(4), &json!(1))
    );
}

#[test]
fn a_range_in_windows_is_the_same_as_in_one() {
    let site = Site::new();
    let range = "batch all --from 2026-11-01 --to 2026-11-04 --by channel";
    let whole = site.run(range, 0).records();
    let parts = site.run(&format!("{range} --window 5h"), 0).records();
    assert_eq!(latest(&whole), latest(&parts));
    assert_eq!(whole.len(), parts.len());
    assert_eq!(site.report()["windows"], 3 * 15);
}

#[test]
fn what_is_asked_can_be_seen_without_asking() {
    let site = Site::new();
    let args = "batch dialogs --metric dialogs --filter channel=omIVR --filter channel=chat --from 2026-11-01 --to 2026-11-09 --dry-run";
    let lines = site.run(args, 0).records();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[1]["body"],
        json!({
            "metrics": ["dialogs"], "filters": {"channel": ["omIVR", "chat"]},
            "start": "2026/11/08 00:00:00", "end": "2026/11/09 00:00:00", "group": "acme",
            "downsampling": "hour", "drilldown": false, "timezone": "UTC",
        })
    );
    let url = lines[0]["url"].as_str().unwrap();
    assert!(
        url.ends_with("/metrics-api/v3/batch/metrics/dialogs"),
        "{url}"
    );
    assert!(site.metrics().bodies().is_empty());
}

#[test]
fn days_of_a_place_are_asked_for_in_its_zone() {
    let site = Site::new();
    site.metrics().set_now("2026-11-20T00:00:00Z");
    let args = "batch dialogs --metric dialogs --step day --timezone America/New_York --from 2026-10-31T04:00:00Z --to 2026-11-03T05:00:00Z";
    let rows = site.run(args, 0).records();
    let ends: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["from"].as_str().unwrap(), row["to"].as_str().unwrap()))
        .collect();
    assert_eq!(
        ends[1],
        ("2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00")
    );
    assert_eq!(ends.len(), 3);
    assert_eq!(last_body(&site)["timezone"], "America/New_York");
    assert_eq!(last_body(&site)["start"], "2026/10/31 00:00:00");
    let hours = site.run("batch dialogs --timezone Europe/Berlin --from -1d", 2);
    assert!(
        hours
            .stderr()
            .contains("--timezone does not apply to --step hour")
    );
}

#[test]
fn weeks_that_begin_on_another_day_are_marked() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.has_sundays = true);
    let args = "batch dialogs --metric dialogs --step week --from 2026-10-05 --to 2026-10-26";
    let ran = site.run(args, 0);
    let partial: Vec<bool> = ran
        .records()
        .iter()
        .map(|row| row["partial"] == true)
        .collect();
    assert_eq!(partial, [true, false, false, true]);
    assert!(
        ran.stderr().contains("check --week-start"),
        "{}",
        ran.stderr()
    );
    let rows = site.run(&format!("{args} --week-start sun"), 0).records();
    assert!(rows.iter().all(|row| row["partial"].is_null()));
}

#[test]
fn unsettled_rows_are_marked() {
    let site = Site::new();
    let args =
        "batch dialogs --metric dialogs --from 2026-11-05T12:00:00Z --to 2026-11-05T16:00:00Z";
    let settled = |args: &str| -> Vec<bool> {
        let rows = site.run(args, 0).records();
        rows.iter().map(|row| row["settled"] == true).collect()
    };
    assert_eq!(settled(args), [true, true, false, false]);
    assert_eq!(settled(&format!("{args} --settle 0s")), [true; 4]);
}

#[test]
fn a_large_reply_does_not_stay_in_memory() {
    const MEASURE: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let peak = |flows: usize| {
        let site = Site::new();
        let series: Vec<String> = (0..flows)
            .map(|flow| {
                let dps: Vec<String> = (0..24)
                    .map(|hour| format!("\"2026-11-04 {hour:02}:00:00.0\":{hour}"))
                    .collect();
                format!(
                    "{{\"metric\":\"dialogs\",\"tags\":{{\"miniapp_name\":\"flow {flow}\",\"group\":\"acme\"}},\"dps\":{{{}}}}}",
                    dps.join(",")
                )
            })
            .collect();
        site.metrics()
            .reply_with(200, &format!("[{}]", series.join(",")));
        let ran = crate::harness::program("python3")
            .dir(site.dir.path())
            .env("OCP_API_URL", site.sim.url())
            .env("OCP_PAT", crate::metrics::site::PAT)
            .args([
                "-c",
                MEASURE,
                "ocp-metrics",
                "batch",
                "dialogs",
                "--group",
                "acme",
            ])
            .args(["--metric", "dialogs", "--by", "miniapp_name"])
            .args(["--from", "2026-11-04", "--to", "2026-11-05"])
            .run()
            .ends(0);
        ran.stdout().trim().parse::<u64>().unwrap()
    };
    let (few, many) = (peak(100), peak(20_000));
    // Of each series the id and two times are kept, to see it if it comes twice.
    assert!(
        many < few + 12 * 1024,
        "{few} KiB for 100 series, {many} KiB for 20 000"
    );
}
