//! The examples that each `--help` begins with are true: as they stand the real
//! programs understand them, and against the simulated vendors they do what they
//! say.

use std::thread;
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use crate::cli::PROGRAMS;
use crate::harness::{Program, program};
use crate::raw_service::{RawService, json};
use crate::sim::Config;
use crate::sim::truth::{EmptyHours, Truth};
use crate::site::Site;

/// The examples of one help, as a script.
struct Page {
    name: String,
    script: String,
}

/// Those of every program and every subcommand.
fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for name in PROGRAMS {
        pages.push(page(name, &[]));
        for command in commands(name) {
            pages.push(page(name, &[&command]));
        }
    }
    pages
}

pub fn help(name: &str, command: &[&str]) -> String {
    program(name)
        .args(command)
        .arg("--help")
        .run()
        .ends(0)
        .stdout()
}

fn page(name: &str, command: &[&str]) -> Page {
    let help = help(name, command);
    let lines = help.lines().skip(1);
    let examples = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
    let lines: Vec<&str> = examples
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect();
    Page {
        name: [&[name], command].concat().join(" "),
        script: lines.join("\n"),
    }
}

pub fn commands(name: &str) -> Vec<String> {
    let help = help(name, &[]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let named = lines.take_while(|line| !line.is_empty());
    // A description of two lines continues far to the right.
    named
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The real time; an export of a day is one ZIP.
fn site() -> (Site, String) {
    let site = Site::with(Config {
        now: Utc::now(),
        processing: vec![Duration::from_millis(100)],
        zip_window: Duration::from_secs(1),
        truth: Truth {
            records: 4,
            files: 1,
            recordings: 1,
            empty_hours: EmptyHours::None,
        },
        ..Config::default()
    });
    let receiver = receiver().url();
    run(&site, &receiver, FILES).prints("");
    (site, receiver)
}

fn run(site: &Site, receiver: &str, script: &str) -> Program {
    site.shell(script)
        .env("XDG_CACHE_HOME", site.path("cache"))
        .env("RECEIVER", receiver)
        .env("RECEIVER_SECRET", "demo-secret")
}

/// Takes every push, and has seen the new client of an update.
fn receiver() -> RawService {
    RawService::start(|asked| match asked.target.as_str() {
        "/oauth2/token" => json(r#"{"access_token":"a.b.c","expires_in":3600}"#),
        "/v1/usage" => json(
            r#"{"uses":[{"client":"b","path":"/push/acme/dialog_end","first":"2036-11-01T00:00:00Z","last":"2036-11-01T00:00:00Z","pushes":1}]}"#,
        ),
        _ => json(r#"{"status":"ok"}"#),
    })
}

/// What the examples take for there.
const FILES: &str = r#"
mkdir secrets zips
printf %s "$OCP_PASSWORD" > secrets/ocp
printf %s "$VOICEGAIN_TOKEN" > secrets/voicegain
printf %s "$DIALPAD_API_KEY" > secrets/dialpad

export-plan windows --group acme --type dialog_end --from -3d > plan
export-fetch --out-dir cdrs --until ready --poll 50ms < plan > ready.ndjson
export-plan windows --group acme --type dialog_end --type wcr --from -30h --to -5h |
  export-fetch --out-dir zips --page-size 30 --rate 50/1s --poll 50ms > lists
jq -r .path lists | head -n 1 | xargs -I ZIP cp ZIP page.zip
cp page.zip page-2.zip
mv zips/acme/*/*.zip zips
rm -r zips/acme zips/ledger.ndjson

unzip-jsonl -q --layout duckdb --out-dir lake page.zip > /dev/null
ocp-metrics batch dialogs --group acme --from -2d -o metrics.ndjson

unzip-jsonl -q page.zip > calls.ndjson
head -n 20 calls.ndjson > a.ndjson
tail -n +21 calls.ndjson > b.ndjson
jq -c '{messages: [.]}' a.ndjson > pushes.ndjson
printf %s "$RECEIVER_SECRET" > secrets/receiver-b
ocp-subscribe create --group acme --type dialog_end --name acme_end --no-probe \
  --url $RECEIVER/push/acme/dialog_end --token-url $RECEIVER/oauth2/token \
  --client-id a --secret-env RECEIVER_SECRET > created
cat > subscriptions.toml << TOML
[[subscription]]
group = "acme"
type = "dialog_step"
name = "acme_step"
url = "$RECEIVER/push/acme/dialog_step"
token_url = "$RECEIVER/oauth2/token"
client_id = "a"
secret_env = "RECEIVER_SECRET"
TOML
dialpad-window --rate 50/1s --from -2d --to -1d | head -n 2 > crm.ndjson
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=in.example \
  -keyout key.pem -out fullchain.pem 2> openssl.log
cat > clients.toml << TOML
[[client]]
id = "ocp"
secret_env = "RECEIVER_SECRET"
paths = ["/push/acme/*"]
TOML
chmod 600 key.pem clients.toml
timeout -s TERM 1 ocp-receive serve --listen 127.0.0.1:0 --plain --clients clients.toml --dir ocp \
  --drain 0s --min-free 1M 2> serve.log || [ $? = 124 ]
"#;

/// The programs of others that the examples speak of.
const OTHERS: &str = "
load() { cat > loaded; }
mail() { echo \"$@\" > mailed; }
serve() { timeout -s TERM 2 ocp-receive serve --drain 0s --min-free 1M \"$@\" || [ $? = 124 ]; }
";

/// Every program only says how it understood its arguments; nothing else runs.
fn understood() -> String {
    let mut script = OTHERS.to_owned();
    for name in PROGRAMS {
        script += &format!("{name}() {{ command {name} \"$@\" --print-config > /dev/null; }}\n");
    }
    for name in ["jq", "curl", "mv"] {
        script += &format!("{name}() {{ :; }}\n");
    }
    script
}

/// What has to be another here: places, long spans of time, secrets, and patience.
fn here(script: &str) -> String {
    let time = |days| (Utc::now() - TimeDelta::days(days)).format("%F %H:%M:%S+00:00");
    let session = r#""$(jq -r .customersessionid crm.ndjson | grep -m 1 ^-)""#;
    [
        ("svc.export", "demo"),
        ("/run/secrets/", "secrets/"),
        (" --region us1", ""),
        ("https://in.example", "$RECEIVER"),
        ("http://127.0.0.1:9465", "$RECEIVER"),
        ("ocp-receive serve", "serve"),
        ("ocp-receive check", "ocp-receive check --min-free 1M"),
        ("/srv/ocp", "ocp"),
        ("0.0.0.0:443", "127.0.0.1:0"),
        ("127.0.0.1:8080", "127.0.0.1:0"),
        ("127.0.0.1:9465", "127.0.0.1:0"),
        ("fd:3", "127.0.0.1:0"),
        (
            "3f1c5b4e-90c2-4b7f-a0e1-3d1f0c5a7b21",
            "$(jq -r .subscription_id created)",
        ),
        (
            "https://us1-a.ocp.ai/…",
            "-sf \"$OCP_API_URL/exports-api/v1/exports?group=acme\"",
        ),
        ("https://app.koopid.io", "$DIALPAD_BASE_URL"),
        ("dialpad-window --", "dialpad-window --rate 50/1s --"),
        (
            "9d2e61b4-5a7c-4f08-b1d3-2c6e8f0a4b57",
            "$(jq -r .export_id ready.ndjson | head -n 1)",
        ),
        ("dialpad-window probe", "dialpad-window probe --rate 50/1s"),
        ("curl -s URL", "curl -s \"file://$PWD/page.zip\""),
        ("s3://bucket/2026-11/page-1.zip", "page.zip"),
        ("--from -60d", "--from -3d"),
        ("--from -30d", "--from -3d"),
        ("--from 2026-01-01 --step month", "--from -40d --step day"),
        ("--follow", "--follow --for 1s"),
        ("/var/lib/node_exporter/", ""),
        ("--from -1y", "--from -3d"),
        (
            "coverage --ledger cdrs/ledger.ndjson",
            "coverage --ledger cdrs/ledger.ndjson --from -3d",
        ),
        ("--from 2026-11-01 --to 2026-11-08", "--from -3d --to -1d"),
        ("{{ data_interval_start }}", &time(2).to_string()),
        ("{{ data_interval_end }}", &time(1).to_string()),
        (
            "--customer-session -1834.2291",
            &format!("--customer-session {session}"),
        ),
    ]
    .iter()
    .fold(script.to_owned(), |script, (old, new)| {
        script.replace(old, new)
    })
}

#[test]
fn each_is_understood_as_it_stands() {
    let (site, receiver) = site();
    let pages = pages();
    assert_eq!(pages.len(), PROGRAMS.len() + 28);
    for page in pages {
        let script = format!("{}{}", understood(), page.script);
        run(&site, &receiver, &script).run().check(0, "", "");
        // And a mistake in it would have been found.
        let wrong = page.script.replacen(" --", " --x", 1);
        run(&site, &receiver, &format!("{}{wrong}", understood()))
            .run()
            .ends(2);
    }
}

#[test]
fn each_does_what_it_says() {
    thread::scope(|scope| {
        for page in pages() {
            scope.spawn(move || {
                let (site, receiver) = site();
                let script = format!(
                    "{OTHERS}trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR\n{}",
                    here(&page.script)
                );
                let ran = run(&site, &receiver, &script).run();
                assert_eq!(ran.status(), 0, "{}: {}", page.name, ran.stderr());
            });
        }
    });
}
