//! The receiver: its clients' secrets, its tokens, and the persons of what is pushed.

use super::watch::Watch;
use super::{Kept, Text, files, leaks, none, said, secret};
use crate::receive::process::{Host, Running, wait_for};

const PUSHED: &str = r#"{"messages":[{"message_type":"dialog_end","id":"1","time":1793491200000,"agent":"Pat Doe","origin_uri":"+12125550199"}]}"#;

/// Records are in the lake and what leads there; no token is anywhere.
fn kept(name: &str) -> Kept {
    let data = [
        "lake/",
        "quarantine/",
        "rejects",
        "receive.db",
        "recordings",
    ];
    match name.strip_prefix("ocp/") {
        Some(name) if data.iter().any(|at| name.starts_with(at)) => Kept::Persons,
        None if name == "clients.toml" => Kept::Anything,
        None if name.starts_with("out") => Kept::Persons,
        _ => Kept::Nothing,
    }
}

/// Asks for tokens and pushes in every wrong way there is, and once in the right one.
fn pushes(host: &Host, running: &Running, token: &str) {
    let url = &running.url;
    let endpoint = format!("{url}/oauth2/token");
    for (user, password) in [("a", secret("SECRET_B")), (secret("SECRET_A"), "x")] {
        let pair = format!("{user}:{password}");
        host.curl(&[
            "-u",
            &pair,
            "-d",
            "grant_type=client_credentials",
            &endpoint,
        ]);
        let form = format!("grant_type=password&username={user}&password={password}");
        host.curl(&["-d", &form, &endpoint]);
        let json = format!("{{\"client_id\":\"{user}\",\"client_secret\":[\"{password}\"]}}");
        host.curl(&[
            "-H",
            "Content-Type: application/json",
            "-d",
            &json,
            &endpoint,
        ]);
    }
    let push = format!("{url}/push/acme/dialog_end");
    let header = |token: &str| format!("Authorization: Bearer {token}");
    let good = header(token);
    let json = "Content-Type: application/json";
    let in_query = format!("{push}?access_token={token}");
    let to_nobody = format!("{url}/push/{token}/x");
    for (authorization, url, body) in [
        (&good, &push, PUSHED),
        (&good, &push, "Pat Doe +12125550199"),
        (
            &good,
            &push,
            r#"{"messages":[{"id":{"Pat Doe":1}},"Pat Doe",7]}"#,
        ),
        (&good, &push, r#"{"messages":"Pat Doe"}"#),
        (&good, &in_query, PUSHED),
        (&good, &to_nobody, PUSHED),
        (&header(secret("a push")), &push, PUSHED),
        (&header(secret("SECRET_A")), &push, PUSHED),
    ] {
        host.curl(&["-H", authorization, "-H", json, "-d", body, url]);
    }
    let orn = "X-OML-ORN: storage:s:u:wcr:s3:eu:2026/Pat Doe.wav";
    let audio = "Content-Type: application/octet-stream";
    host.curl(&[
        "-H",
        &good,
        "-H",
        audio,
        "-H",
        orn,
        "-d",
        "RIFF",
        &format!("{url}/push/acme/wcr"),
    ]);
}

#[test]
fn of_ocp_receive() {
    let watch = Watch::start();
    for format in ["text", "json"] {
        let host = Host::new();
        let more = [
            "--admin",
            "127.0.0.1:0",
            "-v",
            "--log-format",
            format,
            "--report",
            "report",
        ];
        let running = host.plain(&more);
        let token = host.token(&running);
        let given = [token.clone()];
        pushes(&host, &running, &token);
        let admin = running.admin();
        let metric = "ocp_receive_records_total{type=\"dialog_end\"}";
        wait_for("the record is published", || {
            let metrics = host.curl(&[&format!("{admin}metrics")]);
            metrics.contains(metric).then_some(())
        });
        let mut texts: Vec<Text> = ["", "metrics", "v1/usage", "v1/coverage", "readyz"]
            .map(|path| Text {
                name: format!("/{path}"),
                text: host.curl(&[&format!("{admin}{path}")]),
                kept: Kept::Nothing,
            })
            .into();
        running.signal("-TERM");
        let (_, text) = running.ended();
        assert!(text.contains("dialog_end"), "{text}");
        texts.push(Text {
            name: "stderr".to_owned(),
            text,
            kept: Kept::Nothing,
        });
        for args in [
            "status --dir ocp",
            "check --listen 127.0.0.1:0 --plain --clients clients.toml --dir ocp --min-free 1M",
            "gaps --dir ocp --audit daily",
            "reindex --dir ocp",
            "reconcile --dir ocp --max-bad 9",
            "rotate-key --dir ocp",
        ] {
            let args: Vec<&str> = args.split(' ').collect();
            let program = host.receive(&args).args(["-vv", "--log-format", format]);
            let bad = format!("{PUSHED}\n[\"Pat Doe\"]\n{{\"source\":\"Pat Doe\",\"record\":7}}\n");
            let ran = program.args(["-o", "out"]).stdin(bad).run();
            texts.push(said(&ran));
        }
        texts.extend(files(host.0.path(), kept));
        none(&leaks(format, &texts, &given));
    }
    watch.end();
}
