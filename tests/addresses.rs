//! `scheme://` in place of a path is refused, in every program and every option that takes
//! no object in a bucket.

use std::fs;

use crate::cli::PROGRAMS;
use crate::examples::{commands, help};
use crate::harness::{program, scratch, shell};

const ADDRESS: &str = "s3://bucket/key";

/// Whether an option takes an object of S3, too.
fn takes_object(page: &str, option: &str) -> bool {
    match option {
        "--state" | "--state-out" | "--have" | "--output" => true,
        "ZIP" => page == "unzip-jsonl",
        "--out-dir" => true,
        "--ledger" => [
            "export-fetch",
            "export-fetch list",
            "export-plan coverage",
            "export-plan check",
            "export-plan prune",
        ]
        .contains(&page),
        _ => false,
    }
}

/// The names of values that are paths.
const PATHS: [&str; 4] = ["FILE", "DIR", "LEDGER", "ZIP"];

/// What else a program or subcommand needs.
fn needed(page: &str) -> &'static str {
    match page {
        "export-plan windows" => "--group g --type t --from -2d",
        "export-plan coverage" | "export-plan check" => "--ledger l",
        "export-plan prune" => "--ledger l --older-than 1d",
        "export-fetch list" | "export-fetch probe" | "ocp-subscribe list" => "--group g",
        "ocp-metrics batch" | "ocp-metrics realtime" => "all --group g",
        "ocp-receive serve" | "ocp-receive check" => {
            "--listen 127.0.0.1:0 --dir d --clients c --cert c --key k"
        }
        page if page.starts_with("ocp-receive ") => "--dir d",
        "ocp-subscribe show" | "ocp-subscribe delete" => "id",
        "ocp-subscribe create" | "ocp-subscribe update" => {
            "--group g --type t --name n --url https://in.example --token-url https://in.example --client-id c"
        }
        "ocp-subscribe probe" => {
            "--url https://in.example --token-url https://in.example --client-id c"
        }
        "ocp-subscribe await" => "--receiver https://in.example --new-client c",
        "cdr-filter" => ".",
        _ => "",
    }
}

/// The other options that an option needs.
fn beside(page: &str, option: &str) -> &'static str {
    match (page, option) {
        ("export-plan windows", "--out-dir") => "--have l --verify",
        ("export-plan coverage", "--totals") => "--lake d",
        ("export-plan coverage", "--lake") => "--totals f",
        ("export-fetch", option) if option != "--out-dir" => "--out-dir d",
        ("unzip-jsonl", "--out-dir") => "--layout duckdb",
        ("ocp-subscribe create" | "ocp-subscribe update" | "ocp-subscribe probe", option)
            if option != "--secret-file" =>
        {
            "--secret-env X"
        }
        ("ocp-subscribe apply", option) if option != "FILE" => "f",
        (_, "--state-out" | "--audio-dir") => "--state f",
        _ => "",
    }
}

/// The options and arguments of a help whose values have such a name, as a user types them.
fn options(help: &str, names: &[&str]) -> Vec<String> {
    let mut options = Vec::new();
    for line in help.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_path = |word: &str| {
            let name = word.trim_matches(|c| "<>[].".contains(c));
            word.starts_with(['<', '[']) && names.contains(&name)
        };
        match words[..] {
            // A direction.
            ["--sort-dir", _] => {}
            [option, value] | [_, option, value] if option.starts_with("--") && is_path(value) => {
                options.push(option.to_owned());
            }
            [value] if is_path(value) => {
                options.push(value.trim_matches(|c| "<>[].".contains(c)).to_owned());
            }
            _ => {}
        }
    }
    options
}

