use std::time::Duration;

use super::history::has_its_name;
use super::*;
use crate::bucket::file_or_object::FileOrObject;
use crate::net::connection::Connection;
use crate::net::scripted;

const URL: &str = "https://api.example";

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_176_000_000)
}

fn clock() -> Clock {
    Clock::manual(now())
}

fn request() -> ExportRequest {
    serde_json::from_str(r#"{"group":"g","types":["a"],"from":"2026-11-01","to":"2026-11-02"}"#)
        .unwrap()
}

fn page(page_number: u64) -> PageEntry {
    PageEntry {
        page_number,
        file: format!("g/x-p{page_number:04}.zip"),
        bytes: 10,
        sha256: "00".to_owned(),
        members: 2,
    }
}

fn open(dir: &tempfile::TempDir) -> Ledger {
    Ledger::open(&dir.path().join("ledger.ndjson"), URL, clock()).unwrap()
}

#[test]
fn what_was_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.creating(&request()).unwrap();
    ledger.creating(&request()).unwrap();
    assert!(matches!(
        ledger.history().state(&request()),
        RequestState::Creating
    ));
    ledger.created(&request(), "x").unwrap();
    ledger.ready("x", 3, Some(99), 2).unwrap();
    ledger.requesting("x", 1).unwrap();
    ledger.page("x", &page(1)).unwrap();
    ledger.page("x", &page(2)).unwrap();
    ledger.dropped("x", 2).unwrap();
    drop(ledger);

    let path = dir.path().join("ledger.ndjson");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("\"creating\"").count(), 1);
    let history = History::read(text.as_bytes(), &FileOrObject::File(path)).unwrap();
    let export = history.export("x").unwrap();
    assert_eq!(export.ready.unwrap().pages(), 2);
    assert_eq!(export.pages.values().collect::<Vec<_>>(), [&page(1)]);
    assert!(export.fetched_at.is_none());
    assert_eq!(history.page_requests(), [now()]);
}

#[test]
fn what_was_had_stays_had_whatever_becomes_of_its_export() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.page("x", &page(1)).unwrap();
    ledger.fetched("x").unwrap();
    ledger.ended("x", "EXPIRED").unwrap();
    let history = open_again(ledger, &dir);
    let (_, record) = history.known().next().unwrap();
    assert!(record.had && matches!(record.state, RequestState::Gone));
    assert_eq!(record.ended, ["x"]);
    assert!(history.is_ended("x"));
}

#[test]
fn an_export_that_comes_back_is_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.ended("x", "EXPIRED").unwrap();
    assert_eq!(ledger.history().known().count(), 0);
    ledger.page("x", &page(1)).unwrap();
    assert_eq!(
        ledger.history().known().count(),
        0,
        "a page of an ended export"
    );
    ledger.created(&request(), "x").unwrap();
    ledger.page("x", &page(1)).unwrap();
    let history = open_again(ledger, &dir);
    assert!(!history.is_ended("x"));
    assert_eq!(history.export("x").unwrap().pages.len(), 1);
    assert!(history.records().all(|(_, record)| record.ended.is_empty()));
}

fn open_again(ledger: Ledger, dir: &tempfile::TempDir) -> History {
    drop(ledger);
    let place = FileOrObject::File(dir.path().join("ledger.ndjson"));
    let text = place.read(|| unreachable!()).unwrap();
    History::read(&text, &place).unwrap()
}

#[test]
fn pages_of_two_sizes_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.ready("x", 10, Some(99), 5).unwrap();
    assert!(ledger.ready("x", 10, Some(99), 2).is_ok(), "no page yet");
    ledger.page("x", &page(1)).unwrap();
    let error = ledger.ready("x", 10, Some(99), 5).unwrap_err();
    assert_eq!(Status::of(&error), Status::Usage);
    ledger.fetched("x").unwrap();
    assert_eq!(ledger.ready("x", 10, Some(99), 5).unwrap().page_size, 2);
    assert!(ledger.ready("x", u64::MAX, Some(99), 1).is_err());
}

#[test]
fn a_ledger_of_another_service_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let path = dir.path().join("ledger.ndjson");
    let error = Ledger::open(&path, "https://other.example", clock()).unwrap_err();
    assert_eq!(Status::of(&error), Status::Usage);
    assert!(format!("{error:#}").contains("belongs to"));
}

#[test]
fn what_is_no_ledger_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes");
    for notes in [
        "{\"my\":\"data\"}\n",
        "precious",
        "hello\nprecious",
        "{\"event\":\"opened\",x",
    ] {
        crate::os::files::write_atomic(&path, notes.as_bytes()).unwrap();
        let opened = Ledger::open(&path, URL, clock());
        assert_eq!(
            opened.is_err(),
            !notes.as_bytes().starts_with(FIRST),
            "{notes}"
        );
        drop(opened);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text == notes,
            !notes.as_bytes().starts_with(FIRST),
            "{notes}"
        );
    }
}

