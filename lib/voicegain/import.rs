//! Reads the settings of the vendor's own script, `config.ini`: its cursor and its host.
//! The file is only read, and its token is not used.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::call::parse_id;
use crate::error;

/// The cursor in the vendor's example file. The comment in that file says that the default is 0.
const EXAMPLE: u64 = 1_235_498;

/// The settings that were taken from a `config.ini`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The value of `max_exported_callid`.
    pub after: u64,
    /// `https://{host}/v1`, with the host of the environment that the file chooses.
    pub base_url: Option<String>,
    /// Remarks for the user, a line each.
    pub remarks: Vec<String>,
}

/// Reads the file. An error with status 65 if the cursor in the file is not a number.
pub fn read(path: &Path) -> anyhow::Result<Imported> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| error::usage(e.to_string()))
        .and_then(|text| imported(&text));
    text.with_context(|| path.display().to_string())
}

/// Reads the sections and their settings as Python's configparser does, with names in lower case.
/// Values stay unchanged: `%` is not interpolated.
fn sections(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections = BTreeMap::<String, BTreeMap<String, String>>::new();
    let mut current = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            current = name.to_owned();
        } else if let Some((name, value)) = line.split_once(['=', ':']) {
            let section = sections.entry(current.clone()).or_default();
            section.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

fn imported(text: &str) -> anyhow::Result<Imported> {
    let sections = sections(text);
    let get = |section: &str, name: &str| {
        let own = sections.get(section).and_then(|section| section.get(name));
        own.or_else(|| sections.get("DEFAULT")?.get(name))
            .filter(|value| !value.is_empty())
    };
    if sections.is_empty() {
        return Err(error::bad_input(
            "it has no settings: is it the config.ini of the vendor's script?",
        ));
    }
    let mut remarks = Vec::new();
    let after = match get("EXPORT", "max_exported_callid") {
        None => {
            remarks.push("it has no max_exported_callid: starting with the first call".to_owned());
            0
        }
        Some(text) => parse_id(text).ok_or_else(|| {
            error::bad_input(format!(
                "max_exported_callid = {text} is not a whole number"
            ))
        })?,
    };
    if after == EXAMPLE {
        remarks.push(format!(
            "{EXAMPLE} is the value of the vendor's example file: if you never set it, earlier \
             calls were never exported; --after 0 starts with the first call"
        ));
    }
    if get("EXPORT", "consecutive").is_some_and(|value| is_no(value)) {
        remarks.push(
            "consecutive was off: the script exported unfinished calls, and these are not exported \
             again"
                .to_owned(),
        );
    }
    if let Some(from) = get("EXPORT", "from_time") {
        remarks.push(format!(
            "from_time = {from} is ignored: use --from-time {from} instead"
        ));
    }
    let environment = get("DEFAULT", "environment").map_or("PROD", String::as_str);
    if get(environment, "jwt_token").is_some() {
        remarks.push(
            "its jwt_token is ignored: set VOICEGAIN_TOKEN or VOICEGAIN_TOKEN_FILE".to_owned(),
        );
    }
    let host = get(environment, "host");
    if host.is_none() {
        remarks.push(format!("it has no host for {environment}"));
    }
    Ok(Imported {
        after,
        base_url: host.map(|host| format!("https://{host}/v1")),
        remarks,
    })
}

/// Whether configparser reads a value as false.
fn is_no(value: &str) -> bool {
    ["false", "no", "off", "0"].contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "[DEFAULT]\n# which\nenvironment = DEV\n\n[DEV]\njwt_token = ey%x\nhost: api.ascalon.ai\n\
        [PROD]\nhost = api.voicegain.ai\n[EXPORT]\nper_page=1000\nConsecutive = False\nMax_Exported_CallId = 14602\nfrom_time = 2024-10-01T00:00:00Z\n";

    #[test]
    fn the_cursor_and_the_host_of_the_chosen_environment_are_taken() {
        let taken = imported(SCRIPT).unwrap();
        assert_eq!(taken.after, 14602);
        assert_eq!(taken.base_url.as_deref(), Some("https://api.ascalon.ai/v1"));
        assert_eq!(taken.remarks.len(), 3);
        assert!(!taken.remarks.join(" ").contains("ey%x"));
    }

    #[test]
    fn a_cursor_that_is_none_is_an_error_and_the_example_is_known() {
        assert!(imported("[EXPORT]\nmax_exported_callid = abc\n").is_err());
        assert!(imported("{}").is_err());
        let example = imported("[EXPORT]\nmax_exported_callid = 1235498\n").unwrap();
        assert!(example.remarks[0].contains("example file"));
        assert_eq!(imported("[EXPORT]\nper_page = 5\n").unwrap().after, 0);
    }
}
