//! Tests the way from pushes to files of the lake, with crashes in between.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::format::zstandard;
use crate::os::{digest, files};
use crate::receive::committer::{Committer, CommitterOptions};
use crate::receive::inbox::{CoverageNote, Inbox, ReceiverState};
use crate::receive::push::{Push, PushContent};
use crate::receive::reconcile_recordings::{self, BatchRecording};
use crate::receive::reindex::IndexCounts;
use crate::time::Timestamp;

const START: i64 = 1_793_491_200_000;
const HOUR: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(86_400);

/// A receiver without a network, with a clock that the tests move.
struct Site {
    dir: tempfile::TempDir,
    clock: Clock,
    compress: Option<Codec>,
}

impl Site {
    fn new() -> Site {
        Site {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::manual(Timestamp::from_millis(START)),
            compress: None,
        }
    }

    fn directory(&self) -> ReceiveDirectory {
        ReceiveDirectory::new(&self.dir.path().join("ocp"))
    }

    fn committer(&self) -> Committer {
        self.committer_with(1 << 20)
    }

    fn committer_with(&self, queue_bytes: usize) -> Committer {
        let store = Store::open_checked(&self.directory()).unwrap();
        let options = CommitterOptions {
            instance: "i".to_owned(),
            queue_bytes,
            clock: self.clock.clone(),
            observe: Arc::new(|_, _| ()),
            broken: Arc::new(|_| ()),
        };
        Committer::start(store, &self.directory(), options).unwrap()
    }

    /// Commits pushes with these bodies one after the other, then publishes them.
    fn receive(&self, bodies: &[String]) {
        self.acknowledge(bodies);
        self.publish();
    }

    fn push(&self, body: &str) -> Push {
        Push {
            received_at: self.clock.now(),
            path: "acme/dialog_end".to_owned(),
            client: "c".to_owned(),
            correlation_id: None,
            orn: None,
            content: PushContent::Json(Bytes::from(body.to_owned())),
        }
    }

    fn acknowledge(&self, bodies: &[String]) {
        let committer = self.committer();
        for body in bodies {
            let (tell, told) = mpsc::channel();
            let done = Box::new(move |result| tell.send(result).unwrap());
            committer.submit(self.push(body), done).unwrap();
            told.recv().unwrap().unwrap();
        }
        committer.finish();
    }

    fn publish(&self) {
        self.publish_until(&|| false);
    }

    /// Publishes, and returns the number of pushes that are left.
    fn publish_until(&self, gives_up: GivesUp<'_>) -> i64 {
        self.try_publish(gives_up).unwrap()
    }

    fn try_publish(&self, gives_up: GivesUp<'_>) -> anyhow::Result<i64> {
        let options = PublisherOptions {
            instance: "i".to_owned(),
            compress: self.compress,
            dedupe_keep: 62 * DAY,
            emit: Emit::Files,
            clock: self.clock.clone(),
        };
        let store = Store::open(&self.directory()).unwrap();
        let mut output = Output::file(&self.dir.path().join("out")).unwrap();
        let mut publisher = Publisher::new(store, &self.directory(), options);
        publisher.publish(&mut output, gives_up)?;
        publisher.unpublished()
    }

    /// Changes rows of the inbox, and returns how many.
    fn change(&self, sql: &str) -> usize {
        Store::open(&self.directory()).unwrap().change(sql)
    }

    fn reindex(&self) -> IndexCounts {
        let mut keys = RecordKeys::new(&self.directory().keys());
        reindex::rebuild_keys(&self.directory(), &mut keys).unwrap()
    }

    /// The files of the lake.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut left = vec![self.directory().lake()];
        while let Some(path) = left.pop() {
            match fs::read_dir(&path) {
                Ok(entries) => left.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => files.push(path),
            }
        }
        files
    }

    /// Each line of the lake with its directory.
    fn lake(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let root = self.directory().lake();
        collect(&root, &root, &mut lines);
        lines.sort();
        lines
    }
}

