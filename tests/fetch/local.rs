//! Failures on this side of the network.

use std::fs;

use crate::harness::{program, shell};
use crate::sim::Config;
use crate::sim::truth::Truth;
use crate::site::{Site, config};

#[test]
fn empty_input_is_nothing_to_do() {
    let site = Site::new();
    site.fetch("").prints("");
    site.fetch("\n  \n")
        .args(["--skip-code", "99"])
        .fails(99, "");
    assert!(site.sim.stats().recent.is_empty());
}

#[test]
fn stdout_that_is_full_is_74_and_nothing_is_marked() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let ran = site
        .shell("export-fetch --out-dir cdrs --poll 10ms > /dev/full")
        .stdin(&plan)
        .run()
        .ends(74);
    assert!(
        ran.stderr().contains("No space left on device"),
        "{}",
        ran.stderr()
    );
    assert!(
        !site
            .read("cdrs/ledger.ndjson")
            .contains("\"event\":\"fetched\"")
    );
}

#[test]
fn a_disk_that_fills_up_is_74_and_leaves_nothing_half() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    // A limit on the size of files fails writes as a full disk does.
    let script = "trap '' XFSZ; ulimit -f 8; exec export-fetch --out-dir cdrs --poll 10ms";
    let ran = site.shell(script).stdin(&plan).run().ends(74);
    assert!(ran.stderr().contains("File too large"), "{}", ran.stderr());
    assert_eq!(site.files(), ["ledger.ndjson"]);
    let lines = site.fetch(&plan).run().ends(0).records();
    assert_eq!(lines.len(), 1);
    assert_eq!(site.sim.stats().creates_accepted, 1);
}

#[test]
fn a_directory_that_cannot_be_is_74() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    fs::write(site.path("cdrs"), "a file").unwrap();
    let ran = site.fetch(&plan).run().ends(74);
    assert!(
        ran.stderr().starts_with("export-fetch: "),
        "{}",
        ran.stderr()
    );
    assert!(ran.stderr().contains("cdrs"), "{}", ran.stderr());
    assert!(site.sim.stats().recent.is_empty(), "nothing was asked for");
    fs::remove_file(site.path("cdrs")).unwrap();
    fs::create_dir(site.path("cdrs")).unwrap();
    fs::write(site.path("cdrs/acme"), "a file").unwrap();
    site.fetch(&plan).run().ends(74);
}

#[test]
fn stdout_that_is_closed_is_no_reader_to_lose() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.shell("export-fetch --out-dir cdrs --poll 10ms >&-")
        .stdin(&plan)
        .prints("");
    assert_eq!(site.files().len(), 2);
}

#[test]
fn lines_may_go_to_a_file_that_is_complete_or_absent() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    site.sim.fault("data=503");
    let fetch = || {
        site.fetch(&plan)
            .args(["--tries", "1", "-o", "lines.ndjson", "--report", "-"])
            .run()
    };
    let failed = fetch();
    assert_eq!(failed.status(), 75);
    assert!(!site.path("lines.ndjson").exists());
    assert_eq!(failed.records()[0]["state"], "try-later");
    site.sim.reset();
    let ran = fetch();
    assert_eq!(ran.status(), 0, "{}", ran.stderr());
    assert_eq!(site.read("lines.ndjson").lines().count(), 1);
    assert_eq!(ran.records().len(), 1, "stdout holds the report alone");
}

#[test]
fn the_ledger_hears_of_lines_in_a_file_only_when_it_has_its_name() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-14", &[]);
    // The first export is complete when the second one fails for good.
    site.sim.fault("data@2=503");
    let fetch = || {
        site.fetch(&plan)
            .args(["--tries", "1", "-o", "lines.ndjson"])
            .run()
    };
    assert_eq!(fetch().status(), 75);
    assert!(
        !site
            .read("cdrs/ledger.ndjson")
            .contains("\"event\":\"fetched\"")
    );
    assert_eq!(fetch().status(), 0);
    assert_eq!(site.read("lines.ndjson").lines().count(), 2);
    assert_eq!(
        site.read("cdrs/ledger.ndjson")
            .matches("\"event\":\"fetched\"")
            .count(),
        2
    );
}

#[test]
fn a_device_is_written_to_and_never_replaced() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.fetch(&plan)
        .args(["-o", "/dev/null", "--report", "/dev/null"])
        .prints("");
    let kind = fs::metadata("/dev/null").unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&kind));
    site.fetch(&plan).args(["-o", "/dev/full"]).run().ends(74);
    fs::write(site.path("real"), "").unwrap();
    std::os::unix::fs::symlink("real", site.path("link")).unwrap();
    site.fetch(&plan).args(["-o", "link"]).prints("");
    assert_eq!(site.read("real").lines().count(), 1);
}

