//! The programs that talk to a vendor, in every mood of the service.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::front::{Front, Mood, Whose};
use super::watch::Watch;
use super::{Kept, PROXY_LOGIN, Text, files, leaks, none, said, secret};
use crate::harness::{Program, program, scratch, shell};
use crate::sim::spelling::instant;
use crate::sim::{Config, Sim, User, dialpad, voicegain};
use crate::site::NOW;

const CERTIFICATES: &str = "
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout leaf.key -out leaf.csr -subj /CN=vendor.test
printf 'subjectAltName=DNS:vendor.test,DNS:elsewhere.test' > san
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem
";

const MOODS: [Mood; 18] = [
    Mood::Good,
    Mood::Refuses(400),
    Mood::Refuses(401),
    Mood::Refuses(403),
    Mood::Refuses(404),
    Mood::Refuses(409),
    Mood::Refuses(422),
    Mood::Refuses(429),
    Mood::Refuses(503),
    Mood::RefusesInText(400),
    Mood::RefusesInText(500),
    Mood::Redirects,
    Mood::Html,
    Mood::Cut,
    Mood::Strange,
    Mood::Odd,
    Mood::ProxyRefuses(407),
    Mood::ProxyRefuses(503),
];

/// The services, and a user's directory for each run.
struct Place {
    certificates: TempDir,
    front: Front,
}

impl Place {
    fn new(now: Option<&str>) -> Place {
        let certificates = scratch();
        shell(CERTIFICATES)
            .dir(certificates.path())
            .env("HOME", certificates.path())
            .run()
            .ends(0);
        let otp = Some(secret("OCP_OTP").to_owned());
        let user = User::new("demo", secret("OCP_PASSWORD"));
        let sim = Sim::start(Config {
            now: now.map_or_else(chrono::Utc::now, |now| instant(now).expect("a time")),
            users: vec![User { otp, ..user }],
            pat: Some(secret("OCP_PAT").to_owned()),
            processing: vec![Duration::ZERO],
            zip_limit: 10_000,
            voicegain: voicegain::Config {
                token: secret("VOICEGAIN_TOKEN").to_owned(),
                calls: 6,
                minute: Duration::from_secs(1),
                ..voicegain::Config::default()
            },
            dialpad: dialpad::Config {
                key: secret("DIALPAD_API_KEY").to_owned(),
                messages: 20,
                ..dialpad::Config::default()
            },
            ..crate::site::config()
        });
        let front = Front::start(sim.expect("a free port"), certificates.path());
        Place {
            certificates,
            front,
        }
    }

    /// A program behind the proxy, in a hurry, that says all it can.
    fn program(&self, name: &str, dir: &Path, args: &str) -> Program {
        let url = "https://vendor.test";
        let certificate = self.certificates.path().join("ca.pem");
        program(name)
            .dir(dir)
            .env(
                "HTTPS_PROXY",
                format!("http://{PROXY_LOGIN}@127.0.0.1:{}", self.front.port),
            )
            .env("HOME", dir)
            .env("XDG_CACHE_HOME", dir.join("cache"))
            .env("OCP_API_URL", url)
            .env("OCP_IAM_URL", url)
            .env("OCP_USERNAME", "demo")
            .env("VOICEGAIN_BASE_URL", format!("{url}/v1"))
            .env("DIALPAD_BASE_URL", url)
            .env("DIALPAD_PROVIDER_ID", "1020")
            .args(args.split_whitespace())
            .args(["--backoff", "1ms", "--tries", "2", "--read-timeout", "5s"])
            .args(["--patience", "1s", "--report", "report", "-vv", "--ca-cert"])
            .arg(certificate)
    }

    /// Runs what `run` makes for a directory in all moods, some with JSON on stderr.
    /// `kept` says what a file may hold.
    fn in_all_moods(&self, run: &dyn Fn(&Path) -> Program, kept: fn(&str) -> Kept) {
        self.in_moods_of(&[Whose::Everybodys], run, kept);
    }

    /// The same for a program that logs in: then also with a login that works.
    fn in_all_moods_with_login(&self, run: &dyn Fn(&Path) -> Program, kept: fn(&str) -> Kept) {
        let both = [Whose::Everybodys, Whose::AllButTokens];
        self.in_moods_of(&both, &|dir| with_login(run(dir)), kept);
    }

    fn in_moods_of(&self, all: &[Whose], run: &dyn Fn(&Path) -> Program, kept: fn(&str) -> Kept) {
        let mut found = Vec::new();
        for (at, mood) in MOODS.iter().enumerate() {
            for whose in all {
                self.front.set(*mood, *whose);
                let dir = scratch();
                let format = ["text", "json"][(at + *whose as usize) % 2];
                let ran = run(dir.path()).args(["--log-format", format]).run();
                let label = format!("{mood:?} {whose:?}, status {}", ran.status());
                let expected = match mood {
                    Mood::Good => ran.status() == 0,
                    _ => [0, 1, 2, 65, 69, 75, 77].contains(&ran.status()),
                };
                assert!(expected, "{label}: {}", ran.stderr());
                let mut texts = files(dir.path(), kept);
                texts.push(said(&ran));
                texts.push(Text {
                    name: "stdout".to_owned(),
                    text: ran.stdout(),
                    kept: Kept::Nothing,
                });
                found.extend(leaks(&label, &texts, &self.front.given()));
            }
        }
        none(&found);
    }
}

