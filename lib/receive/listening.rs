//! How long each path had no push while a receiver ran, over all runs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::receive::server::counters::EarlierStream;
use crate::receive::store::Store;
use crate::receive::store::coverage_rows::CoverageRow;
use crate::time::Timestamp;

/// A path is forgotten when it has had no push for this long.
const FORGOTTEN: Duration = Duration::from_secs(62 * 86_400);

/// The paths that received pushes in earlier runs.
pub(crate) fn streams(store: &Store, now: Timestamp) -> anyhow::Result<Vec<EarlierStream>> {
    let oldest = now.minus(FORGOTTEN);
    let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
    for one in store.uses()? {
        if one.pushes > 0 && one.last > oldest {
            let known = last.entry(one.path).or_insert(one.last);
            *known = one.last.max(*known);
        }
    }
    let rows = store.coverage(oldest)?;
    let stream = |(path, last)| EarlierStream {
        path,
        last,
        listened: listened(&rows, last, now),
    };
    Ok(last.into_iter().map(stream).collect())
}

/// The part of the time from `since` until `now` in which an instance accepted pushes. `rows` are
/// sorted by their start.
fn listened(rows: &[CoverageRow], since: Timestamp, now: Timestamp) -> Duration {
    let mut end = since;
    let mut total = Duration::ZERO;
    for row in rows.iter().filter(|row| row.state != "down") {
        let (from, to) = (row.from.max(end), row.to.min(now));
        if to > from {
            total += to.since(from);
            end = to;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_793_491_200_000);

    fn at(minutes: u64) -> Timestamp {
        START.plus(Duration::from_secs(60 * minutes))
    }

    fn row(state: &str, from: u64, to: u64) -> CoverageRow {
        CoverageRow {
            from: at(from),
            to: at(to),
            instance: "i".to_owned(),
            state: state.to_owned(),
            pushes: 0,
            records: 0,
            refused: 0,
            clock_jump: None,
        }
    }

    #[test]
    fn r24_silence_counts_while_somebody_listened_and_once() {
        let rows = [
            row("up", 0, 10),
            row("down", 10, 30),
            row("up", 30, 40),
            row("limited", 35, 45),
            row("up", 36, 38),
        ];
        let minutes = |since, now| listened(&rows, at(since), at(now)).as_secs() / 60;
        assert_eq!(minutes(5, 50), 5 + 15);
        assert_eq!(minutes(20, 42), 12);
        assert_eq!(minutes(45, 50), 0);
    }
}
