use super::*;
use crate::bucket::file_or_object::FileOrObject;

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
