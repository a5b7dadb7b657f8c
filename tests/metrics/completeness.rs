//! The proof of completeness: whenever events become known, and whenever the program is killed,
//! of the rows about one bucket the newest is the simulator's truth in the end.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use callpipe::net::retry::Jitter;

use crate::bucket::running::is_killed;
use crate::bucket::service::{Bucket, Fault};
use crate::harness::bin_dir;
use crate::metrics::site::{PAT, Site, latest};

/// Runs it, kills it after `life` if it has not ended by then, and adds its whole lines.
fn live(site: &Site, args: &str, life: Duration, rows: &mut Vec<Value>) {
    let path = site.path("rows");
    let mut child = Command::new(bin_dir().join("ocp-metrics"))
        .args(args.split(' '))
        .args(["--group", "acme", "--rate", "9999/1s", "--backoff", "1ms"])
        .current_dir(site.dir.path())
        .env("OCP_API_URL", site.sim.url())
        .env("OCP_PAT", PAT)
        .stdout(File::create(&path).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(life);
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    rows.extend(
        text[..whole]
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()),
    );
}

/// The truth about `[start, end)`, as wall clocks.
fn truth(site: &Site, source: &str, metric: &str, start: &str, end: &str) -> Vec<(String, Value)> {
    let body = json!({
        "metrics": [metric], "filters": {"channel": []}, "group": "acme", "drilldown": true,
        "downsampling": if source == "batch" { "hour" } else { "five_min" },
        "start": start, "end": end,
    });
    site.metrics()
        .truth(source, "dialogs", &body)
        .into_iter()
        .collect()
}

fn known(rows: &[Value], end: &str) -> Vec<(String, Value)> {
    let before = |name: &String| {
        let key = name.rsplit_once("} ").unwrap().1;
        *key < *end.replace('/', "-")
    };
    latest(rows)
        .into_iter()
        .filter(|(name, _)| before(name))
        .collect()
}

#[test]
fn polling_is_complete_whenever_it_is_killed() {
    for seed in 0..4 {
        let site = Site::new();
        let mut die = Jitter::seeded(seed);
        site.metrics().set(|knobs| {
            knobs.seed = format!("polls {seed}");
            knobs.lateness = TimeDelta::minutes(20 + (die.draw() * 90.0) as i64);
        });
        let args = "realtime dialogs --metric dialogs_completed --by channel --state S";
        let follow = format!("{args} --follow --every 50ms");
        let mut rows = Vec::new();
        // Ten minutes in a second.
        site.metrics().run(600.0);
        live(
            &site,
            &format!("{follow} --since -1h"),
            Duration::from_millis(900),
            &mut rows,
        );
        for _ in 0..4 {
            let life = Duration::from_millis((die.draw() * 900.0) as u64);
            live(&site, &follow, life, &mut rows);
        }
        site.metrics().run(0.0);
        let ended = site.metrics().now();
        rows.extend(site.run(args, 0).records());
        for minutes in [60, 119] {
            let later = ended + TimeDelta::minutes(minutes);
            site.metrics().set_now(&later.to_rfc3339());
            rows.extend(site.run(args, 0).records());
        }
        let end = ended.format("%Y/%m/%d %H:%M:00").to_string();
        let start = "2026/11/05 15:00:00";
        let (known, truth) = (
            known(&rows, &end),
            truth(&site, "realtime", "dialogs_completed", start, &end),
        );
        let truth: Vec<_> = truth.into_iter().collect();
        let from_start: Vec<_> = known
            .into_iter()
            .filter(|(name, _)| *name.rsplit_once("} ").unwrap().1 >= *"2026-11-05 15:05:00")
            .collect();
        let expected: Vec<_> = truth
            .into_iter()
            .filter(|(name, _)| {
                let key = name.rsplit_once("} ").unwrap().1;
                *key >= *"2026-11-05 15:05:00" && *key < *end.replace('/', "-")
            })
            .collect();
        assert!(expected.len() > 20, "{}", expected.len());
        assert_eq!(from_start, expected, "seed {seed}");
    }
}

#[test]
fn batch_is_complete_whenever_it_is_killed() {
    for seed in 0..4 {
        let site = Site::new();
        let mut die = Jitter::seeded(100 + seed);
        site.metrics().set(|knobs| {
            knobs.seed = format!("batch {seed}");
            knobs.lateness = TimeDelta::hours(1 + (die.draw() * 10.0) as i64);
        });
        let plain = "batch dialogs --metric dialogs --by channel --state S --from 2026-11-04 --lookback 12h";
        let changes = format!("{plain} --changes-only");
        let args = if seed % 2 == 0 { plain } else { &changes };
        let mut rows = Vec::new();
        for hour in 0..6 {
            let now = format!("2026-11-05T{:02}:10:00Z", 16 + hour);
            site.metrics().set_now(&now);
            let life = Duration::from_millis((die.draw() * 250.0) as u64);
            live(&site, args, life, &mut rows);
        }
        for now in ["2026-11-06T04:10:00Z", "2026-11-06T12:10:00Z"] {
            site.metrics().set_now(now);
            rows.extend(site.run(args, 0).records());
        }
        let end = "2026/11/05 21:00:00";
        let truth = truth(&site, "batch", "dialogs", "2026/11/04 00:00:00", end);
        assert_eq!(known(&rows, end), truth, "seed {seed}");
        assert_eq!(truth.len(), 2 * 45);
    }
}

/// In files that are named by the state before them, as `docs/bucket.md` says.
#[test]
fn killed_before_each_request_to_a_bucket_it_is_complete() {
    let (site, bucket) = (Site::new(), Bucket::start());
    site.metrics().set(|knobs| {
        knobs.seed = "bucket".to_owned();
        knobs.lateness = TimeDelta::hours(3);
    });
    let args = "batch dialogs --metric dialogs --by channel --from 2026-11-04 --lookback 12h \
                --changes-only --state s3://bucket/a/metrics.state";
    let run = || {
        let program = site.program(args).envs(bucket.env());
        program.args(["-o", "since-{state}.ndjson", "--read-timeout", "20s"])
    };
    let mut at = 0;
    let times = (0..24).map(|hour| format!("2026-11-05T16:{:02}:00Z", 10 + hour));
    for now in times {
        at += 1;
        site.metrics().set_now(&now);
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let is_killed = is_killed(&bucket, &mut run().spawn());
        bucket.faults(|_, _| None);
        if !is_killed {
            break;
        }
        bucket.pass(TimeDelta::minutes(3));
        run().run().ends(0);
    }
    assert!((6..24).contains(&at), "{at} requests");
    for now in ["2026-11-06T04:10:00Z", "2026-11-06T12:10:00Z"] {
        site.metrics().set_now(now);
        run().run().ends(0);
    }
    let paths = std::fs::read_dir(site.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.to_string_lossy().contains("since-"));
    let texts: Vec<String> = paths
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let rows: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let end = "2026/11/05 21:00:00";
    let truth = truth(&site, "batch", "dialogs", "2026/11/04 00:00:00", end);
    assert_eq!(known(&rows, end), truth);
    // With --changes-only no row comes twice.
    let distinct: BTreeSet<String> = rows.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), rows.len());
}