#[test]
fn lines_that_cannot_be_are_refused_at_once() {
    let site = Site::new();
    let window = r#""group":"acme","types":["dialog_end"],"from":"2026-11-10T00:00:00Z","to":"2026-11-11T00:00:00Z""#;
    let line = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-10T12:10:00Z","to":"2026-11-10T13:20:00Z"}"#;
    let ran = site.fetch(line).run().ends(65);
    assert!(
        ran.stderr().contains("is not whole hours"),
        "{}",
        ran.stderr()
    );
    assert!(site.sim.stats().recent.is_empty());
    let ready = format!(
        r#"{{{window},"export_id":"x","status":"READY","num_of_files":18446744073709551615}}"#
    );
    let ran = program("export-plan")
        .arg("pages")
        .stdin(ready)
        .run()
        .ends(65);
    assert!(
        ran.stderr().contains("which is impossible"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    for notes in ["precious", "hello\nprecious", "{\"my\":1}\n"] {
        fs::write(site.path("notes"), notes).unwrap();
        let ran = site.fetch(&plan).args(["--ledger", "notes"]).run().ends(65);
        assert!(
            ran.stderr().starts_with("export-fetch: notes: "),
            "{}",
            ran.stderr()
        );
        assert_eq!(site.read("notes"), notes);
    }
    shell("mkfifo fifo").dir(site.dir.path()).run().ends(0);
    site.fetch(&plan).args(["--ledger", "fifo"]).run().ends(2);
    assert!(site.sim.stats().recent.is_empty());
}

#[test]
fn a_password_has_no_place_in_a_url() {
    let site = Site::new();
    let url = site.sim.url().replace("http://", "http://user:hunter2@");
    let ran = site.fetch("").args(["--api-url", &url]).run().ends(2);
    assert!(
        ran.stderr()
            .contains("a URL must not contain a user or password"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn files_have_the_mode_that_is_given_and_what_a_run_trusts_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    for (flag, data) in [("", 0o600), ("--mode 666", 0o640)] {
        let site = Site::new();
        let plan = site.plan("2026-11-10", "2026-11-11", &[]);
        let job = "export-fetch --out-dir cdrs --poll 10ms -o lines --report report";
        site.shell(&format!("umask 027; {job} {flag}"))
            .stdin(&plan)
            .prints("");
        let files = site.files();
        let names = files.iter().map(|name| format!("cdrs/{name}"));
        for name in names.chain(["lines".to_owned(), "report".to_owned()]) {
            let mode = fs::metadata(site.path(&name)).unwrap().permissions().mode() & 0o777;
            let expected = match name.ends_with("ledger.ndjson") {
                true => 0o600,
                false => data,
            };
            assert_eq!(mode, expected, "{name} {flag}");
        }
    }
}

#[test]
fn memory_does_not_grow_with_the_zip() {
    // Peak memory of the job in KiB, as the kernel counts it.
    const MEASURE: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let peak = |records| {
        let site = Site::with(Config {
            truth: Truth {
                records,
                ..config().truth
            },
            ..config()
        });
        let plan = site.plan("2026-11-10T00:00Z", "2026-11-10T01:00Z", &[]);
        let ran = program("python3")
            .dir(site.dir.path())
            .envs(site.env())
            .args([
                "-c",
                MEASURE,
                "export-fetch",
                "--out-dir",
                "cdrs",
                "--poll",
                "10ms",
            ])
            .stdin(plan)
            .run()
            .ends(0);
        let zip = site
            .files()
            .into_iter()
            .find(|name| name.ends_with(".zip"))
            .unwrap();
        let size = fs::metadata(site.path("cdrs").join(zip)).unwrap().len() / 1024;
        (ran.stdout().trim().parse::<u64>().unwrap(), size)
    };
    let (small, _) = peak(2);
    let (large, size) = peak(12_000);
    assert!(size > 1500, "{size} KiB");
    assert!(
        large < small + size / 2,
        "{small} KiB, and {large} for a ZIP of {size}"
    );
}

#[test]
fn no_secret_is_an_argument() {
    let site = Site::new();
    site.sim.fault("status=state=PROCESSING");
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let mut child = site.fetch(&plan).spawn();
    while site.sim.stats().requests["status"] == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let argv = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        argv.contains("--out-dir") && !argv.contains(crate::site::PASSWORD),
        "{argv}"
    );
}

#[test]
fn wrong_usage_is_2() {
    program("export-fetch").fails(
        2,
        "export-fetch: the following required arguments were not provided:\n  --out-dir <DIR>\n...",
    );
    for (flags, words) in [
        (["--rate", "5"], "is not a rate"),
        (["--page-size", "0"], "0 is not in"),
        (["--poll", "soon"], "is not a duration"),
        (["--poll", "0s"], "is zero: give a duration"),
        (["--token", "x"], "unexpected argument '--token'"),
        (["--api-url", "http://example.com"], "use https"),
    ] {
        let ran = program("export-fetch")
            .args(["--out-dir", "x"])
            .args(flags)
            .run()
            .ends(2);
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
        assert!(
            ran.stderr().starts_with("export-fetch: "),
            "{}",
            ran.stderr()
        );
    }
}
