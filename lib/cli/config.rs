//! The output of `--print-config`: each setting of a call, its value and its origin.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

/// The secrets that each program reads from the environment, as NAME or NAME_FILE.
const SECRETS: [(&str, &[&str]); 6] = [
    ("ocp-token", &["OCP_PASSWORD", "OCP_OTP", "OCP_PAT"]),
    (
        "export-fetch",
        &["OCP_TOKEN", "OCP_PAT", "OCP_PASSWORD", "OCP_OTP"],
    ),
    (
        "ocp-metrics",
        &["OCP_TOKEN", "OCP_PAT", "OCP_PASSWORD", "OCP_OTP"],
    ),
    (
        "ocp-subscribe",
        &["OCP_TOKEN", "OCP_PAT", "OCP_PASSWORD", "OCP_OTP"],
    ),
    ("vg-consecutive", &["VOICEGAIN_TOKEN", "VOICEGAIN_JWT"]),
    ("dialpad-window", &["DIALPAD_API_KEY"]),
];

/// One setting.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The name of the setting, for example `--rate`, `OCP_PASSWORD`, or `EXPR` for a positional
    /// argument.
    setting: String,
    /// The text of the value; a list if there are several values; `null` if the setting is not set.
    value: Option<SettingValue>,
    /// Where the value is from: `not set`, `default`, `command line`, or `environment` with the
    /// name of the variable.
    origin: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum SettingValue {
    One(String),
    Many(Vec<String>),
}

/// The settings of a call: options in the order of the help, then secrets. The text of a secret is
/// hidden.
pub fn settings(
    command: &Command,
    matches: &ArgMatches,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (command, matches) in levels(command, matches) {
        let shown = command.get_arguments().filter(|arg| !is_about_itself(arg));
        settings.extend(shown.map(|arg| setting(arg, matches)));
    }
    // clap repeats a global flag in each subcommand. Of settings with the same name, the last one
    // is kept.
    let mut seen = std::collections::BTreeSet::new();
    settings.reverse();
    settings.retain(|one| seen.insert(one.setting.clone()));
    settings.reverse();
    let known = SECRETS.iter().find(|(name, _)| *name == command.get_name());
    for name in known.into_iter().flat_map(|(_, names)| *names) {
        settings.extend(secret(name, env));
    }
    settings
}

/// The command and each subcommand of the call, each with its own matches.
pub(super) fn levels<'c>(
    command: &'c Command,
    matches: &'c ArgMatches,
) -> impl Iterator<Item = (&'c Command, &'c ArgMatches)> {
    std::iter::successors(Some((command, matches)), |(command, matches)| {
        let (name, inner) = matches.subcommand()?;
        Some((command.find_subcommand(name)?, inner))
    })
}

fn is_about_itself(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version" | "print_config")
}

fn setting(arg: &Arg, matches: &ArgMatches) -> Setting {
    let id = arg.get_id().as_str();
    let values: Vec<String> = matches
        .get_raw(id)
        .map(|values| values.map(|v| v.to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let value = match (values.len(), arg.is_hide_env_values_set()) {
        (0, _) => None,
        (_, true) => Some(SettingValue::One("[redacted]".to_owned())),
        (1, false) => values
            .into_iter()
            .next()
            .map(|value| SettingValue::One(redact(value))),
        (_, false) => Some(SettingValue::Many(values.into_iter().map(redact).collect())),
    };
    let origin = match (matches.value_source(id), arg.get_env()) {
        (Some(ValueSource::EnvVariable), Some(name)) => {
            format!("environment {}", name.to_string_lossy())
        }
        (Some(ValueSource::CommandLine), _) => "command line".to_owned(),
        (Some(ValueSource::DefaultValue), _) => "default".to_owned(),
        _ => "not set".to_owned(),
    };
    Setting {
        setting: name(arg),
        value,
        origin,
    }
}

/// The name of an option or of a positional argument, as the command line shows it.
pub(super) fn name(arg: &Arg) -> String {
    match (arg.get_long(), arg.get_value_names()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some([name, ..])) => name.to_string(),
        (None, _) => arg.get_id().to_string(),
    }
}

/// Hides the user and password of a URL.
pub(super) fn redact(value: String) -> String {
    match value.split_once("://").and_then(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (_, host) = host.rsplit_once('@')?;
        Some((scheme.len() + 3, rest.find(host)?))
    }) {
        Some((start, length)) => {
            format!("{}[redacted]@{}", &value[..start], &value[start + length..])
        }
        None => value,
    }
}

