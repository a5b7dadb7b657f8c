//! States and ledgers, mangled: they are refused and stay, or nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};

use super::{is_sound, mangled};
use crate::every_step::checks::files;
use crate::harness::variants::Directory;
use crate::harness::{Ran, program};
use crate::sim::Config;
use crate::site::{Site, sorted};
use crate::{metrics, voicegain};

const ROUNDS: u64 = 12;

/// Mangles a file in each way, runs the program, and puts all files back. The program ends
/// with 0 and `is_whole`, or refuses the file and leaves it as it is.
fn each(path: &Path, mut run: impl FnMut() -> Ran, mut is_whole: impl FnMut(&Ran) -> bool) {
    let directory = Directory::new(path.parent().unwrap());
    let before = directory.files();
    let good = fs::read(path).unwrap();
    for seed in 0..ROUNDS {
        let bytes = mangled(&good, seed);
        fs::write(path, &bytes).unwrap();
        let ran = run();
        let label = format!("{}, seed {seed}", path.display());
        is_sound(&label, &ran);
        match ran.status() {
            0 => assert!(is_whole(&ran), "{label}: a record is lost or doubled"),
            status => {
                let said = ran.stderr();
                assert!([2, 65].contains(&status), "{label}: {status}: {said}");
                assert!(fs::read(path).unwrap() == bytes, "{label}: it is changed");
            }
        }
        directory.put_back();
        for (name, bytes) in &before {
            fs::write(name, bytes).unwrap();
        }
    }
}

#[test]
fn a_ledger() {
    const FROM: &str = "2026-11-18T00:00:00Z";
    const TO: &str = "2026-11-19T00:00:00Z";
    let site = Site::with(Config {
        processing: vec![std::time::Duration::ZERO],
        zip_limit: 1000,
        ..crate::site::config()
    });
    let plan = site.plan(FROM, TO, &[]);
    let fetch = || site.fetch(&plan).args(["--page-size", "20"]).run();
    fetch().ends(0);
    let truth = site.truth(FROM, TO);
    each(&site.path("cdrs/ledger.ndjson"), fetch, |ran| {
        sorted(site.records(&ran.records())) == truth
    });
}

#[test]
fn a_state_and_its_side_log() {
    let site = voicegain::site::Site::with(|config| config.calls = 10);
    let run = || {
        let args = ["--state", "S", "--refresh-days", "7"];
        let program = site.export(&args).args(["--audio-dir", "audio"]);
        program.args(["--tries", "2"]).run()
    };
    run().ends(0);
    run().ends(0);
    each(&site.path("S"), run, |ran| ran.stdout().is_empty());
    for log in side_logs(site.dir.path()) {
        each(&log, run, |ran| ran.stdout().is_empty());
    }
}

fn side_logs(directory: &Path) -> Vec<PathBuf> {
    let names = files(directory).into_iter();
    let logs = names.filter(|name| name.starts_with("S.") && name != "S.lock");
    let logs = logs.map(|name| directory.join(name));
    let logs: Vec<_> = logs
        .filter(|log| fs::metadata(log).unwrap().len() > 0)
        .collect();
    assert!(!logs.is_empty());
    logs
}

#[test]
fn a_state_of_messages_and_its_side_log() {
    let site = Site::with(Config {
        now: chrono::Utc::now(),
        ..Config::default()
    });
    let run = || {
        let program = program("dialpad-window").dir(site.dir.path());
        let program = program.envs(site.env()).args(["--rate", "100000/1s"]);
        let args = ["--state", "S", "--from", "-12d", "--window", "3d"];
        program.args(args).run()
    };
    run().ends(0);
    each(&site.path("S"), run, |ran| ran.stdout().is_empty());
    for log in side_logs(site.dir.path()) {
        each(&log, run, |ran| ran.stdout().is_empty());
    }
}

#[test]
fn a_state_of_metrics() {
    let site = metrics::site::Site::new();
    let args = "realtime dialogs --metric dialogs_completed --by channel --since -1h --state S";
    let run = || site.program(args).run();
    run().ends(0);
    each(&site.path("S"), run, |ran| ran.stdout().is_empty());
}
