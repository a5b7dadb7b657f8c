//! Expressions out of templates: `@` and a capital stand for one of a kind.
//!
//! What is here, jq and we are to decide alike; what is left out on purpose is in
//! [`super::known`].

use super::dice::Dice;

/// What may stand in a place: something short, or something with places of its own.
struct Kind {
    short: &'static [&'static str],
    long: &'static [&'static str],
}

/// What is true or false, mostly.
const TEST: Kind = Kind {
    short: &[
        "@P", "@P == @C", "@P != @C", "@P < @C", "@P <= @C", "@P > @C", "@P >= @C", "@C == @P",
        "@P == @P", "@P >= @N", "@P == @S", "@P == @S",
    ],
    long: &[
        "@T and @T",
        "@T or @T",
        "(.a == @S or .b == @S)",
        "(.a == @S or (.b | contains(@S)))",
        "(@T)",
        "(@T | not)",
        "(@T and @T or @T)",
        "(@V | not)",
        "@V == @V",
        "@V != @V",
        "@V < @V",
        "@V >= @V",
        "(@V // @V)",
        "(@P | startswith(@S))",
        "(@P | endswith(@S))",
        "(@P | contains(@S))",
        "(@P | contains(@C))",
        "(@P | strings | test(@R))",
        "(@P | test(@R))",
        "(@P | strings | contains(@S))",
        "(@P | has(@K))",
        "(@P | objects | has(@K))",
        "(@P | has(0))",
        "has(@K)",
        "(@V | in({a: 1, b: 2}))",
        "(@P | IN(@C, @C, @C))",
        "(@P | IN(@S, @S))",
        "IN(@E; @C, @C)",
        "any(@E; @T)",
        "all(@E; @T)",
        "any(@E; .)",
        "(@P | any)",
        "(@P | all)",
        "(@P | any(@T))",
        "(@P | all(@T))",
        "(@P | arrays | any(@T))",
        "(@P | type == @Y)",
        "(@P | length > @N)",
        "(@P | strings | ascii_downcase == @S)",
        "(@V | type == @Y)",
        "if @T then @T else @T end",
        "if @T then @T elif @T then @V else @T end",
        "(select(@T) | @T)",
        "(@P | select(@T))",
        "(@P | @T)",
        "(@V | . == @C)",
        "(@V | @W)",
        "isempty(@P | select(@T))",
        "(@W)",
    ],
};

/// A value.
const VALUE: Kind = Kind {
    short: &["@P", "@P", "@C", "@N", "@S", "."],
    long: &[
        "(@V // @C)",
        "(@P // @P)",
        "(@V + @N)",
        "(@V - @N)",
        "(@V * @N)",
        "(@P / @N)",
        "(@N / @P)",
        "(@P % @N)",
        "(@V + @V)",
        "(-@P)",
        "(@P | length)",
        "(@P | type)",
        "(@P | strings | ascii_downcase)",
        "(@P | numbers)",
        "(@P | @V)",
        "(@P | select(@T))",
        "(@P | not)",
        "(@T)",
        "(if @T then @V else @V end)",
        "(if @T then @V else empty end)",
        "(@V | .)",
        "try @P",
        "[@P]",
        "[@P, @V]",
        "{a: @V}",
        "(@W)",
    ],
};

