//! The endpoints of the Metrics API, with their metrics and filters.

use clap::ValueEnum;
use serde::Serialize;

/// The source of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsSource {
    /// The last two days in steps of five minutes; recent numbers still grow.
    Realtime,
    /// The data warehouse: the last 720 days in steps of an hour.
    Batch,
}

/// The category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Conversations with an application.
    Dialogs,
    /// Calls and chats.
    Sessions,
    /// Invocations of miniApps.
    Miniapps,
}

impl MetricsSource {
    /// The source, as it is written in a URL path.
    pub fn word(self) -> &'static str {
        match self {
            MetricsSource::Realtime => "realtime",
            MetricsSource::Batch => "batch",
        }
    }
}

impl Category {
    /// All categories, in the order of output.
    pub const ALL: [Category; 3] = [Category::Dialogs, Category::Sessions, Category::Miniapps];

    /// The category, as it is written in a URL path.
    pub fn word(self) -> &'static str {
        match self {
            Category::Dialogs => "dialogs",
            Category::Sessions => "sessions",
            Category::Miniapps => "miniapps",
        }
    }
}

/// Whether the buckets of a metric can be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Additive {
    /// Buckets can be added up.
    Yes,
    /// Buckets cannot be added up, because several buckets count the same call.
    No,
    /// The vendor does not document whether buckets can be added up.
    Unknown,
}

impl Serialize for Additive {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Additive::Yes => serializer.serialize_bool(true),
            Additive::No => serializer.serialize_bool(false),
            Additive::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

/// One metric of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// The name of the metric, verbatim.
    pub name: &'static str,
    /// What the metric counts.
    pub counts: &'static str,
    /// Whether one call can count several times; `None` if this is not documented.
    pub several_per_call: Option<bool>,
    /// The event at which a call is counted; `None` if this is not documented.
    pub seen_when: Option<&'static str>,
    /// Whether the buckets can be added up.
    pub additive: Additive,
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricsEndpoint {
    /// The source of the endpoint's numbers.
    pub source: MetricsSource,
    /// The category of the metrics.
    pub category: Category,
    /// The metrics of the endpoint, in the vendor's order.
    pub metrics: &'static [Metric],
    /// The names of the endpoint's filters, in the vendor's order.
    pub filters: &'static [&'static str],
}

/// One line of the catalogue.
#[derive(Debug, Serialize)]
pub struct CatalogueLine<'a> {
    api: &'a str,
    source: MetricsSource,
    category: Category,
    metric: &'static str,
    counts: &'static str,
    several_per_call: Option<bool>,
    seen_when: Option<&'static str>,
    additive: Additive,
    filters: &'static [&'static str],
}

/// The endpoint of an API version; `None` if the version lacks it (real-time miniapps in v2). An
/// unknown version is treated as v3.
pub(crate) fn endpoint(
    api: &str,
    source: MetricsSource,
    category: Category,
) -> Option<&'static MetricsEndpoint> {
    let mut all = endpoints(api).iter();
    all.find(|endpoint| (endpoint.source, endpoint.category) == (source, category))
}

/// The catalogue's lines for one API version.
pub fn lines(api: &str) -> impl Iterator<Item = CatalogueLine<'_>> {
    endpoints(api).iter().flat_map(move |endpoint| {
        endpoint.metrics.iter().map(move |metric| CatalogueLine {
            api,
            source: endpoint.source,
            category: endpoint.category,
            metric: metric.name,
            counts: metric.counts,
            several_per_call: metric.several_per_call,
            seen_when: metric.seen_when,
            additive: metric.additive,
            filters: endpoint.filters,
        })
    })
}

fn endpoints(api: &str) -> &'static [MetricsEndpoint] {
    match api {
        "v2" => &V2,
        _ => &V3,
    }
}

const V3: [MetricsEndpoint; 6] = [
    MetricsEndpoint {
        source: MetricsSource::Realtime,
        category: Category::Dialogs,
        metrics: &DIALOGS_V3,
        filters: &["flow_name", "locale", "channel", "test_flag", "region"],
    },
    REALTIME_SESSIONS,
    MetricsEndpoint {
        source: MetricsSource::Realtime,
        category: Category::Miniapps,
        metrics: &MINIAPPS_V3,
        filters: &MINIAPP_FILTERS,
    },
    BATCH_DIALOGS,
    BATCH_SESSIONS,
    BATCH_MINIAPPS,
];

const V2: [MetricsEndpoint; 5] = [
    MetricsEndpoint {
        source: MetricsSource::Realtime,
        category: Category::Dialogs,
        metrics: &DIALOGS_V2,
        filters: &MINIAPP_FILTERS,
    },
    REALTIME_SESSIONS,
    BATCH_DIALOGS,
    BATCH_SESSIONS,
    BATCH_MINIAPPS,
];

const MINIAPP_FILTERS: [&str; 6] = [
    "miniapp_name",
    "miniapp_type",
    "locale",
    "channel",
    "test_flag",
    "region",
];

const REALTIME_SESSIONS: MetricsEndpoint = MetricsEndpoint {
    source: MetricsSource::Realtime,
    category: Category::Sessions,
    metrics: &[Metric {
        additive: Additive::No,
        ..known(
            "session.initiated",
            "sessions that are active in the interval; a long session counts in several intervals",
            true,
            "first miniApp triggered, or completed: the vendor says both",
        )
    }],
    filters: &["channel", "test_flag", "region"],
};

