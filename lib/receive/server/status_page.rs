//! The status page of the admin listener: one file without scripts, in light or dark colours.

use std::fmt::Write;

use crate::receive::inbox::ReceiverState;
use crate::receive::server::counters::CountersNow;
use crate::receive::server::metrics::MomentFigures;
use crate::receive::server::store_view::StoreFigures;
use crate::time::{Timestamp, show_duration};

const HEAD: &str = include_str!("status_page.html");

/// The page with the current values.
pub(crate) fn html(
    counters: &CountersNow,
    store: &StoreFigures,
    moment: &MomentFigures,
    unready: Option<&str>,
    now: Timestamp,
) -> String {
    let mut page = HEAD.to_owned();
    let (word, class) = match (unready, moment.state) {
        (Some(why), _) => (why, "bad"),
        (None, ReceiverState::Up) => ("up", "good"),
        (None, ReceiverState::Limited) => ("limited", "warn"),
        (None, ReceiverState::Down) => ("down", "bad"),
    };
    let _ = write!(
        page,
        "<h1>ocp-receive <span class=\"{class}\">{}</span></h1>\n<dl>\n",
        escape(word)
    );
    let mut fact = |name: &str, value: String, class: &str| {
        let _ = writeln!(
            page,
            "<div class=\"{class}\"><dt>{name}</dt><dd>{}</dd></div>",
            escape(&value)
        );
    };
    let oldest = std::time::Duration::from_secs_f64(store.oldest_unpublished.max(0.0).round());
    fact("oldest unpublished", show_duration(oldest), "");
    if let Some(end) = moment.certificate {
        let days = end.since(now).as_secs() / 86_400;
        let class = if days < 14 { "warn" } else { "" };
        fact("certificate", format!("{days} days left"), class);
    }
    fact("disk", format!("{} free", size(moment.free)), "");
    let (known, strangers) = moment.connections;
    fact(
        "connections",
        format!("{known} clients, {strangers} others"),
        "",
    );
    fact("duplicates", store.duplicates.to_string(), "");
    let class = |count| if count > 0 { "warn" } else { "" };
    fact(
        "rejected",
        store.rejected.to_string(),
        class(store.rejected),
    );
    fact(
        "conflicts",
        store.conflicts.to_string(),
        class(store.conflicts),
    );
    page.push_str(
        "</dl>\n<table>\n<thead><tr><th scope=\"col\">path</th><th scope=\"col\">last push</th>\
         <th scope=\"col\">last minute</th><th scope=\"col\">taken</th>\
         <th scope=\"col\">refused</th></tr></thead>\n<tbody>\n",
    );
    let named = counters.streams.iter().filter(|(name, _)| !name.is_empty());
    for (name, activity) in named {
        let (taken, refused) = activity.taken_and_refused();
        let last = activity.last.map_or_else(
            || "never".to_owned(),
            |last| {
                let whole = std::time::Duration::from_secs(now.since(last).as_secs());
                format!("{} ago", show_duration(whole))
            },
        );
        let class = if refused > 0 { " class=\"warn\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{last}</td><td>{}</td><td>{taken}</td><td{class}>{refused}</td></tr>",
            escape(name),
            activity.in_last_minute(now)
        );
    }
    let _ = write!(
        page,
        "</tbody>\n</table>\n<p>{} · since the start of this process · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/v1/usage\">usage</a> · <a href=\"/v1/coverage\">coverage</a></p>\n</main>\n</html>\n",
        now.rfc3339_seconds()
    );
    page
}

fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    format!("{gib:.1} GiB")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
