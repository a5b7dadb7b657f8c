//! What the words of a refusal say.

/// What a 403 says to those who may not export.
pub(crate) const RIGHT_TO_EXPORT: &str =
    "exporting takes the role OWNER in a group that the user is allowed to export";

/// What a 403 says to those who may not even list.
pub(crate) const RIGHT_TO_LIST: &str = "listing takes a role in the group: VIEWER, DEVELOPER, MAINTAINER or OWNER; exporting takes OWNER";

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

/// Whether a refusal is about the window that was asked for, and not about how.
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