fn collect(root: &Path, directory: &Path, lines: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, lines);
        } else {
            let place = directory.strip_prefix(root).unwrap().display().to_string();
            let mut text = String::new();
            let file = fs::File::open(&path).unwrap();
            match path.extension().is_some_and(|end| end == "zst") {
                true => zstandard::reader(file)
                    .unwrap()
                    .read_to_string(&mut text)
                    .unwrap(),
                false => BufReader::new(file).read_to_string(&mut text).unwrap(),
            };
            lines.extend(text.lines().map(|line| (line.to_owned(), place.clone())));
        }
    }
}

/// A record, in one of several spellings that mean the same.
fn record(n: i64, spelling: u8) -> String {
    let time = START - (n % 5) * 9 * HOUR;
    match spelling % 4 {
        0 => format!(r#"{{"message_type":"dialog_end","id":"same","time":{time},"n":{n}}}"#),
        1 => format!(r#"{{"n":{n},"time":{time},"id":"same","message_type":"dialog_end"}}"#),
        2 => format!(
            r#"{{"exported":true,"message_type":"dialog_end","id":"s\u0061me","time":{time},"n":{n}}}"#
        ),
        _ => format!(
            "{{ \"message_type\" : \"dialog_end\",\n \"id\":\"same\",\"exported\":false,\"time\":{time},\"n\":{n}}}"
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn r06_r07_a_record_is_there_once_however_it_comes_again(
        rounds in prop::collection::vec(
            prop::collection::vec(
                (prop::collection::vec((0_i64..12, any::<u8>()), 0..6), any::<bool>()),
                1..4,
            ),
            1..4,
        ),
    ) {
        let site = Site::new();
        let mut sent = BTreeMap::new();
        for round in &rounds {
            let bodies: Vec<String> = round.iter().map(|(group, is_enveloped)| {
                sent.extend(group.iter().map(|(n, _)| (*n, 1)));
                let records: Vec<String> = group.iter().map(|(n, how)| record(*n, *how)).collect();
                let all = records.join(",");
                match is_enveloped {
                    true => format!(r#"{{"schemaName":"s","messages":[{all}]}}"#),
                    false => format!("[{all}]"),
                }
            }).collect();
            site.receive(&bodies);
            // The vendor can repeat a push much later, after restarts.
            site.clock.advance(20 * DAY);
        }
        let mut kept = BTreeMap::new();
        for (line, _) in site.lake() {
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            *kept.entry(value["n"].as_i64().unwrap()).or_insert(0) += 1;
        }
        prop_assert_eq!(kept, sent);
    }
}

#[test]
fn r18_r20_a_record_lies_by_its_own_time_in_whatever_order_it_comes() {
    let site = Site::new();
    let late = r#"{"message_type":"dialog_end","id":"a","time":1793400000000}"#;
    let early = r#"{"message_type":"dialog_start","id":"a","time":1793400000000}"#;
    let timeless = r#"{"x":1}"#;
    site.receive(&[late.to_owned()]);
    site.clock.advance(DAY);
    site.receive(&[early.to_owned(), timeless.to_owned()]);
    site.clock.advance(2 * DAY);
    site.receive(&[timeless.to_owned()]);
    let place = |kind: &str, when: &str| format!("message_type={kind}/{when}");
    let (then, next) = ("date=2026-10-30/hour=22", "date=2026-11-02/hour=00");
    let mut expected = vec![
        (late.to_owned(), place("dialog_end", then)),
        (early.to_owned(), place("dialog_start", then)),
        // The record has the type of the path and the hour of its receipt. When it is received
        // again two days later, it is recognised.
        (timeless.to_owned(), place("dialog_end", next)),
    ];
    expected.sort();
    assert_eq!(site.lake(), expected);
}

/// Pushes, each with the number and the spelling of its records.
fn pushes() -> impl Strategy<Value = Vec<Vec<(i64, u8)>>> {
    prop::collection::vec(prop::collection::vec((0_i64..20, any::<u8>()), 0..6), 1..5)
}

fn bodies(pushes: &[Vec<(i64, u8)>]) -> Vec<String> {
    let body = |push: &Vec<(i64, u8)>| {
        let records: Vec<String> = push.iter().map(|(n, how)| record(*n, *how)).collect();
        format!(r#"{{"messages":[{}]}}"#, records.join(","))
    };
    pushes.iter().map(body).collect()
}

/// How often each record is in the lake.
fn kept(site: &Site) -> BTreeMap<i64, i32> {
    let mut kept = BTreeMap::new();
    for (line, _) in site.lake() {
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) {
            *kept.entry(value["n"].as_i64().unwrap()).or_insert(0) += 1;
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn r07_keys_that_are_made_from_the_lake_know_every_record(
        before in pushes(),
        after in pushes(),
        is_compressed in any::<bool>(),
        removes_all in any::<bool>(),
    ) {
        let mut site = Site::new();
        site.compress = is_compressed.then_some(Codec::Zstd);
        site.receive(&bodies(&before));
        match removes_all {
            true => fs::remove_dir_all(site.directory().keys()).unwrap(),
            false => drop(site.reindex()),
        }
        site.receive(&bodies(&after));
        let sent = before.iter().chain(&after).flatten();
        let sent: BTreeMap<i64, i32> = sent.map(|(n, _)| (*n, 1)).collect();
        prop_assert_eq!(kept(&site), sent);
    }
}

#[test]
fn files_that_were_removed_or_damaged_by_hand_are_told_and_the_rest_is_known() {
    let mut site = Site::new();
    site.compress = Some(Codec::Zstd);
    // Five files, of one hour each.
    let all: Vec<String> = (0..10).map(|n| record(n, 0)).collect();
    site.receive(&all);
    let mut files: Vec<PathBuf> = site.files();
    files.sort();
    assert_eq!(files.len(), 5);
    files::remove(&files[0]).unwrap();
    let bytes = fs::read(&files[1]).unwrap();
    files::write_atomic(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    files::write_atomic(&files[2], b"no zstd").unwrap();
    let counts = site.reindex();
    assert_eq!((counts.files, counts.damaged), (4, 2));
    assert!((4..=6).contains(&counts.records), "{counts:?}");
    // A user removes the damaged files. Their records then come from an export or a repeated push.
    files::remove(&files[1]).unwrap();
    files::remove(&files[2]).unwrap();
    assert_eq!(site.reindex().records, 4);
    site.receive(&all);
    assert_eq!(kept(&site), (0..10).map(|n| (n, 1)).collect());
}

#[test]
fn r12_a_batch_that_is_given_up_is_published_as_a_whole_the_next_time() {
    let site = Site::new();
    site.acknowledge(&[record(1, 0), record(2, 0), record(3, 0)]);
    let asked = std::cell::Cell::new(0);
    let left = site.publish_until(&|| {
        asked.set(asked.get() + 1);
        asked.get() > 3
    });
    assert_eq!((left, site.lake().len()), (3, 0));
    site.acknowledge(&[record(3, 1), record(4, 0)]);
    assert_eq!(site.publish_until(&|| false), 0);
    assert_eq!(site.lake().len(), 4);
}

#[test]
fn r07_keys_that_were_deleted_are_made_from_the_lake() {
    let site = Site::new();
    site.receive(&[record(1, 0), record(2, 0)]);
    fs::remove_dir_all(site.directory().keys()).unwrap();
    site.receive(&[record(2, 1), record(3, 0)]);
    assert_eq!(site.lake().len(), 3);
}

#[test]
fn r02_poison_is_set_aside_and_the_push_is_kept_for_a_person() {
    let site = Site::new();
    let odd = r#"{"messages":[{"message_type":"VFO","id":"","step":"text"},5]}"#;
    let quarantine = site.directory().quarantine();
    fs::create_dir_all(&quarantine).unwrap();
    // A kill before the sync leaves such a file.
    files::write_atomic(&quarantine.join(".callpipe-Ab1def.tmp"), b"{\"c").unwrap();
    site.receive(&["{\"cut".to_owned(), odd.to_owned()]);
    assert_eq!(site.lake().len(), 1);
    assert_eq!(fs::read_dir(&quarantine).unwrap().count(), 1);
    let body = fs::read_to_string(quarantine.join("1.body")).unwrap();
    assert_eq!(body, "{\"cut");
    let rejects = fs::read_to_string(site.directory().rejects()).unwrap();
    assert_eq!(rejects.lines().count(), 2);
}

#[test]
fn r28_a_clock_that_was_set_is_noted_in_coverage() {
    let site = Site::new();
    let committer = site.committer();
    let at = site.clock.now();
    let state = ReceiverState::Up;
    committer.note(CoverageNote::State { at, state });
    let store = Store::open(&site.directory()).unwrap();
    let beginning = Timestamp::from_millis(0);
    while store.coverage(beginning).unwrap().is_empty() {
        std::thread::yield_now();
    }
    // This note does not start a commit, but it is not lost at the end.
    committer.note(CoverageNote::ClockJumped { at, by_ms: 7000 });
    committer.finish();
    let rows = store.coverage(beginning).unwrap();
    let jumps: Vec<Option<i64>> = rows.iter().map(|row| row.clock_jump).collect();
    assert!(jumps.contains(&Some(7000)), "{rows:?}");
    assert_eq!(rows.last().map(|row| row.state.as_str()), Some("down"));
}

#[test]
fn a_damaged_database_is_65_and_stays_as_it_is() {
    let site = Site::new();
    site.receive(&[record(1, 0)]);
    let path = site.directory().database();
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    files::write_atomic(&path, &bytes).unwrap();
    let error = Store::open_checked(&site.directory()).unwrap_err();
    assert_eq!(
        crate::error::Status::of(&error),
        crate::error::Status::BadInput
    );
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn a_receipt_says_what_came_and_what_became_of_it() {
    let site = Site::new();
    let envelope = |messages: &str| {
        format!(
            r#"{{"schemaName":"s","sessionId":"u","sessionStartingSequenceNumber":"7","messages":[{messages}]}}"#
        )
    };
    let first = envelope(&record(1, 0));
    let second = envelope(&format!("{},{},5,6", record(1, 1), record(2, 0)));
    site.receive(&[first.clone(), second.clone()]);
    for (number, body, counts) in [(1, first, [1, 0, 0]), (2, second, [1, 1, 2])] {
        let [records, duplicates, rejected] = counts;
        let sql = format!(
            "DELETE FROM receipts WHERE number = {number} AND received_at = {START}
            AND path = 'acme/dialog_end' AND client = 'c' AND correlation_id IS NULL
            AND schema_name = 's' AND session_id = 'u' AND sequence = '7' AND records = {records}
            AND duplicates = {duplicates} AND rejected = {rejected} AND bytes = {}
            AND sha256 = '{}'",
            body.len(),
            digest::sha256(body.as_bytes())
        );
        assert_eq!(site.change(&sql), 1, "{sql}");
    }
}

/// A push of ten records.
fn long_push(n: i64) -> String {
    let records: Vec<String> = (0..10).map(|at| record(10 * n + at, 0)).collect();
    format!(r#"{{"schemaName":"s","messages":[{}]}}"#, records.join(","))
}

#[test]
fn a_damaged_body_is_65_and_no_push_is_lost() {
    for damage in [
        "UPDATE frames SET frame = zeroblob(length(frame)) WHERE last = 2",
        "UPDATE frames SET frame = substr(frame, 1, length(frame) - 1) WHERE last = 2",
        "UPDATE frames SET length = length - 1 WHERE last = 2",
        "UPDATE frames SET length = -1 WHERE last = 2",
        "UPDATE inbox SET start = 1 WHERE number = 2",
        "UPDATE inbox SET start = -1 WHERE number = 2",
        "UPDATE inbox SET bytes = bytes + 1 WHERE number = 2",
        "DELETE FROM frames WHERE last = 2",
    ] {
        let site = Site::new();
        site.acknowledge(&[record(99, 0), long_push(0), record(99, 1)]);
        site.change(
            "CREATE TABLE f AS SELECT * FROM frames; CREATE TABLE i AS SELECT * FROM inbox",
        );
        assert_eq!(site.change(damage), 1, "{damage}");
        for _ in 0..2 {
            let error = site.try_publish(&|| false).unwrap_err();
            assert!(is_fatal(&error), "{damage}: {error:?}");
            let text = format!("{error:#}");
            assert!(text.contains("damaged: the body of push 2: "), "{text}");
        }
        assert_eq!(site.change("UPDATE inbox SET orn = NULL"), 3, "{damage}");
        site.change("DELETE FROM frames; INSERT INTO frames SELECT * FROM f");
        site.change("DELETE FROM inbox; INSERT INTO inbox SELECT * FROM i");
        assert_eq!(site.try_publish(&|| false).unwrap(), 0);
        assert_eq!(site.lake().len(), 11);
    }
}

#[test]
fn an_inbox_of_the_version_without_frames_is_published() {
    let site = Site::new();
    site.acknowledge(&[long_push(0), long_push(1)]);
    for number in 1..=2 {
        let body = long_push(number - 1);
        let own = format!("UPDATE inbox SET body = CAST('{body}' AS BLOB) WHERE number = {number}");
        assert_eq!(site.change(&own), 1);
    }
    site.change("ALTER TABLE inbox DROP COLUMN start; DROP TABLE frames; PRAGMA user_version = 1");
    site.acknowledge(&[long_push(2)]);
    assert_eq!(site.change("UPDATE frames SET last = last"), 1);
    site.publish();
    assert_eq!(site.lake().len(), 30);
    site.change("PRAGMA user_version = 3");
    let error = Store::open(&site.directory()).unwrap_err();
    assert!(format!("{error:#}").contains("use a newer program"));
}

#[test]
fn bodies_of_all_sizes_are_published_and_then_deleted() {
    let site = Site::new();
    let large = |n: i64, bytes: usize| {
        let text = "x".repeat(bytes);
        format!(r#"{{"message_type":"a","id":"{n}","time":{START},"n":{n},"x":"{text}"}}"#)
    };
    let poison = "{\"cut".repeat(1000);
    let mut bodies = vec![
        record(0, 0),
        String::new(),
        poison.clone(),
        large(1, 1 << 20),
    ];
    bodies.extend((2..9).map(|n| large(n, 300_000)));
    bodies.push(large(9, 10));
    // The pushes wait together, so there is one commit, or a few.
    let committer = site.committer_with(64 << 20);
    let (tell, told) = mpsc::channel();
    for body in &bodies {
        let tell = tell.clone();
        let done = Box::new(move |result| tell.send(result).unwrap());
        committer.submit(site.push(body), done).unwrap();
    }
    drop(tell);
    assert!(told.iter().all(|result| result == Ok(())));
    committer.finish();
    assert_eq!(
        site.change("UPDATE inbox SET orn = NULL WHERE body IS NOT NULL"),
        1
    );
    site.publish();
    let numbers = site.lake().into_iter().map(|(line, _)| {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        value["n"].as_i64().unwrap()
    });
    let mut numbers: Vec<i64> = numbers.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    let quarantine = site.directory().quarantine().join("3.body");
    assert_eq!(fs::read_to_string(quarantine).unwrap(), poison);
    assert_eq!(site.change("UPDATE frames SET last = last"), 0);
    assert_eq!(site.change("UPDATE inbox SET orn = NULL"), 0);
}

#[test]
fn r25_a_recording_of_an_export_stays_when_a_batch_that_was_cut_off_is_repeated() {
    let site = Site::new();
    site.acknowledge(&[record(1, 0)]);
    let asked = std::cell::Cell::new(0);
    let gives_up = || asked.replace(asked.get() + 1) > 0;
    assert_eq!(site.publish_until(&gives_up), 1);
    // A kill during the write of a line leaves such a file.
    let lines = site.directory().recording_lines();
    files::write_atomic(&lines, b"{\"path\":\"half").unwrap();
    let wav = site.dir.path().join("x.wav");
    files::write_atomic(&wav, b"RIFF").unwrap();
    let line = serde_json::json!({
        "path": &wav,
        "sha256": digest::sha256(b"RIFF"),
        "dialog_id": "d",
        "member": "d.wav",
    });
    let recording = BatchRecording::parse(&line.to_string()).unwrap();
    let mut store = Store::open(&site.directory()).unwrap();
    let mut fill = || reconcile_recordings::fill(&site.directory(), &mut store, &recording);
    assert!(fill().unwrap());
    assert!(!fill().unwrap(), "it is known");
    site.publish();
    let text = fs::read_to_string(&lines).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["dialog_id"], "d");
    assert_eq!(text.lines().count(), 1);
}
