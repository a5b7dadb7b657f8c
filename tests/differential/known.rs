//! Where jq and cdr-filter differ, and are meant to.
//!
//! Left out of the generator, because jq and jaq mean to differ, or the language
//! that jaq reads does not have it; what matters to a filter is in `--help`:
//!
//! - how a number is spelled that becomes text: jq 1.6 and later have three ways;
//! - decimals of more than 17 digits: jq 1.7 compares them exactly, jaq as floats;
//! - halves of surrogate pairs: jq refuses the record, here they are U+FFFD;
//! - regular expressions with look-around, back-references or `\p{…}`;
//! - a constant pattern that is none: an error of each record in jq, of the
//!   expression here; a constant name of a field that is no string the other way;
//! - `fromjson` of what is no JSON, `nan` and `01`: jq reads it;
//! - assignments into what is null or nested in it, and `del` of several paths;
//! - `[$x] as` of an object; `{…}` of which one value raises an error and another
//!   has none; `reduce` and `foreach` without a value; `limit` of a negative number;
//! - `f??`, where the second `?` catches what the first one does not;
//! - dates before the year -9999 or after 9999;
//! - `ltrimstr` and its like of what is no string: jq 1.8 raises an error, earlier
//!   ones and we pass it on.

/// Whether jq 1.`minor` differs in `expression` by a fault of its own.
pub fn differs(expression: &str, ours: &str, theirs: &str, minor: u32) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| expression.contains(word));
    // Before 1.7, try caught what came after it, too; isempty and what is made of it
    // lost errors; contains ended a string at its first NUL.
    let wrong = ["try", "any", "all", "isempty", "IN(", "contains", "inside"];
    let lenient = ["?", "//", "first", "limit"];
    minor < 7 && (has(&wrong) || has(&lenient) && (ours == "bad" || theirs == "bad"))
}
