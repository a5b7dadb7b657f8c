//! Bounds that hold whatever comes: memory, open files, and the time until a body without
//! an end is given up.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use crate::harness::{Program, memory, program, scratch, shell};
use crate::metrics::site::{PAT, Site};
use crate::receive::served::Place;
use crate::receive::steps::{push_all, pushes};

/// A program that ended: its status, and the most memory it or a helper held, in MiB.
struct Peak {
    status: i32,
    mib: u64,
    said: String,
}

/// Runs a script, with the environment of `program`. The memory is never less than the
/// 10 MiB or so of Python, which starts it.
fn peak(script: &str, program: Program) -> Peak {
    peak_within("60", script, program)
}

/// The same, within `seconds`.
fn peak_within(seconds: &str, script: &str, program: Program) -> Peak {
    const MEASURE: &str = "
import resource, subprocess, sys
status = subprocess.run(['bash', '-c', sys.argv[1]]).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
";
    let ran = program
        .args([seconds, "python3", "-I", "-S", "-c", MEASURE, script])
        .run();
    let said = ran.stderr();
    let (status, mib) = ran.ends(0).stdout().trim().split_once(' ').map_or_else(
        || panic!("{said}"),
        |(status, mib)| (status.parse().unwrap(), mib.parse().unwrap()),
    );
    Peak { status, mib, said }
}

#[test]
fn a_stream_does_not_stay_in_memory() {
    for filter in [
        "cdr-filter .n==1",
        "cdr-filter --type x",
        "cdr-filter 'select(.n|tostring==\"1\")'",
    ] {
        let script = format!(
            "mkfifo p; {filter} < p > /dev/null & exec 3> p
             {{ yes '{{\"message_type\":\"x\",\"n\":1}}' || :; }} | head -c 20M >&3
             cat /proc/$!/status; exec 3>&-; wait $!"
        );
        let dir = scratch();
        let peak = memory::peak_in(&shell(&script).dir(dir.path()).run().ends(0).stdout());
        assert!(peak <= 16 << 10, "{filter}: {peak} KiB");
    }
}

#[test]
fn a_line_of_a_gigabyte_is_refused_before_it_is_read_to_its_end() {
    let line = "(printf '{\"a\":\"'; head -c 1G /dev/zero | tr '\\0' x; printf '\"}\\n')";
    for command in [
        "cdr-filter .",
        "cdr-filter --type x --threads 2",
        "export-plan pages --page-size 10",
        "export-fetch --out-dir D --dry-run",
        "ocp-metrics plot -",
    ] {
        let dir = scratch();
        let script = format!("{line} 2> /dev/null | {command} > out; exit ${{PIPESTATUS[1]}}");
        let env = [
            ("OCP_API_URL", "http://127.0.0.1:9".to_owned()),
            ("OCP_PAT", "x".to_owned()),
        ];
        let peak = peak(&script, program("timeout").dir(dir.path()).envs(env));
        let (status, said) = (peak.status, &peak.said);
        assert!([2, 65].contains(&status), "{command}: {status}: {said}");
        assert!(peak.mib <= 2 * 256 + 32, "{command}: {} MiB", peak.mib);
        assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"", "{command}");
    }
}

#[test]
fn many_types_with_long_names_need_few_descriptors_and_little_memory() {
    let dir = scratch();
    let make = "
import zipfile
with zipfile.ZipFile('x.zip', 'w') as z:
    for i in range(3000):
        kind = f'{i:04}' + 'k' * 150
        name = f'{i:05}' + 'n' * 2000 + '.json'
        z.writestr(name, '{\"message_type\":\"%s\",\"time\":1793491200000}\\n' % kind)
";
    let python = program("python3").dir(dir.path());
    python.args(["-I", "-S", "-c", make]).run().ends(0);
    let script = "ulimit -n 30; unzip-jsonl x.zip --layout duckdb --out-dir D -o list";
    let peak = peak(script, program("timeout").dir(dir.path()));
    assert_eq!(peak.status, 0, "{}", peak.said);
    assert!(peak.mib <= 16 + 32 + 24, "{} MiB", peak.mib);
    let list = fs::read_to_string(dir.path().join("list")).unwrap();
    assert_eq!(list.lines().count(), 3000);
}

/// A service whose every reply begins so and then repeats itself without an end.
fn endless(head: &'static str, start: &'static str, rest: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let send = move |stream: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_lowercase();
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        reader.read_exact(&mut vec![0; length])?;
        let stream = reader.get_mut();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {head}\r\nConnection: close\r\n\r\n{start}");
        stream.write_all(head.as_bytes())?;
        let rest = rest.repeat(65_536 / rest.len());
        loop {
            stream.write_all(rest.as_bytes())?;
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The client closes the connection when it has enough.
            thread::spawn(move || drop(send(stream)));
        }
    });
    url
}

