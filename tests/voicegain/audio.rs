//! Recordings beside the calls.

use std::time::Duration;

use crate::sim::voicegain::Change;
use crate::voicegain::site::Site;

const AUDIO: [&str; 2] = ["--audio-dir", "audio"];

fn few() -> Site {
    Site::with(|config| {
        config.calls = 6;
        config.quota = (1000, 40_000);
    })
}

fn files(site: &Site) -> Vec<String> {
    let entries = std::fs::read_dir(site.path("audio")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Calls with a merged recording.
fn expected(site: &Site) -> Vec<String> {
    let ids = site
        .calls()
        .ids()
        .into_iter()
        .filter(|id| !id.is_multiple_of(11));
    ids.map(|id| format!("{id}.wav")).collect()
}

#[test]
fn each_exported_call_has_its_merged_recording() {
    let site = few();
    let ran = site.run(&AUDIO, 0);
    assert_eq!(ran.lines(), site.calls().truth());
    assert_eq!(files(&site), expected(&site));
    let bytes = std::fs::read(site.path("audio").join(&files(&site)[0])).unwrap();
    assert!(bytes.starts_with(b"RIFF"));
    let report = site.report();
    assert_eq!(report["recordings"], expected(&site).len());
    assert_eq!(report["recordings_missing"], 6 - expected(&site).len());
    // And none of it is asked for again.
    let requests = site.sim.stats().requests["recording"];
    site.run(&AUDIO, 0);
    assert_eq!(site.sim.stats().requests["recording"], requests);
    site.change(Change::Add(2));
    site.run(&AUDIO, 0);
    assert_eq!(files(&site), expected(&site));
}

#[test]
fn the_original_only_comes_when_it_is_named() {
    let site = few();
    let merged = site.run(&AUDIO, 0);
    assert!(
        site.sim
            .stats()
            .recent
            .iter()
            .all(|seen| !seen.target.contains("0000000002/file"))
    );
    assert_eq!(merged.stderr(), "");
    let site = few();
    site.run(&["--audio-dir", "audio", "--audio", "original"], 0);
    let named: Vec<String> = site
        .calls()
        .ids()
        .iter()
        .map(|id| format!("{id}.original.wav"))
        .collect();
    assert_eq!(files(&site), named);
}

#[test]
fn one_that_is_gone_is_counted() {
    let site = few();
    site.sim.fault("recording@2=404");
    let ran = site.run(&AUDIO, 0);
    let words = "recordings that do not exist any more, and are not requested again: 1 (call ";
    assert!(ran.stderr().contains(words), "{}", ran.stderr());
    assert_eq!(site.report()["recordings_gone"], 1);
    assert_eq!(files(&site).len(), expected(&site).len() - 1);
}

#[test]
fn one_that_is_refused_stops_no_other_and_is_the_status() {
    let site = few();
    site.sim.fault("recording@2=400");
    let ran = site.run(&AUDIO, 69);
    assert_eq!(ran.lines().len(), 6);
    assert!(ran.stderr().contains("HTTP 400"), "{}", ran.stderr());
    assert_eq!(site.report()["recordings_failed"], 1);
    assert_eq!(files(&site).len(), expected(&site).len() - 1);
    site.run(&AUDIO, 0);
    assert_eq!(files(&site), expected(&site), "it stayed in the queue");
}

#[test]
fn a_run_that_ends_early_leaves_the_rest_to_the_next() {
    let site = few();
    site.sim.fault("recording@3+=503");
    let args = [&AUDIO[..], &["--tries", "1"]].concat();
    let first = site.run(&args, 75);
    assert_eq!(
        first.lines().len(),
        6,
        "the calls do not wait for their recordings"
    );
    assert_eq!(files(&site).len(), 2);
    site.sim.reset();
    let second = site.run(&args, 0);
    assert_eq!(second.stdout(), "");
    assert_eq!(files(&site), expected(&site));
    assert_eq!(site.report()["recordings"], expected(&site).len() - 2);
}

#[test]
fn a_recording_that_breaks_off_goes_on_where_it_broke_off() {
    for fault in ["recording@1=cut", "recording@1=stall,for=9s"] {
        let site = few();
        site.sim.fault(fault);
        site.run(&AUDIO, 0);
        assert_eq!(files(&site), expected(&site));
        let first = site.path("audio").join(&files(&site)[0]);
        let other = few();
        other.run(&AUDIO, 0);
        let whole = std::fs::read(other.path("audio").join(&files(&other)[0])).unwrap();
        assert_eq!(std::fs::read(first).unwrap(), whole, "{fault}");
    }
}

#[test]
fn whatever_else_comes_is_no_recording() {
    for fault in [
        "recording@1=html",
        "recording@1=503",
        "recording@1=lost",
        "recording@1=garbage",
        "recording@1=429,retry-after=1",
    ] {
        let site = few();
        site.sim.fault(fault);
        site.run(&AUDIO, 0);
        assert_eq!(files(&site), expected(&site), "{fault}");
    }
}

#[test]
fn another_host_gets_no_token() {
    let site = few();
    site.sim.fault("recording=redirect");
    site.run(&AUDIO, 0);
    assert_eq!(files(&site), expected(&site));
    assert_eq!(site.sim.stats().leaked_credentials, 0);
}

#[test]
fn a_recording_counts_ten_times() {
    for rate in ["25/1s", "1000/1s"] {
        let site = Site::with(|config| {
            config.calls = 6;
            config.quota = (25, 40_000);
        });
        site.export(&["--rate", rate, "--state", "S"])
            .args(AUDIO)
            .run()
            .ends(0);
        assert_eq!(files(&site), expected(&site));
        assert_eq!(site.sim.stats().rate_violations, 0, "{rate}");
    }
}

#[test]
fn killed_while_it_fetches_it_goes_on() {
    let site = few();
    site.sim.fault("recording@3=stall,for=60s");
    let script = "exec vg-consecutive --state S --audio-dir audio --rate 1000/1s > out";
    let mut child = site.shell(script).spawn();
    while site.sim.stats().requests["recording"] < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    site.sim.reset();
    assert_eq!(site.run(&AUDIO, 0).stdout(), "");
    assert_eq!(files(&site), expected(&site), "no half file is left");
    assert!(site.report()["recordings"].as_u64().unwrap() <= 4);
}