/// `out` is where records go; a login's cache has tokens.
fn usual(name: &str) -> Kept {
    match name {
        _ if name.starts_with("cache/") => Kept::Tokens,
        _ if name.starts_with("secrets/") => Kept::Anything,
        _ if ["out", "zips/", "audio/"]
            .iter()
            .any(|at| name.starts_with(at))
            && !name.ends_with("ledger.ndjson") =>
        {
            Kept::Persons
        }
        _ => Kept::Nothing,
    }
}

fn with_login(program: Program) -> Program {
    let names = ["OCP_PASSWORD", "OCP_OTP"];
    program.envs(names.map(|name| (name, secret(name).to_owned())))
}

#[test]
fn of_ocp_token() {
    let (place, watch) = (Place::new(None), Watch::start());
    for args in [
        "--raw -o out.token",
        "--header -o out.token",
        "-o out.token --no-cache",
    ] {
        // It must print the token.
        let kept = |name: &str| match name {
            "out.token" => Kept::Tokens,
            other => usual(other),
        };
        place.in_all_moods_with_login(&|dir| place.program("ocp-token", dir, args), kept);
    }
    watch.end();
}

#[test]
fn of_export_fetch() {
    let (place, watch) = (Place::new(Some(NOW)), Watch::start());
    let plan = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-18T00:00:00Z","to":"2026-11-18T05:00:00Z"}"#;
    let args = "--out-dir zips -o out.list --rate 1000/1s --poll 1ms --deadline 2s";
    let fetch = |dir: &Path| {
        place
            .program("export-fetch", dir, args)
            .stdin(format!("{plan}\n"))
    };
    place.in_all_moods_with_login(&fetch, usual);
    let pat = secret("OCP_PAT");
    place.in_all_moods(&|dir| fetch(dir).env("OCP_PAT", pat), usual);
    place.in_all_moods(
        &|dir| {
            fetch(dir)
                .env("X", pat)
                .args(["--token-command", "echo \"$X\""])
        },
        usual,
    );
    watch.end();
}

#[test]
fn of_ocp_metrics() {
    let (place, watch) = (Place::new(Some("2026-11-05T16:02:11Z")), Watch::start());
    let args = "batch dialogs --group acme --metric dialogs --from 2026-11-04 --rate 9999/1s -o out.ndjson";
    for state in ["", "--state S"] {
        let args = format!("{args} {state}");
        let metrics = |dir: &Path| place.program("ocp-metrics", dir, &args);
        place.in_all_moods(&|dir| metrics(dir).env("OCP_PAT", secret("OCP_PAT")), usual);
        place.in_all_moods_with_login(&metrics, usual);
    }
    watch.end();
}

#[test]
fn of_ocp_subscribe() {
    let (place, watch) = (Place::new(Some(NOW)), Watch::start());
    let url = "https://vendor.test/receiver";
    let receiver = format!(
        "--url {url}/push/acme/dialog_end --token-url {url}/token --client-id a --secret-env RECEIVER_SECRET"
    );
    let one = format!("--group acme --type dialog_end --name acme_end {receiver}");
    let apply = format!(
        "[[subscription]]\ngroup = \"acme\"\ntype = \"dialog_end\"\nname = \"n\"\nurl = \"{url}/push/x\"\n\
         token_url = \"{url}/token\"\nclient_id = \"a\"\nsecret_env = \"RECEIVER_SECRET\"\n"
    );
    for args in [
        format!("create {one} -o out.create"),
        format!("update {one} -o out.update"),
        format!("probe {receiver} -o out.probe"),
        "list --group acme -o out.list".to_owned(),
        "apply wanted.toml -o out.apply".to_owned(),
    ] {
        let run = |dir: &Path| {
            std::fs::write(dir.join("wanted.toml"), &apply).unwrap();
            let names = ["OCP_PAT", "RECEIVER_SECRET"];
            let program = place.program("ocp-subscribe", dir, &args);
            program.envs(names.map(|name| (name, secret(name).to_owned())))
        };
        place.in_all_moods(&run, |_| Kept::Nothing);
    }
    watch.end();
}

#[test]
fn of_vg_consecutive() {
    let (place, watch) = (Place::new(None), Watch::start());
    for args in [
        "--state S --state-out T --audio-dir audio -o out.ndjson",
        "--state S --refresh-days 7 -o out.ndjson",
        "--wire csv --raw -o out.csv",
    ] {
        let args = format!("{args} --rate 1000/1s");
        let run = |dir: &Path| {
            let program = place.program("vg-consecutive", dir, &args);
            program.env("VOICEGAIN_TOKEN", secret("VOICEGAIN_TOKEN"))
        };
        place.in_all_moods(&run, usual);
    }
    watch.end();
}

#[test]
fn of_dialpad_window() {
    let (place, watch) = (Place::new(None), Watch::start());
    for args in [
        "--state S --state-out T --from -12d --window 3d -o out.ndjson",
        "--auth query --partner-id 7 --from -3d -o out.ndjson",
        "--require-redacted --from -12d -o out.ndjson",
    ] {
        let args = format!("{args} --rate 10000/1s");
        let run = |dir: &Path| {
            let program = place.program("dialpad-window", dir, &args);
            program.env("DIALPAD_API_KEY", secret("DIALPAD_API_KEY"))
        };
        place.in_all_moods(&run, usual);
    }
    watch.end();
}
