//! Feeds the fuzzer's input to the reader of replies.

use std::path::Path;

use serde_json::value::RawValue;

use super::reply;

/// Reads the bytes as a reply, and checks that each message that the reader accepts is JSON.
pub(crate) fn reply(bytes: &[u8], _: &Path) {
    let mut wrappers = Vec::new();
    let _ = reply::read(bytes, Some(&mut wrappers), &mut |message, json, _| {
        assert!(serde_json::from_str::<&RawValue>(json).is_ok(), "{json}");
        message.identity();
        message.text();
        message.may_be_of("1.50");
        Ok(())
    });
}
