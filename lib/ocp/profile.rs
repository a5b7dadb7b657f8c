//! The API profile: what nobody outside knows of the Exports API's spelling, as
//! configuration. The code knows roles (create, list, status, metadata, data),
//! never a path or a key.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Table;

use crate::error;
use crate::net::http::{Url, join_path};
use crate::ocp::export_request::{ExportRequest, is_all};
use crate::time::Timestamp;

/// The profile that is built in, with its comments.
pub const DEFAULT: &str = include_str!("exports-api.toml");

/// How the names of the sections about subscriptions begin.
pub(super) const SUBSCRIPTIONS: &str = "sub_";

/// Unreserved characters stay (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The spelling of the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    create: Create,
    list: Endpoint,
    status: StatusSection,
    metadata: Endpoint,
    data: DataSection,
    reply: Pointers,
    states: States,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    path: String,
    body: String,
    busy: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    path: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusSection {
    mode: StatusMode,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusMode {
    Get,
    List,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataSection {
    path: String,
    page_params: PageParams,
    page_number: String,
    page_size: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PageParams {
    Query,
    Headers,
    Both,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointers {
    list: Vec<String>,
    export_id: Vec<String>,
    status: Vec<String>,
    group: Vec<String>,
    types: Vec<String>,
    from: Vec<String>,
    to: Vec<String>,
    num_of_files: Vec<String>,
    size_of_export: Vec<String>,
    error: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct States {
    pending: Vec<String>,
    ready: Vec<String>,
    expired: Vec<String>,
    failed: Vec<String>,
}

/// What a reply shows of an export.
struct ExportReply {
    group: Option<String>,
    types: Option<BTreeSet<String>>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

/// What the state of an export means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Submitted or processing.
    Pending,
    /// A state that we do not know: taken for pending.
    Unknown,
    /// It can be downloaded.
    Ready,
    /// It could once.
    Expired,
    /// It never will.
    Failed,
}

/// Whether an export is the one that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The reply shows its types and hours: it is.
    Ours,
    /// The reply shows that it is another one.
    Foreign,
    /// The reply does not show it.
    Unknown,
}

/// A request for a page: its place and its header lines.
pub type PageRequest = (Url, Vec<(String, String)>);

impl Profile {
    /// The built-in profile, with what the TOML file at `path` says otherwise.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Profile> {
        load_part(path, |section| !section.starts_with(SUBSCRIPTIONS))
    }

    /// Where to POST an order, and the JSON to send.
    pub fn create(&self, base: &Url, order: &ExportRequest) -> (Url, String) {
        let json = |value: &str| Value::from(value).to_string();
        let types: Vec<&str> = order.types.iter().map(String::as_str).collect();
        let body = expand(&self.create.body, |name| match name {
            "group" => Some(json(&order.group)),
            "types" => Some(Value::from(types.clone()).to_string()),
            "from" => Some(json(&order.window.from().rfc3339_millis())),
            "to" => Some(json(&order.window.to().rfc3339_millis())),
            _ => None,
        });
        (fill(base, &self.create.path, &order.group, ""), body)
    }

    /// The request that would create an export, for a person to read; `credential`
    /// is the name of the header that lets it in.
    pub fn show_create(&self, base: &Url, order: &ExportRequest, credential: &str) -> String {
        let (url, body) = self.create(base, order);
        format!("POST {url}\n{credential}: [redacted]\nContent-Type: application/json\n\n{body}\n")
    }

    /// Where the exports of a group are listed.
    pub fn list(&self, base: &Url, group: &str) -> Url {
        fill(base, &self.list.path, group, "")
    }

    /// Where the state of one export is told; `None` if only the list tells.
    pub fn status(&self, base: &Url, group: &str, export_id: &str) -> Option<Url> {
        let by_path = self.status.mode == StatusMode::Get;
        by_path.then(|| fill(base, &self.status.path, group, export_id))
    }

    /// Where the number of files is told.
    pub fn metadata(&self, base: &Url, group: &str, export_id: &str) -> Url {
        fill(base, &self.metadata.path, group, export_id)
    }

    /// Where and how a page is downloaded.
    pub fn data(
        &self,
        base: &Url,
        group: &str,
        export_id: &str,
        page_number: u64,
        page_size: u64,
    ) -> PageRequest {
        let mut url = fill(base, &self.data.path, group, export_id);
        let params = [
            (self.data.page_number.clone(), page_number.to_string()),
            (self.data.page_size.clone(), page_size.to_string()),
        ];
        if self.data.page_params != PageParams::Headers {
            url.query_pairs_mut().extend_pairs(&params);
        }
        let headers = match self.data.page_params {
            PageParams::Query => Vec::new(),
            PageParams::Headers | PageParams::Both => params.to_vec(),
        };
        (url, headers)
    }

    /// The exports in the reply of a list; `None` if it holds no list.
    pub(crate) fn listed<'a>(&self, reply: &'a Value) -> Option<&'a Vec<Value>> {
        let mut found = self.reply.list.iter().filter_map(|at| reply.pointer(at));
        found.find_map(Value::as_array)
    }

    /// The name of an export in a reply. It becomes part of paths.
    pub fn export_id(&self, reply: &Value) -> Option<String> {
        let id = first(reply, &self.reply.export_id).and_then(text)?;
        (!matches!(id.as_str(), "" | "." | "..")).then_some(id)
    }

    /// The state of an export in a reply, as it is spelled.
    pub fn state(&self, reply: &Value) -> Option<String> {
        first(reply, &self.reply.status).and_then(text)
    }

    /// The number of files and, if it is stated, of bytes in the reply with the metadata.
    pub(crate) fn metadata_of(&self, reply: &Value) -> Option<(u64, Option<u64>)> {
        let number = |at| first(reply, at).and_then(number);
        let files = number(&self.reply.num_of_files)?;
        Some((files, number(&self.reply.size_of_export)))
    }

    /// Whether an export in a list is what `order` asks for. What the list does
    /// not show cannot be taken on trust: another's records would come as ours.
    pub fn matches(&self, listed: &Value, order: &ExportRequest) -> bool {
        let shown = self.shown(listed, order);
        shown.group.as_ref() == Some(&order.group)
            && shown.from == Some(order.window.from())
            && shown.to == Some(order.window.to())
            && shown.types.as_ref() == Some(&order.types)
    }

    /// Whether a reply about an export shows that it is what `order` asks for.
    pub(crate) fn ownership(&self, reply: &Value, order: &ExportRequest) -> Ownership {
        let shown = self.shown(reply, order);
        if self.contradicts(reply, order) {
            Ownership::Foreign
        } else if shown.from.is_some() && shown.to.is_some() && shown.types.is_some() {
            Ownership::Ours
        } else {
            Ownership::Unknown
        }
    }

    /// Whether a reply about an export shows that it is not what `order` asks
    /// for. Its types may be spelled out, or be others for `ALL`.
    pub(crate) fn contradicts(&self, reply: &Value, order: &ExportRequest) -> bool {
        let shown = self.shown(reply, order);
        let has_all = |types: &BTreeSet<String>| types.iter().any(|kind| is_all(kind));
        let other_types = |types: BTreeSet<String>| {
            types != order.types && !has_all(&types) && !has_all(&order.types)
        };
        shown.group.is_some_and(|group| group != order.group)
            || shown.from.is_some_and(|from| from != order.window.from())
            || shown.to.is_some_and(|to| to != order.window.to())
            || shown.types.is_some_and(other_types)
    }

    fn shown(&self, reply: &Value, order: &ExportRequest) -> ExportReply {
        let hour = |at| {
            let text = first(reply, at).and_then(text)?;
            let time = Timestamp::parse(&text, order.window.from()).ok()?;
            Some(time.floor_hour())
        };
        ExportReply {
            group: first(reply, &self.reply.group).and_then(text),
            types: first(reply, &self.reply.types).map(|value| match value {
                Value::Array(items) => items.iter().filter_map(text).collect(),
                one => text(one).into_iter().collect(),
            }),
            from: hour(&self.reply.from),
            to: hour(&self.reply.to),
        }
    }

    /// What a state means. States that are not known may come; they are taken
    /// as pending, until a deadline.
    pub(crate) fn meaning(&self, state: &str) -> Meaning {
        let is_in = |states: &[String]| states.iter().any(|s| s.eq_ignore_ascii_case(state));
        if is_in(&self.states.ready) {
            Meaning::Ready
        } else if is_in(&self.states.expired) {
            Meaning::Expired
        } else if is_in(&self.states.failed) {
            Meaning::Failed
        } else if is_in(&self.states.pending) {
            Meaning::Pending
        } else {
            Meaning::Unknown
        }
    }

    /// What a reply that is no success says, in its own words, if it says
    /// anything: the services of OCP have half a dozen shapes for that.
    pub(crate) fn error_text(&self, body: &str) -> Option<String> {
        let reply: Value = serde_json::from_str(body).ok()?;
        let mut found = self.reply.error.iter().filter_map(|at| reply.pointer(at));
        found.find_map(text).filter(|text| !text.is_empty())
    }

    /// Whether the text of a 400 means that the group is busy.
    pub(crate) fn is_busy(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.create
            .busy
            .iter()
            .any(|word| text.contains(&word.to_lowercase()))
    }
}

/// The sections of the profile that `is_wanted` names: the built-in ones, with what the
/// TOML file at `path` says otherwise. Status 2 for a file that cannot be read.
pub(super) fn load_part<T: DeserializeOwned>(
    path: Option<&Path>,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<T> {
    let mut table: Table = DEFAULT.parse()?;
    if let Some(path) = path {
        let place = || format!("--api-profile {}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|e| error::usage(e.to_string()))
            .with_context(place)?;
        let own: Table = text
            .parse()
            .map_err(|e: toml::de::Error| error::usage(one_line(&e.to_string())))
            .with_context(place)?;
        merge(&mut table, own);
    }
    table.retain(|section, _| is_wanted(section));
    table
        .try_into()
        .map_err(|e: toml::de::Error| error::usage(one_line(&e.to_string())))
        .context("the API profile")
}

fn fill(base: &Url, path: &str, group: &str, export_id: &str) -> Url {
    fill_in(base, path, |name| match name {
        "export_id" => Some(export_id),
        "group" => Some(group),
        _ => None,
    })
}

/// The address of a path below `base`, with the values of its `{name}`s.
pub(super) fn fill_in<'v>(base: &Url, path: &str, value: impl Fn(&str) -> Option<&'v str>) -> Url {
    let encode = |text| utf8_percent_encode(text, ENCODED).to_string();
    let path = expand(path, |name| value(name).map(encode));
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let mut url = join_path(base, path);
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    url
}

/// Replaces each `{name}` that has a value, once: a group may be called `{to}`.
pub(super) fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
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

/// What the first pointer that leads to something finds.
pub(super) fn first<'a>(reply: &'a Value, pointers: &[String]) -> Option<&'a Value> {
    let mut found = pointers.iter().filter_map(|at| reply.pointer(at));
    found.find(|value| !value.is_null())
}

