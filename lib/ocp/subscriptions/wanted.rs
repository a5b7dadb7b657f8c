//! Reads `subscriptions.toml`: the wanted subscriptions.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::secret_source::ClientSecretSource;
use super::subscription::Subscription;
use crate::error;
use crate::net::http::{Url, parse_url};

/// A wanted subscription and the source of its secret.
#[derive(Clone, Debug)]
pub struct WantedSubscription {
    /// The settings of the subscription.
    pub subscription: Subscription,
    /// The source of the secret.
    pub secret: ClientSecretSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedFile {
    #[serde(default)]
    subscription: Vec<WantedEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedEntry {
    group: String,
    r#type: String,
    name: String,
    url: String,
    token_url: String,
    client_id: String,
    secret_env: Option<toml::Value>,
    secret_file: Option<toml::Value>,
    secret_command: Option<toml::Value>,
}

/// Reads the `[[subscription]]` tables of a file, in the order of the file. Fails with status 2 if
/// one of these tables is invalid. Sends no request.
pub fn read(path: &Path) -> anyhow::Result<Vec<WantedSubscription>> {
    let place = || path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| error::usage(e.to_string()))
        .with_context(place)?;
    parse(&text).map_err(error::usage).with_context(place)
}

fn parse(text: &str) -> Result<Vec<WantedSubscription>, String> {
    let file: WantedFile = toml::from_str(text).map_err(|e| {
        let text = e.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.join(" ").trim().to_owned()
    })?;
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for (number, entry) in (1..).zip(file.subscription) {
        let place = format!("subscription {number}");
        let one = entry.check().map_err(|why| format!("{place}: {why}"))?;
        let what = one.subscription.what();
        if !seen.insert(what.clone()) {
            return Err(format!(
                "{place}: {what} occurs twice: a group has one subscription for each type"
            ));
        }
        wanted.push(one);
    }
    if wanted.is_empty() {
        return Err("there is no [[subscription]] in it".to_owned());
    }
    Ok(wanted)
}

impl WantedEntry {
    fn check(self) -> Result<WantedSubscription, String> {
        for (key, value) in [
            ("group", &self.group),
            ("type", &self.r#type),
            ("name", &self.name),
            ("client_id", &self.client_id),
        ] {
            if value.is_empty() {
                return Err(format!("{key} is empty"));
            }
        }
        let mut places = toml::Table::new();
        for (key, value) in [
            ("secret_env", self.secret_env),
            ("secret_file", self.secret_file),
            ("secret_command", self.secret_command),
        ] {
            places.extend(value.map(|value| (key.to_owned(), value)));
        }
        let secret: ClientSecretSource =
            places.try_into().map_err(|e| format!("its secret: {e}"))?;
        if secret.places() != 1 {
            return Err("give one of secret_env, secret_file and secret_command".to_owned());
        }
        let url = |key: &str, text: &str| -> Result<Url, String> {
            parse_url(text).map_err(|why| format!("{key}: {why}"))
        };
        Ok(WantedSubscription {
            subscription: Subscription {
                callback_url: url("url", &self.url)?,
                token_url: url("token_url", &self.token_url)?,
                group: self.group,
                message_type: self.r#type,
                name: self.name,
                client_id: self.client_id,
            },
            secret,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[subscription]]\ngroup = \"acme\"\ntype = \"dialog_end\"\nname = \"end\"\n\
        url = \"https://in.example/push\"\ntoken_url = \"https://in.example/t\"\nclient_id = \"c\"\n";

    #[test]
    fn each_has_one_place_for_its_secret_and_each_type_comes_once() {
        let good = format!("{ONE}secret_env = \"X\"\n");
        assert_eq!(parse(&good).unwrap().len(), 1);
        for (wrong, why) in [
            (String::new(), "no [[subscription]]"),
            (ONE.to_owned(), "give one of"),
            (format!("{good}secret_file = \"f\"\n"), "give one of"),
            (format!("{good}{good}"), "twice"),
            (
                good.replace("https://in.example/push", "http://in.example/"),
                "use https",
            ),
            (good.replace("\"end\"", "\"\""), "name is empty"),
            (good.replace("client_id", "client"), "unknown field"),
        ] {
            let said = parse(&wrong).unwrap_err();
            assert!(said.contains(why) && !said.contains('\n'), "{said}");
        }
    }
}
