# What jq defines and jaq's library leaves out.
def env: $ENV;
def IN(s): any(s == .; .);
def IN(source; s): any(source == s; .);
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
def indices($i): if . == null then null else strict_indices($i) end;
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1];
def strict_reverse: reverse;
def reverse: if . == null then [] else strict_reverse end;

# Where jq raises an error and jaq's library takes it for false.
def jaq_has($key): has($key);
def has($key):
  if (isobject and ($key | isstring)) or (isarray and ($key | isnumber)) then jaq_has($key)
  else error("cannot check whether \(type) has a \($key | type) key") end;
def in(source): . as $key | source | has($key);
def jaq_contains($part): contains($part);
def contains($part):
  if type == ($part | type) and (isboolean and . != $part | not) then jaq_contains($part)
  else error("cannot check whether \(type) contains \($part | type)") end;
def inside(source): . as $part | source | contains($part);

# jq takes more names than key and value.
def from_entries: reduce .[] as $entry ({}; . + ($entry | {
  (if .key == null then .k // .name // .Name // .K // .Key else .key end
    | if isstring then . else tojson end):
  (if has("value") then .value elif has("v") then .v else .Value end)}));
