# What stands in place of jaq's operators: see jq_rewrite.rs.
def jq_cannot_index($i):
  isobject and ($i | isstring | not) or . == null and ($i | . == null or isboolean or isarray);
def jq_index($i):
  if jq_cannot_index($i) then error("cannot index \(type) with \($i | type)")
  elif $i | isnumber then .[$i | floor]
  else .[$i] end;
def jq_index_if_any($i):
  if jq_cannot_index($i) then empty elif $i | isnumber then .[$i | floor]? else .[$i]? end;
def jq_start: if isnumber then floor end;
def jq_end: if isnumber then ceil end;
def jq_slice(slice): if . == null then . else slice end;
def jq_name(name):
  name | if isstring then . else error("a field cannot be called by a value of type \(type)") end;
def jq_repeat($count):
  if $count < 0 or ($count | isnan) then null
  elif $count < 1 then ""
  elif utf8bytelength * $count > 1e8 then error("a string repeated so often is too long")
  else . * ($count | floor) end;
def jq_multiply(a; b):
  b as $b | a as $a
  | if ($a | isstring) and ($b | isnumber) then $a | jq_repeat($b)
    elif ($b | isstring) and ($a | isnumber) then $b | jq_repeat($a)
    else $a * $b end;
def jq_divide(a; b):
  b as $b | a as $a
  | if $b == 0 and ($a | isnumber) then error("cannot divide by zero") else $a / $b end;
def jq_truncate: if . < 0 then ceil else floor end;
def jq_remainder(a; b):
  b as $b | a as $a
  | if ($a | isnumber) and ($b | isnumber) and (($a | isnan) or ($b | isnan) | not)
    then ($a | jq_truncate) % ($b | jq_truncate | if . < 0 then - . end) else $a % $b end;

# What jq defines and jaq's library leaves out.
def env: $ENV;
def IN(s): any(s == .; .);
def IN(source; s): any(s as $s | source == $s; .);
def INDEX(stream; f): reduce stream as $row ({}; . + {($row | f | tostring): $row});
def INDEX(f): INDEX(.[]; f);
def ascii: [.] | implode;
def toarray: if isarray then . else [.] end;
def leaf_paths: paths(scalars);
def recurse_down: recurse;
def tostream:
  path(def r: (.[]? | r), .; r) as $p
  | getpath($p)
  | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);
def csv(escape): [.[] | if isstring then escape elif . == null then "" else tostring end];
def @csv: csv("\"" + gsub("\""; "\"\"") + "\"") | join(",");
def @tsv:
  csv(gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r"))
  | join("\t");

# Where jq passes what is no string, or null, and jaq's library raises an error.
def ltrimstr($s): if isstring and ($s | isstring) and startswith($s) then .[($s | length):] end;
def rtrimstr($s):
  if isstring and ($s | isstring) and endswith($s) then .[:length - ($s | length)] end;
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def strict_indices($i): indices($i);
def indices($i):
  if isarray or (isstring and ($i | isstring)) then strict_indices($i) else jq_index($i) end;
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1];
def strict_reverse: reverse;
def reverse: if length == 0 then [] else strict_reverse end;

# Where jq raises an error and jaq's library takes it for false.
def jaq_has($key): has($key);
def has($key):
  if . == null then false
  elif isobject and ($key | isstring) then jaq_has($key)
  elif isarray and ($key | isnumber) then ($key | jq_truncate) as $i | 0 <= $i and $i < length
  else error("cannot check whether \(type) has a \($key | type) key") end;
def first: jq_index(0);
def last: jq_index(-1);
def nth($n): jq_index($n);
def getpath($path): reduce $path[] as $step (.; jq_index($step));
def in(source): . as $key | source | has($key);
def jaq_contains($part): contains($part);
def contains($part):
  if type == ($part | type) and (isboolean and . != $part | not) then jaq_contains($part)
  else error("cannot check whether \(type) contains \($part | type)") end;
def inside(source): . as $part | source | contains($part);

# Where jq takes objects for arrays of their values.
def jq_flatten($depth): .[] | if isarray and $depth > 0 then jq_flatten($depth - 1) else . end;
def flatten($depth):
  if $depth < 0 then error("a depth must not be negative") else [jq_flatten($depth)] end;
def flatten: flatten(1e9);
def join($by):
  [foreach .[] as $part (-1; . + 1;
    (if . > 0 and $by != null then $by else empty end),
    ($part | if . == null then "" elif isboolean or isnumber then tojson else . end))]
  | jq_concat;
def transpose: [range([.[] | length] | max // 0) as $i | [.[] | jq_index($i)]];
def isnormal: isnumber and (isnan or isinfinite or fabs < 2.2250738585072014e-308 | not);

# What is no character is this one.
def jaq_implode: implode;
def implode:
  map(if isnumber | not then error("cannot implode \(type)")
      elif . < 0 or . > 1114111 or (. > 55295 and . < 57344) then 65533
      else floor end)
  | jaq_implode;

# jq takes null for no flags, and both in an array.
def jaq_test($re; $flags): test($re; $flags // "");
def test($re; $flags): jaq_test($re; $flags);
def test($re): if $re | isarray then test($re[0]; $re[1]) else test($re; null) end;
def jaq_match($re; $flags): match($re; $flags // "");
def match($re; $flags): jaq_match($re; $flags);
def match($re): if $re | isarray then match($re[0]; $re[1]) else match($re; null) end;
def jaq_capture($re; $flags): capture($re; $flags // "");
def capture($re; $flags): jaq_capture($re; $flags);
def capture($re): if $re | isarray then capture($re[0]; $re[1]) else capture($re; null) end;

# Each value that replaces a match makes a text of its own.
def sub($re; with; $flags):
  [split_matches($re; $flags // "")[]
    | if isarray then [capture_of_match | with] else . end] as $parts
  | range([$parts[] | arrays | length] | max // 1) as $i
  | [$parts[] | if isarray then .[$i] // error("null cannot be added to a string") else . end]
  | jq_concat;
def sub($re; with): sub($re; with; null);
def gsub($re; with; $flags): sub($re; with; "g" + $flags);
def gsub($re; with): sub($re; with; "g");

# jq takes more names than key and value.
def from_entries: reduce .[] as $entry ({}; . + ($entry | {
  (if .key == null then .k // .name // .Name // .K // .Key else .key end
    | if isstring then . else tojson end):
  (if has("value") then .value elif has("v") then .v else .Value end)}));