const BATCH_DIALOGS: MetricsEndpoint = MetricsEndpoint {
    source: MetricsSource::Batch,
    category: Category::Dialogs,
    metrics: &[
        plain("dialogs", "dialogs (calls or chats) of an application"),
        plain("terminated", "dialogs that ended without an agent"),
        plain("transferred", "dialogs that were transferred to an agent"),
        plain("error", "dialogs with at least one system error"),
        plain("other", "dialogs that no other metric counts"),
    ],
    filters: &[
        "miniapp_name",
        "miniapp_type",
        "language",
        "channel",
        "miniapp_id",
        "region",
    ],
};

const BATCH_SESSIONS: MetricsEndpoint = MetricsEndpoint {
    source: MetricsSource::Batch,
    category: Category::Sessions,
    metrics: &[
        Metric {
            additive: Additive::Unknown,
            ..plain("sessions", "distinct sessions of the group")
        },
        plain("invocations", "miniApp invocations of these sessions"),
        Metric {
            additive: Additive::Unknown,
            ..plain(
                "duration10sec",
                "increments of 10 seconds of each distinct session",
            )
        },
    ],
    filters: &["channel", "region"],
};

const BATCH_MINIAPPS: MetricsEndpoint = MetricsEndpoint {
    source: MetricsSource::Batch,
    category: Category::Miniapps,
    metrics: &[
        known(
            "totalinvocations",
            "miniApp invocations",
            true,
            "miniApp completed",
        ),
        plain("successfultasks", "invocations that succeeded"),
        plain("failedtasks", "invocations that application logic failed"),
        plain("errortasks", "invocations with at least one system error"),
        plain(
            "hangeduptasks",
            "invocations that the user or the system ended before a result",
        ),
        plain(
            "dtmfescapekeytasks",
            "invocations that the user left with the DTMF escape key",
        ),
        plain("othertasks", "invocations that no other metric counts"),
    ],
    filters: &[
        "miniapp_name",
        "miniapp_type",
        "language",
        "channel",
        "miniapp_id",
        "miniapp_fail_reason",
        "region",
    ],
};

const DIALOGS_V3: [Metric; 8] = [
    events("root_agent_requests", "agent requests in root dialogs"),
    known(
        "root_system_errors",
        "root dialogs that ended with a system, critical or timeout error",
        false,
        "dialog ended",
    ),
    events(
        "root_critical_error",
        "CriticalError events in root dialogs",
    ),
    events("root_no_inputs", "NoInputs of the root flow"),
    events("root_no_matches", "NoMatches of the root flow"),
    known(
        "dialogs_completed",
        "root dialogs",
        false,
        "root application completed",
    ),
    known(
        "dialogs_transferred",
        "root dialogs that left the application for an agent",
        false,
        "dialog ended",
    ),
    known(
        "dialogs_terminated",
        "root dialogs that ended without an agent",
        false,
        "dialog ended",
    ),
];

const MINIAPPS_V3: [Metric; 7] = [
    events("miniapps_agent_requests", "agent requests of each miniApp"),
    known(
        "miniapps_invocations",
        "miniApp invocations, in a flow or alone",
        true,
        "miniApp completed",
    ),
    known(
        "miniapps_system_errors",
        "invocations that ended with a system, critical or timeout error",
        true,
        "miniApp completed",
    ),
    events(
        "miniapps_critical_error",
        "CriticalError events; one may count for several miniApps",
    ),
    known(
        "miniapps_invocations_successful",
        "invocations with Result:success",
        true,
        "miniApp completed",
    ),
    events("miniapps_no_inputs", "NoInputs, counted by step"),
    events("miniapps_no_matches", "NoMatches, counted by step"),
];

const DIALOGS_V2: [Metric; 9] = [
    known(
        "miniapps_invocations",
        "miniApp invocations, in a flow or alone",
        true,
        "miniApp completed",
    ),
    known(
        "miniapps_system_errors",
        "invocations that ended with a system, critical or timeout error",
        true,
        "miniApp completed",
    ),
    events(
        "miniapps_critical_error",
        "CriticalError events; one may count for several miniApps",
    ),
    known(
        "miniapps_invocations_successful",
        "invocations with Result:success",
        true,
        "miniApp completed",
    ),
    events("no_inputs", "NoInputs, counted by step"),
    events("no_matches", "NoMatches, counted by step"),
    known(
        "dialogs_completed",
        "root dialogs",
        false,
        "root application completed",
    ),
    known(
        "dialogs_transferred",
        "dialogs that were transferred; IVR applications only",
        false,
        "root application completed",
    ),
    known(
        "dialogs_terminated",
        "dialogs that were terminated; IVR applications only",
        false,
        "root application completed",
    ),
];

const fn known(
    name: &'static str,
    counts: &'static str,
    several: bool,
    seen_when: &'static str,
) -> Metric {
    Metric {
        several_per_call: Some(several),
        seen_when: Some(seen_when),
        ..plain(name, counts)
    }
}

const fn events(name: &'static str, counts: &'static str) -> Metric {
    Metric {
        several_per_call: Some(true),
        ..plain(name, counts)
    }
}

const fn plain(name: &'static str, counts: &'static str) -> Metric {
    Metric {
        name,
        counts,
        several_per_call: None,
        seen_when: None,
        additive: Additive::Yes,
    }
}