#[test]
fn the_files_of_an_export_are_bounded_and_a_ledger_is_of_one_service() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    assert!(ledger.ready("x", MOST_FILES, None, 2).is_ok());
    assert!(ledger.ready("x", MOST_FILES + 1, None, 2).is_err());
    drop(ledger);
    open(&dir);
    let path = dir.path().join("ledger.ndjson");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("\"opened\"").count(), 1);
    assert!(Ledger::open(&path, "https://other.example", clock()).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_a_list_was_to_deliver_is_open_until_it_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.page("x", &page(1)).unwrap();
    let delivery = ListDelivery {
        temp: dir.path().join("temp"),
        path: dir.path().join("list"),
        export_ids: vec!["x".to_owned()],
        sha256: None,
    };
    ledger.delivering(&delivery).unwrap();
    assert_eq!(
        ledger.history().deliveries(),
        std::slice::from_ref(&delivery)
    );
    ledger.withdrawn(&delivery.temp).unwrap();
    assert!(ledger.history().deliveries().is_empty());
    ledger.delivering(&delivery).unwrap();
    ledger.fetched("x").unwrap();
    ledger.fetched("x").unwrap();
    assert!(ledger.history().deliveries().is_empty());
    // `fetched` closes an open list, although the export was recorded as fetched before.
    ledger.delivering(&delivery).unwrap();
    ledger.fetched("x").unwrap();
    assert!(ledger.history().deliveries().is_empty());
    ledger.check().unwrap();
    ledger.pruned("x").unwrap();
    let path = dir.path().join("ledger.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    for (event, count) in [
        ("delivering", 3),
        ("withdrawn", 1),
        ("fetched", 2),
        ("pruned", 1),
    ] {
        let sign = format!("\"event\":\"{event}\"");
        assert_eq!(text.matches(&sign).count(), count, "{event}");
    }
    open_again(ledger, &dir);
}

#[test]
fn a_refusal_is_noted_and_each_ledger_has_names_of_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ledger = open(&one);
    let prefix = ledger.list_prefix();
    assert!(prefix.len() > 12 && prefix != open(&two).list_prefix());
    ledger.creating(&request()).unwrap();
    ledger.refused(&request()).unwrap();
    assert!(!matches!(
        open_again(ledger, &one).state(&request()),
        RequestState::Creating
    ));
    assert_eq!(open(&one).list_prefix(), prefix);
}

/// The history of a file with this text.
fn read(dir: &tempfile::TempDir, text: &str) -> anyhow::Result<History> {
    let path = dir.path().join("ledger.ndjson");
    History::read(text.as_bytes(), &FileOrObject::File(path))
}

const OPENED: &str =
    r#"{"event":"opened","version":1,"api_url":"https://api.example","at":"2026-11-01T00:00:00Z"}"#;

#[test]
fn a_newer_ledger_is_refused_and_damaged_lines_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let opened = format!("{OPENED}\n");
    assert_eq!(read(&dir, &opened).unwrap().api_url.as_deref(), Some(URL));
    let newer = opened.replace("\"version\":1", "\"version\":2");
    let place = FileOrObject::File(dir.path().join("ledger.ndjson"));
    // A newer version is refused even if a line of this version follows.
    let mixed = newer.clone() + &opened;
    for text in [newer, mixed] {
        assert!(read(&dir, &text).is_err());
        assert!(History::scan(text.as_bytes(), &place).is_err());
    }
    let damaged = format!("{opened}x\n{opened}y\n");
    assert!(read(&dir, &damaged).is_err());
    let (history, last, lines) = History::scan(damaged.as_bytes(), &place).unwrap();
    let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
    assert_eq!(
        (history.api_url.is_some(), last, numbers),
        (true, 4, vec![2, 4])
    );
}

#[test]
fn a_list_of_a_killed_run_was_delivered_if_its_temporary_file_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    let delivery = ListDelivery {
        temp: dir.path().join("temp"),
        path: dir.path().join("list"),
        export_ids: vec!["x".to_owned()],
        sha256: None,
    };
    ledger.delivering(&delivery).unwrap();
    let text = std::fs::read_to_string(dir.path().join("ledger.ndjson")).unwrap();
    let had = |text: &str| read(&dir, text).unwrap().record(&request()).unwrap().had;
    assert!(has_its_name(&delivery).unwrap() && had(&text));
    crate::os::files::write_atomic(&delivery.temp, b"").unwrap();
    assert!(!has_its_name(&delivery).unwrap() && !had(&text));
    let lost = ListDelivery {
        temp: dir.path().join("none/temp"),
        ..delivery.clone()
    };
    assert!(!has_its_name(&lost).unwrap());
    let unclear = ListDelivery {
        temp: delivery.temp.join("below a file"),
        ..delivery
    };
    assert!(has_its_name(&unclear).is_err());
    let bucket = FileOrObject::parse("s3://bucket/ledger".into()).unwrap();
    let there = History::read(text.as_bytes(), &bucket).unwrap();
    assert!(!there.record(&request()).unwrap().had);
}

