//! The announced records, those in the ZIPs and those of `truth` are the same.

use std::collections::HashSet;
use std::io::{Cursor, Read};

use serde_json::Value;
use zip::ZipArchive;

use super::client::{Client, FROM, TO, config, start};
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

fn members(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).expect("a ZIP");
    let count = archive.len();
    let read = |index| {
        let mut member = archive.by_index(index).expect("a member");
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("sound data");
        (member.name().expect("UTF-8").into_owned(), bytes)
    };
    (0..count).map(read).collect()
}

fn download(sim: &Sim, types: &[&str]) -> Vec<(String, Vec<u8>)> {
    let client = Client::logged_in(sim);
    let id = client.ready(types);
    let metadata = client
        .get(&format!("/exports-api/v1/exports/{id}/metadata"))
        .json();
    let count = metadata["num_of_files"].as_u64().expect("a number");
    let pages = 1..=count.div_ceil(5);
    let all: Vec<_> = pages
        .flat_map(|page| members(&client.data(&id, page, 5).body))
        .collect();
    let size: u64 = all.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert_eq!(metadata["size_of_export"], size);
    assert_eq!(all.len() as u64, count);
    all
}

#[test]
fn zips_hold_the_truth() {
    let uneven = Truth {
        records: 7,
        files: 3,
        recordings: 0,
        empty_hours: EmptyHours::None,
    };
    let sim = start(Config {
        truth: uneven,
        ..config()
    });
    let types = ["vb_enrolment", "ALL"];
    let files = download(&sim, &types);
    let content: Vec<u8> = files.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let lines = sim.truth("acme", &types, FROM, TO);
    assert_eq!(lines.len(), 4 * 2 * 7);
    let truth = lines.join("\n") + "\n";
    assert_eq!(String::from_utf8(content).expect("UTF-8"), truth);
    let path = format!("/_sim/truth?group=acme&types=vb_enrolment,ALL&from={FROM}&to={TO}");
    let told = Client::anonymous(&sim).get(&path);
    assert_eq!(String::from_utf8(told.body).expect("UTF-8"), truth);
}

#[test]
fn records_are_plausible() {
    let sim = start(config());
    let lines = sim.truth("acme", &["ALL"], FROM, TO);
    let (from, to) = (1_794_985_200_000, 1_794_992_400_000);
    let mut ids = HashSet::new();
    for line in &lines {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let time = record["time"].as_i64().expect("milliseconds");
        assert!((from..to).contains(&time), "{time}");
        assert_eq!(record["flow"]["ocp_group_name"], "acme");
        ids.insert(record["id"].as_str().expect("an id").to_owned());
    }
    assert_eq!((lines.len(), ids.len()), (120, 40));
    assert_eq!(HashSet::<&String>::from_iter(&lines).len(), 120);
    assert_eq!(lines, sim.truth("acme", &["ALL"], FROM, TO));
    assert_ne!(lines, sim.truth("acme-qa", &["ALL"], FROM, TO));
    let all = lines.join("\n");
    for trap in [
        "9007199254740993",
        "1.10",
        r"\u00e9",
        r#"\"end_type\""#,
        "μου",
        "👍🏽",
    ] {
        assert!(all.contains(trap), "{trap}");
    }
}

#[test]
fn an_hour_can_be_empty() {
    let truth = Truth {
        empty_hours: EmptyHours::All,
        ..config().truth
    };
    let sim = start(Config { truth, ..config() });
    assert!(download(&sim, &["ALL", "wcr"]).is_empty());
    assert!(sim.truth("acme", &["ALL"], FROM, TO).is_empty());
    assert_eq!(sim.stats().orphans, 0);
}

#[test]
fn recordings_are_named_after_their_dialog() {
    let sim = start(config());
    let all = download(&sim, &["wcr"]);
    let dialogs = sim.truth("acme", &["dialog_start"], FROM, TO).join("\n");
    assert_eq!(all.len(), 2);
    for (name, bytes) in all {
        let file = name
            .rsplit('/')
            .next()
            .and_then(|f| f.strip_suffix(".wav"))
            .expect("a WAV");
        let parts: Vec<&str> = file.split('~').collect();
        assert_eq!(parts.len(), 4);
        assert!(dialogs.contains(&format!(r#""id":"{}""#, parts[3])));
        assert_eq!(&bytes[..4], b"RIFF");
    }
}

#[test]
fn sizes_stand_behind_the_data() {
    let flags = |descriptors| {
        let sim = start(Config {
            descriptors,
            ..config()
        });
        let client = Client::logged_in(&sim);
        let zip = client.data(&client.ready(&["dialog_end"]), 1, 1).body;
        let name = "exports/_/message_type=dialog_end/date=2026-11-18-07/group=acme/dialog_end+0+";
        assert!(members(&zip)[0].0.starts_with(name));
        assert_eq!(&zip[..4], b"PK\x03\x04");
        let sizes_are_zero = zip[14..26].iter().all(|byte| *byte == 0);
        (zip[6] & 8 != 0, sizes_are_zero)
    };
    assert_eq!(flags(true), (true, true));
    assert_eq!(flags(false), (false, false));
}
