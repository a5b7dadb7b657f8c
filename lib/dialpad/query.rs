//! What is asked, as the vendor documents it: `POST Dashboard/Messages` for all
//! messages of a provider in a stretch of time, `GET Dashboard/{id}/RedactedMessages`
//! for those of one customer session.
//!
//! Nobody outside knows the unit of `start` and `end`, whether they are inclusive,
//! and what `offset` counts: they are settings, and every stretch is asked for with
//! a margin, so that inclusive and exclusive are the same.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::error;
use crate::http::{Url, join_path, parse_url};
use crate::secret::Secret;
use crate::time::{Timestamp, parse_duration};
use crate::window::Window;

const ROOT: &str = "/KoopidPartnerServer/api/APIEndpoint/Dashboard";

/// The longest stretch that a request may cover: "the difference can not be more
/// than 7 days". Whether exactly 7 days are allowed is not said.
pub const LONGEST: Duration = Duration::from_millis(7 * 86_400_000 - 1);

/// What `start` and `end` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Milliseconds since 1970, as `ts` in a message does.
    Ms,
    /// Seconds since 1970.
    S,
}

impl Unit {
    /// How many milliseconds one is.
    pub fn millis(self) -> i64 {
        match self {
            Unit::Ms => 1,
            Unit::S => 1000,
        }
    }

    /// The one that it is not.
    pub fn other(self) -> Unit {
        match self {
            Unit::Ms => Unit::S,
            Unit::S => Unit::Ms,
        }
    }

    /// As `--epoch-unit` spells it.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Ms => "ms",
            Unit::S => "s",
        }
    }
}

/// What `offset` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OffsetMode {
    /// Messages to leave out.
    Rows,
    /// Pages to leave out.
    Pages,
}

impl OffsetMode {
    /// The other one, as the flag spells it.
    pub fn other(self) -> &'static str {
        match self {
            OffsetMode::Rows => "pages",
            OffsetMode::Pages => "rows",
        }
    }
}

/// How the key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// In a header, as documented since 2024.
    Bearer,
    /// As `apiKey` in the query, as documented before: proxies and servers log it.
    Query,
}

/// A parameter of the query.
#[derive(Clone, Debug)]
pub struct Param {
    name: String,
    value: String,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Param, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Param {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("'{text}' is not NAME=VALUE")),
        }
    }
}

/// Who is asked, and how its parameters are meant.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// The server of your digital contact center. The vendor's documentation names
    /// none; https://app.koopid.io and https://CUSTOMER.app.koopid.io have been seen.
    #[arg(long, value_name = "URL", env = "DIALPAD_BASE_URL", value_parser = parse_url)]
    pub base_url: Option<Url>,

    /// The digital experience account id, from the admin portal.
    #[arg(long, value_name = "ID", env = "DIALPAD_PROVIDER_ID")]
    pub provider_id: Option<String>,

    /// What start and end count. Tried in the other unit where nothing comes at first.
    #[arg(long, value_name = "UNIT", default_value = "ms")]
    pub epoch_unit: Unit,

    /// Messages to ask for at a time; 0, as in the vendor's example, is thought to
    /// mean all. A window that may hold more is cut in two until both parts are whole.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub limit: u64,

    /// What offset counts. Used only where more messages lie within a few seconds
    /// than come at a time.
    #[arg(long, value_name = "MODE", default_value = "rows")]
    pub offset_mode: OffsetMode,

    /// Ask for so much more on both sides of every window, in case its edges are
    /// exclusive. What comes twice leaves once.
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_overlap)]
    pub overlap: Duration,

    /// Read every window a second time in two parts and compare, instead of only
    /// those that may be cut off.
    #[arg(long)]
    pub verify_split: bool,

    /// How the key is sent. In a query it is readable in the logs of every proxy.
    #[arg(long, value_name = "HOW", default_value = "bearer")]
    pub auth: Auth,

    /// The partnerId that goes with --auth query.
    #[arg(long, value_name = "ID")]
    pub partner_id: Option<String>,

    /// Send NAME=VALUE in the query, in place of ours of that name; NAME= leaves
    /// it out. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<Param>,
}

