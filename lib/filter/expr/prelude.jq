# The part of jq's library that is written in jq. A name that begins with jq_ is a native
# function, a helper of this file, or replaces an operator: see jq_rewrite.rs.
def empty: jq_nothing as $x | .;
# The results of `path` and `last` are not paths themselves.
def path(f): jq_no_path(jq_path(f));
def last(f): jq_no_path(jq_final(f));
def error: jq_error_empty as $x | .;
def error(msgs): (msgs | jq_error_empty) as $x | .;
def not: if . then false else true end;
def select(f): if f then . else empty end;
def map(f): [.[] | f];
def jq_last(f): reduce f as $x (null; $x);
def jq_assign(paths; $value): reduce jq_path(paths) as $p (.; jq_setpath($p; $value));
def jq_modify(paths; update): jq_update([jq_path(paths)]; update);
def recurse(f): def r: ., (f | r); r;
def recurse: recurse(.[]?);
def recurse(f; cond): def r: ., (f | select(cond) | r); r;
def repeat(f): def r: f, r; r;
def while(cond; update): def r: if cond then ., (update | r) else empty end; r;
def until(cond; update): def r: if cond then . else update | r end; r;
def values: select(. != null);
def nulls: select(. == null);
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type | . == "array" or . == "object");
def scalars: select(type | . != "array" and . != "object");
def add(f): reduce f as $x (null; . + $x);
def add: add(.[]);
def env: $ENV;
def have_decnum: true;
def have_literal_numbers: true;
def debug: jq_print("debug"; .);
def debug(msgs): (msgs | jq_print("debug"; .) | empty), .;
def stderr: jq_print("stderr"; .);

# Numbers
def jq_number(f): if type == "number" then f else error("\(type) number required") end;
def isinfinite: type == "number" and (jq_float | . == infinite or . == -infinite);
def isnan: type == "number" and (jq_float | . < nan and nan < . );
def isfinite: type == "number" and (isinfinite | not);
def isnormal:
  type == "number" and (isnan or isinfinite or (jq_float | fabs) < 2.2250738585072014e-308 | not);
def normals: select(isnormal);
def finites: select(isfinite);
def abs: if type == "number" then jq_absolute elif . < 0 then - . else . end;
# If the arguments have several values, those of the last argument are computed first.
def pow(x; y): y as $y | x as $x | jq_pow($x; $y);
def atan2(y; x): x as $x | y as $y | jq_atan2($y; $x);
def copysign(x; y): y as $y | x as $x | jq_copysign($x; $y);
def fdim(x; y): y as $y | x as $x | jq_fdim($x; $y);
# If both are zero, the result is the first one.
def jq_zero($x): if . == 0 and $x == 0 then $x | jq_float else . end;
def fmax(x; y): y as $y | x as $x | jq_fmax($x; $y) | jq_zero($x);
def fmin(x; y): y as $y | x as $x | jq_fmin($x; $y) | jq_zero($x);
def fmod(x; y): y as $y | x as $x | jq_fmod($x; $y);
def hypot(x; y): y as $y | x as $x | jq_hypot($x; $y);
def nextafter(x; y): y as $y | x as $x | jq_nextafter($x; $y);
def nexttoward(x; y): nextafter(x; y);
def remainder(x; y): y as $y | x as $x | jq_nearest_remainder($x; $y);
def drem(x; y):
  y as $y | x as $x | jq_nearest_remainder($x; $y) | if . == 0 then jq_copysign(.; $x) else . end;
def fma(x; y; z): z as $z | y as $y | x as $x | jq_fma($x; $y; $z);
def ldexp(x; e): e as $e | x as $x | jq_ldexp($x; $e | jq_int);
def scalbln(x; e): ldexp(x; e);
def scalb(x; e):
  e as $e | x as $x
  | if ($x | isnan) or ($e | isnan) or ($e | isinfinite)
    then if $e == -infinite and $x == 0 then $x
      elif $e == -infinite then $x / infinite
      else $x * $e end
    elif ($e | round) != $e then nan
    else jq_ldexp($x; if $e > 65000 then 65000 elif $e < -65000 then -65000 else $e end | jq_int) end;
