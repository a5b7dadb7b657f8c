//! Finds the key of a reply that fits a line of `[reply]`. Compares the name of each key with usual
//! names, and the value of the key with the right value if that is known.

use serde_json::Value;

use super::line::{Advice, ProfileLine};
use super::reply::{Meaning, instant, text, types};
use super::spelling::Profile;
use crate::export::window::Window;
use crate::ocp::export_request::ExportRequest;

/// The depth to which nested objects are searched.
const DEPTH: usize = 4;
/// A key whose score is lower than this is not suggested.
const LEAST: u32 = 2;
/// The score of a key that has the expected value. This score is higher than the score of any name.
const KNOWN: u32 = 10;

/// The subject of a reply, if known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) group: Option<&'a str>,
    /// The request whose export the reply describes.
    pub(crate) request: Option<&'a ExportRequest>,
}

impl<'a> From<&'a ExportRequest> for About<'a> {
    fn from(request: &'a ExportRequest) -> About<'a> {
        About {
            group: Some(&request.group),
            request: Some(request),
        }
    }
}

impl Profile {
    /// The advice for a reply in which `[reply] key` finds nothing.
    pub(crate) fn fit(&self, key: &'static str, reply: &Value, about: About<'_>) -> Advice {
        let line = ProfileLine::reply(key);
        let score = |name: &str, value: &Value| self.score(key, &plain(name), value, about);
        match best(reply, &score) {
            Some(pointer) => Advice::set(line, self.extended(line, pointer.into())),
            None => Advice::check([line]),
        }
    }

    /// The advice for an unknown state. The name of the state can show what it means.
    pub(crate) fn fit_state(&self, state: &str, is_ready: bool) -> Advice {
        let word = plain(state);
        let has = |words: &[&str]| words.iter().any(|known| word.contains(known));
        let key = if is_ready || has(&["complete", "done", "finish", "success", "avail"]) {
            "ready"
        } else if has(&["delete", "purge", "gone", "remov", "outdat"]) {
            "expired"
        } else if has(&["fail", "error", "abort", "reject", "cancel"]) {
            "failed"
        } else {
            let keys = ["ready", "pending", "expired", "failed"];
            return Advice::check(keys.map(ProfileLine::state));
        };
        let line = ProfileLine::state(key);
        Advice::set(line, self.extended(line, state.into()))
    }

    /// How well a key of a reply, with its `name` and `value`, fits the line `key` of `[reply]`.
    fn score(&self, key: &str, name: &str, value: &Value, about: About<'_>) -> u32 {
        let window = about.request.map(|request| request.window);
        let named = |words: &[&str], points| match words.iter().any(|word| name.contains(word)) {
            true => points,
            false => 0,
        };
        let known = |is_it: bool| if is_it { KNOWN } else { 0 };
        let is_text = text(value).is_some();
        let time = instant(value);
        match key {
            "list" => match value.as_array() {
                Some(items) if items.first().is_some_and(Value::is_object) => 3,
                Some(items) if items.is_empty() => named(
                    &[
                        "export", "item", "content", "result", "list", "data", "record", "element",
                    ],
                    2,
                ),
                _ => 0,
            },
            "export_id"
                if is_text
                    && named(&["group", "user", "tenant", "org", "account", "corr"], 1) == 0 =>
            {
                let is_name = name.ends_with("id")
                    || named(&["uuid", "identifier", "key", "ref", "handle", "number"], 1) > 0;
                if is_name {
                    2 + named(&["export", "job"], 2)
                } else {
                    0
                }
            }
            "status" if value.is_string() => {
                let is_state = value
                    .as_str()
                    .is_some_and(|v| self.meaning(v) != Meaning::Unknown);
                known(is_state) + named(&["status", "state", "phase", "stage"], 3)
            }
            "group" if is_text => {
                known(about.group.is_some() && text(value).as_deref() == about.group)
                    + named(&["group", "tenant", "organi"], 2)
            }
            "types" if is_text || value.is_array() => {
                known(
                    about
                        .request
                        .is_some_and(|request| types(value) == request.types),
                ) + named(&["type"], 2)
            }
            "from" if time.is_some() => {
                known(window.is_some() && time == window.map(Window::from))
                    + named(&["from", "start", "begin", "since"], 2)
            }
            "to" if time.is_some() => {
                let is_name =
                    name == "to" || named(&["end", "until", "till", "dateto", "timeto"], 1) > 0;
                known(window.is_some() && time == window.map(Window::to))
                    + if is_name { 2 } else { 0 }
            }
            "num_of_files" if value.is_u64() && named(&["size", "byte"], 1) == 0 => {
                named(&["file", "member", "entr", "document"], 3)
                    + named(&["num", "count", "total", "amount", "nr"], 2)
            }
            "size_of_export" if value.is_u64() => named(&["size", "byte", "length"], 3),
            _ => 0,
        }
    }
}