/// What the fast engine leaves to jaq; of what it yields, its place in the order
/// of all values matters.
const WIDE: Kind = Kind {
    short: &[
        "[@E] | length > 1",
        "[.. | numbers] | length > 1",
        "any(..; . == @C)",
        "keys | length > 2",
        "[.[] | strings] | length > 0",
        "$ENV.LINE == @P",
        "to_entries | length > 1",
        "[paths] | length > 4",
        "[tostream] | length > 4",
        ".a[1:] == @V",
        ".[-1:]? == @V",
    ],
    long: &[
        "@P as $x | @T",
        "@P as $x | [@E] | any(. == $x)",
        "(@P | arrays | map(@T) | any)",
        "(@P | arrays | map(select(@T)) | length > 0)",
        "[@E | select(@T)] | length > 0",
        "first(@E) == @C",
        "last(@E) == @C",
        "(@P | arrays | first == @C)",
        "(@P | arrays | last == @C)",
        "(@P | arrays | sort | @T)",
        "(@P | arrays | sort == @V)",
        "(@P | arrays | unique | length > 1)",
        "(@P | arrays | min == @C)",
        "(@P | arrays | max == @C)",
        "(@P | arrays | reverse | .[0] == @C)",
        "(@P | arrays | add == @C)",
        "(@P | arrays | flatten | length > 1)",
        "(@P | arrays | index(@C) == 0)",
        "(@P | arrays | .[1:] | length > 1)",
        "(@P | arrays | .[-1] == @C)",
        "(@P | arrays | group_by(type) | length > 1)",
        "(@P | arrays | sort_by(type) | .[0] == @C)",
        "(@P | arrays | inside([@C, @C, @C]))",
        "(@P | objects | keys | @T)",
        "(@P | objects | to_entries | map(.value) | @T)",
        "(@P | objects | with_entries(.value = 1) | .a == 1)",
        "(@P | objects | map_values(select(@T)) | length > 0)",
        "(@P | objects | del(.a) | length > 0)",
        "(@P | objects | . * {a: 1} | .a == 1)",
        "(@P | map(@T) | length > 1)",
        "(@P | strings | ascii_upcase == @S)",
        "(@P | strings | split(@D) | length > 1)",
        "(@P | strings | ltrimstr(@S) == @S)",
        "(@P | strings | rtrimstr(@S) == @S)",
        "(@P | strings | explode | length > 1)",
        "(@P | strings | explode | implode == @S)",
        "(@P | strings | utf8bytelength > 2)",
        "(@P | strings | .[1:] == @S)",
        "(@P | strings | .[:-1] == @S)",
        "(@P | strings | [match(@R; \"g\").string] | length > 1)",
        "(@P | strings | sub(@R; \"_\") == @S)",
        "(@P | strings | test(@R; \"i\"))",
        "(@P | strings | select(startswith(\"{\")) | fromjson? | @T)",
        "(@P | strings | @base64 | length > 4)",
        "(@P | strings | @html | length > 4)",
        "(@P | strings | fromdate? | . > 0)",
        "(@P | numbers | floor == @N)",
        "(@P | numbers | fabs == @N)",
        "(@P | numbers | sqrt | floor == @N)",
        "(@P | tojson | fromjson | @T)",
        "(@V | type) as $t | [@E | type] | any(. == $t)",
        "try error(@P) catch . == @C",
        "try (@T) catch @T",
        "(@T)?",
        "(@T, @T)",
        "(@P | @T, @T)",
        "@E",
        "@E | @T",
        "@P | .[]? | @T",
        "reduce @E as $x (0; . + 1) | . > 1",
        "reduce @E as $x (null; [., $x]) | length > 1",
        "[foreach @E as $x (0; . + 1)] | length > 1",
        "[limit(2; @E)] | length == 2",
        "[range(3)] | any(. == 1) and @T",
        "def f: @T; f",
        "def f(g): g | not; f(@T)",
        "label $l | (@T, break $l)",
        "[.[@K], .a] | @T",
        "\"\\(@P | strings)x\" == @S",
        "{(@P | strings): 1} | has(@K)",
        "[@P, @V] | sort | .[0] == @C",
        "[@P, @V] | unique | length > 1",
        "[@V, @V] | max == @C",
        "(@P | getpath([\"a\", \"b\"]))",
        "(@P | .a.b? // .c? // false)",
        "(@P | strings | tostring == @S)",
        "(@P | .[1:] == @V)",
        "(@P | .[:-1] == @V)",
        "(@P | .[@N] == @V)",
        "(@P | .[@C]? == @V)",
        ".[@P] == @C",
        "@P[@V]? == @C",
        ".a[.b]? == @C",
        "@P[@V:@V]? == @C",
        "path(@P) | length > 1",
        "[path(@E)] | length > 1",
        "(del(@P) | @T)",
        "(.a = @P | @T)",
        "(.b |= @C | @T)",
        "({a: @P, b: @C} | @T)",
        "(@P | arrays | . as [$x, $y] | $x == $y)",
        "(to_entries | any(.value == @C))",
        "(@P | arrays | map(strings) | join(\"-\") == @S)",
        "(@P | arrays | to_entries | length > 1)",
        "(@P | [.[]?] | transpose? | length > 1)",
        "(@P | min_by(.a) | @T)",
        "(@P | max_by(.a)? | @T)",
        "(@P | unique_by(type) | length > 1)",
        "(@P | indices(@S) | length > 0)",
        "(@P | indices(@N)? | @T)",
        "(@P | nth(1) | @T)",
        "(@P | getpath([@K, 0]) | @T)",
        "(@P | try getpath([@K, @K]) catch 1 | @T)",
        "(@P | tojson == \"null\")",
        "(@P | paths) | length > 1",
        "(@P | [recurse] | length > 2)",
        "(@P | numbers | isnan or isinfinite or isnormal)",
        "(@P | numbers | [., @N] | add > @N)",
        "(@P | numbers | round == @N)",
        "(@P | numbers | ceil == @N)",
        "(@P | numbers | pow(.; 2) > @N)",
        "(@P | numbers | . / @N > @N)",
        "(@P | numbers | . % @N == @N)",
        "(@P | numbers | @N % .)",
        "(@N / @P > @N)",
        "(@P * @N | @T)",
        "(@S * @P | @T)",
        "[@E] | all(type == @Y)",
        "(@P as {a: $x} | $x == @C)",
        "[.[]? | if @T then @V else @V end] | length > 1",
        "(@P | [while(length > 0; .[1:])] | length > 1)?",
        "(@P | [splits(@D)?] | length > 1)",
        "@P and (@E | @T)",
        "((@T, @T) and @T)",
        "((@T, @T) or @T)",
        "((@P, @V) // @T)",
        "(@E // @T)",
        "({(@P): 1}? | has(@K))",
        "(@P | has(@V)?)",
        "(@P | arrays | has(@N))",
        "(@P | contains(@V)?)",
        "(@P | try contains(@V) catch true)",
        "(@V | inside(@P))",
        "(@P - @P | length > 0)",
        "(@P + @P | @T)",
        "(@P | ascii_downcase == @S)",
        "(@P | split(@D) | length > 1)",
        "(@P | tonumber == @N)",
        "(@P | keys | length > 1)",
        "(@P | add | @T)",
        "(@P | sort | length > 1)",
        "(@P | reverse | length > 1)",
        "(@P | flatten | length > 1)",
        "(@P | join(\",\") == @S)",
        "(@P | floor == @N)",
        "(@P | numbers | select(. >= 0 and . < 1e10) | todate | length > 1)",
        "(@P | explode | length > 1)",
        "(@P | limit(1; .[]?) | @T)",
        "(@P | first(.[]?) | @T)",
        "(@P | until(true; .) | @T)",
        "(@P | walk(.) | @T)",
    ],
};

