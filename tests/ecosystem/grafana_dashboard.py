"""The dashboard of docs/grafana against Grafana's own types and a real file of figures.

Started by scripts/test-ecosystem behind docs/metrics.md, in its directory.
"""

import json
import re
import subprocess
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = Path(__file__).resolve().parent.parent.parent
given = json.loads((ROOT / "docs" / "grafana" / "callpipe.json").read_text())


def lost(given, kept, place="dashboard"):
    """What of a value Grafana's types do not know."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in kept:
                yield f"{place}.{key}"
            else:
                yield from lost(value, kept[key], f"{place}.{key}")
    elif isinstance(given, list):
        for at, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(value, other, f"{place}[{at}]")
    elif given != kept:
        yield f"{place}: {given} became {kept}"


# Fields that the types do not know would be dropped by Grafana, too.
kept = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
unknown = [what for what in lost(given, kept)]
assert not unknown, unknown

panels = given["panels"]
assert len({panel["id"] for panel in panels}) == len(panels)
places = [(p["gridPos"]["x"] + x, p["gridPos"]["y"] + y)
          for p in panels for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])]
assert len(set(places)) == len(places) and max(x for x, _ in places) == 23, "panels overlap"

# Each name is one that ocp-metrics writes, and each query one that Prometheus can read.
names = set(re.findall(r"^(\w+)(?:\{.*\})? ", Path("textfile/ocp.prom").read_text(), re.M))
queries = [target["expr"] for panel in panels for target in panel["targets"]]
queries += [v["query"]["query"] for v in given["templating"]["list"] if v["type"] == "query"]
used = {name for query in queries for name in re.findall(r"\bocp_\w+", query)}
assert used <= names, used - names
rules = [{"record": f"q:{n}", "expr": q.replace("$group", "acme")}
         for n, q in enumerate(queries) if not q.startswith("label_values")]
Path("rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
subprocess.run(["promtool", "check", "rules", "rules.yml"], check=True, stdout=subprocess.DEVNULL)
print(f"  docs/grafana/callpipe.json: {len(panels)} panels, {len(queries)} queries")