/// The pointer to the key with the highest score.
fn best(reply: &Value, score: &dyn Fn(&str, &Value) -> u32) -> Option<String> {
    let mut found = Vec::new();
    collect(reply, String::new(), DEPTH, score, &mut found);
    // The sort is stable: of keys with the same score, an outer key comes before the keys inside
    // it.
    found.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
    found.into_iter().next().map(|(_, pointer)| pointer)
}

fn collect(
    value: &Value,
    pointer: String,
    depth: usize,
    score: &dyn Fn(&str, &Value) -> u32,
    found: &mut Vec<(u32, String)>,
) {
    let Some(fields) = value.as_object().filter(|_| depth > 0) else {
        return;
    };
    for (name, value) in fields {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let at = format!("{pointer}/{escaped}");
        let points = score(name, value);
        if points >= LEAST {
            found.push((points, at.clone()));
        }
        collect(value, at, depth - 1, score, found);
    }
}

/// A name in lower case without separators: `numOfFiles` and `num_of_files` become equal.
pub(super) fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn about() -> ExportRequest {
        let text = json!({"group": "acme", "types": ["dialog_end"], "from": "2026-11-01", "to": "2026-11-03"});
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_key_that_fits_is_found_by_name_or_by_value() {
        let profile = Profile::load(None).unwrap();
        let reply = json!({
            "result": {"exportUuid": "6b1f", "phase": "x", "tenant": "acme", "kinds": "dialog_end",
                "window": {"a": 1_793_491_200, "b": "2026-11-03T00:00:00"}, "fileCount": 3, "bytes": 9},
        });
        for (key, pointer) in [
            ("export_id", "/result/exportUuid"),
            ("status", "/result/phase"),
            ("group", "/result/tenant"),
            ("types", "/result/kinds"),
            ("from", "/result/window/a"),
            ("to", "/result/window/b"),
            ("num_of_files", "/result/fileCount"),
            ("size_of_export", "/result/bytes"),
        ] {
            let advice = profile.fit(key, &reply, About::from(&about()));
            let (line, value) = advice.correction().unwrap_or_else(|| panic!("{key}"));
            assert_eq!((line.key, &value[0]), (key, &json!(pointer)));
            assert!(value.as_array().unwrap().len() > 1, "what was there stays");
        }
        assert!(
            profile
                .fit("num_of_files", &json!({"x": 1}), About::default())
                .value
                .is_none()
        );
        let listed = json!({"page": {"rows": [{"id": 1}], "total": 1}});
        let advice = profile.fit("list", &listed, About::default());
        assert_eq!(advice.correction().unwrap().1[0], "/page/rows");
    }

    #[test]
    fn a_correction_reads_as_toml() {
        let profile = Profile::load(None).unwrap();
        let advice = profile.fit_state("COMPLETED", false);
        assert_eq!(
            advice.to_string(),
            r#"set [states] ready = ["COMPLETED","READY"] in the API profile"#
        );
        let (line, value) = advice.correction().unwrap();
        let better = profile.with(line, value).unwrap();
        assert_eq!(better.meaning("completed"), Meaning::Ready);
        assert_eq!(
            better.differences().unwrap(),
            "[states]\nready = [\"COMPLETED\", \"READY\"]\n"
        );
        assert_eq!(profile.fit_state("BLUE", false).lines.len(), 4);
    }
}
