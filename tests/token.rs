//! `ocp-token` against a real socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Program, program, scratch, shell};
use crate::sim::{Config, Sim, User};

const PASSWORD: &str = "demo-password";

fn start(config: Config) -> Sim {
    Sim::start(config).unwrap()
}

fn sim() -> Sim {
    start(Config::default())
}

/// `ocp-token` with the simulator's credentials and a cache in `home`.
fn token(sim: &Sim, home: Option<&Path>) -> Program {
    let program = program("ocp-token")
        .env("OCP_IAM_URL", sim.url())
        .env("OCP_USERNAME", "demo")
        .env("OCP_PASSWORD", PASSWORD)
        .args(["--backoff", "10ms"]);
    match home {
        None => program,
        Some(home) => program.env("XDG_CACHE_HOME", home),
    }
}

fn cache_files(home: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(home.join("callpipe")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths
}

#[test]
fn one_line_of_json_with_a_token_that_works() {
    let sim = sim();
    let ran = token(&sim, None).run().ends(0);
    let record = &ran.records()[0];
    assert_eq!(record["token_type"], "Bearer");
    assert_eq!(record["source"], "login");
    assert!(record["expires_in"].as_u64().unwrap() <= 300);
    assert_eq!(ran.stderr(), "");

    let url = format!("{}/exports-api/v1/exports?group=acme", sim.url());
    token(&sim, None).arg("--header").run().ends(0);
    let header = token(&sim, None).arg("--header").run().stdout();
    assert!(header.starts_with("Authorization: Bearer "), "{header}");
    let listed = program("curl")
        .args(["-sS", "-H", "@-", &url])
        .stdin(header)
        .run();
    assert_eq!(listed.stdout(), "[]");
}

#[test]
fn raw_is_the_bare_token() {
    let sim = sim();
    let ran = token(&sim, None).arg("--raw").run().ends(0);
    assert!(!ran.stdout().contains(['{', ' ']));
    assert_eq!(ran.lines().len(), 1);
}

#[test]
fn the_cache_spares_logins_and_only_its_user_can_read_it() {
    let sim = sim();
    let home = scratch();
    let home = home.path();
    let source = || token(&sim, Some(home)).run().ends(0).records()[0]["source"].clone();
    assert_eq!(source(), "login");
    assert_eq!(source(), "cache");
    assert_eq!(sim.stats().logins, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.join("callpipe")), 0o700);
    for file in cache_files(home) {
        assert_eq!(mode(&file), 0o600);
    }
}

#[test]
fn it_refreshes_before_it_logs_in_again() {
    let sim = start(Config {
        token_ttl: Duration::from_secs(90),
        ..Config::default()
    });
    let home = scratch();
    token(&sim, Some(home.path())).run().ends(0);
    let ran = token(&sim, Some(home.path()))
        .args(["--min-ttl", "100"])
        .run()
        .ends(0);
    assert_eq!(ran.records()[0]["source"], "refresh");
    assert_eq!((sim.stats().logins, sim.stats().refreshes), (1, 1));
}

#[test]
fn a_dead_refresh_token_leads_to_a_login() {
    let sim = start(Config {
        token_ttl: Duration::from_secs(1),
        refresh_ttl: Duration::from_secs(1),
        ..Config::default()
    });
    let home = scratch();
    token(&sim, Some(home.path()))
        .args(["--min-ttl", "0"])
        .run()
        .ends(0);
    std::thread::sleep(Duration::from_millis(1100));
    let ran = token(&sim, Some(home.path()))
        .args(["--min-ttl", "0"])
        .run()
        .ends(0);
    assert_eq!(ran.records()[0]["source"], "login");
    assert_eq!(sim.stats().logins, 2);
}

#[test]
fn ten_at_once_log_in_once() {
    let sim = start(Config {
        latency: Duration::from_millis(100),
        ..Config::default()
    });
    let home = scratch();
    let children: Vec<_> = (0..10)
        .map(|_| token(&sim, Some(home.path())).arg("--raw").spawn())
        .collect();
    let tokens: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .inspect(|output| assert!(output.status.success(), "{output:?}"))
        .map(|output| output.stdout)
        .collect();
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(sim.stats().logins, 1);
}