/// Since jq 1.7.
const SINCE_1_7: &[&str] = &[
    "(@P | if @T then @T end)",
    "(@P | abs? | . > 1)",
    "(@P | pick(.a)? | @T)",
    "(@P | strings | splits(@D) | . == @S)",
    "(@P | strings | gsub(@R; \"_\") == @S)",
    "(@P | strings | trim == @S)",
    "(@P | strings | tonumber? | . == @N)",
    "(@P | strings | index(@S) == 1)",
    "(@P | strings | [scan(@R)] | length > 1)",
    "(@P | strings | @uri | length > 4)",
    "(@P | strings | [match(@R; \"g\").offset] | length > 1)",
    "error(@P)? // @T",
    "(@P | ltrimstr(@S)? | strings)",
];

/// Since jq 1.8, whose numbers as text, regular expressions and paths are ours.
const SINCE_1_8: &[&str] = &[
    "(@P | tostring == @S)",
    "(@P | tojson | length > @N)",
    "((@P | numbers) / @N | tostring | length > 2)",
    "(\"\\(@P)-\\(@V)\" | length > 4)",
    "([@P, @N, @S] | @csv? | length > 4)",
    "([@P, @N, @S] | join(\"-\")? | length > 4)",
    "(@P | @text, @json, @html, @uri | length > 4)",
    "(@P | [@sh?] | length > 0)",
    "(@P | strings | @base64d? | length > 1)",
    "(@P | strings | ltrimstr(@S) == @S)",
    "(@P | ltrimstr(@S))",
    "(@P | trimstr(@S)? == @S)",
    "(@P | strings | [match(@R; @F).captures[].string] | length > 0)",
    "(@P | strings | [match(@R; @F) | .offset, .length] | add > 2)",
    "(@P | strings | [scan(@R)] | tojson | length > 4)",
    "(@P | strings | gsub(@R; \"<\\(.)>\") == @S)",
    "(@P | strings | [sub(@R; \"x\", \"y\")] | length > 1)",
    "(@P | strings | [splits(@R; @F)] | tojson | length > 6)",
    "(@P | strings | capture(@R; @F) | @T)",
    "(@P | strings | test(@R; @F))",
    "([@P, @P] | map(tostring) | add | test(@R; @F))",
    "(del(@P, @P) | tojson | length > 20)",
    "(del(@E) | tojson | length > 20)",
    "(try delpaths([paths(type == @Y)]) catch {} | tojson | length > 9)",
    "(@P = @C | tojson | length > 20)",
    "(@P |= @V | tojson | length > 20)",
    "(@P += @N | tojson | length > 20)",
    "(@P //= @C | tojson | length > 20)",
    "(@E |= @V | tojson | length > 20)",
    "(@E |= empty | tojson | length > 20)",
    "((@P, @P) = @C | tojson | length > 20)",
    "(setpath([@K, @N]; @C) | tojson | length > 20)",
    "(pick(@P) | tojson | length > 9)",
    "(.a[@N:@N] = [1] | tojson | length > 20)",
    "(@P | .[@N:@N]? | tojson | length > 3)",
    "(@P | .[@N] | tojson | length > 1)",
    "(@P | to_entries? | tojson | length > 9)",
    "(@P | [with_entries(.value |= @V)?] | tojson | length > 9)",
    "([@E | {key: ., value: 1}] | from_entries | tojson | length > 3)",
    "(reduce @E as $x (0; @V) | tojson | length > 1)",
    "([foreach @E as $x (0; @V, @V; [., $x])] | tojson | length > 9)",
    "([foreach @E as $x (0; if $x == @C then empty else . + 1 end)] | length > 1)",
    "(@P as [$x, {a: $y}] | $x == @C or $y)",
    "(. as {a: $x, $b} | $x == $b)",
    "(@P as [$x] ?// {a: $x} ?// $x | $x == @C)",
    "([limit(@N; @E)] | length > 1)",
    "([skip(@N; @E)] | length > 1)",
    "([nth(@N; @E)] | length > 0)",
    "([range(@N; 4)] | length > 1)",
    "(@P | select(type != \"number\" or fabs < 1e10) | todate == @S)",
    "(@P | numbers | select(. >= 0 and . < 1e10) | gmtime | mktime > @N)",
    "(@P | strings | strptime(\"%Y-%m-%d\") | mktime > 0)",
    "(@P | toboolean? == true)",
    "(@P | fromjson? | tojson | length > 1)",
    "(@P | implode?)",
    "(@P | indices(@C)? | length > 0)",
    "(@P | [.[]? | abs?] | add > @N)",
    "(@P | [getpath([@K, @N], [@K])?] | length > 1)",
    "(@P | [.. | tojson] | add | length > 9)",
    "(@N + @N * @N - @N / @N % 3 > @N)",
    "(@N - @N - @N == @N or @N < @N and @T)",
    "(@P // @V // @N == @N)",
    "-@P + @N > 0",
    "(try -@P catch @N | tojson | length > 1)",
    "(@P | ascii_downcase? | explode | map(. + 1) | implode | length > 1)",
    "(@P | walk(if type == \"number\" then . + 1 else . end) | tojson | length > 2)",
    "(@P | tostream | tojson | length > 6)",
    "(fromstream(@P | tostream) == @P)",
    "(INDEX(@E; .) | tojson | length > 4)",
    "(@P | splits(@S)? | length > 1)",
    "(@P | first?, last? | tojson | length > 1)",
    "(@P | min?, max? | @T)",
    "(@P | group_by(.a)? | tojson | length > 4)",
    "(@P | sort_by(.a, .b)? | tojson | length > 4)",
    "(@P | combinations? | length > 1)",
    "(def f($x; g): $x + g; f(@N; @N, @P) | @T)",
    "(label $f | @E | if . == @C then ., break $f else . end | @T)",
    "(@P | error? // @T)",
    "(@P * @P | tojson? | length > 2)",
    "([@P, @P] | transpose? | tojson | length > 4)",
    "(@P | ltrimstr(@P)? | length > 1)",
    "(@N | floor, round, ceil, sqrt, fabs, trunc, significand, logb | tojson | length > 1)",
    "(@N | tostring == @S or tojson == \"1.0\")",
    "([@N, @N, @N] | sort, unique, add, min | tojson | length > 5)",
];

