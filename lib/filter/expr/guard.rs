//! Limits what an expression may use for one record: time, memory and depth of calls.
//!
//! jaq computes values in the calling thread and cannot be interrupted from outside. So a watchdog
//! thread measures the time and the memory that a record takes. If a limit is exceeded, the next
//! call of `check` ends the evaluation: the record is bad, and the run continues. Every recursive
//! definition and every range calls `check`.
//!
//! Some computations never call `check`, for example the comparison of values that contain the same
//! part a billion times. They would use up the memory or the stack, and the process would end
//! without a message. So at twice the time limit (but not before one second), or at 1.5 times the
//! memory limit, the watchdog ends the process, with status 65 and a message that names the line.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;
use std::{fs, io, process};

use clap::Args;

use crate::error::Status;
use crate::format::zip::Size;
use crate::json::bad_line::BadLine;
use crate::os::mutex::lock;
use crate::time::parse_positive_duration;

/// How often the watchdog measures.
const TICK: Duration = Duration::from_millis(20);

/// If the size of the stack is unknown, this many bytes of the stack are assumed to be left.
const UNKNOWN_STACK: usize = 512 * 1024;

/// The most bytes of a stack that calls may use. They are enough for several hundred thousand
/// calls.
const DEEPEST: usize = 512 << 20;

/// The smallest stack that is requested, in bytes.
const SMALLEST_STACK: usize = 8 << 20;

/// The limits for one record.
#[derive(Args, Clone, Copy, Debug)]
pub struct LimitArgs {
    /// Treat a record as bad if the expression runs longer than DUR on it.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_positive_duration)]
    pub max_time: Duration,

    /// Treat a record as bad if the expression uses more memory than SIZE on it. Some expressions
    /// cannot be interrupted: at twice --max-time or 1.5 × SIZE the run exits with status 65 and
    /// names the line.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    pub max_memory: Size,
}

impl Default for LimitArgs {
    fn default() -> LimitArgs {
        LimitArgs {
            max_time: Duration::from_secs(10),
            max_memory: Size(1 << 30),
        }
    }
}

/// Why an evaluation was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Time,
    Memory,
    Depth,
}

impl Excess {
    fn say(self, limits: &LimitArgs) -> String {
        match self {
            Excess::Time => format!("it takes longer than {:?} (--max-time)", limits.max_time),
            Excess::Memory => {
                let size = limits.max_memory;
                format!("it takes more than {size} of memory (--max-memory)")
            }
            Excess::Depth => "it calls itself too deeply".to_owned(),
        }
    }
}

/// The place of the current record in the input, for the message of the watchdog.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The name of the input, the number of lines before the block, if known, and the offset of the
    /// block in bytes.
    block: Mutex<(Arc<str>, Option<u64>, u64)>,
    line: AtomicU64,
}

impl Position {
    /// Sets the current block. The block starts at byte `offset` of `source`. `lines_before` is the
    /// number of lines of `source` before the block; `None` if it is unknown.
    pub(super) fn enter(&self, source: &Arc<str>, lines_before: Option<u64>, offset: u64) {
        *lock(&self.block) = (Arc::clone(source), lines_before, offset);
    }

    /// Sets the current line of the block, counted from 1.
    pub(super) fn at_line(&self, line: u64) {
        self.line.store(line, Ordering::Relaxed);
    }

    fn say(&self) -> String {
        let (source, before, offset) = &*lock(&self.block);
        let line = self.line.load(Ordering::Relaxed);
        match before {
            Some(before) => format!("{source}:{}", before + line),
            None => format!("{source}: line {line} from byte {offset} on"),
        }
    }
}

/// The state that an evaluation shares with its watchdog.
#[derive(Debug, Default)]
struct Shared {
    /// The number of the current record, counted from 1; 0 if no record is evaluated now.
    record: AtomicU64,
    /// The number of the last record that has exceeded the time limit (`late`) and of the last
    /// record that has exceeded the memory limit (`large`).
    late: AtomicU64,
    large: AtomicU64,
    /// The memory in bytes that the process used before the current record.
    before: AtomicU64,
}

/// The evaluation in this thread.
struct Evaluation {
    shared: Arc<Shared>,
    record: u64,
    /// The lowest address that the stack may reach.
    lowest: usize,
    excess: Option<Excess>,
    most: u64,
    /// The number of bytes that the evaluation may use before the memory is measured again.
    room: u64,
}