#[test]
fn a_body_without_an_end_is_given_up() {
    const PLAN: &str = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-10T00:00:00Z","to":"2026-11-12T00:00:00Z"}"#;
    let fetch = format!("echo '{PLAN}' | export-fetch --out-dir D --backoff 1ms");
    let hurry = "--backoff 1ms --tries 2 --read-timeout 5s";
    let metrics = "ocp-metrics batch dialogs --metric dialogs_completed --group acme --from -2d --to now --step hour";
    let all = [
        (format!("ocp-token --no-cache {hurry}"), 32),
        (format!("{fetch} --tries 2 --deadline 30s"), 32),
        (format!("vg-consecutive --state S {hurry}"), 160),
        (format!("dialpad-window --from -2d {hurry}"), 160),
        // A reply of metrics may be as long as the disk is large.
        (
            format!("ulimit -f 65536; trap '' XFSZ; {metrics} {hurry}"),
            32,
        ),
        (format!("ocp-subscribe list --group acme {hurry}"), 32),
    ];
    for (start, rest) in [
        ("[{\"a\":\"", "x"),
        ("{\"access_token\":\"", "x"),
        ("[", "["),
    ] {
        let url = endless("application/json", start, rest);
        for (command, most) in &all {
            let dir = scratch();
            let env = [
                ("OCP_API_URL", url.clone()),
                ("OCP_IAM_URL", url.clone()),
                ("OCP_USERNAME", "u".to_owned()),
                ("OCP_PASSWORD", "p".to_owned()),
                ("VOICEGAIN_BASE_URL", format!("{url}/v1")),
                ("VOICEGAIN_TOKEN", "t".to_owned()),
                ("DIALPAD_BASE_URL", url.clone()),
                ("DIALPAD_PROVIDER_ID", "1".to_owned()),
                ("DIALPAD_API_KEY", "k".to_owned()),
            ];
            let script = match command.starts_with("ocp-token") {
                true => command.clone(),
                false => format!("export OCP_PAT=x; {command}"),
            };
            let peak = peak(&script, program("timeout").dir(dir.path()).envs(env));
            let (status, said, mib) = (peak.status, &peak.said, peak.mib);
            let is_sound = [65, 69, 74, 75, 77].contains(&status) && !said.contains("panicked");
            assert!(is_sound, "{command} {start}: {status}: {said}");
            assert!(mib <= *most, "{command} {start}: {mib} MiB");
        }
    }
}

/// 40 000 with `CALLPIPE_LONG=all`.
#[test]
fn the_memory_of_metrics_grows_with_a_series_not_with_its_numbers() {
    let is_all = std::env::var("CALLPIPE_LONG").is_ok_and(|wanted| wanted == "all");
    let (series, days) = if is_all { (40_000, 14) } else { (2000, 3) };
    let site = Site::new();
    site.metrics().set(|knobs| knobs.many = Some(series));
    let batch = |days, more: &str| {
        format!(
            "ocp-metrics batch dialogs --metric dialogs_completed --by channel --group acme \
             --step hour --from 2026-10-{:02}T00:00:00Z --to 2026-10-19T00:00:00Z --window 30d \
             --rate 9999/1s --read-timeout 600s {more}",
            19 - days
        )
    };
    // A state remembers the last hours of each series.
    let noting = batch(1, "--state S --changes-only --lookback 2h");
    let memory = 24 + series as u64 / 80;
    // The second run with it reads what the first one noted.
    for (command, rows, most) in [
        (&batch(days, ""), series * days * 24, 24),
        (&noting, series * 24, memory),
        (&noting, 0, memory),
    ] {
        let mib = peak_of_rows(&site, command, rows);
        assert!(mib <= most, "{command}: {mib} MiB");
    }
}

/// The most memory of a command that writes at least `rows` rows, in MiB.
fn peak_of_rows(site: &Site, command: &str, rows: usize) -> u64 {
    let script = format!(
        "set -o pipefail; n=$({command} | wc -l) || exit; echo \"$n rows\" >&2; [ $n -ge {rows} ]"
    );
    let env = [("OCP_API_URL", site.sim.url()), ("OCP_PAT", PAT.to_owned())];
    let peak = peak_within(
        "600",
        &script,
        program("timeout").dir(site.dir.path()).envs(env),
    );
    assert_eq!(peak.status, 0, "{}", peak.said);
    peak.mib
}

#[test]
fn five_hundred_connections_take_no_place_of_a_client() {
    let mut place = Place::new();
    let served = place.serve();
    let before = served.memory();
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, served.port));
    let mut idle: Vec<TcpStream> = (0..500).map(|_| connect().unwrap()).collect();
    for stream in &mut idle {
        // Half a request; who was closed already does not matter.
        let _ = stream.write_all(b"POST /push/acme/dialog_end HTTP/1.1\r\nHost: x\r\n");
    }
    let answers = push_all(served.port, &pushes());
    assert_eq!(answers[0], Some(200), "{answers:?}");
    let more = served.memory() - before;
    assert!(more <= 32, "{more} MiB more for 500 connections");
    drop(idle);
    served.stop();
}
