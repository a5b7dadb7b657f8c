//! What all programs have in common on the command line.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::{bin_dir, program, scratch, shell};

pub const PROGRAMS: [&str; 10] = [
    "ocp-token",
    "export-plan",
    "export-fetch",
    "ocp-metrics",
    "ocp-receive",
    "ocp-subscribe",
    "unzip-jsonl",
    "cdr-filter",
    "vg-consecutive",
    "dialpad-window",
];

#[test]
fn help_leads_with_examples_and_ends_with_the_statuses() {
    for name in PROGRAMS {
        let help = program(name).arg("--help").run().ends(0).stdout();
        assert!(help.starts_with("Examples:\n"), "{name}: {help}");
        assert!(help.contains("\nUsage: "), "{name}");
        assert!(help.contains("   75  try again later"), "{name}");
        for flag in [
            "--output",
            "--report",
            "--verbose",
            "--quiet",
            "--log-format",
            "--no-progress",
            "--skip-code",
        ] {
            assert!(help.contains(flag), "{name}: {flag}");
        }
        assert!(widest(&help) <= 100, "{name}");
        let number = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(program(name).arg("-V").run().ends(0).stdout(), number);
        let version = program(name).arg("--version").run().ends(0).stdout();
        assert!(version.starts_with(number.trim_end()), "{version}");
    }
}

#[test]
fn the_short_help_fits_on_a_screen() {
    for name in PROGRAMS {
        let commands = commands_of(name);
        for command in commands.iter().map(Some).chain([None]) {
            let help = program(name).args(command).arg("-h").run().ends(0).stdout();
            let lines = help.lines().count();
            assert!(lines <= 40, "{name} {command:?}: {lines} lines\n{help}");
            assert!(
                help.starts_with("Examples:\n"),
                "{name} {command:?}: {help}"
            );
            assert!(help.contains("--help shows all"), "{name} {command:?}");
            assert!(widest(&help) <= 100, "{name} {command:?}");
        }
    }
}

/// The subcommands that the help of a program lists.
pub fn commands_of(name: &str) -> Vec<String> {
    let help = program(name).arg("--help").run().ends(0).stdout();
    let lines = help.lines().skip_while(|line| *line != "Commands:");
    lines
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .map(str::to_owned)
        .collect()
}

/// The characters of the longest line, without the usage line.
fn widest(text: &str) -> usize {
    // clap does not wrap the usage line.
    text.lines()
        .filter(|line| !line.starts_with("Usage: "))
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    for name in PROGRAMS {
        let ran = program(name)
            .arg("--help")
            .env("OCP_PASSWORD", "hush-1")
            .env("OCP_TOKEN", "hush-2")
            .env("OCP_PAT", "hush-3")
            .env("OCP_OTP", "hush-4")
            .env("VOICEGAIN_TOKEN", "hush-5")
            .env("DIALPAD_API_KEY", "hush-6")
            .run()
            .ends(0);
        assert!(!ran.stdout().contains("hush"), "{name}");
    }
}

#[test]
fn a_flag_that_is_nearly_right_is_named() {
    for name in PROGRAMS {
        let ran = program(name).arg("--reprot").run().ends(2);
        assert!(
            ran.stderr()
                .starts_with(&format!("{name}: unexpected argument '--reprot' found")),
            "{}",
            ran.stderr()
        );
        assert!(ran.stderr().contains("--report"), "{}", ran.stderr());
        assert_eq!(ran.stdout(), "");
    }
}

#[test]
fn the_end_of_a_flags_name_is_enough_for_the_tip() {
    let ran = program("cdr-filter")
        .args(["--group", "acme"])
        .run()
        .ends(2);
    assert!(ran.stderr().contains("'--ocp-group'"), "{}", ran.stderr());
    assert!(!ran.stderr().contains("'--root'"), "{}", ran.stderr());
}

