//! What operators see of a receiver: its start, its admin listener, its end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::process::{Host, wait_for};
use crate::harness::bin_dir;

#[test]
fn operators_see_health_metrics_usage_coverage_and_a_page() {
    let host = Host::new();
    let running = host.plain(&["--admin", "127.0.0.1:0"]);
    let admin = running.admin();
    let get = |path: &str| host.curl(&[&format!("{admin}{path}")]);
    assert_eq!(get("healthz"), "{\"status\":\"ok\"} 200");
    assert_eq!(get("readyz"), "{\"status\":\"ready\"} 200");
    assert!(get("nothing").ends_with(" 404"));
    let post = host.curl(&["-d", "x", &format!("{admin}readyz")]);
    assert!(post.ends_with(" 405"), "{post}");
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    assert_eq!(host.push(&running, "x", &[]), "401");
    let published = "ocp_receive_records_total{type=\"dialog_end\"} 1\n";
    let metrics = wait_for("the record is published", || {
        let metrics = get("metrics");
        metrics.contains(published).then_some(metrics)
    });
    let pushes = "ocp_receive_pushes_total{path=\"acme/dialog_end\",result=\"ok\"} 1\n";
    assert!(metrics.contains(pushes), "{metrics}");
    let strangers = "ocp_receive_pushes_total{path=\"\",result=\"unauthorized\"} 1\n";
    assert!(metrics.contains(strangers), "{metrics}");
    for family in [
        "duplicates",
        "rejected",
        "conflicts",
        "commit_seconds",
        "reply_seconds",
        "queue_bytes",
        "connections",
        "oldest_unpublished_seconds",
        "last_push_timestamp_seconds",
        "free_bytes",
        "coverage",
    ] {
        let typed = format!("# TYPE ocp_receive_{family} ");
        assert_eq!(metrics.matches(&typed).count(), 1, "{family}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n 200"), "{metrics}");
    let usage = get("v1/usage");
    assert!(usage.contains("\"path\":\"acme/dialog_end\""), "{usage}");
    let coverage = get("v1/coverage");
    let (coverage, _) = coverage.rsplit_once(' ').unwrap();
    let coverage: serde_json::Value = serde_json::from_str(coverage).unwrap();
    assert!(coverage.is_array(), "{coverage}");
    let page = get("");
    assert!(
        page.contains("<th scope=\"row\">acme/dialog_end</th>"),
        "{page}"
    );
    assert!(page.contains("prefers-color-scheme: dark"), "{page}");
    running.stop();
}

#[test]
fn r12_at_sigterm_it_is_not_ready_first_and_takes_what_still_comes() {
    let host = Host::new();
    let running = host.plain(&["--admin", "127.0.0.1:0", "--drain", "3s"]);
    let ready = format!("{}readyz", running.admin());
    let token = host.token(&running);
    running.signal("-TERM");
    wait_for("it is not ready", || {
        let reply = host.curl(&[&ready]);
        reply.ends_with(" 503").then_some(())
    });
    assert_eq!(host.push(&running, &token, &[]), "200");
    let (code, said) = running.ended();
    assert_eq!(code, Some(143), "{said}");
    // And what it took is published.
    let lake = host.path("ocp/lake/message_type=dialog_end");
    assert!(lake.is_dir(), "{said}");
    let end = "terminated: everything that was acknowledged is published";
    assert_eq!(last_words(&said), end, "{said}");
}

/// The line before that of `-v` with the status, without the name of the program.
fn last_words(said: &str) -> &str {
    let mut lines = said.lines().rev();
    let status = lines.next().unwrap_or_default();
    assert!(status.contains(": status 143 after "), "{said}");
    let last = lines.next().unwrap_or_default();
    last.strip_prefix("ocp-receive: ").unwrap_or(last)
}