impl ServiceArgs {
    /// What is asked for, for a window: with the margin, in whole units outwards.
    pub fn edges(&self, window: Window, unit: Unit) -> (i64, i64) {
        let (from, to) = self.asked(window);
        let unit = unit.millis();
        (from.div_euclid(unit), (to + unit - 1).div_euclid(unit))
    }

    fn asked(&self, window: Window) -> (i64, i64) {
        let from = window.from().minus(self.overlap).millis().max(0);
        (from, window.to().plus(self.overlap).millis())
    }

    /// Whether a message created then may come for a window: one second past what
    /// is asked for is the service's way of rounding, not another unit.
    pub fn may_come(&self, window: Window, ts: i64) -> bool {
        let (from, to) = self.asked(window);
        (from - 1000..=to + 1000).contains(&ts)
    }

    /// The longest window that can be asked for, with its margins.
    pub fn longest(&self) -> Duration {
        let margins = self.overlap * 3 + Duration::from_secs(2);
        LONGEST.saturating_sub(margins)
    }

    /// A time in whole units: the last one not after it.
    pub fn floor(&self, at: i64) -> i64 {
        let unit = self.epoch_unit.millis();
        at.div_euclid(unit) * unit
    }
}

fn parse_overlap(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|e| e.to_string())?;
    match length <= Duration::from_secs(86_400) {
        true => Ok(length),
        false => Err(format!("'{text}' is more than 1d")),
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Messages created then; all there are, where none is given.
    pub window: Option<Window>,
    /// Messages of this customer session; of all, where none is given.
    pub session: Option<&'a str>,
}

/// Which part of what a slice holds.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How times are sent.
    pub unit: Unit,
    /// How many at most.
    pub limit: u64,
    /// How many rows or pages to leave out.
    pub offset: u64,
}

/// A provider at a server.
#[derive(Clone, Debug)]
pub struct Service {
    base: Url,
    provider: String,
    /// The settings that it is asked with.
    pub args: ServiceArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    provider_id: &'a Value,
    start: i64,
    end: i64,
    limit: u64,
    offset: u64,
    interval: &'a str,
}

impl Service {
    /// Status 2 if it is not said whom to ask.
    pub fn new(args: &ServiceArgs) -> anyhow::Result<Service> {
        let lacking = |what: &str| error::usage(format!("no {what}"));
        let base = args.base_url.clone().ok_or_else(|| {
            lacking("server: give --base-url or DIALPAD_BASE_URL; the documentation names none (https://app.koopid.io has been seen)")
        })?;
        let provider = args.provider_id.clone().filter(|id| !id.is_empty());
        let provider = provider.ok_or_else(|| {
            lacking("provider: give --provider-id or DIALPAD_PROVIDER_ID, the digital experience account id of the admin portal")
        })?;
        Ok(Service {
            base,
            provider,
            args: args.clone(),
        })
    }

    /// The address and the body of a request; no body makes it a GET. The address
    /// may hold the key.
    pub fn request(&self, slice: &Slice<'_>, page: Page, key: &Secret) -> (Url, Option<Vec<u8>>) {
        let mut query: Vec<(&str, String)> = vec![("providerid", self.provider.clone())];
        let edges = slice
            .window
            .map(|window| self.args.edges(window, page.unit));
        let (path, body) = match slice.session {
            Some(session) => {
                query.push(("customersessionid", session.to_owned()));
                query.push(("limit", page.limit.to_string()));
                query.push(("offset", page.offset.to_string()));
                if let Some((start, end)) = edges {
                    query.push(("start", start.to_string()));
                    query.push(("end", end.to_string()));
                }
                let provider: String =
                    url::form_urlencoded::byte_serialize(self.provider.as_bytes()).collect();
                (format!("{ROOT}/{provider}/RedactedMessages"), None)
            }
            None => {
                let (start, end) = edges.unwrap_or_default();
                let number = self.provider.parse::<u64>().map(Value::from);
                let body = serde_json::to_vec(&Asked {
                    provider_id: &number.unwrap_or_else(|_| self.provider.clone().into()),
                    start,
                    end,
                    limit: page.limit,
                    offset: page.offset,
                    // "This parameter is not used": as in the vendor's example.
                    interval: "1d",
                });
                (format!("{ROOT}/Messages"), body.ok())
            }
        };
        if self.args.auth == Auth::Query {
            query.push(("apiKey", key.expose().to_owned()));
            query.push(("providerId", self.provider.clone()));
            if let Some(partner) = &self.args.partner_id {
                query.push(("partnerId", partner.clone()));
            }
        }
        let mut url = join_path(&self.base, &path);
        url.set_query(Some(&self.encoded(query)));
        (url, body)
    }

