//! The result of a file, by the scan that the program runs.

use std::path::Path;

use callpipe::cli::output::Output;
use callpipe::export::rejects::{RejectArgs, Rejects};
use callpipe::filter::blocks::Sizes;
use callpipe::filter::cdr::CdrArgs;
use callpipe::filter::decide::{Decider, FilterJob};
use callpipe::filter::decided::FilterCounts;
use callpipe::filter::expr::guard::LimitArgs;
use callpipe::filter::parallel;
use callpipe::filter::projection::ProjectionArgs;
use callpipe::filter::scan::{Pace, Scan};
use callpipe::filter::selection::SelectionArgs;
use callpipe::time::Timestamp;

use super::naive::{self, Naive};

/// Keeps every record.
fn job() -> FilterJob {
    FilterJob {
        flags: CdrArgs {
            time_field: "time".to_owned(),
            ..CdrArgs::default()
        },
        expr: None,
        env: Vec::new(),
        limits: LimitArgs::default(),
        now: Timestamp::from_millis(0),
        timed: false,
        envelope: None,
        trusted: false,
        projection: ProjectionArgs::default(),
        selection: SelectionArgs::default(),
        temp_dir: std::env::temp_dir(),
    }
}

/// The result of a file: kept lines, refused lines, and the counts.
pub fn scan(pace: Pace, input: &Path) -> Result<Naive, String> {
    let (kept, rejects) = (
        input.with_extension("kept"),
        input.with_extension("rejects"),
    );
    let job = job();
    let args = RejectArgs {
        rejects: Some(rejects.clone()),
        max_bad: u64::MAX,
    };
    let mut output = Output::file(&kept).unwrap();
    let decider = Decider::new(&job).unwrap();
    let mut scan = Scan::new(
        &job,
        pace,
        decider,
        &mut output,
        Rejects::open(&args).unwrap(),
    );
    parallel::filter(&[input.to_owned()], &mut scan).unwrap();
    let FilterCounts {
        lines,
        records,
        kept: count,
        bytes,
        ..
    } = scan.finish().map_err(|e| e.to_string())?;
    output.finish().unwrap();
    let rejects = std::fs::read_to_string(rejects).unwrap_or_default();
    let reject = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        (
            entry["line"].as_u64().unwrap(),
            entry["offset"].as_u64().unwrap(),
        )
    };
    Ok(Naive {
        kept: std::fs::read(kept).unwrap(),
        rejects: rejects.lines().map(reject).collect(),
        counts: [lines, records, count, bytes],
    })
}

/// The number of threads, and how much they read at once and in one line.
pub fn pace(threads: usize, block: usize, line: usize) -> Pace {
    Pace {
        threads,
        sizes: Sizes { block, line },
        live: false,
    }
}

/// Holds the scan of an input to the naive reading of it.
pub fn agree(input: &[u8], dir: &Path, threads: usize, block: usize) {
    let file = dir.join("input");
    std::fs::write(&file, input).unwrap();
    let seen = scan(pace(threads, block, 1 << 20), &file);
    assert_eq!(
        seen,
        Ok(naive::read(input)),
        "{threads} threads, blocks of {block}: {:?}",
        input.escape_ascii().to_string()
    );
}

/// Takes the bytes of a fuzzer: the first ones tell how to read the others.
pub fn fuzz(bytes: &[u8], dir: &Path) {
    if let [block, threads, input @ ..] = bytes {
        let threads = if threads % 16 == 1 { 2 } else { 1 };
        agree(input, dir, threads, usize::from(*block) + 1);
    }
}