/// What a path has between its dots, and how it may end.
const STEPS: [&str; 22] = [
    ".a",
    ".b",
    ".c",
    ".a",
    ".b",
    ".type",
    "[\"é\"]",
    "[\"x y\"]",
    ".a?",
    ".b?",
    "[0]?",
    "[1]?",
    "[0]",
    "[\"a\"]",
    "[\"\"]",
    "[\"a\\u0000b\"]",
    "[2]",
    ".a?",
    "[\"é\"]?",
    ".c?",
    "[1]",
    ".b",
];

const CONSTANTS: [&str; 12] = [
    "null", "true", "false", "[]", "{}", "@N", "@N", "@S", "@S", "@S", "[1, 2]", "{a: 1}",
];

const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "2",
    "-1",
    "100",
    "1.5",
    "-1.5",
    "0.1",
    "1e2",
    "1.0",
    "0.0",
    "1E-2",
    "100.00",
    "1763012220333",
    "9007199254740991",
    "3",
];

const STRINGS: [&str; 20] = [
    r#""""#,
    r#""a""#,
    r#""b""#,
    r#""A""#,
    r#""ab""#,
    r#""aB,c""#,
    r#""FAR_HUP""#,
    r#""HUP""#,
    r#""far_hup""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""ημ""#,
    r#""😀""#,
    r#""\ufffd""#,
    r#""\u0000""#,
    r#""a\/b\\c\"d""#,
    r#""\t""#,
    r#"" ""#,
    r#""1""#,
    r#""null""#,
];

