//! The profile itself: its sections, read from TOML, and its lines.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Table;

use super::file;
use super::form::{self, Placement, TimeForm, TypesForm};
use super::line::ProfileLine;
use crate::error;
use crate::net::http::Method;

/// The built-in profile, with its comments.
pub const DEFAULT: &str = include_str!("../exports-api.toml");

/// The paths, fields and formats of the Exports API.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) sections: Sections,
    /// The default profile, merged with the differences.
    table: Table,
    /// The differences from the default.
    own: Table,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sections {
    pub(super) create: Create,
    pub(super) list: Endpoint,
    pub(super) status: StatusSection,
    pub(super) metadata: Endpoint,
    pub(super) data: DataSection,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) codes: Codes,
    pub(super) reply: Pointers,
    pub(super) states: States,
}

/// The request of one role.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Endpoint {
    #[serde(deserialize_with = "form::method")]
    pub(super) method: Method,
    pub(super) path: String,
    #[serde(default)]
    pub(super) body: String,
    pub(super) params: Placement,
    pub(super) group: String,
    #[serde(default)]
    pub(super) export_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Create {
    #[serde(flatten)]
    pub(super) endpoint: Endpoint,
    pub(super) types: TypesForm,
    pub(super) time: TimeForm,
    pub(super) busy: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StatusSection {
    #[serde(flatten)]
    pub(super) endpoint: Endpoint,
    pub(super) mode: StatusMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusMode {
    Get,
    List,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DataSection {
    #[serde(flatten)]
    pub(super) endpoint: Endpoint,
    pub(super) page_params: Placement,
    pub(super) page_number: String,
    pub(super) page_size: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Codes {
    pub(super) busy: Vec<u16>,
    pub(super) expired: Vec<u16>,
    pub(super) not_ready: Vec<u16>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pointers {
    pub(super) list: Vec<String>,
    pub(super) export_id: Vec<String>,
    pub(super) status: Vec<String>,
    pub(super) group: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) expires_at: Vec<String>,
    pub(super) num_of_files: Vec<String>,
    pub(super) size_of_export: Vec<String>,
    pub(super) error: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct States {
    pub(super) pending: Vec<String>,
    pub(super) ready: Vec<String>,
    pub(super) expired: Vec<String>,
    pub(super) failed: Vec<String>,
}

/// The sections of the profile that `is_wanted` accepts: the built-in sections, merged with the
/// TOML file at `path`. Fails with status 2 if the file cannot be read or is not valid.
pub(in crate::ocp) fn load_part<T: DeserializeOwned>(
    path: Option<&Path>,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<T> {
    let (mut table, _) = file::read(DEFAULT, path)?;
    table.retain(|section, _| is_wanted(section));
    table
        .try_into()
        .map_err(|e: toml::de::Error| error::usage(file::one_line(&e.to_string())))
        .context("the API profile")
}

impl Profile {
    /// The built-in profile, merged with the TOML file at `path`.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Profile> {
        let (table, own) = file::read(DEFAULT, path)?;
        let place = || match path {
            Some(path) => format!("--api-profile {}", path.display()),
            None => "the API profile".to_owned(),
        };
        Profile::of(table, own).with_context(place)
    }

    fn of(table: Table, own: Table) -> anyhow::Result<Profile> {
        let mut exports = table.clone();
        exports.retain(|section, _| !section.starts_with(super::SUBSCRIPTIONS));
        let read = exports
            .try_into()
            .map_err(|e: toml::de::Error| error::usage(file::one_line(&e.to_string())));
        Ok(Profile {
            sections: read?,
            table,
            own,
        })
    }

    /// The profile with one changed line.
    pub fn with(&self, line: ProfileLine, value: &Value) -> anyhow::Result<Profile> {
        let (mut table, mut own) = (self.table.clone(), self.own.clone());
        file::set(&mut table, line, value)?;
        file::set(&mut own, line, value)?;
        Profile::of(table, own)
    }

    /// The value of `line` as a JSON list that starts with `more`. If the value is not a list, the
    /// result contains only `more`.
    pub(crate) fn extended(&self, line: ProfileLine, more: Value) -> Value {
        let known = match self.value_of(line) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let known = known.into_iter().filter(|item| *item != more);
        let mut items: Vec<Value> = known.collect();
        items.insert(0, more);
        Value::Array(items)
    }

    /// The value of a line, as JSON.
    pub(crate) fn value_of(&self, line: ProfileLine) -> Option<Value> {
        let value = self.table.get(line.section)?.get(line.key)?;
        serde_json::to_value(value).ok()
    }

    /// The differences from the built-in profile, as a TOML file.
    pub(crate) fn differences(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(&self.own)?)
    }
}
