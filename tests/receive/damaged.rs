//! A receiver whose inbox was damaged.

use std::process::Command;

use super::served::Place;
use super::steps::{check, push_all, pushes};

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