const SEPARATORS: [&str; 4] = [r#"",""#, r#""a""#, r#""é""#, r#""_""#];

const NAMES: [&str; 7] = [
    r#""a""#,
    r#""b""#,
    r#""c""#,
    r#""type""#,
    r#""x y""#,
    r#""é""#,
    r#""\u0061""#,
];

const PATTERNS: [&str; 26] = [
    r#""a""#,
    r#""^a""#,
    r#""p$""#,
    r#""^FAR_HUP$""#,
    r#""^far""#,
    r#""[a-c]""#,
    r#""[0-9]+""#,
    r#""a|b""#,
    r#""a.b""#,
    r#""\\.""#,
    r#""^[A-Z_]+$""#,
    r#""é""#,
    r#""(a)(b)?""#,
    r#""HU?P""#,
    r#""\\w+""#,
    r#""\\W""#,
    r#""[[:alpha:]]+""#,
    r#""\\p{L}""#,
    r#""(?<x>a)|(?<y>.)""#,
    r#""(?=u)|b*""#,
    r#""(?<!a)b""#,
    r#""^|$""#,
    r#""É|Η""#,
    r#""(.)\\1""#,
    r#""\\bA""#,
    r#""[^a-z&&[^q]]""#,
];

const FLAGS: [&str; 9] = [
    r#""g""#, r#""g""#, r#""gi""#, r#""x""#, r#""s""#, r#""gn""#, r#""l""#, r#""p""#, "null",
];

const TYPES: [&str; 7] = [
    r#""null""#,
    r#""boolean""#,
    r#""number""#,
    r#""string""#,
    r#""array""#,
    r#""object""#,
    r#""other""#,
];

/// Makes an expression that a jq of this version, 1.`minor`, knows.
pub fn expression(dice: &mut Dice, minor: u32) -> String {
    let mut text = String::new();
    let depth = 1 + dice.below(3);
    let template = match dice.below(6) {
        0 => "@W",
        1 => "select(@T)",
        _ => "@T",
    };
    expand(template, dice, minor, depth, &mut text);
    text
}

fn expand(template: &str, dice: &mut Dice, minor: u32, depth: usize, text: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, place) = rest.split_at(at);
        text.push_str(before);
        let (place, after) = place.split_at(2);
        rest = after;
        match place {
            "@T" => kind(&TEST, dice, minor, depth, text),
            "@V" => kind(&VALUE, dice, minor, depth, text),
            "@W" if minor > 7 && dice.once_in(2) => {
                let template = dice.pick(SINCE_1_8);
                expand(template, dice, minor, depth.saturating_sub(1), text);
            }
            "@W" if minor > 6 && dice.once_in(5) => {
                let template = dice.pick(SINCE_1_7);
                expand(template, dice, minor, depth.saturating_sub(1), text);
            }
            "@W" => kind(&WIDE, dice, minor, depth, text),
            "@P" => path(dice, text),
            "@E" => {
                path(dice, text);
                text.push_str(dice.pick(&["[]", "[]?", "[].a", "[]?.a?", "[]?.b?"]));
            }
            "@C" => expand(dice.pick(&CONSTANTS), dice, minor, depth, text),
            "@N" => text.push_str(dice.pick(&NUMBERS)),
            "@S" => text.push_str(dice.pick(&STRINGS)),
            "@D" => text.push_str(dice.pick(&SEPARATORS)),
            "@K" => text.push_str(dice.pick(&NAMES)),
            "@R" => text.push_str(dice.pick(&PATTERNS)),
            "@F" => text.push_str(dice.pick(&FLAGS)),
            "@Y" => text.push_str(dice.pick(&TYPES)),
            format => text.push_str(format),
        }
    }
    text.push_str(rest);
}

fn kind(kind: &Kind, dice: &mut Dice, minor: u32, depth: usize, text: &mut String) {
    let Some(depth) = depth.checked_sub(1) else {
        return expand(dice.pick(kind.short), dice, minor, 0, text);
    };
    expand(dice.pick(kind.long), dice, minor, depth, text);
}

/// One to three steps from here.
fn path(dice: &mut Dice, text: &mut String) {
    // What begins with a bracket needs a dot before it.
    let first = dice.pick(&STEPS);
    text.push_str(if first.starts_with('[') { "." } else { "" });
    text.push_str(first);
    for _ in 0..dice.pick(&[0, 0, 0, 1, 1, 2]) {
        text.push_str(dice.pick(&STEPS));
    }
}