# The least order has no opposite number: jq's C library returns at once, jaq's computes a value.
def jn(n; x):
  x as $x | n as $n | ($n | jq_int) as $n
  | jq_jn(if $n == -2147483648 then 2 else $n end; $x)
  | if $n == -2147483648 and . != 0 then nan else . end;
def yn(n; x):
  x as $x | n as $n | ($n | jq_int) as $n | jq_yn(if $n == -2147483648 then 1 else $n end; $x);
def setpath(path; value): value as $value | path as $path | jq_setpath($path; $value);
def logb:
  jq_number(if isinfinite then infinite elif isnan then . elif . == 0 then -infinite else jq_ilogb end);
def significand:
  jq_number(if isinfinite or isnan or . == 0 then jq_float else jq_ilogb as $e | scalbln(.; - $e) end);
def gamma: lgamma;
def lgamma_r:
  [lgamma,
    if isnan then 1
    elif . == 0 then jq_copysign(1; jq_float)
    elif . < 0 and (floor | . % 2) != 0 and floor != . then -1
    else 1 end];

# Ranges and choices
def range($from; $to):
  if ($from | type) == "number" and ($to | type) == "number" then jq_range($from; $to; null)
  else error("the bounds of a range must be numbers") end;
def range($to): range(0; $to);
def range($from; $to; $by):
  if ($from | type) == "number" and ($to | type) == "number" and ($by | type) == "number" then jq_range($from; $to; $by)
  elif $by > 0 then $from | while(. < $to; . + $by)
  elif $by < 0 then $from | while(. > $to; . + $by)
  else empty end;
def jq_limit($n; f): limit($n; f);
def limit($n; f):
  if $n > 0 then
    if $n | type == "number" then jq_limit($n; f)
    else f | error("\($n | type) is no count") end
  elif $n == 0 then empty
  else error("limit doesn't support negative count") end;
def jq_skip($n; f): skip($n; f);
def skip($n; f):
  if $n > 0 then
    if $n | type == "number" then jq_skip($n | floor; f)
    else f | error("\($n | type) is no count") end
  elif $n == 0 then f
  else error("skip doesn't support negative count") end;
def nth($n; f):
  if $n < 0 then error("nth doesn't support negative indices") else first(skip($n; f)) end;
def isempty(f): first((f | false), true);
def all(f; cond): isempty(f | cond and empty);
def any(f; cond): isempty(f | cond or empty) | not;
def all(cond): all(.[]; cond);
def any(cond): any(.[]; cond);
def all: all(.[]; .);
def any: any(.[]; .);
def in(source): . as $x | source | has($x);
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] = $row);
def INDEX(f): INDEX(.[]; f);
def JOIN($index; f): [.[] | [., $index[f]]];
def JOIN($index; stream; f): stream | [., $index[f]];
def JOIN($index; stream; f; join): stream | [., $index[f]] | join;

# Assignments
def map_values(f): jq_modify(.[]; f);
def del(f): delpaths([jq_path(f)]);
def paths: jq_no_path(skip(1; jq_path(..)));
def paths(f): jq_no_path(jq_path(.. | select(f)) | select(length > 0));
def pick(f): . as $in | reduce jq_path(f) as $p (null; jq_setpath($p; $in | getpath($p)));
def to_entries: [keys_unsorted[] as $key | {$key, value: .[$key]}];
def from_entries:
  reduce .[] as $entry ({}; . + ($entry | {(.key // .Key // .name // .Name):
    if has("value") then .value else .Value end}));
def with_entries(f): to_entries | map(f) | from_entries;
def walk(f):
  def w: if type == "object" then map_values(w) elif type == "array" then map(w) else . end | f;
  w;
def tostream:
  jq_path(def r: (.[]? | r), .; r) as $p
  | getpath($p)
  | reduce jq_path(.[]?) as $q ([$p, .]; [$p + $q]);
def fromstream(f):
  {x: null, e: false} as $init
  | foreach f as $i ($init;
      if .e then $init else . end
      | if $i | length == 2
        then setpath(["e"]; $i[0] | length == 0) | setpath(["x"] + $i[0]; $i[1])
        else setpath(["e"]; $i[0] | length == 1) end;
      if .e then .x else empty end);
def truncate_stream(stream):
  . as $n | null | stream | . as $input
  | if (.[0] | length) > $n then setpath([0]; $input[0][$n:]) else empty end;

# Arrays
def first: .[0];
def last: .[-1];
def nth($n): .[$n];
def jq_array(f): if type == "array" then f else error("\(type) is no array") end;
# The key of each element is computed, even if there is only one element.
def jq_keyed(f): jq_array([.[] | [[f], .]]);
def sort_by(f): jq_keyed(f) | jq_sort_by_key;
def group_by(f): jq_keyed(f) | jq_group_by_key;
def unique_by(f): [group_by(f)[] | .[0]];
def unique: unique_by(.);
def min_by(f): jq_keyed(f) | [jq_min_by_or_empty(.[0])] | .[0][1];
def max_by(f): jq_keyed(f) | [jq_max_by_or_empty(.[0])] | .[0][1];
def min: min_by(.);
def max: max_by(.);
def keys: keys_unsorted | sort;
def jq_reverse: reverse;
def reverse: if type == "array" then jq_reverse else [.[length - 1 - range(0; length)]] end;
def jq_indices($i): indices($i);
def indices($i):
  if type == "array" then .[if $i | type == "array" then $i else [$i] end]
  elif type == "string" and ($i | type == "string") then jq_indices($i)
  else .[$i] end;
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1:][0];
def jq_contains($part): contains($part);
def contains($part):
  if type == ($part | type) and (type != "boolean" or . == $part) then jq_contains($part)
  else error("cannot check whether \(type) contains \($part | type)") end;