#[test]
fn a_cache_that_others_can_read_is_not_used() {
    let sim = sim();
    let home = scratch();
    token(&sim, Some(home.path())).run().ends(0);
    let file = cache_files(home.path()).remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let ran = token(&sim, Some(home.path())).run().ends(0);
    assert_eq!(ran.records()[0]["source"], "login");
    assert!(
        ran.stderr().contains("other users can access it (mode 640"),
        "{}",
        ran.stderr()
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the new login replaces it");

    fs::set_permissions(
        home.path().join("callpipe"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let ran = token(&sim, Some(home.path())).run().ends(0);
    assert_eq!(ran.records()[0]["source"], "login");
    assert!(
        ran.stderr().contains("the token cache is not used"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_broken_cache_is_replaced() {
    let sim = sim();
    let home = scratch();
    token(&sim, Some(home.path())).run().ends(0);
    fs::write(&cache_files(home.path())[0], "{\"half").unwrap();
    token(&sim, Some(home.path())).run().ends(0);
    assert_eq!(sim.stats().logins, 2);
    let ran = token(&sim, Some(home.path())).run().ends(0);
    assert_eq!(ran.records()[0]["source"], "cache");
}

#[test]
fn without_home_it_works_and_keeps_nothing() {
    let sim = sim();
    for _ in 0..2 {
        token(&sim, None).run().ends(0);
    }
    assert_eq!(sim.stats().logins, 2);
    let home = scratch();
    token(&sim, Some(home.path()))
        .arg("--no-cache")
        .run()
        .ends(0);
    assert!(!home.path().join("callpipe").exists());
    // A relative XDG path is invalid by its specification.
    token(&sim, None)
        .env("XDG_CACHE_HOME", "cache")
        .dir(home.path())
        .run()
        .ends(0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn logout_ends_the_session_and_the_cache() {
    let sim = sim();
    let home = scratch();
    token(&sim, Some(home.path())).run().ends(0);
    token(&sim, Some(home.path())).arg("--logout").prints("");
    let stats = sim.stats();
    assert_eq!((stats.logouts, stats.live_sessions), (1, 0));
    assert!(cache_files(home.path()).is_empty());
    token(&sim, Some(home.path()))
        .args(["--logout", "--skip-code", "99"])
        .fails(99, "");
}

#[test]
fn a_wrong_password_is_77_and_a_wrong_realm_is_2() {
    let sim = sim();
    token(&sim, None).env("OCP_PASSWORD", "wrong").fails(
        77,
        "ocp-token: login of demo: Invalid user credentials: check OCP_USERNAME and OCP_PASSWORD; with two-factor login set OCP_OTP or use OCP_PAT\n",
    );
    token(&sim, None).env("OCP_REALM", "nope").fails(
        2,
        "ocp-token: [..]/auth/realms/nope/protocol/openid-connect/token: HTTP 404, Realm does not exist: the realm does not exist: use --realm master (Swarm) or --realm ocp (Kubernetes)\n",
    );
    assert_eq!(sim.stats().requests["token"], 2, "neither is tried again");
}

#[test]
fn an_account_that_is_not_set_up_is_77_with_what_to_do() {
    let user = User {
        has_required_action: true,
        ..User::new("demo", PASSWORD)
    };
    let sim = start(Config {
        users: vec![user],
        ..Config::default()
    });
    token(&sim, None).fails(
        77,
        "ocp-token: login of demo: Account is not fully set up: sign in to the console once: [..]\n",
    );
}

#[test]
fn a_one_time_password_comes_from_the_environment_or_a_command() {
    let user = User {
        otp: Some("123456".to_owned()),
        ..User::new("demo", PASSWORD)
    };
    let sim = start(Config {
        users: vec![user],
        otp_field: "totp".to_owned(),
        ..Config::default()
    });
    let totp = |program: Program| program.args(["--otp-field", "totp", "--raw"]);
    totp(token(&sim, None)).run().ends(77);
    totp(token(&sim, None))
        .env("OCP_OTP", "123456")
        .run()
        .ends(0);
    totp(token(&sim, None))
        .args(["--otp-command", "echo 123456"])
        .run()
        .ends(0);
}

#[test]
fn a_password_comes_from_a_file_or_a_command_and_only_when_needed() {
    let sim = sim();
    let home = scratch();
    fs::write(home.path().join("password"), format!("{PASSWORD}\r\n")).unwrap();
    let bare = || {
        program("ocp-token")
            .env("OCP_IAM_URL", sim.url())
            .env("OCP_USERNAME", "demo")
            .dir(home.path())
    };
    bare().env("OCP_PASSWORD_FILE", "password").run().ends(0);
    bare()
        .args(["--password-command", "cat password"])
        .run()
        .ends(0);
    bare().env("OCP_PASSWORD_FILE", "missing").run().ends(2);
    bare()
        .args(["--password-command", "exit 75"])
        .run()
        .ends(75);
    assert_eq!(sim.stats().logins, 2);
    // A good token in the cache needs no password.
    let cached = || bare().env("XDG_CACHE_HOME", home.path());
    cached().env("OCP_PASSWORD", PASSWORD).run().ends(0);
    assert_eq!(cached().run().ends(0).records()[0]["source"], "cache");
    cached().arg("--logout").run().ends(0);
}

#[test]
fn a_home_that_cannot_be_written_is_no_home() {
    let sim = sim();
    let ran = token(&sim, None).env("HOME", "/proc/nope").run().ends(0);
    assert!(
        ran.stderr().contains("the token cache is not used"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.records()[0]["source"], "login");
}

#[test]
fn a_helper_renews_the_token_that_was_refused() {
    let sim = sim();
    let home = scratch();
    let first = token(&sim, Some(home.path()))
        .arg("--raw")
        .run()
        .ends(0)
        .stdout();
    let hash = shell(&format!(
        "printf %s {} | sha256sum | cut -d' ' -f1",
        first.trim_end()
    ))
    .run()
    .stdout();
    let ran = token(&sim, Some(home.path()))
        .env("OCP_REJECTED_SHA256", hash.trim_end())
        .run()
        .ends(0);
    assert_eq!(ran.records()[0]["source"], "refresh");
    let ran = token(&sim, Some(home.path()))
        .env("OCP_REJECTED_SHA256", hash.trim_end())
        .run()
        .ends(0);
    assert_eq!(
        ran.records()[0]["source"],
        "cache",
        "the new one was not refused"
    );
}

#[test]
fn passing_trouble_is_waited_out_and_said() {
    let sim = sim();
    sim.fault("token@1=503");
    sim.fault("token@2=cut");
    sim.fault("token@3=429,retry-after=0");
    let ran = token(&sim, None).run().ends(0);
    assert_eq!(ran.stderr().lines().count(), 3, "{}", ran.stderr());
    assert!(
        ran.stderr().contains("HTTP 503; trying again in"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn trouble_that_does_not_pass_is_75() {
    let sim = sim();
    sim.fault("token=503");
    let ran = token(&sim, None).args(["--tries", "3"]).run().ends(75);
    assert!(
        ran.stderr().contains("HTTP 503, after 3 tries"),
        "{}",
        ran.stderr()
    );
    sim.reset();
    sim.fault("token=429,retry-after=7200");
    let ran = token(&sim, None).run().ends(75);
    assert!(ran.stderr().contains("asks to wait 2h"), "{}", ran.stderr());
}

#[test]
fn nobody_there_is_75() {
    let ran = program("ocp-token")
        .args([
            "--iam-url",
            "http://127.0.0.1:1",
            "--tries",
            "2",
            "--backoff",
            "1ms",
        ])
        .env("OCP_USERNAME", "demo")
        .env("OCP_PASSWORD", PASSWORD)
        .run()
        .ends(75);
    assert!(
        ran.stderr().contains("Connection refused"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn what_is_missing_is_named() {
    program("ocp-token").fails(
        2,
        "ocp-token: no credentials: set OCP_USERNAME and OCP_PASSWORD, or OCP_PAT\n",
    );
    program("ocp-token").env("OCP_USERNAME", "demo").fails(
        2,
        "ocp-token: no IAM address: give --region or --iam-url (OCP_IAM_URL)\n",
    );
    program("ocp-token")
        .env("OCP_USERNAME", "demo")
        .args(["--region", "us1"])
        .fails(
            2,
            "ocp-token: login of demo: no password: set OCP_PASSWORD or OCP_PASSWORD_FILE, or give --password-command\n",
        );
    program("ocp-token")
        .args(["--iam-url", "http://iam.example"])
        .fails(
            2,
            "ocp-token: invalid value 'http://iam.example' for '--iam-url <URL>': http://iam.example/: use https; plain http would show credentials to the network\n\nFor more information, try '--help'.\n",
        );
}

#[test]
fn a_personal_access_token_needs_no_login() {
    let pat = || program("ocp-token").env("OCP_PAT", "pat-1");
    pat().arg("--raw").prints("pat-1\n");
    pat()
        .arg("--header")
        .prints("X-OCP-PERSONAL-ACCESS-TOKEN: pat-1\n");
    pat()
        .args(["--header", "--pat-form", "bearer"])
        .prints("Authorization: Bearer pat-1\n");
}

#[test]
fn the_password_is_nowhere_but_in_the_request() {
    let sim = sim();
    sim.fault("token@1=500");
    let home = scratch();
    let report = home.path().join("report.json");
    let ran = token(&sim, Some(home.path()))
        .args(["-vv", "--header", "-o"])
        .arg(home.path().join("header"))
        .arg("--report")
        .arg(&report)
        .run()
        .ends(0);
    let shown = ran.stderr() + &fs::read_to_string(report).unwrap();
    let cached = fs::read_to_string(&cache_files(home.path())[0]).unwrap();
    assert!(!shown.contains(PASSWORD) && !cached.contains(PASSWORD));
    let access =
        serde_json::from_str::<serde_json::Value>(&cached).unwrap()["access_token"].clone();
    assert!(!shown.contains(access.as_str().unwrap()));
}
