//! Where a jq that is installed differs by a fault of its own.
//!
//! What cdr-filter decides otherwise on purpose is one list, in
//! `lib/filter/expr/left_out.rs`, which `--help` prints.

/// Whether jq 1.`minor` differs in `expression` by a fault of its own.
pub fn differs(expression: &str, ours: &str, theirs: &str, minor: u32) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| expression.contains(word));
    // Before 1.7, try caught what came after it, too; isempty and what is made of it
    // lost errors; contains ended a string at its first NUL.
    let wrong = ["try", "any", "all", "isempty", "IN(", "contains", "inside"];
    let lenient = ["?", "//", "first", "limit"];
    // jq's ?// goes on with its next pattern for a break, and for an error of what follows.
    let ends = [
        "first", "limit", "nth", "skip", "break", "any", "all", "isempty", "IN", "until", "error",
    ];
    if minor > 7 {
        return expression.contains("?//") && has(&ends);
    }
    minor < 7 && (has(&wrong) || has(&lenient) && (ours == "bad" || theirs == "bad"))
}