#[test]
fn zips_that_are_gone_were_never_fetched_unless_they_were_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.ready("x", 4, None, 2).unwrap();
    let has_all = |ledger: &Ledger| ledger.history().export("x").unwrap().has_all_pages();
    for number in [1, 2] {
        assert!(!has_all(&ledger));
        ledger.page("x", &page(number)).unwrap();
        let path = page(number).path(dir.path());
        assert!(!page(number).is_on_disk(dir.path()));
        crate::os::files::create_parent(&path).unwrap();
        crate::os::files::write_atomic(&path, b"0123456789").unwrap();
        assert!(page(number).is_on_disk(dir.path()));
    }
    assert!(has_all(&ledger));
    ledger.fetched("x").unwrap();
    let had = |history: &History| history.record(&request()).unwrap().had;
    let mut history = open_again(ledger, &dir);
    history
        .forget_missing(|page| Ok(page.is_on_disk(dir.path())))
        .unwrap();
    assert!(had(&history) && history.export("x").unwrap().fetched_at.is_some());
    crate::os::files::write_atomic(&page(2).path(dir.path()), b"short").unwrap();
    history
        .forget_missing(|page| Ok(page.is_on_disk(dir.path())))
        .unwrap();
    let export = history.export("x").unwrap();
    assert!(!had(&history) && export.fetched_at.is_none());
    assert_eq!(export.pages.keys().collect::<Vec<_>>(), [&1]);

    let mut ledger = open(&dir);
    ledger.pruned("x").unwrap();
    assert!(ledger.history().request_of("x").is_none());
    ledger.created(&request(), "y").unwrap();
    assert_eq!(ledger.history().request_of("y"), Some(&request()));
    let pruned = |ledger: &Ledger| -> Vec<u64> {
        let record = ledger.history().record(&request()).unwrap();
        record.pruned.iter().map(|page| page.page_number).collect()
    };
    assert_eq!(pruned(&ledger), [1, 2]);
    let mut history = open_again(ledger, &dir);
    history
        .forget_missing(|page| Ok(page.is_on_disk(dir.path())))
        .unwrap();
    assert!(had(&history), "the user pruned them");
    let mut ledger = open(&dir);
    ledger.page("y", &page(1)).unwrap();
    assert_eq!(pruned(&ledger), [2], "the same file is there again");
}

#[test]
fn an_export_that_was_followed_by_another_is_not_the_one_of_its_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(&dir);
    ledger.created(&request(), "x").unwrap();
    ledger.created(&request(), "y").unwrap();
    assert!(ledger.history().export("x").is_none());
    assert!(ledger.history().export("y").is_some());
    ledger.ended("y", "FAILED").unwrap();
    ledger.created(&request(), "y").unwrap();
    let record = ledger.history().record(&request()).unwrap();
    assert!(record.ended.is_empty() && !ledger.history().is_ended("y"));
}

/// A run that slept during a download must not give a page its name, because another run holds the
/// lease now.
#[test]
fn a_ledger_whose_lease_another_run_took_is_75() {
    let lease = |holder: &str, expires_at: &str| {
        let times = format!(r#""since":"{expires_at}","expires_at":"{expires_at}""#);
        let note = format!(r#"{{"holder":"{holder}","id":"{holder}",{times},"proven":true}}"#);
        format!("200 OK\netag: \"0\"\n\n{note}")
    };
    let address = scripted::serve(&[
        // Nobody holds the lease, so this run takes it.
        &lease("earlier", "1970-01-01T00:00:00Z"),
        "200 OK\netag: \"1\"",
        // There is no ledger, so this run begins one.
        "404 Not Found",
        "200 OK\netag: \"2\"",
        // When this run renews the lease, another run holds it.
        "412 Precondition Failed",
        &lease("another", "2030-01-01T00:00:00Z"),
    ]);
    let env = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(address.clone()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
        _ => None,
    };
    let connection = Connection::manual(now());
    let service = Arc::new(BucketService::from_env(&connection, 1, &env).unwrap());
    let url = BucketUrl::parse("s3://b/ledger").unwrap();
    let ledger = Ledger::lease(service, &url, URL, clock()).unwrap();
    ledger.check().unwrap();
    connection.retry().clock().advance(Duration::from_secs(121));
    let error = ledger.check().unwrap_err();
    assert_eq!(Status::of(&error), Status::TryLater);
    assert!(format!("{error:#}").ends_with("another run has changed it meanwhile: another"));
}
