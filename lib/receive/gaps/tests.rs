//! Tests which windows are printed for given coverage.

use super::*;
use crate::time::HOUR_MS;

fn row(state: &str, from: Timestamp, to: Timestamp) -> CoverageRow {
    CoverageRow {
        from,
        to,
        instance: "i".to_owned(),
        state: state.to_owned(),
        pushes: 0,
        records: 0,
        refused: 0,
        clock_jump: None,
    }
}

fn facts(coverage: Vec<CoverageRow>) -> GapFacts {
    let used = |path: &str| Use {
        client: "c".to_owned(),
        path: path.to_owned(),
        first: hours(0),
        last: hours(0),
        pushes: 1,
    };
    GapFacts {
        coverage,
        uses: vec![used("acme/dialog_end"), used("acme/dialog_start")],
        audited: Vec::new(),
    }
}

fn spec(now: Timestamp) -> GapSpec {
    GapSpec {
        now,
        max_call: Duration::from_secs(4 * 3600),
        audits_daily: false,
    }
}

fn shown(facts: &GapFacts, spec: GapSpec) -> Vec<String> {
    let windows = facts.windows(spec);
    let lines = windows.iter().map(|w| {
        let e = &w.export;
        format!(
            "{:?} {}..{} after {}",
            w.reason,
            (e.from.millis() - hours(0).millis()) / HOUR_MS,
            (e.to.millis() - hours(0).millis()) / HOUR_MS,
            (e.not_before.millis() - hours(0).millis()) / HOUR_MS,
        )
    });
    lines.collect()
}

#[test]
fn r19_an_outage_is_widened_and_left_to_the_vendor_first() {
    let facts = facts(vec![
        row("up", hours(0), hours(10)),
        row("up", hours(12), hours(20)),
    ]);
    assert_eq!(shown(&facts, spec(hours(20))), ["Down 6..14 after 18"]);
    // After an outage of more than a day, the vendor repeats nothing.
    let down = self::facts(vec![
        row("up", hours(0), hours(10)),
        row("up", hours(40), hours(50)),
    ]);
    assert_eq!(shown(&down, spec(hours(50))), ["Down 6..42 after 44"]);
    let windows = down.windows(spec(hours(50)));
    assert_eq!(windows[0].export.types.len(), 2);
    let line = serde_json::to_value(&windows[0]).unwrap();
    assert_eq!(line["reason"], "down");
    assert_eq!(line["group"], "acme");
    assert!(line["expires_at"].is_string());
}

#[test]
fn another_instance_covers_an_outage_and_a_minute_is_none() {
    let mut second = row("up", hours(9), hours(13));
    second.instance = "j".to_owned();
    let rows = vec![
        row("up", hours(0), hours(10)),
        second,
        row("up", hours(12), hours(20)),
        row("up", hours(20).plus(Duration::from_secs(110)), hours(30)),
    ];
    assert_eq!(shown(&facts(rows), spec(hours(30))), [""; 0]);
}

#[test]
fn an_outage_that_lasts_is_down_until_now_and_long_ones_are_cut() {
    let facts = facts(vec![row("up", hours(0), hours(10))]);
    assert_eq!(
        shown(&facts, spec(hours(100))),
        ["Down 6..54 after 56", "Down 54..102 after 104"]
            .map(|text| text.replace("after 56", "after 100"))
    );
}

#[test]
fn limited_hours_and_yesterday_are_asked_for_where_no_outage_is() {
    let facts = facts(vec![
        row("up", hours(0), hours(30)),
        row("limited", hours(30), hours(31)),
        row("up", hours(31), hours(50)),
    ]);
    let mut spec = spec(hours(50));
    spec.audits_daily = true;
    assert_eq!(
        shown(&facts, spec),
        [
            "Audit 24..26 after 28",
            "Limited 26..33 after 37",
            "Audit 33..48 after 50"
        ]
    );
}

#[test]
fn what_was_audited_in_time_is_not_asked_for_again() {
    let mut facts = facts(vec![
        row("up", hours(0), hours(10)),
        row("up", hours(12), hours(20)),
    ]);
    let audit = |facts: &mut GapFacts, at| {
        for kind in ["dialog_end", "dialog_start"] {
            facts.audited.extend((6..14).map(|hour| AuditedHour {
                group: "acme".to_owned(),
                kind: kind.to_owned(),
                hour: hours(hour),
                at,
            }));
        }
    };
    audit(&mut facts, hours(17));
    assert_eq!(shown(&facts, spec(hours(20))).len(), 1, "too early");
    audit(&mut facts, hours(18));
    assert_eq!(shown(&facts, spec(hours(20))), [""; 0]);
}

#[test]
fn hours_that_nobody_audited_are_said_before_they_are_lost() {
    let facts = facts(vec![row("up", hours(0), hours(10))]);
    let now = hours(50 * 24 + 3);
    let overdue = facts.overdue(now);
    assert_eq!(overdue.len(), 2);
    assert_eq!(overdue[0], ("acme/dialog_end".to_owned(), 3, hours(0)));
    assert!(facts.overdue(hours(50 * 24)).is_empty());
}