    fn encoded(&self, query: Vec<(&str, String)>) -> String {
        let mut text = Serializer::new(String::new());
        for (name, value) in &query {
            if !self.args.param.iter().any(|param| param.name == *name) {
                text.append_pair(name, value);
            }
        }
        for param in &self.args.param {
            if !param.value.is_empty() {
                text.append_pair(&param.name, &param.value);
            }
        }
        text.finish()
    }

    /// For messages.
    pub fn shown(&self, slice: &Slice<'_>) -> String {
        match (slice.session, slice.window) {
            (Some(session), None) => format!("session {session}"),
            (Some(session), Some(window)) => format!("session {session}, {window}"),
            (None, Some(window)) => format!("window {window}"),
            (None, None) => "everything".to_owned(),
        }
    }
}

/// The middle of a window in whole units; `None` if there is none within.
pub fn middle(window: Window, service: &Service) -> Option<Timestamp> {
    let (from, to) = (window.from().millis(), window.to().millis());
    let at = service.args.floor(from + (to - from) / 2);
    (from < at && at < to).then(|| Timestamp::from_millis(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        service: ServiceArgs,
    }

    fn service(more: &[&str]) -> Service {
        let base = [
            "x",
            "--base-url",
            "https://h.example/p",
            "--provider-id",
            "1020",
        ];
        Service::new(&Flags::parse_from([&base, more].concat()).service).unwrap()
    }

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap()
    }

    fn ask(service: &Service, session: Option<&str>, unit: Unit) -> (String, String) {
        let slice = Slice {
            window: Some(window(1_717_000_000_500, 1_717_086_400_000)),
            session,
        };
        let page = Page {
            unit,
            limit: 0,
            offset: 0,
        };
        let (url, body) = service.request(&slice, page, &Secret::new("K"));
        let body = String::from_utf8(body.unwrap_or_default()).unwrap();
        (url.to_string(), body)
    }

    #[test]
    fn requests_are_those_of_the_documentation() {
        let root = "https://h.example/p/KoopidPartnerServer/api/APIEndpoint/Dashboard";
        let (url, body) = ask(&service(&[]), None, Unit::Ms);
        assert_eq!(url, format!("{root}/Messages?providerid=1020"));
        assert_eq!(
            body,
            r#"{"providerId":1020,"start":1716999999500,"end":1717086401000,"limit":0,"offset":0,"interval":"1d"}"#
        );
        let (url, body) = ask(&service(&["--overlap", "0s"]), Some("-1834.2291"), Unit::S);
        assert_eq!(
            (url, body.as_str()),
            (
                format!(
                    "{root}/1020/RedactedMessages?providerid=1020&customersessionid=-1834.2291&limit=0&offset=0&start=1717000000&end=1717086400"
                ),
                ""
            )
        );
    }

    #[test]
    fn the_old_key_and_other_names_go_into_the_query() {
        let old = service(&[
            "--auth",
            "query",
            "--partner-id",
            "a b",
            "--param",
            "providerid=",
            "--param",
            "x=1",
        ]);
        let (url, _) = ask(&old, None, Unit::Ms);
        assert!(
            url.ends_with("/Messages?apiKey=K&providerId=1020&partnerId=a+b&x=1"),
            "{url}"
        );
    }

    #[test]
    fn no_request_covers_more_than_seven_days() {
        for unit in [Unit::Ms, Unit::S] {
            for overlap in ["0s", "1s", "3h"] {
                let service = service(&["--overlap", overlap]);
                let from = 1_717_000_000_999_i64;
                let length =
                    i64::try_from((service.args.longest() + service.args.overlap).as_millis())
                        .unwrap();
                let (start, end) = service.args.edges(window(from, from + length), unit);
                assert!((end - start) * unit.millis() < 7 * 86_400_000);
            }
        }
    }
}
