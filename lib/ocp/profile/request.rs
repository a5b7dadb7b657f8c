//! Builds requests with the names from the profile.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::form::{Placement, TimeForm, TypesForm};
use super::line::Role;
use super::spelling::{Endpoint, Profile, StatusMode};
use crate::net::http::{Method, Url, join_path};
use crate::ocp::export_request::ExportRequest;

/// The characters that are encoded: all except the unreserved characters (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// The header lines.
    pub headers: Vec<(String, String)>,
    /// The body, as JSON.
    pub body: Option<String>,
}

/// The subject of a request. Fields that the role does not need are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// The OCP group.
    pub group: &'a str,
    /// The id that the service gave the export.
    pub export_id: &'a str,
    /// The number and the size of a page.
    pub page: Option<(u64, u64)>,
    /// The content of a create.
    pub request: Option<&'a ExportRequest>,
}

impl<'a> Subject<'a> {
    /// The subject of a list: all exports of a group.
    pub fn group(group: &'a str) -> Subject<'a> {
        Subject {
            group,
            ..Subject::default()
        }
    }

    /// The subject of a request about one export.
    pub fn export(group: &'a str, export_id: &'a str) -> Subject<'a> {
        Subject {
            export_id,
            ..Subject::group(group)
        }
    }

    /// The subject of a create: a new export.
    pub fn create(request: &'a ExportRequest) -> Subject<'a> {
        Subject {
            request: Some(request),
            ..Subject::group(&request.group)
        }
    }
}

impl Profile {
    /// Builds the request of a role for `subject`.
    pub fn request(&self, role: Role, base: &Url, subject: Subject<'_>) -> RoleRequest {
        let endpoint = self.endpoint(role);
        let value = |name: &str| self.value(name, subject);
        let mut url = fill_in(base, &endpoint.path, |name| Some(value(name)?.0));
        let mut headers: Vec<(String, String)> =
            self.sections.headers.clone().into_iter().collect();
        for (name, key, placement) in self.params(role) {
            let is_in_path = endpoint.path.contains(&format!("{{{key}}}"));
            let (false, false, Some((text, _))) = (name.is_empty(), is_in_path, value(key)) else {
                continue;
            };
            if placement.is_in_query() {
                url.query_pairs_mut().append_pair(name, &text);
            }
            if placement.is_in_headers() {
                headers.push((name.to_owned(), text));
            }
        }
        let body = (!endpoint.body.is_empty())
            .then(|| expand(&endpoint.body, |name| Some(value(name)?.1.to_string())));
        RoleRequest {
            method: endpoint.method,
            url,
            headers,
            body,
        }
    }

    /// Whether the state of one export has its own path. Otherwise the state is read from the list.
    pub(crate) fn asks_for_status(&self) -> bool {
        self.sections.status.mode == StatusMode::Get
    }

    /// The exports to request for `request`: one for each type if the service accepts only one type
    /// at a time, otherwise one for all types.
    pub fn split(&self, request: &ExportRequest) -> Vec<ExportRequest> {
        if self.sections.create.types != TypesForm::Each {
            return vec![request.clone()];
        }
        let one = |kind: &String| ExportRequest {
            types: [kind.clone()].into(),
            ..request.clone()
        };
        request.types.iter().map(one).collect()
    }

    pub(super) fn endpoint(&self, role: Role) -> &Endpoint {
        let sections = &self.sections;
        match role {
            Role::Create => &sections.create.endpoint,
            Role::List => &sections.list,
            Role::Status => &sections.status.endpoint,
            Role::Metadata => &sections.metadata,
            Role::Data => &sections.data.endpoint,
        }
    }

    /// The parameters of a role. For each parameter: its name in the request, the key of its value,
    /// and its place.
    fn params(&self, role: Role) -> Vec<(&str, &'static str, Placement)> {
        let endpoint = self.endpoint(role);
        let mut params = vec![
            (&*endpoint.group, "group", endpoint.params),
            (&*endpoint.export_id, "export_id", endpoint.params),
        ];
        if role == Role::Data {
            let data = &self.sections.data;
            params.push((&data.page_number, "page_number", data.page_params));
            params.push((&data.page_size, "page_size", data.page_params));
        }
        params
    }

    /// The value of a placeholder, as text and as JSON.
    fn value(&self, name: &str, subject: Subject<'_>) -> Option<(String, Value)> {
        let text = |text: &str| (text.to_owned(), Value::from(text));
        let number = |number: u64| (number.to_string(), Value::from(number));
        let create = &self.sections.create;
        let time = |form: TimeForm, at| (form.text(at), form.json(at));
        Some(match name {
            "group" => text(subject.group),
            "export_id" => text(subject.export_id),
            "page_number" => number(subject.page?.0),
            "page_size" => number(subject.page?.1),
            "from" => time(create.time, subject.request?.window.from()),
            "to" => time(create.time, subject.request?.window.to()),
            "types" => {
                let types = subject.request?.types.iter();
                let types: Vec<&str> = types.map(String::as_str).collect();
                (TypesForm::text(&types), create.types.json(&types))
            }
            _ => return None,
        })
    }
}

impl RoleRequest {
    /// The request as text for people; `credential` is the name of the header with the
    /// credential.
    pub fn show(&self, credential: &str) -> String {
        let mut text = format!("{} {}\n{credential}: [redacted]\n", self.method, self.url);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\n");
        }
        if let Some(body) = &self.body {
            text += &format!("Content-Type: application/json\n\n{body}\n");
        }
        text
    }
}

/// The URL of a path below `base`. Each `{name}` in the path is replaced by its encoded value.
pub(in crate::ocp) fn fill_in<V: AsRef<str>>(
    base: &Url,
    path: &str,
    value: impl Fn(&str) -> Option<V>,
) -> Url {
    let encoded =
        |name: &str| Some(utf8_percent_encode(value(name)?.as_ref(), ENCODED).to_string());
    let path = expand(path, encoded);
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let mut url = join_path(base, path);
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    url
}

/// Replaces each `{name}` that has a value. Does not replace names inside a value, because a group
/// can be called `{to}`.
pub(in crate::ocp) fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let name = rest.find('}').map(|close| &rest[1..close]);
        match name.and_then(|name| Some((name, value(name)?))) {
            Some((name, value)) => {
                out.push_str(&value);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}
