//! The meaning of the messages in refusals.

/// The advice after a 403 for accounts that may not export.
pub(crate) const RIGHT_TO_EXPORT: &str =
    "exporting needs the role OWNER in the group, and the right to export it";

/// The advice after a 403 for accounts that may not even list exports.
pub(crate) const RIGHT_TO_LIST: &str = "listing needs a role in the group: VIEWER, DEVELOPER, \
    MAINTAINER or OWNER; exporting needs OWNER";

/// Whether a create was refused because of its group.
pub(super) fn names_group(status: u16, said: &str) -> bool {
    const REASONS: [&str; 5] = [
        "unknown group",
        "no such group",
        "not found",
        "does not exist",
        "invalid group",
    ];
    let said = said.to_lowercase();
    let names_it = said.contains("group") && REASONS.iter().any(|reason| said.contains(reason));
    matches!(status, 400 | 404 | 422) && names_it
}

/// Whether the window is the reason for a refusal.
pub(super) fn is_about_window(said: &str) -> bool {
    const WORDS: [&str; 8] = [
        "range",
        "hour",
        "day",
        "month",
        "retention",
        "older",
        "old",
        "back",
    ];
    let said = said.to_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}