#[test]
fn with_v_every_program_says_how_it_ended() {
    let lines = [
        "ocp-token -v --iam-url https://127.0.0.1:9",
        "export-plan windows -v --group acme --type audit --from -2d --to -1d",
        "export-plan pages -v",
        "export-plan coverage -v --ledger none",
        "export-plan check -v --ledger none",
        "export-plan prune -v --ledger none --older-than 1d",
        "export-fetch -v --out-dir cdrs",
        "ocp-metrics batch dialogs -v --group acme --from -2d",
        "ocp-receive status -v --dir none",
        "ocp-subscribe list -v --group acme",
        "unzip-jsonl -v none.zip",
        "cdr-filter -v .",
        "vg-consecutive -v",
        "dialpad-window -v --from -2d",
    ];
    let dir = scratch();
    for line in lines {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let ran = program(name).args(words).dir(dir.path()).stdin("").run();
        let said = ran.stderr();
        let last = said.lines().last().unwrap_or_default();
        let start = format!("{name}: status {} after ", ran.status());
        assert!(last.starts_with(&start), "{line}: {said}");
    }
    for name in PROGRAMS {
        assert!(lines.iter().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn with_v_the_last_line_says_the_status_and_the_counts() {
    let ran = program("cdr-filter")
        .args(["-v", "."])
        .stdin("{}\n{}\n")
        .run();
    let said = ran.ends(0).stderr().to_owned();
    assert!(said.starts_with("cdr-filter: status 0 after "), "{said}");
    assert!(said.contains("kept 2"), "{said}");
    let ran = program("export-plan")
        .args(["check", "-v", "--ledger", "none"])
        .run();
    let said = ran.ends(74).stderr().to_owned();
    assert!(said.contains("\nexport-plan: status 74 after "), "{said}");
}

#[test]
fn a_missing_command_is_said_before_the_help() {
    for name in ["export-plan", "ocp-metrics", "ocp-receive", "ocp-subscribe"] {
        let said = program(name).run().ends(2).stderr();
        let start = format!("{name}: a command is missing\n\n");
        assert!(said.starts_with(&start), "{said}");
    }
}

#[test]
fn a_command_that_is_nearly_right_is_named() {
    for (typed, meant) in [
        ("window", "windows"),
        ("paegs", "pages"),
        ("covrage", "coverage"),
    ] {
        let ran = program("export-plan").arg(typed).run().ends(2);
        assert!(
            ran.stderr().contains(&format!("'{meant}'")),
            "{}",
            ran.stderr()
        );
        assert_eq!(ran.stdout(), "");
    }
    let ran = program("export-plan")
        .args(["windows", "--gruop", "acme"])
        .run()
        .ends(2);
    assert!(ran.stderr().contains("'--group'"), "{}", ran.stderr());
}

#[test]
fn a_report_goes_to_stdout_only_where_no_records_do() {
    for (name, args) in [
        ("unzip-jsonl", &[][..]),
        ("cdr-filter", &[]),
        ("export-plan", &["pages"]),
    ] {
        program(name).args(args).args(["--report", "-"]).fails(
            2,
            &format!("{name}: --report -: stdout carries the records; give --output FILE, or --report a file\n"),
        );
        let dir = scratch();
        let ran = program(name)
            .args(args)
            .args(["--report", "-", "-o", "records"])
            .dir(dir.path())
            .run()
            .ends(0);
        let report = &ran.records()[0];
        assert_eq!(
            (report["program"].as_str(), report["status"].as_u64()),
            (Some(name), Some(0))
        );
        assert_eq!(report["reason"], "nothing to do");
        assert_eq!(std::fs::read(dir.path().join("records")).unwrap(), b"");
    }
}

#[test]
fn a_report_tells_of_a_failure_too() {
    let dir = scratch();
    program("unzip-jsonl")
        .args(["--report", "report.json", "missing.zip"])
        .dir(dir.path())
        .run()
        .ends(74);
    let report = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (report["status"].as_u64(), report["state"].as_str()),
        (Some(74), Some("io"))
    );
    assert!(report["reason"].is_string());
}

#[test]
fn programs_bring_their_manual_and_completions() {
    let dir = scratch();
    for name in PROGRAMS {
        let page = program(name)
            .args(["--generate", "man"])
            .run()
            .ends(0)
            .stdout();
        assert!(
            page.contains(".SH EXAMPLES") && page.contains(".SH \"EXIT STATUS\""),
            "{name}"
        );
        let bash = program(name)
            .args(["--generate", "bash"])
            .run()
            .ends(0)
            .stdout();
        std::fs::write(dir.path().join("complete"), bash).unwrap();
        shell(&format!(
            "source ./complete && complete -p {name} > /dev/null"
        ))
        .dir(dir.path())
        .prints("");
        for kind in ["zsh", "fish"] {
            let script = program(name)
                .args(["--generate", kind])
                .run()
                .ends(0)
                .stdout();
            assert!(script.contains(name), "{name} {kind}");
        }
        program(name).args(["--generate", "tea"]).fails(
            2,
            &format!("{name}: --generate takes man, bash, zsh or fish\n"),
        );
    }
}

#[test]
fn subcommands_are_in_the_manual_and_the_completions() {
    for (name, command, flag) in [
        ("export-fetch", "probe", "write-profile"),
        ("export-fetch", "list", "group"),
        ("vg-consecutive", "probe", "base-url"),
        ("dialpad-window", "probe", "base-url"),
    ] {
        let generated = |kind| {
            program(name)
                .args(["--generate", kind])
                .run()
                .ends(0)
                .stdout()
        };
        let page = generated("man");
        let heading = format!(".SH \"COMMAND {}\"", command.to_uppercase());
        let (_, section) = page
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{name} {command}"));
        let escaped = format!("\\-\\-{}", flag.replace('-', "\\-"));
        assert!(section.contains(&escaped), "{name} {command} {flag}");
        let bash = generated("bash");
        let case = format!("{}__subcmd__{command})", name.replace('-', "__"));
        let (_, options) = bash
            .split_once(&case)
            .unwrap_or_else(|| panic!("{name} {command}"));
        assert!(
            options.contains(&format!("--{flag}")),
            "{name} {command} {flag}"
        );
        let fish = generated("fish");
        assert!(
            fish.lines()
                .any(|line| line.contains(&format!("subcommand {command}\" -l {flag}"))),
            "{name} {command} {flag}"
        );
        assert!(
            generated("zsh").contains(&format!("({command})")),
            "{name} {command}"
        );
    }
}

#[test]
fn an_input_is_not_replaced_by_the_output() {
    let dir = scratch();
    for (name, file, kind) in [
        ("unzip-jsonl", "x.zip", "ZIP"),
        ("cdr-filter", "x.ndjson", "FILE"),
    ] {
        std::fs::write(dir.path().join(file), "{}\n").unwrap();
        let args = if name == "cdr-filter" {
            vec![".", file]
        } else {
            vec![file]
        };
        program(name)
            .args(args)
            .args(["-o", &format!("./{file}")])
            .dir(dir.path())
            .fails(
                2,
                &format!("{name}: {file}: {kind} and --output name the same file: use two files\n"),
            );
        assert_eq!(std::fs::read(dir.path().join(file)).unwrap(), b"{}\n");
    }
}

/// What a run that was killed had written so far is in nobody's way, and the next
/// one takes it away.
#[test]
fn a_killed_run_leaves_no_output_and_the_next_one_no_leftovers() {
    let dir = scratch();
    let list = || {
        let entries = fs::read_dir(dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    let mut child = Command::new(bin_dir().join("cdr-filter"))
        .args(["-o", "out.ndjson", "."])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while list().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = list();
    assert!(
        left.len() == 1 && left[0].starts_with(".callpipe-"),
        "{left:?}"
    );
    program("cdr-filter")
        .args(["-o", "out.ndjson", "."])
        .dir(dir.path())
        .stdin("{}\n")
        .prints("");
    assert_eq!(list(), ["out.ndjson"]);
}

#[test]
fn a_report_that_cannot_be_written_is_found_out_before_the_work() {
    let site = crate::site::Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.fetch(&plan)
        .args(["--report", "no/such/dir"])
        .run()
        .ends(74);
    assert!(site.sim.stats().recent.is_empty());
}

#[test]
fn a_terminal_on_stdin_is_no_input_to_wait_for() {
    for (name, args) in [
        ("unzip-jsonl", ""),
        ("cdr-filter", "."),
        ("export-plan", "pages"),
        ("export-fetch", "--out-dir x"),
        (
            "dialpad-window",
            "--base-url https://example.test --provider-id 1 --customer-session -",
        ),
    ] {
        // script(1) gives the program a terminal.
        let ran = shell(&format!(
            "script -qec '{name} {args}' /dev/null < /dev/null"
        ))
        .env("DIALPAD_API_KEY", "demo-key")
        .run()
        .ends(2);
        assert!(
            ran.stdout()
                .contains(&format!("{name}: nothing to read: stdin is a terminal")),
            "{}",
            ran.stdout()
        );
    }
}

#[test]
fn messages_may_be_json() {
    let ran = program("export-plan")
        .args([
            "windows",
            "--group",
            "g",
            "--type",
            "a",
            "--from",
            "-90d",
            "--log-format",
            "json",
        ])
        .run()
        .ends(0);
    for line in ran.stderr().lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (message["program"].as_str(), message["level"].as_str()),
            (Some("export-plan"), Some("warning"))
        );
        assert!(message["message"].is_string() && message["time"].is_string());
    }
    let quiet = program("export-plan")
        .args([
            "windows", "--group", "g", "--type", "a", "--from", "-90d", "-q",
        ])
        .run()
        .ends(0);
    assert_eq!(quiet.stderr(), "");
}

#[test]
fn the_settings_of_a_call_are_printed_with_their_origin_and_no_secret() {
    let ran = program("export-fetch")
        .args(["--out-dir", "cdrs", "--print-config"])
        .env("OCP_API_URL", "https://api.example")
        .env("OCP_PAT", "t0ken")
        .run()
        .ends(0);
    assert!(!ran.stdout().contains("t0ken"));
    let settings = ran.records();
    let of = |name: &str| {
        let setting = settings.iter().find(|setting| setting["setting"] == name);
        let setting = setting.unwrap_or_else(|| panic!("{name}"));
        (
            setting["value"].clone(),
            setting["origin"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(of("--out-dir"), ("cdrs".into(), "command line".to_owned()));
    assert_eq!(of("--rate"), ("5/60s".into(), "default".to_owned()));
    assert_eq!(
        of("--api-url"),
        (
            "https://api.example".into(),
            "environment OCP_API_URL".to_owned()
        )
    );
    assert_eq!(
        of("OCP_PAT"),
        ("[redacted]".into(), "environment OCP_PAT".to_owned())
    );
}

#[test]
fn every_program_prints_its_settings_and_names_its_secrets_only() {
    for (name, args, secrets) in [
        (
            "ocp-token",
            &[][..],
            &["OCP_PASSWORD", "OCP_OTP", "OCP_PAT"][..],
        ),
        ("export-plan", &["pages"], &[]),
        (
            "export-fetch",
            &["--out-dir", "x"],
            &["OCP_TOKEN", "OCP_PAT", "OCP_PASSWORD", "OCP_OTP"],
        ),
        (
            "ocp-metrics",
            &["batch", "all", "--group", "g"],
            &["OCP_TOKEN", "OCP_PAT", "OCP_PASSWORD", "OCP_OTP"],
        ),
        ("unzip-jsonl", &["x.zip"], &[]),
        ("cdr-filter", &[".", "x.ndjson"], &[]),
        ("vg-consecutive", &[], &["VOICEGAIN_TOKEN", "VOICEGAIN_JWT"]),
        ("dialpad-window", &[], &["DIALPAD_API_KEY"]),
    ] {
        let dir = scratch();
        let mut program = program(name)
            .args(args)
            .args(["--skip-code", "99", "--print-config"])
            .dir(dir.path());
        for secret in secrets {
            program = program.env(secret, "hush");
        }
        let ran = program.run().check(0, "...\n", "");
        assert!(!ran.stdout().contains("hush"), "{}", ran.stdout());
        let has = |setting: &str, value: &str, origin: &str| {
            ran.records().iter().any(|one| {
                (&one["setting"], &one["value"], &one["origin"])
                    == (&setting.into(), &value.into(), &origin.into())
            })
        };
        assert!(has("--skip-code", "99", "command line"), "{name}");
        assert!(has("--log-format", "text", "default"), "{name}");
        for secret in secrets {
            let origin = format!("environment {secret}");
            assert!(has(secret, "[redacted]", &origin), "{name}: {secret}");
        }
        // Nothing was done.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
    }
}