#[test]
fn every_option_that_takes_a_path_refuses_an_address() {
    let dir = scratch();
    let mut count = 0;
    for name in PROGRAMS {
        let subcommands = commands(name);
        let own = !help(name, &[]).contains("<COMMAND>");
        let own = own.then(Vec::new);
        let pages = own
            .into_iter()
            .chain(subcommands.iter().map(|one| vec![one.as_str()]));
        for command in pages {
            let page = [&[name], &command[..]].concat().join(" ");
            for option in options(&help(name, &command), &PATHS) {
                let mut args: Vec<&str> = command.clone();
                args.extend(needed(&page).split_whitespace());
                args.extend(beside(&page, &option).split_whitespace());
                args.extend(option.starts_with("--").then_some(option.as_str()));
                if takes_object(&page, &option) {
                    args.push("gs://bucket/key");
                    let ran = program(name).args(&args).dir(dir.path()).run().ends(2);
                    let said = ran.stderr();
                    assert!(
                        said.contains("only paths on this machine are supported"),
                        "{said}"
                    );
                    assert!(said.contains("or s3://BUCKET/KEY"), "{said}");
                    continue;
                }
                args.push(ADDRESS);
                program(name).args(&args).dir(dir.path()).fails(
                    2,
                    &format!(
                        "{name}: {option} {ADDRESS}: only paths on this machine are supported: \
                         use a local path, and copy from there or to there with 'aws s3 cp'\n"
                    ),
                );
                count += 1;
            }
        }
    }
    assert!(count > 95, "{count}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn every_option_that_takes_a_service_refuses_another_protocol() {
    let dir = scratch();
    let mut count = 0;
    for name in PROGRAMS {
        let commands = commands(name);
        let pages = commands.iter().map(|one| vec![one.as_str()]);
        for command in pages.chain([Vec::new()]) {
            let page = [&[name], &command[..]].concat().join(" ");
            for option in options(&help(name, &command), &["URL"]) {
                let mut args: Vec<&str> = command.clone();
                args.extend(needed(&page).split_whitespace());
                args.extend(beside(&page, &option).split_whitespace());
                // A second value of an option that is needed would be another error.
                if let Some(at) = args.iter().position(|word| *word == option) {
                    args.drain(at..at + 2);
                }
                args.extend([option.as_str(), "gs://bucket/key"]);
                let run = program(name).args(&args).dir(dir.path());
                let said = run.env("VOICEGAIN_TOKEN", "x").run().ends(2).stderr();
                assert!(said.contains("gs is not https"), "{args:?}: {said}");
                count += 1;
            }
        }
    }
    assert!(count > 25, "{count}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_variable_a_secret_and_a_line_name_no_address_either() {
    let refused = |ran: crate::harness::Ran, start: &str| {
        let said = ran.ends(2).stderr();
        assert!(said.starts_with(start), "{said}");
        assert!(said.contains("only paths on this machine"), "{said}");
    };
    let dir = scratch();
    let run = |name: &str| program(name).dir(dir.path());
    refused(
        run("unzip-jsonl")
            .stdin("{\"path\":\"gs://bucket/x.zip\"}\n")
            .run(),
        "unzip-jsonl: stdin:1: path gs://bucket/x.zip: ",
    );
    refused(
        run("ocp-token")
            .args(["--region", "us1", "--no-cache"])
            .env("OCP_USERNAME", "u")
            .env("OCP_PASSWORD_FILE", "s3://bucket/password")
            .run(),
        "ocp-token: OCP_PASSWORD_FILE: s3://bucket/password: ",
    );
    let said = run("cdr-filter")
        .args([".", "https://me:hush@host/x"])
        .run()
        .ends(2);
    assert!(!said.stderr().contains("hush"), "{}", said.stderr());
}

#[test]
fn records_in_the_pipe_of_the_messages_are_said_once() {
    let dir = scratch();
    fs::write(dir.path().join("x"), "{\"a\":1}\n{\"a\":2}\n").unwrap();
    let run = |script: &str| shell(script).dir(dir.path()).run().ends(0).stdout();
    let warned = |text: &str| text.matches("stdout and stderr are the same pipe").count();
    for script in [
        "cdr-filter . x 2>&1 | cat",
        "export-plan windows --group g --type t --from -2d 2>&1 | cat",
        "ocp-metrics catalogue 2>&1 | cat",
    ] {
        assert_eq!(warned(&run(script)), 1, "{script}");
    }
    for script in [
        "cdr-filter . x 2> other | cat",
        "cdr-filter -q . x 2>&1 | cat",
        "cdr-filter .none x 2>&1 | cat",
        "cdr-filter -o out --report - . x 2>&1 | cat",
        "cdr-filter --print-config . x 2>&1 | cat",
        "cdr-filter . x > both 2>&1; cat both",
    ] {
        assert_eq!(warned(&run(script)), 0, "{script}");
    }
    // What a probe says is for people, unless it is asked for lines.
    let probe = "VOICEGAIN_TOKEN=x vg-consecutive probe --base-url http://127.0.0.1:1 --tries 1 --backoff 1ms";
    for (format, count) in [("text", 0), ("ndjson", 1)] {
        let text = run(&format!(
            "{{ {probe} --format {format} || true; }} 2>&1 | cat"
        ));
        assert!(text.contains("login"), "{text}");
        assert_eq!(warned(&text), count, "{text}");
    }
}
