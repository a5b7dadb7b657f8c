use super::local::{DateOrder, parse_local};
use super::zone::Zone;
use super::*;

const NOW: Timestamp = Timestamp(1_795_176_000_123); // 2026-11-20T12:00:00.123Z

fn at(text: &str) -> String {
    Timestamp::parse(text, NOW).unwrap().rfc3339()
}

#[test]
fn reads_what_people_and_airflow_write() {
    for text in [
        "2026-11-01",
        "2026-11-01 00:00",
        "2026-11-01T00:00",
        "2026-11-01 00:00:00",
        "2026-11-01T00:00:00Z",
        "2026-11-01T00:00:00.000Z",
        "2026-11-01 00:00:00+00:00",
        "2026-11-01T02:00+02:00",
        "2026-11-01 02:00+02",
        "2026-11-01T01:00:00+01:00",
        "2026-11-01T00:00:00+0000",
        "2026-11-01T00:00Z",
        "1793491200",
        "1793491200000",
    ] {
        assert_eq!(at(text), "2026-11-01T00:00:00Z", "{text}");
    }
    assert_eq!(at("now"), "2026-11-20T12:00:00.123Z");
    assert_eq!(at("-60d"), "2026-09-21T12:00:00.123Z");
    assert_eq!(at("now-2h"), "2026-11-20T10:00:00.123Z");
    assert_eq!(at("now+1h30m"), "2026-11-20T13:30:00.123Z");
    assert_eq!(at("today"), "2026-11-20T00:00:00Z");
    assert_eq!(at(" yesterday "), "2026-11-19T00:00:00Z");
}

#[test]
fn refuses_what_is_no_time() {
    for text in [
        "",
        "None",
        "now+292471208y",
        "-292471208y",
        "1969-12-31",
        "tomorrow",
        "2026",
        "20261101",
        "2026-13-01",
        "-60",
        "now-",
        "1e3",
        "-5x",
    ] {
        assert!(Timestamp::parse(text, NOW).is_err(), "{text}");
    }
}

#[test]
fn reads_all_three_http_dates() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(
            Timestamp::parse_http_date(text).map(Timestamp::millis),
            Some(784_111_777_000),
            "{text}"
        );
    }
    assert_eq!(Timestamp::parse_http_date("soon"), None);
}

#[test]
fn hours_floor_and_ceil_on_both_sides_of_the_epoch() {
    assert_eq!(Timestamp(HOUR_MS + 1).floor_hour(), Timestamp(HOUR_MS));
    assert_eq!(Timestamp(HOUR_MS + 1).ceil_hour(), Timestamp(2 * HOUR_MS));
    assert_eq!(Timestamp(HOUR_MS).ceil_hour(), Timestamp(HOUR_MS));
    assert_eq!(Timestamp(-1).floor_hour(), Timestamp(-HOUR_MS));
    assert_eq!(Timestamp(-1).ceil_hour(), Timestamp(0));
}

#[test]
fn local_times_need_an_order_and_a_zone() {
    let read = |text: &str, order, zone: &str| {
        parse_local(text, order, zone.parse().unwrap()).map(Timestamp::rfc3339)
    };
    let utc = |text: &str| Some(text.to_owned());
    let text = "05-12-2024 6:15:45 PM";
    assert_eq!(
        read(text, DateOrder::Dmy, "UTC"),
        utc("2024-12-05T18:15:45Z")
    );
    assert_eq!(
        read(text, DateOrder::Mdy, "+02:00"),
        utc("2024-05-12T16:15:45Z")
    );
    assert_eq!(
        read("2024/07/01 00:30", DateOrder::Ymd, "America/New_York"),
        utc("2024-07-01T04:30:00Z")
    );
    for (text, hour) in [
        ("12:00 AM", 0),
        ("12:30:00 pm", 12),
        ("6:15:45\u{202f}PM", 18),
        ("6:15:45\u{a0}PM", 18),
        ("0:00", 0),
        ("23:59", 23),
    ] {
        let read = read(&format!("31-12-2024 {text}"), DateOrder::Dmy, "UTC").unwrap();
        assert_eq!(read[11..13], format!("{hour:02}"), "{text}");
    }
    // In New York, the clocks show 1:30 twice on the first of these days, and skip 2:30 on the
    // second.
    assert_eq!(
        read("11-03-2024 1:30:00 AM", DateOrder::Mdy, "America/New_York"),
        utc("2024-11-03T05:30:00Z")
    );
    assert_eq!(
        read("03-10-2024 2:30:00 AM", DateOrder::Mdy, "America/New_York"),
        None
    );
    for wrong in [
        "",
        "31-12-2024",
        "31-13-2024 1:00:00 AM",
        "31-12-2024 13:00:00 PM",
        "31-12-2024 0:00 AM",
        "31-12-2024 24:00",
        "31-12-2024 1:00:00:00",
        "31-12-2024 1:00 XM",
        "soon",
        "1-2-24 1:00",
    ] {
        assert_eq!(read(wrong, DateOrder::Dmy, "UTC"), None, "{wrong}");
    }
    assert!("Mars".parse::<Zone>().is_err());
}

#[test]
fn durations_read_and_show() {
    for (text, seconds) in [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1y", 31_536_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }
    assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    for text in ["", "5", "d", "-1d", "1.5h", "9999999999999y", "1d d"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
    assert_eq!(show_duration(Duration::from_secs(90)), "1m30s");
    assert_eq!(show_duration(Duration::ZERO), "0s");
}
