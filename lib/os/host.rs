//! The names of this machine and this process, for people.

use std::fs;

/// The host name of this machine and the id of this process, as `HOST, process NUMBER`.
pub(crate) fn this_process() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "a machine without a name",
        host => host,
    };
    format!("{host}, process {}", std::process::id())
}