thread_local! {
    // jaq passes no state of callpipe to native functions, so they find the evaluation of their
    // thread here.
    static EVALUATION: RefCell<Option<Evaluation>> = const { RefCell::new(None) };
    static LOWEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Keeps evaluations within the limits.
#[derive(Debug)]
pub(super) struct Guard {
    shared: Arc<Shared>,
    limits: LimitArgs,
    records: Cell<u64>,
    /// The watchdog ends when this value is dropped.
    _end: Sender<()>,
}

impl Guard {
    /// Starts a watchdog. If the system cannot create a thread, only the depth of calls is
    /// limited.
    pub(super) fn start(limits: LimitArgs, position: &Arc<Position>) -> Guard {
        let shared = Arc::new(Shared::default());
        shared
            .before
            .store(memory().unwrap_or(0), Ordering::Relaxed);
        let (watched, position) = (Arc::clone(&shared), Arc::clone(position));
        let (end, ended) = mpsc::channel();
        let watchdog = thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || watch(&watched, &limits, &position, &ended));
        if let Err(e) = &watchdog {
            log::warn!(
                "--max-time and --max-memory have no effect, because no thread can be started: {e}"
            );
        }
        Guard {
            shared,
            limits,
            records: Cell::new(0),
            _end: end,
        }
    }

    /// Evaluates a record. An error if the evaluation exceeds a limit.
    pub(super) fn run<T>(
        &self,
        evaluate: impl FnOnce() -> Result<T, BadLine>,
    ) -> Result<T, BadLine> {
        let record = self.records.get() + 1;
        self.records.set(record);
        EVALUATION.set(Some(Evaluation {
            shared: Arc::clone(&self.shared),
            record,
            lowest: LOWEST
                .get()
                .unwrap_or_else(|| here().saturating_sub(UNKNOWN_STACK)),
            excess: None,
            most: self.limits.max_memory.0,
            room: 0,
        }));
        self.shared.record.store(record, Ordering::Relaxed);
        let result = evaluate();
        self.shared.record.store(0, Ordering::Relaxed);
        match EVALUATION.take().and_then(|evaluation| evaluation.excess) {
            None => result,
            Some(excess) => {
                let what = excess.say(&self.limits);
                Err(BadLine::new(format!("expression: {what}")))
            }
        }
    }
}

/// Whether the evaluation in this thread may continue.
pub(super) fn check() -> bool {
    EVALUATION.with_borrow_mut(|evaluation| {
        let Some(evaluation) = evaluation else {
            return true;
        };
        let is = |record: &AtomicU64| record.load(Ordering::Relaxed) == evaluation.record;
        let excess = if is(&evaluation.shared.late) {
            Excess::Time
        } else if is(&evaluation.shared.large) {
            Excess::Memory
        } else if here() < evaluation.lowest {
            Excess::Depth
        } else {
            return true;
        };
        evaluation.excess = Some(excess);
        false
    })
}

/// The smallest request for memory, in bytes, that [`has_room`] checks. The watchdog measures the
/// sum of smaller requests.
const SMALL: usize = 64 * 1024;

/// Whether the evaluation in this thread may take this many more bytes at once. If not, every later
/// [`check`] fails.
pub(super) fn has_room(bytes: usize) -> bool {
    if bytes < SMALL {
        return true;
    }
    EVALUATION.with_borrow_mut(|evaluation| {
        let Some(evaluation) = evaluation else {
            return true;
        };
        let bytes = bytes as u64;
        if evaluation.room < bytes {
            let before = evaluation.shared.before.load(Ordering::Relaxed);
            let grown = memory().unwrap_or(0).saturating_sub(before);
            evaluation.room = evaluation.most.saturating_sub(grown);
        }
        match evaluation.room.checked_sub(bytes) {
            Some(room) => evaluation.room = room,
            None => {
                evaluation.excess = Some(Excess::Memory);
                let large = &evaluation.shared.large;
                large.store(evaluation.record, Ordering::Relaxed);
                return false;
            }
        }
        true
    })
}

/// An address in the current frame of the stack.
#[inline(never)]
fn here() -> usize {
    let mark = 0_u8;
    std::ptr::from_ref(&mark) as usize
}