/// A text, or a number as a text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn merge(table: &mut Table, own: Table) {
    for (key, value) in own {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// An error of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status as Exit;
    use serde_json::json;

    fn order(group: &str) -> ExportRequest {
        let text = json!({"group": group, "types": ["dialog_end"], "from": "2026-11-01", "to": "2026-11-03"});
        serde_json::from_value(text).unwrap()
    }

    fn base() -> Url {
        Url::parse("https://api.example/gateway/").unwrap()
    }

    #[test]
    fn the_default_asks_as_documented() {
        let profile = Profile::load(None).unwrap();
        let (url, body) = profile.create(&base(), &order("acme \"{to}\""));
        assert_eq!(
            url.as_str(),
            "https://api.example/gateway/exports-api/v1/exports"
        );
        assert_eq!(
            body,
            r#"{"group":"acme \"{to}\"","message_types":["dialog_end"],"from":"2026-11-01T00:00:00.000Z","to":"2026-11-03T00:00:00.000Z"}"#
        );
        let (url, headers) = profile.data(&base(), "acme", "a/../b", 2, 50);
        assert_eq!(
            url.as_str(),
            "https://api.example/gateway/exports-api/v1/exports/a%2F..%2Fb/data?page_number=2&page_size=50"
        );
        assert!(headers.is_empty());
        let url = profile.list(&base(), "a&b=c/ü");
        assert_eq!(url.query(), Some("group=a%26b%3Dc%2F%C3%BC"));
    }

    #[test]
    fn a_file_says_only_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        let load = |text: &str| {
            crate::os::files::write_atomic(&path, text.as_bytes()).unwrap();
            Profile::load(Some(&path))
        };
        let profile = load("[data]\npage_params = \"both\"\n[status]\nmode = \"list\"\n").unwrap();
        let (url, headers) = profile.data(&base(), "acme", "x", 1, 5);
        assert_eq!(url.query(), Some("page_number=1&page_size=5"));
        assert_eq!(headers[0], ("page_number".to_owned(), "1".to_owned()));
        assert!(profile.status(&base(), "acme", "x").is_none());
        for wrong in [
            "[data]\nsize = 1\n",
            "[data\n",
            "[data]\npage_params = \"body\"\n",
        ] {
            let error = load(wrong).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Usage);
            assert!(!format!("{error:#}").contains('\n'));
        }
    }

    #[test]
    fn replies_of_many_shapes_are_understood() {
        let profile = Profile::load(None).unwrap();
        assert_eq!(profile.export_id(&json!({"id": 7})).as_deref(), Some("7"));
        assert_eq!(
            profile
                .export_id(&json!({"data": {"export_id": "x"}}))
                .as_deref(),
            Some("x")
        );
        assert_eq!(profile.listed(&json!({"content": [1]})).unwrap().len(), 1);
        assert!(profile.listed(&json!({"content": 1})).is_none());
        assert_eq!(
            profile.metadata_of(&json!({"num_of_files": "12"})),
            Some((12, None))
        );
        for (body, text) in [
            (r#"{"message":"m"}"#, Some("m")),
            (r#"{"errors":[{"title":"t","detail":"d"}]}"#, Some("d")),
            (r#"{"detail":[{"msg":"m"}]}"#, Some("m")),
            (r#"{"error":"e","error_description":"ed"}"#, Some("ed")),
            (r#"{"error":true,"code":400,"message":"m"}"#, Some("m")),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(profile.error_text(body).as_deref(), text, "{body}");
        }
    }

    #[test]
    fn states_are_read_in_any_case() {
        let profile = Profile::load(None).unwrap();
        assert_eq!(profile.meaning("ready"), Meaning::Ready);
        assert_eq!(profile.meaning("Expired"), Meaning::Expired);
        assert_eq!(profile.meaning("FAILED"), Meaning::Failed);
        assert_eq!(profile.meaning("RUNNING"), Meaning::Pending);
        assert_eq!(profile.meaning("DEFROSTING"), Meaning::Unknown);
    }

    #[test]
    fn a_listed_export_is_ours_only_if_all_of_it_is() {
        let profile = Profile::load(None).unwrap();
        let order = order("acme");
        let mut listed = json!({
            "export_id": "x", "group": "acme", "message_types": ["dialog_end"],
            "from": "2026-11-01T00:00:00.000Z", "to": "2026-11-03T00:00:00Z",
        });
        assert!(profile.matches(&listed, &order));
        listed["message_types"] = json!("dialog_end");
        assert!(profile.matches(&listed, &order));
        listed["message_types"] = json!(["dialog_end", "dialog_start"]);
        assert!(!profile.matches(&listed, &order));
        assert!(!profile.matches(&json!({"export_id": "x"}), &order));
        assert!(!profile.contradicts(&json!({"status": "READY"}), &order));
        assert!(profile.contradicts(&json!({"group": "other"}), &order));
        assert!(profile.contradicts(&json!({"to": "2026-11-04"}), &order));
        for field in ["group", "message_types", "from", "to"] {
            listed["message_types"] = json!("dialog_end");
            let mut without = listed.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!profile.matches(&without, &order), "{field}");
        }
    }
}
