//! vg-consecutive, dialpad-window and ocp-token.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::Utc;

use super::checks::{Check, each_at_least_once, each_once, ensure, lines, named, whole};
use super::scenario::{Run, Scenario};
use crate::readme;
use crate::sim::voicegain::Change;
use crate::sim::{Config, dialpad, voicegain};
use crate::site::{Site, config};

fn calls() -> Config {
    Config {
        now: Utc::now(),
        voicegain: voicegain::Config {
            minute: Duration::from_secs(1),
            calls: 10,
            quota: (1000, 40_000),
            ..voicegain::Config::default()
        },
        ..Config::default()
    }
}

fn messages() -> Config {
    Config {
        now: Utc::now(),
        dialpad: dialpad::Config {
            messages: 30,
            ..dialpad::Config::default()
        },
        ..Config::default()
    }
}

/// A first run, then new calls and a note on an old one. [`all_calls`] gets
/// the calls before that.
fn second_run(run: &Run<'_>) {
    run.script("").ends(0);
    let calls = run.site.sim.voicegain();
    fs::write(run.site.path("before"), calls.truth().join("\n")).unwrap();
    calls.change(Change::Add(5));
    calls.change(Change::Edit(calls.ids()[3]));
}

/// Every call, and one that was changed once more.
pub fn all_calls(site: &Site) -> Vec<String> {
    let truth = site.sim.voicegain().truth();
    let Ok(before) = fs::read_to_string(site.path("before")) else {
        return truth;
    };
    let mut all: Vec<String> = before.lines().map(str::to_owned).collect();
    let new: Vec<String> = truth
        .into_iter()
        .filter(|line| !all.contains(line))
        .collect();
    all.extend(new);
    all
}

/// The hourly job of the README, with calls that changed.
pub fn calls_hourly() -> Scenario {
    Scenario {
        name: "calls every hour",
        program: "vg-consecutive",
        config: calls,
        prepare: second_run,
        script: readme::script("# 7 * * * *"),
        always: |site| whole(site, &named(site, "calls", ".ndjson"), &all_calls(site)),
        done: |site| {
            each_once(
                lines(site, &named(site, "calls", ".ndjson")),
                all_calls(site),
            )
        },
    }
}

/// The first run of it.
pub fn calls_first() -> Scenario {
    Scenario {
        name: "calls for the first time",
        prepare: |_: &Run<'_>| {},
        ..calls_hourly()
    }
}

/// A state that waits for what loads the records.
pub fn calls_loaded() -> Scenario {
    let job = readme::script("load new.ndjson && mv");
    Scenario {
        name: "calls loaded before the state moves",
        program: "vg-consecutive",
        config: calls,
        prepare: |_: &Run<'_>| {},
        script: format!("load() {{ cat \"$1\" >> loaded; }}\n{job}"),
        always: |_| Ok(()),
        done: |site| each_once(lines(site, &["loaded".to_owned()]), all_calls(site)),
    }
}

/// Appended to one file, where a page may come again.
pub fn calls_appended() -> Scenario {
    Scenario {
        name: "calls appended",
        program: "vg-consecutive",
        config: calls,
        prepare: |_: &Run<'_>| {},
        script: "vg-consecutive --state vg.state --refresh-days 7 >> all".to_owned(),
        always: |_| Ok(()),
        done: |site| each_at_least_once(&lines(site, &["all".to_owned()]), &all_calls(site)),
    }
}

/// With their recordings.
pub fn calls_with_recordings() -> Scenario {
    Scenario {
        name: "calls with recordings",
        program: "vg-consecutive",
        config: || {
            let mut config = calls();
            config.voicegain.calls = 5;
            config
        },
        prepare: |_: &Run<'_>| {},
        script: "mkdir -p calls
                 vg-consecutive --state vg.state --audio-dir audio -o 'calls/since-{state}.ndjson'"
            .to_owned(),
        always: |site| recordings(site).map(|_| ()),
        done: |site| {
            each_once(
                lines(site, &named(site, "calls", ".ndjson")),
                all_calls(site),
            )?;
            let ids = site.sim.voicegain().ids();
            let due = ids.iter().filter(|id| !id.is_multiple_of(11)).count();
            let got = recordings(site)?;
            ensure(&format!("{got} recordings instead of {due}"), got == due)
        },
    }
}

/// How many there are, each of them whole.
fn recordings(site: &Site) -> Result<usize, String> {
    let names = named(site, "audio", ".wav");
    for name in &names {
        let bytes = fs::read(site.path(name)).unwrap();
        let size = bytes
            .get(4..8)
            .map(|size| u32::from_le_bytes(size.try_into().unwrap()));
        let is_whole = size.is_some_and(|size| size as usize + 8 == bytes.len());
        ensure(&format!("{name} is not whole"), is_whole)?;
    }
    Ok(names.len())
}

const DIALPAD: &str = "dialpad-window --state dialpad.state --from -12d --window 3d";

/// A file for each run, named by the state that it goes on from.
pub fn messages_hourly() -> Scenario {
    Scenario {
        name: "messages every hour",
        program: "dialpad-window",
        config: messages,
        prepare: |run: &Run<'_>| {
            run.script("").ends(0);
            run.site.sim.dialpad().grow(10, 0.9, Utc::now());
        },
        script: format!(
            "mkdir -p messages
             {DIALPAD} -o 'messages/since-{{state}}.ndjson'"
        ),
        always: |site| {
            let truth = site.sim.dialpad().truth();
            whole(site, &named(site, "messages", ".ndjson"), &truth)
        },
        done: |site| {
            let got = lines(site, &named(site, "messages", ".ndjson"));
            each_once(got, site.sim.dialpad().truth())
        },
    }
}

/// Appended to one file, where a window may come again.
pub fn messages_appended() -> Scenario {
    Scenario {
        name: "messages appended",
        program: "dialpad-window",
        config: messages,
        prepare: |_: &Run<'_>| {},
        script: format!("{DIALPAD} >> all"),
        always: |_| Ok(()),
        done: |site| {
            let got = lines(site, &["all".to_owned()]);
            each_at_least_once(&got, &site.sim.dialpad().truth())
        },
    }
}

/// A token that the service takes, whatever became of its cache.
pub fn token() -> Scenario {
    Scenario {
        name: "a token",
        program: "ocp-token",
        config,
        prepare: |_: &Run<'_>| {},
        script: "export XDG_CACHE_HOME=$PWD/cache
                 ocp-token --header > header
                 curl -sf -H @header \"$OCP_API_URL/exports-api/v1/exports?group=acme\" > list"
            .to_owned(),
        always: cache_is_private,
        done: |site| ensure("no list", site.read("list") == "[]"),
    }
}

fn cache_is_private(site: &Site) -> Check {
    for name in named(site, "cache", ".json") {
        let path = site.path(&name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        ensure(&format!("{name} has mode {mode:o}"), mode == 0o600)?;
        let parsed = serde_json::from_str::<serde_json::Value>(&site.read(&name));
        parsed.map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}
