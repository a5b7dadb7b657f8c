"""The macros of scripts/metrics.sql in DuckDB, on rows that tell a good answer from a wrong one.

Started by scripts/test-ecosystem behind docs/metrics.md, in its directory.
"""

import itertools
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = Path("macros")
MIDNIGHT = 1_793_836_800  # 2026-11-05T00:00:00Z

shutil.rmtree(PLACE, ignore_errors=True)
PLACE.mkdir()


def ask(question, zone="UTC"):
    base = duckdb.connect()
    base.execute((ROOT / "scripts" / "metrics.sql").read_text())
    base.execute(f"SET TimeZone = '{zone}'")
    return base.execute(question).fetchall()


def time(hours):
    return datetime.fromtimestamp(MIDNIGHT + hours * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(hour, value, length=1, **others):
    return {
        "metric": "dialogs", "from": time(hour), "to": time(hour + length), "value": value,
        "step": "hour" if length == 1 else "five_min", "source": "batch", "category": "dialogs",
        "api": "v3", "group": "acme", "tags": {"group": "acme"}, "filters": {}, "drilldown": False,
        "timezone": "UTC", "series": "s", "as_of": time(1000), "settled": True,
    } | others


def write(name, records):
    path = PLACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


# Of rows that one instant has of one bucket, the same one wins in whichever order they come.
rivals = [row(0, 7), row(0, 9), row(0, 8, revision=1, previous=7), row(0, None, gone=True)]
for rows, winner in [
    (rivals[:2], 9), (rivals[:3], 8), (rivals, 8), ([rivals[0], rivals[3]], 7),
    ([row(0, 9), row(0, 3, as_of=time(1001))], 3),
]:
    for order in itertools.permutations(rows):
        write("order.ndjson", order)
        assert ask(f"SELECT value FROM metrics('{PLACE}/order.ndjson')") == [(winner,)], (order, winner)
write("order.ndjson", [row(0, 7), row(0, None, gone=True, as_of=time(1001))])
assert ask(f"FROM metrics('{PLACE}/order.ndjson')") == []


def call(hour, minute=10, **places):
    inner = {key: places.pop(key) for key in ("ocp_group_name", "organization") if key in places}
    return {
        "time": (MIDNIGHT + hour * 3600 + minute * 60) * 1000,
        "flow": {"parent_step": 0, "type": "Flow"} | inner,
    } | places


def lake(name, calls):
    write(f"{name}/message_type=dialog_end/date=2026-11-05/hour=00/a.ndjson", calls)


def totals(lake, files="rows.ndjson", more="", **settings):
    columns = '"group", metric, hour(hour), records, counted, usual, departs'
    return ask(f"SELECT {columns} FROM control_totals('{PLACE}/{files}', '{PLACE}/{lake}'{more})", **settings)


def departs(found):
    return [hour for _, _, hour, *_, departs in found if departs]


# The threshold is an argument.
write("rows.ndjson", [row(hour, 10) for hour in range(6)])
counts = [10, 10, 2, 10, 16, 10]
lake("plain", [call(hour, ocp_group_name="acme") for hour, count in enumerate(counts) for _ in range(count)])
found = totals("plain")
assert [records for *_, records, _, _, _ in found] == counts, found
assert departs(found) == [2, 4], found
assert departs(totals("plain", more=", threshold := 0.7")) == [2]
assert departs(totals("plain", more=", threshold := 0.9")) == []

# A record says its group in one of three places, the first that is not empty; one that does not
# is of the only group that there is.
places = [
    {"ocp_group_name": "acme", "group_name": "x", "organization": "y"},
    {"ocp_group_name": "", "group_name": "acme", "organization": "y"},
    {"group_name": "", "organization": "acme"},
    {},
]
lake("places", [call(hour, **places[at % 4]) for hour, count in enumerate(counts) for at in range(count)])
assert totals("places") == found, totals("places")
write("two.ndjson", [row(hour, 10, group=group, series=group) for hour in range(6) for group in ("acme", "beta")])
records = {(group, hour): records for group, _, hour, records, *_ in totals("places", "two.ndjson")}
assert records["acme", 0] == 8 and records["beta", 0] == 0, records

# Hours are those of UTC, in whichever zone the session is.
lake("halves", [call(hour, 10 + 30 * (at % 2), ocp_group_name="acme")
                for hour, count in enumerate(counts) for at in range(count)])
indian = totals("halves", zone="Asia/Kolkata")
assert [(records, counted) for *_, records, counted, _, _ in indian] == [(count, 10) for count in counts], indian

# Rows of a part of the calls are not added, and neither are those of another step.
parts = [row(hour, 4, filters={"channel": ["chat"]}, series="f") for hour in range(6)]
parts += [row(hour, 4, drilldown=True, series="d") for hour in range(6)]
parts += [row(hour + at / 12, 1, 1 / 12, series="five") for hour in range(6) for at in range(9)]
write("parts.ndjson", [row(hour, 10, filters={"channel": []}) for hour in range(6)] + parts)
assert totals("plain", "parts.ndjson") == found, totals("plain", "parts.ndjson")

# What is usual is that of the week before: here it doubles on the 20th day.
month = range(30 * 24)
write("month.ndjson", [row(hour, 10) for hour in month])
lake("month", [call(hour, ocp_group_name="acme")
               for hour in month for _ in range(10 if hour < 480 or hour == 700 else 20)])
question = f"SELECT epoch(hour) FROM control_totals('{PLACE}/month.ndjson', '{PLACE}/month') WHERE departs"
hours = [(int(at) - MIDNIGHT) // 3600 for (at,) in ask(question)]
assert 700 in hours and not [hour for hour in hours if hour > 600 and hour != 700], hours

print("  scripts/metrics.sql: the latest row, thresholds, places, zones, parts, weeks")
