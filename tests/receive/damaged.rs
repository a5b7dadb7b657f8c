//! A receiver whose inbox was damaged, removed, or replaced by an older copy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::served::Place;
use super::steps::{check, check_lake, push_all, pushes};

const CHANGE: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.executescript(sys.argv[2])
database.close()
";

fn change(place: &Place, sql: &str) {
    let ran = Command::new("python3")
        .args(["-c", CHANGE])
        .arg(place.path("ocp/receive.db"))
        .arg(sql)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn r14_a_damaged_body_ends_the_receiver_with_65_and_no_push_is_lost() {
    let mut place = Place::new();
    place.publish_every = "1h";
    let served = place.serve();
    assert_eq!(push_all(served.port, &pushes()), [Some(200); 5]);
    served.kill();
    change(
        &place,
        "CREATE TABLE kept AS SELECT * FROM frames;
        UPDATE frames SET frame = zeroblob(length(frame)) WHERE last = 2",
    );
    for _ in 0..2 {
        assert_eq!(place.serve().status(), Some(65));
        assert_eq!(place.lake().len(), 0);
    }
    change(
        &place,
        "DELETE FROM frames; INSERT INTO frames SELECT * FROM kept; DROP TABLE kept",
    );
    place.serve().stop();
    check(&place, "after the repair", 3);
}

/// The files of the database that exist.
fn database(place: &Place) -> Vec<PathBuf> {
    let names = ["receive.db", "receive.db-wal", "receive.db-shm"];
    let paths = names.map(|name| place.path("ocp").join(name));
    paths.into_iter().filter(|path| path.exists()).collect()
}

fn remove_database(place: &Place) {
    for path in database(place) {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_new_database_publishes_no_record_a_second_time() {
    let mut place = Place::new();
    place.publish_every = "1h";
    for what in ["the first database", "a new one", "another new one"] {
        let served = place.serve();
        assert_eq!(push_all(served.port, &pushes()), [Some(200); 5]);
        served.stop();
        check_lake(&place, what);
        remove_database(&place);
    }
}

#[test]
fn an_older_copy_of_the_database_publishes_no_record_a_second_time() {
    let mut place = Place::new();
    place.publish_every = "1h";
    let served = place.serve();
    assert_eq!(push_all(served.port, &pushes()), [Some(200); 5]);
    served.kill();
    let copies: Vec<(PathBuf, Vec<u8>)> = database(&place)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    place.serve().stop();
    check_lake(&place, "before the copy is put back");
    remove_database(&place);
    for (path, bytes) in copies {
        fs::write(path, bytes).unwrap();
    }
    place.serve().stop();
    check_lake(&place, "after the copy was put back");
}
