//! Failures on this side of the network, and the first thing that a user sees.

use crate::harness::program;
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, TOKEN, ids};

#[test]
fn without_a_token_nothing_is_asked() {
    let site = Site::new();
    let url = format!("{}/v1", site.sim.url());
    let ran = program("vg-consecutive")
        .env("VOICEGAIN_BASE_URL", &url)
        .run()
        .ends(2);
    assert!(
        ran.stderr()
            .contains("set VOICEGAIN_TOKEN or VOICEGAIN_TOKEN_FILE"),
        "{}",
        ran.stderr()
    );
    let ran = program("vg-consecutive")
        .env("VOICEGAIN_BASE_URL", &url)
        .env("VOICEGAIN_TOKEN_FILE", "/no/such/file")
        .run()
        .ends(2);
    assert!(
        ran.stderr().contains("VOICEGAIN_TOKEN_FILE: /no/such/file"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.calls().requests(), 0);
}

#[test]
fn a_token_may_come_from_a_file_and_under_the_vendors_name() {
    let site = Site::new();
    std::fs::write(site.path("token"), format!("Bearer {TOKEN}\n")).unwrap();
    for (name, value) in [
        ("VOICEGAIN_TOKEN_FILE", "token"),
        ("VOICEGAIN_JWT", TOKEN),
        ("VOICEGAIN_JWT_FILE", "token"),
    ] {
        let ran = program("vg-consecutive")
            .dir(site.dir.path())
            .env("VOICEGAIN_BASE_URL", format!("{}/v1/", site.sim.url()))
            .env(name, value)
            .run()
            .ends(0);
        assert_eq!(ran.lines(), site.calls().truth(), "{name}");
    }
}

#[test]
fn an_empty_variable_is_unset() {
    let site = Site::new();
    let url = format!("{}/v1", site.sim.url());
    let lines = program("vg-consecutive")
        .args(["--base-url", &url])
        .env("VOICEGAIN_BASE_URL", "")
        .env("VOICEGAIN_TOKEN", "")
        .env("VOICEGAIN_JWT", format!("{TOKEN}\n"))
        .run()
        .ends(0)
        .lines();
    assert_eq!(lines, site.calls().truth());
    let ran = program("vg-consecutive")
        .args(["--print-config"])
        .env("VOICEGAIN_BASE_URL", "")
        .run()
        .ends(0);
    assert!(!ran.stdout().contains("VOICEGAIN_BASE_URL\",\"value\":\"\""));
}

#[test]
fn an_edge_is_another_prefix_and_plain_http_goes_to_a_named_host_only() {
    let site = Site::new();
    let edge = format!("{}/ascalon-web-api", site.sim.url());
    let lines = site.export(&["--base-url", &edge]).run().ends(0).lines();
    assert_eq!(lines, site.calls().truth());
    let ran = site
        .export(&["--base-url", "http://edge.invalid:31680/ascalon-web-api"])
        .run()
        .ends(2);
    assert!(
        ran.stderr().contains("--plain-http HOST"),
        "{}",
        ran.stderr()
    );
    let named = [
        "--base-url",
        "http://edge.invalid:31680/x",
        "--plain-http",
        "edge.invalid",
        "--tries",
        "1",
    ];
    // 69 where the resolver says that there is no such host, 75 where it cannot tell.
    let ran = site.export(&named).run();
    assert!([69, 75].contains(&ran.status()), "{}", ran.stderr());
    assert!(ran.stderr().contains("edge.invalid"), "{}", ran.stderr());
}

#[test]
fn filters_are_sent_as_documented_or_joined() {
    let site = Site::new();
    let wanted: Vec<u64> = site
        .calls()
        .ids()
        .into_iter()
        .filter(|id| id % 5 == 1 || id % 5 == 3)
        .collect();
    for style in ["repeat", "comma"] {
        let agents = [
            "--agent",
            "a000000000000001",
            "--agent",
            "a000000000000003",
            "--array-style",
            style,
        ];
        let lines = site.export(&agents).run().ends(0).lines();
        assert_eq!(ids(&lines), wanted, "{style}");
    }
    let from = site.calls().start_of(site.calls().ids()[30]).to_rfc3339();
    let lines = site.export(&["--from-time", &from]).run().ends(0).lines();
    assert_eq!(lines, site.calls().truth()[30..]);
    let stats = site.sim.stats();
    let last = stats.recent.last().unwrap();
    assert!(last.target.contains("fromTime=") && !last.target.contains("toTime"));
    site.export(&["--from-time", "tomorrow"]).run().ends(2);
    site.export(&["--queue", "q000000000000001", "--aivr-app", "x"])
        .run()
        .ends(0);
}

#[test]
fn the_vendors_cursor_and_host_are_taken_and_said() {
    let site = Site::new();
    let known = site.calls().ids();
    let ini = format!(
        "[DEFAULT]\n# a comment\nenvironment = PROD\n[PROD]\njwt_token = eyJsecret%\nhost = api.voicegain.ai\n[EXPORT]\nmax_exported_callid = {}\nfrom_time = 2024-10-01T00:00:00Z\n",
        known[29]
    );
    std::fs::write(site.path("config.ini"), &ini).unwrap();
    let ran = site.run(&["--import-config", "config.ini"], 0);
    assert_eq!(ran.lines(), site.calls().truth()[30..]);
    let said = ran.stderr();
    assert!(
        said.contains(&format!(
            "max_exported_callid {}, https://api.voicegain.ai/v1",
            known[29]
        )),
        "{said}"
    );
    assert!(
        said.contains("its jwt_token is ignored") && !said.contains("eyJsecret"),
        "{said}"
    );
    assert!(
        said.contains("from_time = 2024-10-01T00:00:00Z is ignored"),
        "{said}"
    );
    assert_eq!(site.read("config.ini"), ini, "it is only read");
    site.change(Change::Add(1));
    let again = site.run(&["--import-config", "config.ini"], 0);
    assert_eq!(
        (again.lines().len(), again.stderr().as_str()),
        (1, ""),
        "the state is further"
    );
    std::fs::write(
        site.path("config.ini"),
        ini.replace("callid = ", "callid = x"),
    )
    .unwrap();
    site.export(&["--import-config", "config.ini"])
        .run()
        .ends(65);
    site.export(&["--import-config", "no.ini"]).run().ends(2);
}

#[test]
fn it_runs_without_a_home() {
    let site = Site::new();
    let lines = site.export(&[]).run().ends(0).lines();
    assert_eq!(lines.len(), 40);
}

#[test]
fn a_report_goes_with_a_file_of_calls() {
    let site = Site::new();
    let ran = site.export(&["-o", "calls", "--report", "-"]).run().ends(0);
    let report = &ran.records()[0];
    assert_eq!(
        (report["calls"].as_u64(), report["pages"].as_u64()),
        (Some(40), Some(1))
    );
    assert_eq!(report["program"], "vg-consecutive");
    assert!(report["first_time"].as_str() < report["last_time"].as_str());
}

#[test]
fn memory_does_not_depend_on_the_page() {
    // Peak memory in KiB, as the kernel counts it.
    const MEASURE: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let peak = |calls| {
        let site = Site::with(|config| {
            config.calls = calls;
            config.phrases = 400;
        });
        let ran = program("python3")
            .dir(site.dir.path())
            .envs(site.env())
            .args(["-c", MEASURE, "vg-consecutive", "--per-page", "10000"])
            .run()
            .ends(0);
        ran.stdout().trim().parse::<u64>().unwrap()
    };
    // 15 kB a call: a page of 750 kB, and one of 45 MB.
    let (few, many) = (peak(50), peak(3000));
    assert!(
        many < few + 2048,
        "{few} KiB for 50 calls, {many} KiB for 3000"
    );
}

#[test]
fn calls_are_listed_in_another_order_without_a_cursor() {
    let site = Site::new();
    let all = site.calls().ids();
    for (args, is_reversed) in [
        (&["--sort-by", "time", "--sort-dir", "desc"][..], true),
        (&["--sort-by", "documentId"], false),
    ] {
        for size in ["7", "1000"] {
            let lines = site
                .export(args)
                .args(["--per-page", size])
                .run()
                .ends(0)
                .lines();
            let mut expected = all.clone();
            if is_reversed {
                expected.reverse();
            }
            // Unfinished ones, too.
            assert_eq!(ids(&lines), expected, "{args:?} {size}");
        }
    }
    let stats = site.sim.stats();
    assert!(
        !stats
            .recent
            .iter()
            .any(|request| request.target.contains("consecutive=true"))
    );
    site.export(&["--sort-by", "time", "--state", "S"])
        .run()
        .ends(2);
    site.export(&["--sort-dir", "desc"]).run().ends(2);
}

#[test]
fn a_name_in_place_of_an_id_is_said() {
    let site = Site::new();
    let ran = site.export(&["--agent", "Jane Doe"]).run().ends(0);
    let said = "vg-consecutive: --agent 'Jane Doe': this does not look like an id; give the agent.agentId of a call\n";
    assert!(ran.stderr().starts_with(said), "{}", ran.stderr());
}