fn watch(shared: &Shared, limits: &LimitArgs, position: &Position, ended: &Receiver<()>) {
    let (mut last, mut ticks) = (0, 0);
    let mut former = shared.before.load(Ordering::Relaxed);
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let record = shared.record.load(Ordering::Relaxed);
        if record == 0 || record != last {
            // The record may already have used memory when `now` was measured, so the lower of two
            // measurements counts.
            let now = memory().unwrap_or(0);
            shared.before.store(now.min(former), Ordering::Relaxed);
            (former, last, ticks) = (now, record, 0);
            continue;
        }
        ticks += 1;
        let time = TICK * ticks;
        let before = shared.before.load(Ordering::Relaxed);
        let grown = memory().unwrap_or(0).saturating_sub(before);
        let most = limits.max_memory.0;
        if time >= limits.max_time {
            shared.late.store(record, Ordering::Relaxed);
        }
        if grown >= most {
            shared.large.store(record, Ordering::Relaxed);
        }
        let excess = match (limits.max_time * 2, most.saturating_add(most / 2)) {
            (longest, _) if time >= longest.max(TICK * 50) => Excess::Time,
            (_, largest) if grown >= largest => Excess::Memory,
            _ => continue,
        };
        end_process(&position.say(), &excess.say(limits));
    }
}

#[allow(
    clippy::exit,
    reason = "the thread that evaluates cannot be interrupted, and would end by a signal"
)]
fn end_process(position: &str, what: &str) {
    log::error!("{position}: expression: {what}, and cannot be interrupted: the run ends here");
    process::exit(Status::BadInput.code().into());
}

/// The memory that this process uses, in bytes; `None` if the system does not say.
fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some((kib("VmRSS:")? + kib("VmSwap:").unwrap_or(0)) * 1024)
}

/// Starts a thread whose stack has twice the size of the memory limit, or the largest size that the
/// system allows.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    limits: &LimitArgs,
    run: impl FnOnce() -> T + Clone + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    // The memory limit allows deeply nested values. To compare or drop such a value takes much
    // stack.
    let most = usize::try_from(limits.max_memory.0.saturating_mul(2)).unwrap_or(usize::MAX);
    let mut size = most.max(SMALLEST_STACK);
    loop {
        let run = run.clone();
        let thread = thread::Builder::new().stack_size(size);
        let started = thread.spawn_scoped(scope, move || {
            LOWEST.set(Some(here().saturating_sub(DEEPEST.min(size / 2))));
            run()
        });
        match started {
            Err(_) if size > SMALLEST_STACK => size = (size / 2).max(SMALLEST_STACK),
            started => return started,
        }
    }
}

/// Calls `run` in a thread with a large stack, or in this thread if the system cannot create such a
/// thread.
pub fn on_deep_stack<T: Send>(limits: &LimitArgs, run: impl FnOnce() -> T + Clone + Send) -> T {
    let ran = thread::scope(|scope| {
        let thread = spawn(scope, limits, run.clone());
        thread.map(ScopedJoinHandle::join)
    });
    match ran {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => run(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{keeps, raises};
    use super::*;

    #[test]
    fn a_range_ends_where_it_does_in_jq() {
        for text in [
            "[range(3)] == [0, 1, 2] and [range(1; 3)] == [1, 2] and [range(0; 5; 2)] == [0, 2, 4]",
            "[range(3; 0; -1)] == [3, 2, 1] and [range(0, 1; 2)] == [0, 1, 1]",
            "[range(0; 5; 0)] == [] and [range(0; 1; 0.5)] == [0, 0.5]",
        ] {
            assert!(keeps(text, "{}"), "{text}");
        }
        for text in ["any(range(.n); . < 0)", "[range(null)] == []"] {
            let error = raises(text, r#"{"n":"3"}"#);
            assert_eq!(
                error, "expression: the bounds of a range must be numbers",
                "{text}"
            );
        }
    }

    #[test]
    fn a_definition_that_calls_itself_too_deeply_is_an_error_that_nothing_catches() {
        let text = "def f: 1 + f; try f catch true";
        assert_eq!(raises(text, "{}"), "expression: it calls itself too deeply");
        assert!(keeps(
            "def f: if . > 0 then (. - 1 | f) + 1 else . end; (9 | f) == 9",
            "{}"
        ));
        assert!(keeps(
            "[path(def f: if . == 1 then . else .a | f end; f)] == [[\"a\"]]",
            "{\"a\":1}"
        ));
    }

    #[test]
    fn the_memory_in_use_is_known() {
        if cfg!(target_os = "linux") {
            assert!(memory().unwrap() > 1 << 20);
        }
    }

    #[test]
    fn a_position_is_a_line_or_a_byte() {
        let position = Position::default();
        position.at_line(2);
        position.enter(&"x".into(), Some(40), 7);
        assert_eq!(position.say(), "x:42");
        position.enter(&"x".into(), None, 7);
        assert_eq!(position.say(), "x: line 2 from byte 7 on");
    }
}
