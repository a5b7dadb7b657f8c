//! The text of `/metrics`.

use std::time::Duration;

use crate::format::openmetrics::{MetricsText, escape};
use crate::receive::inbox::ReceiverState;
use crate::receive::server::counters::{BORDERS_MS, CountersNow, Durations, StreamActivity};
use crate::receive::server::store_view::StoreFigures;
use crate::time::Timestamp;

/// Values that are measured when a client requests the metrics.
#[derive(Debug)]
pub(crate) struct MomentFigures {
    /// The number of connections with a valid token, and the number without a valid token.
    pub(crate) connections: (usize, usize),
    /// The bytes of bodies in memory.
    pub(crate) in_flight: usize,
    /// When the certificate expires.
    pub(crate) certificate: Option<Timestamp>,
    /// The free bytes of the disk.
    pub(crate) free: u64,
    pub(crate) state: ReceiverState,
}

/// The text with all metrics.
pub(crate) fn text(counters: &CountersNow, store: &StoreFigures, moment: &MomentFigures) -> String {
    let mut text = MetricsText::default();
    let path = |name: &str| format!("path=\"{}\"", escape(name));
    let results = counters.streams.iter().flat_map(|(name, activity)| {
        let results = activity.results.iter();
        results.map(move |(result, count)| {
            let labels = format!("{},result=\"{result}\"", path(name));
            (labels, count.to_string())
        })
    });
    let help = "requests by path and result";
    text.family("ocp_receive_pushes", "counter", help, results);
    let records = store.records.iter();
    let records =
        records.map(|(kind, count)| (format!("type=\"{}\"", escape(kind)), count.to_string()));
    let help = "published records by type";
    text.family("ocp_receive_records", "counter", help, records);
    for (name, help, value) in [
        (
            "duplicates",
            "records that were received before",
            store.duplicates,
        ),
        (
            "rejected",
            "records and pushes that cannot be read",
            store.rejected,
        ),
        (
            "conflicts",
            "records with the type, id and time of another record, but other contents",
            store.conflicts,
        ),
    ] {
        text.one(&format!("ocp_receive_{name}"), "counter", help, value);
    }
    let help = "seconds from the end of a push's body to its sync to disk";
    durations(
        &mut text,
        "ocp_receive_commit_seconds",
        help,
        &counters.commit,
    );
    let help = "seconds from the head of a request to the reply";
    durations(
        &mut text,
        "ocp_receive_reply_seconds",
        help,
        &counters.reply,
    );
    let gauge = "gauge";
    let help = "bytes of pushes that wait to be committed to disk";
    text.one("ocp_receive_queue_bytes", gauge, help, store.queue_bytes);
    let help = "bytes of request bodies in memory";
    text.one("ocp_receive_in_flight_bytes", gauge, help, moment.in_flight);
    let (known, strangers) = moment.connections;
    let connections = [("authenticated", known), ("unauthenticated", strangers)];
    let connections =
        connections.map(|(state, count)| (format!("state=\"{state}\""), count.to_string()));
    let help = "open connections";
    text.family("ocp_receive_connections", gauge, help, connections);
    let help = "age of the oldest push that is not published";
    let name = "ocp_receive_oldest_unpublished_seconds";
    text.one(name, gauge, help, store.oldest_unpublished);
    let last = |(name, activity): (&String, &StreamActivity)| {
        let last = activity.last?;
        Some((path(name), seconds(last)))
    };
    let help = "when the last push of a path was accepted";
    let name = "ocp_receive_last_push_timestamp_seconds";
    text.family(name, gauge, help, counters.streams.iter().filter_map(last));
    if let Some(end) = moment.certificate {
        let help = "when the certificate expires";
        let name = "ocp_receive_certificate_expiry_timestamp_seconds";
        text.one(name, gauge, help, seconds(end));
    }
    let help = "bytes left on the disk";
    text.one("ocp_receive_free_bytes", gauge, help, moment.free);
    let states = [
        ("up", ReceiverState::Up),
        ("limited", ReceiverState::Limited),
        ("down", ReceiverState::Down),
    ];
    let states = states.map(|(word, state)| {
        let value = u8::from(state == moment.state);
        (format!("state=\"{word}\""), value.to_string())
    });
    let help = "whether pushes are accepted: 1 for the current state";
    text.family("ocp_receive_coverage", gauge, help, states);
    text.finish()
}

fn durations(text: &mut MetricsText, name: &str, help: &str, durations: &Durations) {
    let borders = BORDERS_MS.map(|ms| Duration::from_millis(ms).as_secs_f64());
    let sum = durations.sum.as_secs_f64();
    text.histogram(name, help, &borders, &durations.counts, sum);
}

fn seconds(at: Timestamp) -> String {
    format!(
        "{}.{:03}",
        at.millis().div_euclid(1000),
        at.millis().rem_euclid(1000)
    )
}