fn secret(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<Setting> {
    let file = format!("{name}_FILE");
    let is_set = |name: &str| env(name).filter(|value| !value.is_empty());
    let (value, from) = match (is_set(name), is_set(&file)) {
        (Some(_), _) => ("[redacted]".to_owned(), name),
        (None, Some(path)) => (path, file.as_str()),
        (None, None) => return None,
    };
    Some(Setting {
        setting: name.to_owned(),
        value: Some(SettingValue::One(value)),
        origin: format!("environment {from}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser, Subcommand};

    #[derive(Parser)]
    #[command(name = "export-fetch")]
    struct Args {
        #[arg(long, default_value = "5/60s", global = true)]
        _rate: String,
        #[arg(long, env = "CALLPIPE_TEST_URL")]
        _url: Option<String>,
        #[arg(long, env = "CALLPIPE_TEST_KEY", hide_env_values = true)]
        _key: Option<String>,
        #[arg(value_name = "ZIP")]
        _zips: Vec<String>,
        #[command(subcommand)]
        _sub: Option<Sub>,
    }

    #[derive(Subcommand)]
    enum Sub {
        One {
            #[arg(long)]
            _group: Option<String>,
        },
    }

    fn shown(line: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        let command = Args::command();
        let matches = command.clone().get_matches_from([&["x"], line].concat());
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let settings = settings(&command, &matches, &env);
        settings
            .iter()
            .map(|one| serde_json::to_string(one).unwrap())
            .collect()
    }

    #[test]
    fn every_setting_has_a_value_and_an_origin() {
        let line = [
            "--url",
            "https://me:pw@host/x",
            "--key",
            "k",
            "a.zip",
            "b.zip",
        ];
        assert_eq!(
            shown(
                &line,
                &[
                    ("OCP_PAT", "t0ken"),
                    ("OCP_PASSWORD_FILE", "/run/pw"),
                    ("OCP_OTP", "")
                ]
            ),
            [
                r#"{"setting":"--rate","value":"5/60s","origin":"default"}"#,
                r#"{"setting":"--url","value":"https://[redacted]@host/x","origin":"command line"}"#,
                r#"{"setting":"--key","value":"[redacted]","origin":"command line"}"#,
                r#"{"setting":"ZIP","value":["a.zip","b.zip"],"origin":"command line"}"#,
                r#"{"setting":"OCP_PAT","value":"[redacted]","origin":"environment OCP_PAT"}"#,
                r#"{"setting":"OCP_PASSWORD","value":"/run/pw","origin":"environment OCP_PASSWORD_FILE"}"#,
            ]
        );
    }

    #[test]
    fn a_subcommands_settings_are_there_and_shared_ones_once() {
        let settings = shown(&["one", "--group", "g", "--rate", "1/1s"], &[]);
        assert!(
            settings.contains(
                &r#"{"setting":"--group","value":"g","origin":"command line"}"#.to_owned()
            )
        );
        let rates: Vec<_> = settings
            .iter()
            .filter(|line| line.contains("--rate"))
            .collect();
        assert_eq!(
            rates,
            [r#"{"setting":"--rate","value":"1/1s","origin":"command line"}"#]
        );
        assert!(
            settings.contains(&r#"{"setting":"--url","value":null,"origin":"not set"}"#.to_owned())
        );
    }
}