def inside(source): . as $x | source | contains($x);
def jq_flatten($depth):
  .[] | if type == "array" and $depth != 0 then jq_flatten($depth - 1) else . end;
def flatten($depth):
  if $depth < 0 then error("flatten depth must not be negative") else [jq_flatten($depth)] end;
def flatten: [jq_flatten(-1)];
def transpose: [range([.[] | length] | max // 0) as $i | [.[] | .[$i]]];
def combinations:
  if length == 0 then []
  else .[0][] as $x | (.[1:] | combinations) as $y | [$x] + $y end;
def combinations(n): . as $dot | [range(n) | $dot] | combinations;
def join($by):
  [foreach .[] as $part (-1; . + 1;
    (if . > 0 and $by != null then $by else empty end),
    ($part | if type | . == "boolean" or . == "number" then tostring else . // "" end))]
  | jq_concat;

# Texts
def split($by):
  if type == "string" and ($by | type == "string") then jq_split($by)
  else error("split input and separator must be strings") end;
def ltrimstr($s): if startswith($s) then .[$s | length:] else . end;
def rtrimstr($s): if endswith($s) then .[:length - ($s | length)] else . end;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;
def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdate: fromdateiso8601;
def todate: todateiso8601;

# Regular expressions
def jq_pattern(f):
  if type == "string" then [., null] | f
  elif type == "array" and length > 1 then f
  elif type == "array" and length > 0 then [.[0], null] | f
  else error("\(type) not a string or array") end;
def test(re; flags): flags as $flags | re as $re | jq_test($re; $flags);
def test($re): . as $in | $re | jq_pattern(. as $p | $in | test($p[0]; $p[1]));
def match(re; flags): flags as $flags | re as $re | jq_match($re; $flags)[];
def match($re): . as $in | $re | jq_pattern(. as $p | $in | match($p[0]; $p[1]));
def jq_named:
  reduce (.captures[] | select(.name != null) | {(.name): .string}) as $pair ({}; . + $pair);
def capture(re; flags): match(re; flags) | jq_named;
def capture($re): . as $in | $re | jq_pattern(. as $p | $in | capture($p[0]; $p[1]));
def scan($re; $flags):
  match($re; "g" + $flags)
  | if .captures | length > 0 then [.captures[].string] else .string end;
def scan($re): scan($re; null);
def splits($re; $flags):
  jq_parts($re; $flags + "g")[] | if type == "array" then .[0] else . end;
def splits($re): splits($re; null);
def split($re; $flags): [splits($re; $flags)];
def sub($re; with; $flags):
  . as $in
  | [jq_parts($re; $flags)[] | if type == "array" then [.[0], [.[1] | with]] else . end]
  | jq_join[] // $in;
def sub($re; with): sub($re; with; "");
def gsub($re; with; flags): sub($re; with; flags + "g");
def gsub($re; with): sub($re; with; "g");