/// Holds the publisher's lock until its stdin ends.
const PUBLISHES: &str = "
import fcntl, sys
lock = open(sys.argv[1], 'w')
fcntl.flock(lock, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()
";

#[test]
fn r12_at_its_end_it_says_what_is_left_for_the_next_start() {
    let host = Host::new();
    host.plain(&[]).stop();
    let mut other = Command::new("python3")
        .args(["-c", PUBLISHES])
        .arg(host.path("ocp/publisher.lock"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "locked\n");
    let running = host.plain(&[]);
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    assert_eq!(host.push(&running, &token, &[]), "200");
    running.signal("-TERM");
    let (code, said) = running.ended();
    assert_eq!(code, Some(143), "{said}");
    let left =
        "terminated: 2 acknowledged pushes are not published yet; the next start publishes them";
    assert_eq!(last_words(&said), left, "{said}");
    drop(other.stdin.take());
    other.wait().unwrap();
    host.plain(&[]).stop();
    assert!(host.path("ocp/lake/message_type=dialog_end").is_dir());
}

#[test]
fn r24_a_path_that_an_earlier_run_knew_is_missed() {
    let host = Host::new();
    let running = host.plain(&["--silence", "1s"]);
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    running.stop();
    let running = host.plain(&["--silence", "1s"]);
    let path = wait_for("it is missed", || {
        running.after(": acme/dialog_end: no push for ")
    });
    assert_eq!(path, "1s: is the subscription still active?");
    running.stop();
}

/// As systemd does: the socket is open before, between and after two receivers.
const SYSTEMD: &str = r#"
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(sys.argv[1], sys.argv[1:])
    print("pid", pid, file=sys.stderr, flush=True)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print("ended", status, file=sys.stderr, flush=True)
    time.sleep(0.5)
sys.exit(status)
"#;

#[test]
fn r12_a_socket_of_systemd_is_taken_and_kept_over_a_restart() {
    let host = Host::new();
    let mut command = Command::new("python3");
    command
        .args(["-c", SYSTEMD])
        .arg(bin_dir().join("ocp-receive"));
    let flags = ["--listen", "fd:3", "--plain", "--drain", "0s"];
    let running = host.serve(command, &flags, &[], "http");
    let end_receiver = || {
        let said = running.said();
        let (_, pid) = said.rsplit_once("pid ").unwrap();
        let pid = pid.lines().next().unwrap();
        let sent = Command::new("kill").args(["-TERM", pid]).status();
        assert!(sent.unwrap().success());
    };
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    end_receiver();
    let status = wait_for("the first one ends", || running.after("ended "));
    assert_eq!(status, "143");
    // Nobody is there, and yet nothing is refused.
    assert_eq!(host.push(&running, &token, &[]), "200");
    end_receiver();
    assert_eq!(running.ended().0, Some(143));

    let flags = ["serve", "--listen", "fd:3", "--plain", "--clients"];
    let flags = [&flags[..], &["clients.toml", "--dir", "ocp"]].concat();
    let said = host.receive(&flags).run().ends(2).stderr();
    assert!(
        said.contains("the service manager passed no socket 3"),
        "{said}"
    );
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let host = Host::new();
    let running = host.plain(&[]);
    let taken = running.url.replace("http://localhost", "127.0.0.1");
    let start = |status, listen: &str, clients: &str, more: &[&str], what: &str| {
        let flags = [
            "serve",
            "--listen",
            listen,
            "--clients",
            clients,
            "--dir",
            "ocp",
        ];
        let ran = host.receive(&[&flags[..], more].concat()).run();
        let said = ran.ends(status).stderr();
        assert!(said.contains(what), "{said}");
    };
    let plain = ["--plain"];
    start(75, &taken, "clients.toml", &plain, "in use");
    start(
        2,
        "0.0.0.0:0",
        "clients.toml",
        &plain,
        "must be a loopback address",
    );
    start(2, "127.0.0.1:0", "missing.toml", &plain, "missing.toml");
    start(2, "127.0.0.1:0", "clients.toml", &[], "--cert");
    start(2, "here", "clients.toml", &plain, "ADDRESS:PORT or fd:N");
    let short = ["--plain", "--token-ttl", "60s"];
    start(
        2,
        "127.0.0.1:0",
        "clients.toml",
        &short,
        "between 5m and 24h",
    );
    let part = ["--plain", "--min-free", "100%"];
    start(2, "127.0.0.1:0", "clients.toml", &part, "a share of a disk");
    let large = ["--plain", "--max-push", "1G"];
    start(
        2,
        "127.0.0.1:0",
        "clients.toml",
        &large,
        "--max-push is more than",
    );
    running.stop();
    fs::write(host.path("ocp/token.keys"), "{").unwrap();
    start(65, "127.0.0.1:0", "clients.toml", &plain, "token.keys");
}

#[test]
fn check_says_all_that_is_wrong_and_ends_with_the_first() {
    let host = Host::new();
    let check = |more: &[&str]| {
        let flags = [
            "check",
            "--listen",
            "127.0.0.1:0",
            "--plain",
            "--dir",
            "ocp",
        ];
        host.receive(&[&flags[..], more].concat()).run()
    };
    let good = check(&["--clients", "clients.toml", "--min-free", "1M"]).ends(0);
    assert!(good.records().iter().all(|line| line["ok"] == true));
    let bad = check(&["--clients", "missing.toml", "--min-free", "9999999G"]).ends(2);
    let wrong: Vec<_> = bad
        .records()
        .into_iter()
        .filter(|line| line["ok"] == false)
        .map(|line| line["check"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(wrong, ["clients", "disk"]);
}

#[test]
fn r13_a_short_disk_is_503_before_the_body_and_not_ready() {
    let host = Host::new();
    let running = host.plain(&["--admin", "127.0.0.1:0", "--min-free", "9999999G"]);
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "503");
    let ready = host.curl(&[&format!("{}readyz", running.admin())]);
    assert!(ready.ends_with(" 503"), "{ready}");
    running.stop();
}

#[test]
fn what_is_kept_is_for_its_user_alone() {
    let host = Host::new();
    let running = host.plain(&[]);
    let token = host.token(&running);
    let wav = [
        "-H",
        "Content-Type: application/octet-stream",
        "-H",
        "X-OML-ORN: storage:x:a.wav",
    ];
    assert_eq!(host.push(&running, &token, &wav[2..]), "200");
    thread::sleep(Duration::from_millis(300));
    running.stop();
    let mut left = vec![host.path("ocp")];
    let mut count = 0;
    while let Some(path) = left.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
        count += 1;
        if path.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    assert!(count > 5, "{count}");
}
