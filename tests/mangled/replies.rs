//! Replies of each service, mangled on their way.

use super::{is_sound, proxy};
use crate::harness::Program;
use crate::sim::Config;
use crate::site::Site;
use crate::{metrics, subscribe, voicegain};

const SEEDS: u64 = 8;

/// Twice, since the second run has something of the first. With `timeout`, as a run that
/// has no end would have none for the test.
fn twice(what: &str, seed: u64, program: impl Fn() -> Program) {
    for run in 1..=2 {
        is_sound(&format!("{what}, seed {seed}, run {run}"), &program().run());
    }
}

const HURRY: [&str; 6] = [
    "--backoff",
    "1ms",
    "--tries",
    "2",
    "--read-timeout",
    "300ms",
];

#[test]
fn of_exports_and_of_tokens() {
    for seed in 0..SEEDS {
        let site = Site::with(Config {
            processing: vec![std::time::Duration::ZERO],
            zip_limit: 1000,
            ..crate::site::config()
        });
        let proxy = proxy::start(&site.sim.url(), seed);
        let plan = site.plan("2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z", &[]);
        let through = |program: Program| {
            let program = program
                .env("OCP_API_URL", &proxy)
                .env("OCP_IAM_URL", &proxy);
            program.args(HURRY)
        };
        twice("export-fetch", seed, || {
            let fetch = through(site.fetch(&plan)).args(["--page-size", "20"]);
            fetch.args(["--deadline", "5s", "--patience", "1s"])
        });
        twice("ocp-token", seed, || {
            let cache = site.path("cache");
            let token = crate::harness::program("ocp-token").envs(site.env());
            through(token).env("XDG_CACHE_HOME", cache)
        });
    }
}

#[test]
fn of_calls_and_messages() {
    for seed in 0..SEEDS {
        let site = voicegain::site::Site::with(|config| config.calls = 30);
        let proxy = proxy::start(&site.sim.url(), seed);
        for wire in ["json", "csv"] {
            twice(wire, seed, || {
                let program = site.export(&["--state", wire, "--wire", wire, "--per-page", "7"]);
                let program = program.env("VOICEGAIN_BASE_URL", format!("{proxy}/v1"));
                program.args(["--tries", "2"])
            });
        }
        let site = Site::with(Config {
            now: chrono::Utc::now(),
            ..Config::default()
        });
        let proxy = proxy::start(&site.sim.url(), seed);
        twice("dialpad-window", seed, || {
            let program = crate::harness::program("dialpad-window").dir(site.dir.path());
            let program = program.envs(site.env()).env("DIALPAD_BASE_URL", &proxy);
            let program = program.args(["--state", "S", "--from", "-12d", "--window", "3d"]);
            program.args(["--rate", "100000/1s"]).args(HURRY)
        });
    }
}

#[test]
fn of_metrics() {
    for seed in 0..SEEDS {
        let site = metrics::site::Site::new();
        let proxy = proxy::start(&site.sim.url(), seed);
        for args in [
            "batch dialogs --metric dialogs_completed --by channel --from -2d --to now --step hour",
            "realtime dialogs --metric dialogs_completed --by channel --since -1h --state S",
        ] {
            twice(args, seed, || site.program(args).env("OCP_API_URL", &proxy));
        }
    }
}

#[test]
fn of_subscriptions() {
    for seed in 0..SEEDS {
        let site = subscribe::site::Site::new();
        let proxy = proxy::start(&site.sim.url(), seed);
        for command in ["create", "update"] {
            twice(command, seed, || {
                let one = site
                    .one(command, "dialog_end", "a")
                    .env("OCP_API_URL", &proxy);
                one.arg("--no-probe")
            });
        }
        twice("list", seed, || {
            site.program("list --group acme").env("OCP_API_URL", &proxy)
        });
    }
}
