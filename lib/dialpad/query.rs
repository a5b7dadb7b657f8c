//! The requests, as the vendor documents them: `POST Dashboard/Messages` for all messages of a
//! provider in a period, `GET Dashboard/{id}/RedactedMessages` for the messages of one customer
//! session.

use serde::Serialize;
use serde_json::Value;

use super::settings::{KeyPlacement, ServiceArgs, Unit};
use crate::error;
use crate::export::window::Window;
use crate::net::http::{Url, join_path};
use crate::net::secret::Secret;
use crate::time::Timestamp;

const ROOT: &str = "/KoopidPartnerServer/api/APIEndpoint/Dashboard";

/// The messages that a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// The period in which the messages were created; `None` for any time.
    pub window: Option<Window>,
    /// The customer session; `None` for all sessions.
    pub session: Option<&'a str>,
}

/// The part of a slice that one request asks for.
#[derive(Clone, Copy, Debug)]
pub struct PageQuery {
    /// The unit in which times are sent.
    pub unit: Unit,
    /// The most messages to return.
    pub limit: u64,
    /// How many messages or pages to leave out.
    pub offset: u64,
}

/// A provider (a customer's account) at a server.
#[derive(Clone, Debug)]
pub struct Service {
    base: Url,
    provider: String,
    /// The settings of the requests.
    pub args: ServiceArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentQuery<'a> {
    provider_id: &'a Value,
    start: i64,
    end: i64,
    limit: u64,
    offset: u64,
    interval: &'a str,
}

impl Service {
    /// Reads the settings. An error with status 2 if they name no server or no provider.
    pub fn new(args: &ServiceArgs) -> anyhow::Result<Service> {
        let lacking = |what: &str| error::usage(format!("no {what}"));
        let base = args.base_url.clone().ok_or_else(|| {
            lacking("server: give --base-url or DIALPAD_BASE_URL; the documentation does not name it; a plugin of the vendor uses https://app.koopid.io")
        })?;
        let provider = args.provider_id.as_deref().map(str::trim);
        let provider = provider.filter(|id| !id.is_empty()).map(str::to_owned);
        let provider = provider.ok_or_else(|| {
            lacking("provider: give --provider-id or DIALPAD_PROVIDER_ID, the digital experience account id of the admin portal")
        })?;
        Ok(Service {
            base,
            provider,
            args: args.clone(),
        })
    }

    /// The URL and the body of a request; a request without a body is a GET. The URL can contain
    /// the key.
    pub fn request(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
        key: &Secret,
    ) -> (Url, Option<Vec<u8>>) {
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
                (vec![self.provider.as_str(), "RedactedMessages"], None)
            }
            None => {
                let (start, end) = edges.unwrap_or_default();
                let number = self.provider.parse::<u64>().map(Value::from);
                let body = serde_json::to_vec(&SentQuery {
                    provider_id: &number.unwrap_or_else(|_| self.provider.clone().into()),
                    start,
                    end,
                    limit: page.limit,
                    offset: page.offset,
                    // The documentation says "This parameter is not used". Its example has the
                    // value `1d`.
                    interval: "1d",
                });
                (vec!["Messages"], body.ok())
            }
        };
        if self.args.auth == KeyPlacement::Query {
            query.push(("apiKey", key.expose().to_owned()));
            query.push(("providerId", self.provider.clone()));
            if let Some(partner) = &self.args.partner_id {
                query.push(("partnerId", partner.clone()));
            }
        }
        let mut url = join_path(&self.base, ROOT);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        self.set_query(&mut url, &query);
        (url, body)
    }

    fn set_query(&self, url: &mut Url, query: &[(&str, String)]) {
        let params = &self.args.param;
        let ours = query.iter().map(|(name, value)| (*name, value.as_str()));
        let ours = ours.filter(|(name, _)| !params.iter().any(|param| param.name == *name));
        let theirs = params.iter().filter(|param| !param.value.is_empty());
        let theirs = theirs.map(|param| (param.name.as_str(), param.value.as_str()));
        url.set_query(None);
        url.query_pairs_mut().extend_pairs(ours.chain(theirs));
    }

    /// The name of the slice in errors and logs.
    pub fn shown(&self, slice: &Slice<'_>) -> String {
        match (slice.session, slice.window) {
            (Some(session), None) => format!("session {session}"),
            (Some(session), Some(window)) => format!("session {session}, {window}"),
            (None, Some(window)) => format!("window {window}"),
            (None, None) => "everything".to_owned(),
        }
    }
}

/// The middle of a window, rounded down to a whole unit; `None` if this time is not inside the
/// window.
pub(super) fn middle(window: Window, service: &Service) -> Option<Timestamp> {
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
        let page = PageQuery {
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
}
