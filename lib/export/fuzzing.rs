//! Feeds the fuzzer's input to the code that reads states and side logs, and checks the results.

use std::path::Path;

use serde_json::{Map, Value};

use super::side_log::{SideLog, SideLogMark};
use super::state_form::StateForm;
use crate::export::leased_state::SideObjects;
use crate::os::files;
use crate::time::Timestamp;

fn form() -> StateForm {
    let mut settings = Map::new();
    settings.insert("x".to_owned(), "1".into());
    StateForm {
        program: "a-program",
        version: 2,
        settings,
        later: &["y"],
    }
}

/// Checks that a state that can be read can also be written and read again, and that a state with
/// one changed byte is refused or has the same data. The first byte of the input chooses the
/// changed byte, the second byte chooses the bits that change.
pub(crate) fn state(bytes: &[u8], _: &Path) {
    let write = |data: &Value| form().write(data, &SideObjects::new(), Timestamp::from_millis(0));
    if let Ok(read) = form().read::<Value>(bytes)
        && let Ok(text) = write(&read.data)
    {
        let again = form().read::<Value>(&text);
        assert_eq!(again.map(|again| again.data).ok(), Some(read.data));
    }
    let [at, mask, rest @ ..] = bytes else { return };
    let data = Value::from(String::from_utf8_lossy(rest));
    if let Ok(mut text) = write(&data) {
        let at = usize::from(*at) % (text.len() - 1);
        text[at] ^= mask;
        if let Ok(read) = form().read::<Value>(&text) {
            assert_eq!(read.data, data);
        }
    }
}

/// Writes the input without its first two bytes to a file, and opens the file as a side log. The
/// first two bytes are the length in the mark of the log. Checks that the lines can be read again
/// after a line is added.
pub(crate) fn side_log(bytes: &[u8], directory: &Path) {
    let [low, high, content @ ..] = bytes else {
        return;
    };
    let state = directory.join("S");
    let mark = SideLogMark {
        generation: 0,
        bytes: u64::from(u16::from_le_bytes([*low, *high])),
    };
    let is_there = files::write_atomic(&directory.join("S.x.0"), content).is_ok();
    let lines = |log: &mut SideLog| -> anyhow::Result<Vec<String>> { log.lines(0)?.collect() };
    if let (true, Ok(mut log)) = (is_there, SideLog::open(&state, "x", mark))
        && (mark.bytes == 0 || content[usize::from(u16::from_le_bytes([*low, *high])) - 1] == b'\n')
        && let Ok(mut before) = lines(&mut log)
    {
        before.push("7 a-b".to_owned());
        let mark = log.append("7 a-b").and_then(|()| log.sync());
        let again = mark.and_then(|mark| lines(&mut SideLog::open(&state, "x", mark)?));
        assert_eq!(again.ok(), Some(before));
    }
}
